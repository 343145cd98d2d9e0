"""The words that settings and functions choose from. Nothing is imported here, so that a menu can be drawn at once."""

from __future__ import annotations

from typing import Literal

FaceOrder = Literal["largest", "left_to_right", "top_to_bottom", "centre", "score"]
"""Which faces of an image come first."""

WhiteBalance = Literal["none", "shades_of_grey", "lab"]
"""How a colour cast is taken off, see `photograph.white_balance`."""

Colour = Literal["auto", "keep", "grey"]
"""What is done about colour: `auto` keeps what is judged black and white or toned so; `keep` leaves colours as they
come; `grey` keeps the tone whatever was judged."""

MaskMode = Literal["landmarks", "ellipse", "parsing"]
"""Shape of the paste mask, see `faces.masks`."""

ColorMatch = Literal["low_band", "mean_std", "none"]
"""How a crop takes on the photograph's colours, see `pixels.color`."""

LandmarkNetwork = Literal["bundled", "wflw"]
"""Which network finds the 68 landmarks of a face: the bundled one, or the 98-point one."""

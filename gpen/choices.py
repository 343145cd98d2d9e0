"""Choices of settings and functions. Imports nothing that takes time, so that menus can be shown at once."""

from __future__ import annotations

from typing import Literal

from .errors import SettingsError

FaceOrder = Literal["largest", "left_to_right", "top_to_bottom", "centre", "score"]
"""Order of the faces of an image."""

WhiteBalance = Literal["none", "shades_of_grey", "lab"]
"""How a colour cast is removed, see `photograph.white_balance`."""

Colour = Literal["auto", "keep", "grey"]
"""Treatment of colour: `auto` keeps a face black and white or toned if it is judged so; `keep` leaves the colours of
the network; `grey` always keeps the tone of the photograph."""

MaskMode = Literal["landmarks", "ellipse", "parsing"]
"""Shape of the paste mask, see `faces.masks`."""

ColorMatch = Literal["low_band", "mean_std", "none"]
"""How the colours of a crop are matched to the photograph, see `pixels.color`."""

LandmarkNetwork = Literal["bundled", "wflw"]
"""Network for the 68 landmarks of a face: the bundled one or the 98-point one."""

Precision = Literal["fp32", "bf16", "fp16"]
"""Number format of the maps of a generator."""

Backend = Literal["auto", "eager", "compile", "openvino", "onnxruntime", "cudagraph", "tensorrt"]
"""What runs a generator, see `models.load_generator`."""

Elsewhere = Literal["diffuse", "leave"]
"""Treatment of covered pixels outside of faces, see `redraw.inpainting`."""

FACTORS = (1, 2, 3, 4)
"""Factors by which a photograph can be enlarged; 1 leaves its size."""
LANCZOS = "lanczos"
"""The background of an enlarged photograph that needs no network."""


def require_enlargement(factor: object, background: str) -> None:
    """Check the factor and the background of an enlargement, before any file is read.

    Raises:
        SettingsError: the factor is not in `FACTORS`, or there is a background without a factor.
    """
    if type(factor) is not int or factor not in FACTORS:
        raise SettingsError(f"upscale is {factor!r}; choose from {', '.join(map(str, FACTORS))}.")
    if factor == 1 and background != LANCZOS:
        raise SettingsError(f"The background {background} needs a factor; add --upscale 2 or 4 (upscale=2 in Python).")

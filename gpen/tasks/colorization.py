"""Colorization: a grey face to its colours (GPEN's `face_colorization.py`).

The network sees the BT.601 luma in three equal channels. Of its answer only the colour differences are used; the luma
stays that of the photograph, as in the authors' script, which does so only where sizes differ.
"""

from __future__ import annotations

import torch

from ..pixels.color import add_colour, luma_601
from .task import Task, from_signed, to_signed


def _feed(crops: torch.Tensor) -> torch.Tensor:
    return to_signed(luma_601(crops)).expand(-1, 3, -1, -1).contiguous()


def _use(picture: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
    return add_colour(luma_601(crops), picture - luma_601(picture))


COLORIZATION = Task("colorization", _feed, from_signed, _use)

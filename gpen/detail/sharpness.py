"""Faces to which nothing is to be added: their own detail goes on to the end, and no noise or block hides it."""

from __future__ import annotations

import torch

from .color import luma
from .meeting import SOUND_QUALITY
from .noise import noise_floor
from .spectrum import measure_cutoff

SHARP_ALREADY = "sharp already"
"""Why such a face is left as it is."""

# Cycles per pixel from which on a cut-off is that of the pixels and not of a blur: interpolation takes 10 dB from the
# crops of sharp faces between 0.38 and 0.5, and a blur of 0.8 px does at 0.19 to 0.24.
_FINEST = 0.33
# No ring of frequency below the cut-off has so large a share of noise; sharp faces have none, those with noise of
# 2 levels up to 0.3 at the finest.
_CLEAN = 0.35


def is_sharp(crop: torch.Tensor, jpeg_quality: int | None = None) -> bool:
    """Whether a face has all the detail that its pixels can hold.

    Args:
        crop: 1 x 3 x H x W in 0..1, at the scale of the photograph or a coarser one: in an enlarged crop everything is
            soft.
        jpeg_quality: 1..100 of the photograph; None where it is no JPEG.

    Returns:
        False also where the crop is too small to judge its noise by (about 180 pixels a side).
    """
    if jpeg_quality is not None and jpeg_quality < SOUND_QUALITY:
        return False
    gray = luma(crop.float())
    floor = noise_floor(gray[0, 0])
    if floor is None or float(measure_cutoff(gray)) < _FINEST:
        return False
    return float(floor.share[2:].max()) <= _CLEAN

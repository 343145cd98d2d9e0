"""Faces to which nothing is to be added: their own detail goes on to the end, and no noise or block hides it."""

from __future__ import annotations

import torch

from .color import luma
from .meeting import SOUND_QUALITY
from .noise import noise_floor
from .radial import radial_power
from .spectrum import measure_cutoff

SHARP_ALREADY = "sharp already"
"""Why such a face is left as it is."""

# Cycles per pixel from which on a cut-off is that of the pixels and not of a blur: interpolation takes 10 dB from the
# crops of sharp faces between 0.38 and 0.5, and a blur of 0.8 px does at 0.19 to 0.24.
_FINEST = 0.33
# Over this octave the photograph holds at least this share of the power that the restored face has; of 36 sharp faces
# and 12 blurred with 0.5 px it was 0.57 and more, of faces blurred in one direction, which no mean over all directions
# tells, and of resized ones 0.1 to 0.4.
_OCTAVE = (0.18, 0.36)
_NOTHING_TO_ADD = 0.5
_LEAST_SIDE = 128
# No ring of frequency has a larger share of noise: 39 of 40 sharp faces have less at any size, and so have the results
# of noisy ones, which keep a little; noise of 5 levels has up to 0.7.
_CLEAN = 0.45
# Less noise than this deviation, in units of 0..1, nobody sees.
_UNSEEN = 2.5 / 255


def is_sharp(
    crop: torch.Tensor,
    restored: torch.Tensor,
    jpeg_quality: int | None = None,
    surroundings: torch.Tensor | None = None,
) -> bool:
    """Whether a face has all the detail that its pixels can hold, and that a network could paint.

    Args:
        crop: 1 x 3 x H x W in 0..1, at the scale of the photograph or a coarser one: in an enlarged crop everything is
            soft.
        restored: what a network made of it, the same shape.
        jpeg_quality: 1..100 of the photograph; None where it is no JPEG.
        surroundings: 1 x 3 x H' x W', the photograph in and around the face at its own scale, to judge noise by; the
            crop where left out.

    Returns:
        False also where there is too little picture to judge noise (about 180 pixels a side) or blur (128) by.
    """
    if jpeg_quality is not None and jpeg_quality < SOUND_QUALITY:
        return False
    gray = luma(crop.float())
    floor = noise_floor(gray[0, 0] if surroundings is None else luma(surroundings.float())[0, 0])
    if min(gray.shape[-2:]) < _LEAST_SIDE:
        return False
    if floor is None or float(measure_cutoff(gray)) < _FINEST:
        return False
    if float(floor.share[2:].max()) > _CLEAN and floor.deviation > _UNSEEN:
        return False
    curves = radial_power(torch.cat([gray, luma(restored.float())]), judge_noise=False)
    inside = (curves.frequencies >= _OCTAVE[0]) & (curves.frequencies <= _OCTAVE[1])
    real = curves.power[0] * (1 - floor.at(curves.frequencies))
    own, painted = float(real[inside].mean()), float(curves.power[1, inside].mean())
    return own >= _NOTHING_TO_ADD * painted

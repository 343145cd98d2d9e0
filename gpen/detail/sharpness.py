"""Faces to which nothing is to be added: their own detail goes on to the end, and no noise or block hides it, or it is
what a network paints."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from ..pixels.color import luma
from .spectrum.analysis import measure_cutoff
from .spectrum.crossover import SOUND_QUALITY, Rings
from .spectrum.cutoff import find_cutoff
from .spectrum.noise_limit import noise_floor
from .spectrum.power import radial_power

SHARP_ALREADY = "sharp already"
"""Why such a face is left as it is."""
NOTHING_TO_ADD = "nothing to add"
"""Why a face that has what a network would paint, as after a restoration, is left as it is."""

# Cycles per pixel from which on a cut-off is that of the pixels and not of a blur: interpolation takes 10 dB from the
# crops of sharp faces between 0.38 and 0.5, and a blur of 0.8 px does at 0.19 to 0.24.
_FINEST = 0.33
# Over this octave the photograph holds at least this share of the power that the restored face has; of 36 sharp faces
# and 12 blurred with 0.5 px it was 0.57 and more, of faces blurred in one direction, which no mean over all directions
# tells, and of resized ones 0.1 to 0.4.
_OCTAVE = (0.18, 0.36)
_LEAST_OWN = 0.5
_LEAST_SIDE = 128
# No ring of frequency has a larger share of noise: 39 of 40 sharp faces have less at any size, and so have the results
# of noisy ones, which keep a little; noise of 5 levels has up to 0.7.
_CLEAN = 0.45
# Less noise than this deviation, in units of 0..1, nobody sees.
_UNSEEN = 2.5 / 255

# What a network paints is new, so that nothing of a photograph agrees with it where it paints: over the octave below
# the first value, in cycles per pixel, or what the pixels hold, the coherence of 90 damaged faces with what
# `gpen-lite-256` made of them was 0.34 at most, and of the results, restored once more, 0.41 at least. An enlarged face
# holds coarser frequencies, which agree anyhow: for 29 of a quarter of the network's size it was 0.58 and 0.64. So the
# least coherence rises from the second to the third value as the pixels of the photograph to one of the crop fall from
# the fourth to the fifth.
_FINEST_PAINTED = 0.36
_PAINTED_SHARED, _SMALL_SHARED, _SMALL_FROM, _SMALL_TO = 0.38, 0.62, 0.6, 0.3
# Over that octave a restored face has so much of the power that the network paints: 0.16 to 1.27 of 190 results.
_LEAST_PAINTED, _MOST_PAINTED = 0.12, 1.4
# Its cut-off reaches this share of the octave's end: the first value, of a small face the second. 90 results had 0.71
# and more, faces blurred with 0.8 px and more up to 0.65, which a network that finds the truth would agree with.
_REACHED, _REACHED_SMALL, _ENLARGED_FROM = 0.68, 0.33, 0.9
# In the middle of the face, for around it the noise stays, noise is of no ring of that octave a larger share, the first
# value, of a small face the second, and has no larger deviation, the third. Restored faces of noisy photographs have up
# to 0.82 and 4.3 levels; noise has all of a ring, of small faces 0.59, or 9 levels and more.
_CALMED, _CALMED_SMALL, _MOST_NOISE = 0.85, 0.5, 6 / 255
# The middle of a face on its crop: rows and columns, in parts of the side, and an oval that ends softly.
_MIDDLE = ((0.24, 0.86), (0.2, 0.8))
_OVAL, _OVAL_AXES, _OVAL_EDGE = (0.5, 0.55), (0.3, 0.36), 0.5
# Of a smaller face, pixels of the photograph to one of the crop, noise and JPEG's blocks agree with the answer as well.
_LEAST_SCALE = 0.22


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
    return own >= _LEAST_OWN * painted


def is_painted(crop: torch.Tensor, restored: torch.Tensor, scale: float = 1.0, jpeg_quality: int | None = None) -> bool:
    """Whether a face has what a network paints, as after a restoration.

    Detail that the photograph really has and detail that a network paints differ in all but their strength: they are
    not coherent at the finest frequencies. A restored face is coherent with what the network makes of it.

    Args:
        crop: 1 x 3 x S x S in 0..1, as the network saw it.
        restored: what the network made of it, the same shape.
        scale: pixels of the photograph to one of the crop, along a side.
        jpeg_quality: 1..100 of the photograph; None where it is no JPEG.

    Returns:
        False also where there is too little picture to judge by, so for faces enlarged more than 4.5 times.
    """
    if scale < _LEAST_SCALE or (jpeg_quality is not None and jpeg_quality < SOUND_QUALITY):
        return False
    gray = luma(crop.float())
    high = min(_FINEST_PAINTED, scale / 2)
    small, enlarged = (min(max((start - scale) / (start - _SMALL_TO), 0), 1) for start in (_SMALL_FROM, _ENLARGED_FROM))
    reached = high * (_REACHED + enlarged * (_REACHED_SMALL - _REACHED))
    if float(find_cutoff(radial_power(gray, judge_noise=False))) < reached:
        return False
    # What lies around the face was never painted.
    rings = Rings.of(_within_face(gray), _within_face(luma(restored.float())))
    least = _PAINTED_SHARED + small * (_SMALL_SHARED - _PAINTED_SHARED)
    # Of an octave without rings the mean is NaN, which is not as large as anything.
    if not float(rings.agreement(high / 2, high)) >= least:
        return False
    if not _LEAST_PAINTED <= float(rings.level(high / 2, high)) <= _MOST_PAINTED:
        return False
    (top, bottom), (left, right) = (tuple(round(part * gray.shape[-1]) for part in span) for span in _MIDDLE)
    middle, edge = gray[..., top:bottom, left:right], gray.shape[-1] // 5
    # Mirrored at its edges, or it would be too small to judge by.
    floor = noise_floor(F.pad(middle, (edge,) * 4, mode="reflect")[0, 0])
    if floor is None:
        return False
    inside = (floor.frequencies >= high / 2) & (floor.frequencies <= high + floor.frequencies[1] / 2)
    calmed = _CALMED + small * (_CALMED_SMALL - _CALMED)
    if floor.deviation > _MOST_NOISE:
        return False
    # Most of the noise of an enlarged face is not told from it.
    return float(floor.share[inside].max()) <= calmed or floor.deviation <= (1 - small) * _UNSEEN


def _within_face(gray: torch.Tensor) -> torch.Tensor:
    """1 x 1 x S x S: what differs from the mean within the oval of an aligned face, on grey."""
    place = (torch.arange(gray.shape[-1], device=gray.device) + 0.5) / gray.shape[-1]
    across, down = ((place - centre) / axis for centre, axis in zip(_OVAL, _OVAL_AXES, strict=True))
    distance = torch.hypot(down[:, None], across)
    oval = ((1 + _OVAL_EDGE / 2 - distance) / _OVAL_EDGE).clamp(0, 1)
    return (gray - (gray * oval).sum() / oval.sum()) * oval + 0.5

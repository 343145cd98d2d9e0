"""Find faces that need no restoration: they are fully sharp without noise or JPEG blocks, or already have the detail
that a network generates.
"""

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
"""Reason for a face that is sharp already."""
NOTHING_TO_ADD = "nothing to add"
"""Reason for a face that already has the detail of a network, for example after a restoration."""

# From this cut-off on, in cycles per pixel, the pixels and not a blur limit the detail: interpolation takes 10 dB
# from the crops of sharp faces between 0.38 and 0.5, and a blur of 0.8 px does at 0.19 to 0.24.
_FINEST = 0.33
# Octave, and minimum ratio of the photograph's power to that of the restored face in it. It was 0.57 or more for 36
# sharp faces and 12 blurred by 0.5 px, and 0.1 to 0.4 for resized faces and for faces blurred in one direction, which a
# mean over all directions does not show.
_OCTAVE = (0.18, 0.36)
_LEAST_OWN = 0.5
_LEAST_SIDE = 128
# Maximum share of noise in any frequency ring: 39 of 40 sharp faces have less at any size, and so have the results of
# noisy ones, which keep a little noise; noise of 5 levels has up to 0.7.
_CLEAN = 0.45
# Noise below this standard deviation, in units of 0..1, is invisible.
_UNSEEN = 2.5 / 255

# The detail that a network generates is new, so it is not coherent with a photograph. In the octave below the first
# value (cycles per pixel), or below the limit of the pixels, the coherence of 90 damaged faces with the output of
# `gpen-lite-256` was at most 0.34, and that of the results, restored once more, at least 0.41. An enlarged face has
# only coarser frequencies, which are more coherent anyway: for 29 faces of a quarter of the network's size it was 0.58
# and 0.64. So the minimum coherence rises from the second to the third value as the ratio of photograph pixels to crop
# pixels falls from the fourth to the fifth.
_FINEST_PAINTED = 0.36
_PAINTED_SHARED, _SMALL_SHARED, _SMALL_FROM, _SMALL_TO = 0.38, 0.62, 0.6, 0.3
# Range of the ratio of a restored face's power to the network's in that octave: 0.16 to 1.27 for 190 results.
_LEAST_PAINTED, _MOST_PAINTED = 0.12, 1.4
# Minimum ratio of its cut-off to the end of the octave: the first value, or the second for a small face. 90 results
# had 0.71 or more; faces blurred by 0.8 px or more, with which an ideal network would be coherent, had up to 0.65.
_REACHED, _REACHED_SMALL, _ENLARGED_FROM = 0.68, 0.33, 0.9
# Limits of the noise in the middle of the face (around it the noise remains): the share of any ring in that octave
# (first value, or the second for a small face) and the standard deviation (third value). Restored faces of noisy
# photographs have up to 0.82 and 4.3 levels; pure noise has all of a ring, in small faces 0.59, or 9 levels and more.
_CALMED, _CALMED_SMALL, _MOST_NOISE = 0.85, 0.5, 6 / 255
# The middle of a face in its crop: rows and columns as shares of the side, and an oval with a soft edge.
_MIDDLE = ((0.24, 0.86), (0.2, 0.8))
_OVAL, _OVAL_AXES, _OVAL_EDGE = (0.5, 0.55), (0.3, 0.36), 0.5
# Below this ratio of photograph pixels to crop pixels, noise and JPEG blocks are coherent with the output, too.
_LEAST_SCALE = 0.22


def is_sharp(
    crop: torch.Tensor,
    restored: torch.Tensor,
    jpeg_quality: int | None = None,
    surroundings: torch.Tensor | None = None,
) -> bool:
    """Whether a face has all the detail that its pixels can hold and a network could add.

    Args:
        crop: 1 x 3 x H x W in 0..1, at the scale of the photograph or smaller, since enlarged crops are always soft.
        restored: output of a network for it, of the same shape.
        jpeg_quality: quality of the photograph, 1..100; None if it is not a JPEG.
        surroundings: 1 x 3 x H' x W', the photograph in and around the face at its own scale, for measuring noise; by
            default the crop.

    Returns:
        Also False if the picture is too small to measure noise (about 180 pixels per side) or blur (128).
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
    """Whether a face already has the detail of a network, for example after a restoration.

    Real detail and detail generated by a network differ in everything but their strength: they are not coherent at the
    finest frequencies. A restored face is coherent with the network's output for it.

    Args:
        crop: 1 x 3 x S x S in 0..1, the input of the network.
        restored: output of the network for it, of the same shape.
        scale: photograph pixels per crop pixel, along a side.
        jpeg_quality: quality of the photograph, 1..100; None if it is not a JPEG.

    Returns:
        Also False if there is too little picture to judge, so for faces enlarged more than 4.5 times.
    """
    if scale < _LEAST_SCALE or (jpeg_quality is not None and jpeg_quality < SOUND_QUALITY):
        return False
    gray = luma(crop.float())
    high = min(_FINEST_PAINTED, scale / 2)
    small, enlarged = (min(max((start - scale) / (start - _SMALL_TO), 0), 1) for start in (_SMALL_FROM, _ENLARGED_FROM))
    reached = high * (_REACHED + enlarged * (_REACHED_SMALL - _REACHED))
    if float(find_cutoff(radial_power(gray, judge_noise=False))) < reached:
        return False
    # The surroundings of the face were never restored.
    rings = Rings.of(_within_face(gray), _within_face(luma(restored.float())))
    least = _PAINTED_SHARED + small * (_SMALL_SHARED - _PAINTED_SHARED)
    # The mean of an octave without rings is NaN, which fails every comparison.
    if not float(rings.agreement(high / 2, high)) >= least:
        return False
    if not _LEAST_PAINTED <= float(rings.level(high / 2, high)) <= _MOST_PAINTED:
        return False
    (top, bottom), (left, right) = (tuple(round(part * gray.shape[-1]) for part in span) for span in _MIDDLE)
    middle, edge = gray[..., top:bottom, left:right], gray.shape[-1] // 5
    # Mirrored at its edges, since it would be too small otherwise.
    floor = noise_floor(F.pad(middle, (edge,) * 4, mode="reflect")[0, 0])
    if floor is None:
        return False
    inside = (floor.frequencies >= high / 2) & (floor.frequencies <= high + floor.frequencies[1] / 2)
    calmed = _CALMED + small * (_CALMED_SMALL - _CALMED)
    if floor.deviation > _MOST_NOISE:
        return False
    # Most noise of an enlarged face cannot be separated from the face.
    return float(floor.share[inside].max()) <= calmed or floor.deviation <= (1 - small) * _UNSEEN


def _within_face(gray: torch.Tensor) -> torch.Tensor:
    """1 x 1 x S x S: deviation from the mean within the oval of an aligned face, zero elsewhere."""
    place = (torch.arange(gray.shape[-1], device=gray.device) + 0.5) / gray.shape[-1]
    across, down = ((place - centre) / axis for centre, axis in zip(_OVAL, _OVAL_AXES, strict=True))
    distance = torch.hypot(down[:, None], across)
    oval = ((1 + _OVAL_EDGE / 2 - distance) / _OVAL_EDGE).clamp(0, 1)
    return (gray - (gray * oval).sum() / oval.sum()) * oval + 0.5

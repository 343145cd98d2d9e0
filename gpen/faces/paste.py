"""Paste restored crops into their images."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F

from ..checks import all_finite, require_between, require_finite_images, require_images, require_same_shape
from ..choices import ColorMatch, MaskMode
from ..errors import ImageError, MaskError, SettingsError
from ..pixels.color import match_low_band, match_mean_std
from ..pixels.filters import box_mean
from ..pixels.grain import missing_grain
from ..pixels.warp import matrix_scale, warp
from ..progress import Steps, no_steps, steps_within
from ..types import Alignment
from ..wording import agree, count
from .align import crop_aligned
from .masks.parsing import FaceParser
from .masks.paste_masks import draw_masks, require_masks
from .place import NO_PIXELS, Place, find_place, find_places, overlap

# Standard deviation of the low band, as a share of the crop's side: 16 px at 512.
_LOW_BAND = 1 / 32
# Factor on the variance of the network's change relative to that of the noise in the finest detail, which decides how
# much of that noise is removed; an unchanged crop changes nothing.
_GIVE_WAY = 16.0
# With `denoise` 0.5, noise finer than the network's input is kept up to this standard deviation, the grain of a print.
_GRAIN = 8 / 255
# The photograph's finest detail is kept if it exceeds this multiple of the noise variance.
_NOISE_MARGIN = 2.0
# Quantile of the local variance for uniform areas. Their ratio to the mean is `evenness`: below the first value there
# is no noise, above the second only noise.
_CALM, _EVEN_WITHOUT, _EVEN_WITH = 0.25, 0.15, 0.7
# The part of a crop in which noise is measured for a track.
_INNER = (0.25, 0.75)


@dataclass(frozen=True)
class FineNoise:
    """Local variance of detail that is too fine for a crop, in units of 0..1 squared.

    Attributes:
        mean: its mean.
        calm: its value in uniform areas.
    """

    mean: float
    calm: float

    @property
    def variance(self) -> float:
        """That of the noise: all of it if it is the same everywhere, nothing where it has its places, as detail has."""
        even = self.calm / self.mean if self.mean > 0 else 0.0
        return self.mean * min(max((even - _EVEN_WITHOUT) / (_EVEN_WITH - _EVEN_WITHOUT), 0), 1)


def measure_fine_noise(images: torch.Tensor, own: torch.Tensor, alignment: Alignment) -> FineNoise | None:
    """Measure the noise in the inner part of a face that is finer than its crop.

    Args:
        images: B x 3 x H x W in 0..1.
        own: 1 x 3 x S x S in 0..1, the crop from `align_faces`.
        alignment: of the crop.

    Returns:
        The noise; None if that part is outside of the picture.
    """
    size = own.shape[-1]
    mask = own.new_zeros((1, 1, size, size))
    low, high = (round(part * size) for part in _INNER)
    mask[..., low:high, low:high] = 1
    place = find_place(mask, alignment)
    if place is None:
        return None
    seen = warp(own, place.area_to_crop_matrix(size), place.size)
    return _noise_in(_local_variance(images[alignment.image_index][place.area][None] - seen))


def paste_faces(
    images: torch.Tensor,
    crops: torch.Tensor,
    alignments: tuple[Alignment, ...],
    *,
    masks: torch.Tensor | None = None,
    places: Sequence[Place | None] | None = None,
    originals: torch.Tensor | None = None,
    mask_mode: MaskMode | str = "landmarks",
    feather: float = 0.1,
    parser: FaceParser | None = None,
    color_match: ColorMatch | str = "low_band",
    match_grain: float = 0.0,
    strength: float | Sequence[float] = 1.0,
    denoise: float = 0.5,
    noises: Sequence[FineNoise | None] | None = None,
    background: torch.Tensor | None = None,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paste restored crops into their images.

    1. Cut the photograph's own crop again, and match the colours of the restored crop to it (`color_match`).
    2. Resample the difference of the two to the image's scale with anti-aliasing and add it, so that an unchanged crop
       changes nothing.
    3. Keep detail of the photograph that is too fine for the crop, since the network has not seen it: a face of 2000 px
       restored at 512 keeps its pores. Only noise (of the same strength everywhere in and around the face) is removed
       where the network has removed it from the rest: all of it if the network sees all pixels of the photograph; as
       much as set by `denoise` if the photograph has more.
    4. Where masks overlap, faces share the pixels: the share is larger for a pixel deeper inside a mask and for a
       larger face.

    Only the areas of the faces are computed; besides the result and the mask, memory depends only on their size.

    Args:
        images: B x 3 x H x W float in 0..1.
        crops: N x 3 x S x S in 0..1, in the order of `alignments`; S may differ from the alignments' crop size.
        alignments: result of `align_faces` for these images.
        masks: N x 1 x M x M in 0..1, the masks of the crops; by default from `draw_masks`. A crop with mask 0 is not
            pasted.
        places: the result of `find_places` for the masks, if it is known already; they are not needed then.
        originals: N x 3 x S x S in 0..1, the crops from `align_faces`, if they are as large as `crops`; by default they
            are cut again.
        mask_mode, feather, parser: arguments of `draw_masks`, if neither is given.
        color_match: `low_band` keeps the photograph's colours, light and shade and uses only the crop's detail;
            `mean_std` matches mean and contrast of each channel within the mask; `none` uses the crop unchanged.
        match_grain: 0..1, how much of the grain that the photograph has and the restored face lacks is added.
        strength: 0 leaves the images unchanged, 1 uses the full result; one for all crops, or one for each.
        denoise: 0..1, how much noise finer than the network's input is removed from large faces: at 1 all, at 0.5 only
            noise above the grain of a print (8 levels of deviation), at 0 none.
        noises: the noise of each face, such as that of its track in a video; None: measured.
        background: B x 3 x H x W in 0..1, pictures that the faces are pasted into instead of `images`, such as the same
            photographs enlarged by a network. A face becomes what it becomes in `images`, with the grain of the
            background.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        The images (or backgrounds), and B x 1 x H x W masks in 0..1 of the pasted faces. Pixels with mask 0, or all at
        strength 0, equal the input bit for bit. If nothing is pasted, the tensor itself is returned.

    Raises:
        ImageError: images, crops, masks and alignments do not match, or crops or masks contain NaN or infinity.
        MaskError: the mask of a face cannot be drawn, or contains no pixel of its picture.
        SettingsError: a setting is unknown or out of range.

    Example:
        >>> import torch
        >>> from gpen_blocks.gpen.faces.align import align_faces
        >>> from gpen_blocks.gpen.faces.paste import paste_faces
        >>> from gpen_blocks.gpen.types import Face, Faces
        >>> face = Face((60, 60, 140, 160), 0.9, [[80, 90], [120, 90], [100, 115], [85, 135], [115, 135]])
        >>> images = torch.full((1, 3, 200, 200), 0.5)
        >>> crops, alignments = align_faces(images, Faces((face,), ((200, 200),)), 256)
        >>> pasted, mask = paste_faces(images, 0.9 * crops, alignments, mask_mode="ellipse", color_match="none")
        >>> round(float(pasted.min()), 2), bool((pasted[:, :, mask[0, 0] == 0] == 0.5).all())
        (0.45, True)
    """
    require_images(images)
    check_crops(images, crops, alignments)
    if background is not None:
        require_finite_images(background, "Backgrounds")
        require_same_shape(images, background)
    ground = images if background is None else background
    strengths = [strength] * len(crops) if isinstance(strength, float | int) else strength
    _check_settings(color_match, match_grain, strengths, denoise)
    _check_masks(crops, masks)
    coverage = torch.zeros_like(images[:, :1])
    if not alignments:
        return ground, coverage
    crops = crops.to(images)
    drawn = masks is None and places is None
    if drawn:
        drawing = draw_masks(alignments, crops.shape[-1], mask_mode, feather, crops=crops, parser=parser)
        masks = require_masks(*drawing)
    if places is None:
        assert masks is not None
        places = find_places(masks.to(images).clamp(0, 1), alignments)
    if drawn and None in places:
        raise MaskError({n: NO_PIXELS for n, place in enumerate(places) if place is None})
    result = ground
    for index in sorted({alignment.image_index for alignment in alignments}):
        pasted = {n: place for n, place in enumerate(places) if place and place.alignment.image_index == index}
        own = list(pasted.values())
        for place in own:
            part = coverage[index][place.area]
            part.copy_(1 - (1 - part) * (1 - place.cover))
        if not any(strengths[n] for n in pasted):
            continue
        result = ground.clone() if result is ground else result
        for n, place in pasted.items():
            if strengths[n] == 0:
                continue
            steps = steps_within(progress, n, n + 1, len(alignments))
            steps(0, 1)
            given = None if originals is None else originals[n : n + 1].to(images)
            known = None if noises is None else noises[n]
            change = _change(
                images, ground, crops[n : n + 1], given, place, color_match, match_grain, denoise, known, steps
            )
            total = _claims(place, own)
            share = place.weight / total.clamp_min(torch.finfo(total.dtype).tiny)
            blend = strengths[n] * coverage[index][place.area] * share
            part = result[index][place.area]
            part.addcmul_(blend, change)  # the change is finite, so nothing changes where the blend is 0
        for place in own:
            part = result[index][place.area]
            part.copy_(torch.where(coverage[index][place.area] > 0, part.clamp(0, 1), part))
    return result, coverage


def _claims(place: Place, places: list[Place]) -> torch.Tensor:
    """The sum of all faces' weights in the area of one, 1 x h x w."""
    total = torch.zeros_like(place.weight)
    for other in places:
        shared = overlap(place, other)
        if shared:
            here, there = shared
            total[here] += other.weight[there]
    return total


def _change(
    images: torch.Tensor,
    ground: torch.Tensor,
    crop: torch.Tensor,
    own: torch.Tensor | None,
    place: Place,
    color_match: str,
    match_grain: float,
    denoise: float,
    known: FineNoise | None,
    progress: Steps,
) -> torch.Tensor:
    """Change of a face's area of the ground at full strength, 3 x h x w."""
    size = crop.shape[-1]
    if own is None:
        own = crop_aligned(images, place.alignment, size)
    progress(0, 4)
    step = _match_color(crop, own, place.mask, color_match) - own
    progress(0, 4)
    step, own = warp(torch.cat([step, own]), place.area_to_crop_matrix(size), place.size).split(1)
    before = images[place.alignment.image_index][place.area][None]
    finest = before - own
    progress(1, 4)
    scale = 1 / matrix_scale(place.area_to_crop_matrix(size))
    variance = _local_variance(finest)
    noise = _fine_noise(finest, variance, known or _noise_in(variance), scale, denoise)
    progress(2, 4)
    change = step
    if noise is not None:
        # Each crop pixel is the mean of `scale` squared pixels, so it has less noise accordingly.
        yielding = _local_variance(step).mul_(_GIVE_WAY * max(1.0, scale**2))
        change = step - noise * (yielding / (yielding + variance).clamp_min(1e-12))
    if ground is not images:
        under = ground[place.alignment.image_index][place.area][None]
        before, change = under, change + (before - under)
    if match_grain > 0:
        # Whole pixels, since another device rounds landmarks otherwise, and would get another grain.
        seed = zlib.crc32(np.rint(place.alignment.face.landmarks).astype("<i4").tobytes())
        steps = steps_within(progress, 3, 4, 4)
        grain = missing_grain(before, before + change, place.cover[None], seed, progress=steps)
        change = change + match_grain * grain
    return change[0]


def _noise_in(variance: torch.Tensor) -> FineNoise:
    """The noise of an area by the local variance of its finest detail, 1 x 1 x h x w."""
    calm = variance.flatten().kthvalue(max(1, int(_CALM * variance.numel()))).values
    return FineNoise(float(variance.mean()), float(calm))


def _fine_noise(
    finest: torch.Tensor, variance: torch.Tensor, found: FineNoise, scale: float, denoise: float
) -> torch.Tensor | None:
    """Removable noise in the detail that is too fine for the crop, 1 x 3 x h x w; None if there is none.

    Args:
        finest: 1 x 3 x h x w, the detail too fine for the crop.
        variance: its local variance, 1 x 1 x h x w.
        found: the noise in it.
        scale: photograph pixels per crop pixel, along a side.
        denoise: as for `paste_faces`.
    """
    noise = found.variance
    if noise <= 0 or denoise == 0:
        return None
    # Share of the photograph's frequencies that the network has not seen.
    unseen = max(0.0, 1 - 1 / scale**2)
    left = unseen**0.5 * _GRAIN * (1 / denoise - 1) if unseen else 0.0
    taken = max(0.0, 1 - left / noise**0.5)
    return finest * (taken * (_NOISE_MARGIN * noise / variance.clamp_min(1e-12)).clamp(max=1))


def _local_variance(images: torch.Tensor) -> torch.Tensor:
    """Variance of the surrounding pixels, mean of the channels; B x 1 x H x W."""
    planes = images.split(1, dim=1)
    squares, *others = (plane * plane for plane in planes)
    variance = _surrounding_mean(sum(others, squares))
    for mean in map(_surrounding_mean, planes):
        variance.addcmul_(mean, mean, value=-1)
    return variance.div_(len(planes)).clamp_min_(0)


def _surrounding_mean(images: torch.Tensor) -> torch.Tensor:
    return box_mean(box_mean(images, 3), 3)  # twice a box is a tent, about a Gaussian of 2.8 px


def _match_color(crop: torch.Tensor, own: torch.Tensor, mask: torch.Tensor, color_match: str) -> torch.Tensor:
    if color_match == "low_band":
        return match_low_band(crop, own, _LOW_BAND * crop.shape[-1])
    if color_match == "mean_std":
        return match_mean_std(crop, own, F.interpolate(mask, crop.shape[-2:], mode="bilinear", antialias=True))
    return crop


def _check_settings(color_match: str, match_grain: float, strengths: Sequence[float], denoise: float) -> None:
    if color_match not in get_args(ColorMatch):
        raise SettingsError(f"There is no colour match {color_match!r}; choose from {', '.join(get_args(ColorMatch))}.")
    named = [("match_grain", match_grain), ("denoise", denoise), *(("strength", value) for value in strengths)]
    for name, value in named:
        require_between(name, value, 0, 1)


def check_crops(images: torch.Tensor, crops: torch.Tensor, alignments: tuple[Alignment, ...]) -> None:
    """Check that crops belong to their alignments and these to the images; raises ImageError."""
    require_images(images)
    require_finite_images(crops, "Crops")
    if len(crops) != len(alignments) or crops.shape[-1] != crops.shape[-2]:
        raise ImageError(
            f"The {count(len(alignments), 'alignment')} {agree(len(alignments), 'needs', 'need')} as many square "
            f"crops, got {tuple(crops.shape)}; paste all the crops that were cut, or none."
        )
    for alignment in alignments:
        if alignment.image_index >= len(images) or alignment.image_size != tuple(images.shape[-2:]):
            raise ImageError(
                f"A crop was cut from image {alignment.image_index} of size {alignment.image_size}, but the images "
                f"are {tuple(images.shape)}; paste into the images that were aligned."
            )


def _check_masks(crops: torch.Tensor, masks: torch.Tensor | None) -> None:
    if masks is not None and not all_finite(masks):
        raise ImageError("The masks hold NaN or infinity, so nothing can be pasted by them; mend the step before.")
    if masks is not None and (masks.ndim != 4 or masks.shape[:2] != (len(crops), 1)):
        raise ImageError(f"Masks {tuple(masks.shape)} came with {count(len(crops), 'crop')}; N x 1 x M x M are needed.")

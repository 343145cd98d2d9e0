"""Combine restored faces with the photograph's own detail, and decide which faces stay unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..detail.bands import blend
from ..detail.local_adaptive import enhance
from ..detail.sharpness import NOTHING_TO_ADD, SHARP_ALREADY, is_painted, is_sharp
from ..detail.spectrum.crossover import Crossover, find_crossover
from ..detail.spectrum.noise_limit import noise_floor
from ..devices import in_pieces
from ..faces.align import crop_aligned, cut_around
from ..faces.masks.parts import Part, crop_landmarks, part_gains
from ..faces.paste import measure_fine_noise
from ..photograph.jpeg_quality import quality_of_pixels
from ..pixels.color import luma
from ..pixels.resize import resize
from ..pixels.tone import SIDE as JUDGED_SIDE
from ..pixels.tone import Tone, colour_rule, judge_tone, keep_tones
from ..pixels.warp import matrix_scale, transformed_bounds
from ..progress import Steps, each, no_steps, steps_within
from ..settings import Settings
from ..types import Alignment
from .records import FaceRecord, Judgement, RestoredFaces
from .soften import judge_softening

# Crops that are shaped at a time: 16 of 256 x 256, 4 of 512 x 512.
_PIECE_BYTES = 13 << 20
# From this many photograph pixels per crop pixel (per side) on, JPEG blocks are finer than the crop.
_BLOCKS_SEEN = 1.5
# Below this ratio, a crop is judged at the photograph's scale, since everything in an enlarged crop is soft.
_ENLARGED = 0.9
# From this ratio on, the crop has averaged the photograph's noise. Below it, noise is measured on the photograph,
# since resampling at about the same scale hides up to half of it.
_AVERAGED = 1.2
# Smallest and largest side in pixels of the area in which noise is measured.
_LEAST_JUDGED, _MOST_JUDGED = 192, 512
# The area in which colour is judged: a multiple of the crop, and a minimum side in pixels of the picture. In a
# smaller area, JPEG's chroma blocks are as large as a face.
_AROUND, _LEAST_AROUND = 1.5, 128


def keep_own_detail(
    images: torch.Tensor,
    before: torch.Tensor,
    answer: torch.Tensor,
    alignments: tuple[Alignment, ...],
    settings: Settings,
    *,
    judgements: Sequence[Judgement] | None = None,
    enlarged: bool = False,
    progress: Steps = no_steps,
) -> RestoredFaces:
    """Keep the photograph's detail and tone in each restored face, and decide which faces stay unchanged.

    Args:
        images: B x 3 x H x W in 0..1, from which the crops were cut.
        before: N x 3 x S x S in 0..1, the crops from `align_faces`.
        answer: N x 3 x S x S in 0..1, the network's output from `restore_crops`.
        alignments: alignment of each crop.
        settings: how much to keep.
        judgements: one for each face, instead of judging it, such as those of a face in a video; see `judge_faces`.
        enlarged: whether the faces will be pasted into enlarged images. Then a face with fewer pixels than its crop is
            restored however sharp those pixels are, since the enlarged picture lacks what is finer.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Raises:
        GPENError: there is not enough memory for even one face.
    """
    shaping, judging = steps_within(progress, 0, 9, 10), steps_within(progress, 9, 10, 10)

    def shape(first: int, last: int) -> tuple[torch.Tensor, tuple[str | None, ...]]:
        own, steps = slice(first, last), steps_within(shaping, first, last, len(before))
        known = None if judgements is None else judgements[own]
        return shape_detail(
            images, before[own], answer[own], alignments[own], settings, known, enlarged=enlarged, progress=steps
        )

    pieces = in_pieces(
        len(before),
        shape,
        most=max(_PIECE_BYTES // max(before[:1].nbytes, 1), 1),
        too_large="There is not enough memory to shape the detail of a single face; free some or choose a smaller "
        "model.",
    )
    after = torch.cat([crops for crops, _ in pieces]) if pieces else answer
    left_alone = [reason for _, reasons in pieces for reason in reasons]
    if judgements is None:
        tones = [judge_face_tone(images, alignment) for alignment, _ in each(alignments, judging)]
    else:
        tones = [judgement.tone for judgement in judgements]
    after = keep_tones(after, tones, colour_rule(settings.colour, settings.keep_grayscale))
    records = [FaceRecord(*known) for known in zip(alignments, tones, left_alone, strict=True)]
    if judgements is not None:
        records = [
            replace(record, fine_noise=judgement.fine_noise, softening=judgement.softening)
            for record, judgement in zip(records, judgements, strict=True)
        ]
    return RestoredFaces(before, after, tuple(records))


def judge_faces(
    images: torch.Tensor,
    before: torch.Tensor,
    answer: torch.Tensor,
    alignments: tuple[Alignment, ...],
    settings: Settings,
) -> tuple[Judgement, ...]:
    """Judge faces as `keep_own_detail` does; arguments as there."""
    judged = []
    for n, alignment in enumerate(alignments):
        crop, restored = before[n : n + 1], answer[n : n + 1]
        quality = _jpeg_quality(images, alignment)
        left_alone = _why_left(images, crop, restored, alignment, quality) if settings.frequency_blend > 0 else None
        crossover, tone = find_crossover(crop, restored, [quality]), judge_face_tone(images, alignment)
        noise = measure_fine_noise(images, crop, alignment)
        matched = settings.match_sharpness > 0
        softening = judge_softening(images, images, restored, alignment) if matched else None
        judged.append(Judgement(crossover, tone, left_alone, noise, softening))
    return tuple(judged)


def judge_face_tone(images: torch.Tensor, alignment: Alignment) -> Tone:
    """Whether a face is in colour, judged on its crop and the surroundings."""
    side = alignment.crop_size * matrix_scale(alignment.inverse)
    reach = max(_AROUND, _LEAST_AROUND / side)
    return judge_tone(cut_around(images, alignment, reach, JUDGED_SIDE), reach)


def shape_detail(
    images: torch.Tensor,
    before: torch.Tensor,
    after: torch.Tensor,
    alignments: tuple[Alignment, ...],
    settings: Settings,
    judgements: Sequence[Judgement] | None = None,
    *,
    enlarged: bool = False,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, tuple[str | None, ...]]:
    """Blend and enhance the detail; also returns, for each face, why it stays unchanged, or None.

    The crop of a face that stays unchanged is returned as it came.
    """
    left_alone: tuple[str | None, ...] = (None,) * len(alignments)
    quality: list[int | None] = [None] * len(alignments)
    if judgements is not None:
        left_alone = tuple(judgement.left_alone for judgement in judgements)
    elif settings.frequency_blend > 0:
        quality = [_jpeg_quality(images, alignment) for alignment in alignments]
        faces = list(zip(before, after, alignments, quality, strict=True))
        left_alone = tuple(
            None
            if enlarged and matrix_scale(alignment.inverse) < _ENLARGED
            else _why_left(images, crop[None], restored[None], alignment, saved)
            for (crop, restored, alignment, saved), _ in each(faces, steps_within(progress, 0, 40, 100))
        )
    chosen = [n for n, reason in enumerate(left_alone) if reason is None]
    if len(chosen) == len(after):
        return _shape(
            before, after, alignments, quality, _crossovers(judgements, chosen), settings, progress
        ), left_alone
    shaped = after.clone()
    if chosen:
        own = tuple(alignments[n] for n in chosen)
        saved, known = [quality[n] for n in chosen], _crossovers(judgements, chosen)
        shaped[chosen] = _shape(before[chosen], after[chosen], own, saved, known, settings, progress)
    return shaped, left_alone


def _crossovers(judgements: Sequence[Judgement] | None, chosen: list[int]) -> list[Crossover] | None:
    return None if judgements is None else [judgements[n].crossover for n in chosen]


def _shape(
    before: torch.Tensor,
    after: torch.Tensor,
    alignments: tuple[Alignment, ...],
    quality: list[int | None],
    crossovers: list[Crossover] | None,
    settings: Settings,
    progress: Steps,
) -> torch.Tensor:
    if settings.frequency_blend > 0 and alignments:
        blended = blend(
            before,
            after,
            middle_gain=settings.middle_gain,
            high_gain=settings.high_gain,
            part_gain=_part_gain(alignments, after.shape[-1], settings),
            deblur=settings.deblur,
            colour="keep",
            denoise=settings.denoise,
            jpeg_quality=quality,
            crossovers=crossovers,
            progress=steps_within(progress, 40, 90, 100),
        )
        after = torch.lerp(after, blended, settings.frequency_blend)
    if settings.local_enhance > 0:
        shares: dict[Part, float] = {
            "eyes": settings.enhance_eyes,
            "lips": settings.enhance_lips,
            "cheeks": settings.enhance_cheeks,
            "hairline": settings.enhance_hairline,
        }
        after, _ = enhance(
            after,
            settings.local_enhance,
            crop_landmarks(alignments, after.shape[-1]),
            part_strengths=shares,
            progress=steps_within(progress, 90, 100, 100),
        )
    return after


def _part_gain(alignments: tuple[Alignment, ...], size: int, settings: Settings) -> torch.Tensor | None:
    """The gain of each pixel by its part of the face; None if it is 1 everywhere."""
    gains: dict[Part, float] = {
        "eyes": settings.eyes_gain,
        "lips": settings.lips_gain,
        "skin": settings.skin_gain,
        "hair": settings.hair_gain,
    }
    if set(gains.values()) == {1.0}:
        return None
    return part_gains(crop_landmarks(alignments, size), size, gains)


def _jpeg_quality(images: torch.Tensor, alignment: Alignment) -> int | None:
    """JPEG quality of the photograph around a face; None if the crop is too coarse to show its blocks."""
    if matrix_scale(alignment.inverse) > _BLOCKS_SEEN:
        return None
    corners = transformed_bounds(alignment.inverse, (alignment.crop_size, alignment.crop_size))
    left, top, right, bottom = (round(value) for value in corners)
    return quality_of_pixels(images[alignment.image_index], (left, top, right, bottom))


def _why_left(
    images: torch.Tensor, crop: torch.Tensor, restored: torch.Tensor, alignment: Alignment, jpeg_quality: int | None
) -> str | None:
    scale = matrix_scale(alignment.inverse)
    surroundings, seen = _surroundings(images, alignment) if scale < _AVERAGED else None, (crop, restored)
    if scale < _ENLARGED:
        side = max(1, round(scale * alignment.crop_size))
        crop = crop_aligned(images, alignment, side)
        restored = resize(restored, (side, side))
    if is_sharp(crop, restored, jpeg_quality, surroundings):
        return SHARP_ALREADY
    return NOTHING_TO_ADD if is_painted(*seen, scale, jpeg_quality) else None


def _surroundings(images: torch.Tensor, alignment: Alignment) -> torch.Tensor:
    """The picture in and around a face, 1 x 3 x H x W: extended for a small face, the centre of a large one."""
    x0, y0, x1, y1 = transformed_bounds(alignment.inverse, (alignment.crop_size, alignment.crop_size))
    side = min(max(min(x1 - x0, y1 - y0), _LEAST_JUDGED), _MOST_JUDGED)
    height, width = alignment.image_size
    top, left = (
        round(min(max((low + high - side) / 2, 0), max(length - side, 0)))
        for low, high, length in ((y0, y1, height), (x0, x1, width))
    )
    return images[alignment.image_index, None, :, top : top + round(side), left : left + round(side)]


def noise_around(source: torch.Tensor, pasted: torch.Tensor, alignment: Alignment) -> tuple[float, float] | None:
    """Standard deviation of the noise in and around a face, before and after."""
    area = _surroundings(source, alignment)
    before = noise_floor(luma(area)[0, 0])
    if before is None:
        return None
    changed = _surroundings(pasted, alignment)
    after = before if pasted is source or torch.equal(area, changed) else noise_floor(luma(changed)[0, 0])
    return before.deviation, after.deviation if after else 0.0

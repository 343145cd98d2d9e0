"""The whole chain in one call: detect, select, prepare, align, restore, shape the detail, paste, finish."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from .detail.bands import blend
from .detail.color import luma, monochrome_tone
from .detail.finish import finish
from .detail.local_adaptive import enhance
from .detail.noise import noise_floor
from .detail.prepare import JpegTables, prepare
from .detail.quantisation import quality_of_pixels
from .detail.sharpness import SHARP_ALREADY, is_sharp
from .devices import Placement, free_memory, on_device, select_device
from .faces.align import align_faces, crop_aligned
from .faces.detect import detect
from .faces.landmarks import find_landmarks68
from .faces.parts import crop_landmarks
from .faces.paste import paste_faces
from .faces.select import select_faces
from .faces.warp import bounds, scale_of
from .models import LoadedModel, choose_landmarker
from .presets import Settings
from .progress import Progress, silent
from .restore import restore_crops
from .types import Alignment, Faces

# What images, their result and the work on their faces take at most, as a multiple of the images.
_PICTURES_AT_ONCE = 8
# From so many pixels of the photograph to one of the crop, a side, JPEG's blocks are finer than the crop.
_BLOCKS_SEEN = 1.5
# Below so many, a crop is judged at the photograph's scale: in an enlarged one everything is soft.
_ENLARGED = 0.9
# Noise is told from at least and at most so many pixels a side.
_LEAST_JUDGED, _MOST_JUDGED = 192, 512


@dataclass(frozen=True, eq=False)
class RestoredBatch:
    """What the chain made of a batch of images.

    Attributes:
        images: B x 3 x H x W in 0..1; the very tensor that came in where no face was restored.
        mask: B x 1 x H x W in 0..1; outside of it every pixel is the input's, bit for bit, or as it was prepared.
        faces: the restored faces, in the order of `alignments`, `before` and `after`.
        rejected: faces that were found and left alone.
        alignments: where each crop came from.
        before: N x 3 x S x S, the aligned crops.
        after: N x 3 x S x S, the same crops restored.
        seconds: time spent per stage.
        prepared: for each image, what preparing it found and did; None where it was not asked for or has no face.
        left_alone: for each alignment, why that face was left as it is, bit for bit; None where it was restored.
        noise: for each alignment, the deviation of the noise in and around that face before and after, in units of
            0..1; None where there is too little picture to judge by.
    """

    images: torch.Tensor
    mask: torch.Tensor
    faces: Faces
    rejected: Faces
    alignments: tuple[Alignment, ...]
    before: torch.Tensor
    after: torch.Tensor
    seconds: dict[str, float] = field(default_factory=dict)
    prepared: tuple[dict[str, Any] | None, ...] = ()
    left_alone: tuple[str | None, ...] = ()
    noise: tuple[tuple[float, float] | None, ...] = ()


def restore_batch(
    images: torch.Tensor,
    generator: LoadedModel,
    detector: LoadedModel,
    settings: Settings | None = None,
    *,
    parser: LoadedModel | None = None,
    landmarker: LoadedModel | None = None,
    indices: str = "",
    batch_size: int = 0,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    place: Placement | None = None,
    progress: Progress = silent,
) -> RestoredBatch:
    """Restore the faces of a batch of images; all its faces go through the network together.

    Args:
        images: B x 3 x H x W in 0..1.
        generator: from `load_generator`.
        detector: from `load_detector`.
        settings: what to restore and how; the defaults of `Settings` where left out.
        parser: from `load_parser`; only the mask mode `parsing` needs one.
        landmarker: from `choose_landmarker`; left out, the one that `settings` asks for.
        indices: which of the ordered faces of each image, such as `0,2-4`; empty for all.
        batch_size: faces per forward pass; 0 takes as many as memory allows.
        jpeg_tables: the quantisation tables of each image's file, where it has any; preparing tells of them.
        place: where the models run; by default the best device there is.
        progress: called as work goes on; what it raises ends the work.

    Raises:
        ImageError: the images have another shape or hold NaN.
        SettingsError: `indices` cannot be read.
    """
    settings = settings or Settings()
    place = place or on_device(select_device())
    seconds: dict[str, float] = {}

    with _timed(seconds, "detect"):
        shown = _beside(images, place(detector.module))
        found = detect(
            shown,
            detector.module,
            score_threshold=settings.score_threshold,
            # Somewhat below a limit that was asked for, so that what is left alone for its size can be told.
            min_face_size=settings.min_face_size // 2,
            rotated=settings.rotated,
            progress=partial(progress, "detect"),
        )
        faces, rejected = select_faces(
            found,
            order=settings.order,
            indices=indices,
            min_face_size=settings.min_face_size,
            max_faces=settings.max_faces,
        )
    with _timed(seconds, "landmarks"):
        landmarker = landmarker or choose_landmarker(settings.landmarks68)[0]
        place(landmarker.module)
        faces = find_landmarks68(landmarker.module, shown, faces, partial(progress, "landmarks"))
    with _timed(seconds, "prepare"):
        source, prepared = _prepare(shown, faces, settings, jpeg_tables)
    with _timed(seconds, "align"):
        size = generator.module.config.size
        before, alignments = align_faces(source, faces, size, generator.template)
    with _timed(seconds, "restore"):
        after = restore_crops(
            generator.module,
            before,
            keep_grayscale=False,  # judged below on the whole picture, which knows better than a crop
            batch_size=batch_size,
            place=place,
            progress=progress,
        )
    with _timed(seconds, "detail"):
        after, left_alone = _shape_detail(source, before, after, alignments, settings)
        if settings.keep_grayscale:
            after = _keep_tones(source, after, alignments)
    with _timed(seconds, "paste"):
        if parser is not None:
            place(parser.module)
        chosen = [index for index, reason in enumerate(left_alone) if reason is None]
        pasted, mask = paste_faces(
            source,
            after[chosen],
            tuple(alignments[index] for index in chosen),
            mask_mode=settings.mask_mode,
            feather=settings.feather,
            parser=parser.module if parser else None,
            color_match=settings.color_match,
            match_grain=settings.match_grain,
            strength=settings.strength,
            denoise=settings.denoise,
        )
        if chosen:
            pasted = finish(pasted, settings.finish_sigma, settings.finish_mix, mask)
        noise = tuple(_noise_of(source, pasted, alignment) for alignment in alignments)
        restored = images if pasted is shown else pasted.to(images.device)
        mask, before, after = (made.to(images.device) for made in (mask, before, after))
    return RestoredBatch(
        restored, mask, faces, rejected, alignments, before, after, seconds, prepared, left_alone, noise
    )


def _beside(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The images on the device of the networks, where that is a GPU with much more memory than they take."""
    if device.type != "cuda" or images.device.type != "cpu":
        return images  # other devices lack some of the operations
    free = free_memory(device)
    needed = _PICTURES_AT_ONCE * images.numel() * images.element_size()
    return images.to(device) if free is not None and needed <= free / 2 else images


def _prepare(
    images: torch.Tensor, faces: Faces, settings: Settings, jpeg_tables: Sequence[JpegTables | None] | None
) -> tuple[torch.Tensor, tuple[dict[str, Any] | None, ...]]:
    """Prepare the images that have faces to restore; the others stay as they are."""
    reports: list[dict[str, Any] | None] = [None] * len(images)
    if not settings.prepares:
        return images, tuple(reports)
    result = images
    for index in sorted({face.image_index for face in faces}):
        one = images[index : index + 1]
        own = Faces(tuple(replace(face, image_index=0) for face in faces.of_image(index)), (faces.sizes[index],))
        done, told = prepare(
            one,
            white_balance=settings.white_balance,
            deblock=settings.deblock,
            faces=own,
            exposure=settings.exposure,
            levels=settings.levels,
            jpeg_tables=jpeg_tables and [jpeg_tables[index]],
        )
        reports[index] = told[0]
        if done is not one:
            result = images.clone() if result is images else result
            result[index] = done[0]
    return result, tuple(reports)


def _shape_detail(
    images: torch.Tensor,
    before: torch.Tensor,
    after: torch.Tensor,
    alignments: tuple[Alignment, ...],
    settings: Settings,
) -> tuple[torch.Tensor, tuple[str | None, ...]]:
    """What the photograph keeps of its own, and what is raised; and why a face is left as it is, or None, of each."""
    left_alone: tuple[str | None, ...] = (None,) * len(alignments)
    if settings.frequency_blend > 0 and alignments:
        quality = [_jpeg_quality(images, alignment) for alignment in alignments]
        left_alone = tuple(
            _why_left(images, crop[None], restored[None], alignment, saved)
            for crop, restored, alignment, saved in zip(before, after, alignments, quality, strict=True)
        )
        blended = blend(
            before,
            after,
            deblur=settings.deblur,
            keep_grayscale=False,
            denoise=settings.denoise,
            jpeg_quality=quality,
        )
        after = torch.lerp(after, blended, settings.frequency_blend)
    if settings.local_enhance > 0:
        landmarks = crop_landmarks(alignments, after.shape[-1])
        after, _ = enhance(after, settings.local_enhance, landmarks)
    return after, left_alone


def _jpeg_quality(images: torch.Tensor, alignment: Alignment) -> int | None:
    """That of the photograph around a face; None where a crop is too coarse to show its blocks."""
    if scale_of(alignment.inverse) > _BLOCKS_SEEN:
        return None
    corners = bounds(alignment.inverse, (alignment.crop_size, alignment.crop_size))
    left, top, right, bottom = (round(value) for value in corners)
    return quality_of_pixels(images[alignment.image_index], (left, top, right, bottom))


def _why_left(
    images: torch.Tensor, crop: torch.Tensor, restored: torch.Tensor, alignment: Alignment, jpeg_quality: int | None
) -> str | None:
    scale = scale_of(alignment.inverse)
    surroundings = None
    if scale < _ENLARGED:
        side = max(1, round(scale * alignment.crop_size))
        crop = crop_aligned(images, alignment, side)
        restored = F.interpolate(restored, (side, side), mode="bicubic", antialias=True)
        surroundings = _surroundings(images, alignment)
    return SHARP_ALREADY if is_sharp(crop, restored, jpeg_quality, surroundings) else None


def _surroundings(images: torch.Tensor, alignment: Alignment) -> torch.Tensor:
    """The picture in and around a face, 1 x 3 x H x W: enough of a small one, the middle of a large one."""
    x0, y0, x1, y1 = bounds(alignment.inverse, (alignment.crop_size, alignment.crop_size))
    side = min(max(min(x1 - x0, y1 - y0), _LEAST_JUDGED), _MOST_JUDGED)
    height, width = alignment.image_size
    top, left = (
        round(min(max((low + high - side) / 2, 0), max(length - side, 0)))
        for low, high, length in ((y0, y1, height), (x0, x1, width))
    )
    return images[alignment.image_index, None, :, top : top + round(side), left : left + round(side)]


def _noise_of(source: torch.Tensor, pasted: torch.Tensor, alignment: Alignment) -> tuple[float, float] | None:
    """Deviation of the noise in and around a face, before and after."""
    before, after = (noise_floor(luma(_surroundings(one, alignment))[0, 0]) for one in (source, pasted))
    return None if before is None else (before.deviation, after.deviation if after else 0.0)


def _keep_tones(images: torch.Tensor, crops: torch.Tensor, alignments: tuple[Alignment, ...]) -> torch.Tensor:
    crops = crops.clone()
    for image_index in sorted({alignment.image_index for alignment in alignments}):
        tone = monochrome_tone(images[image_index : image_index + 1])
        if tone is not None:
            own = [n for n, alignment in enumerate(alignments) if alignment.image_index == image_index]
            crops[own] = tone.apply(crops[own])
    return crops


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start

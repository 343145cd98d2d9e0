"""The whole chain in one call: detect, select, prepare, align, restore, shape the detail, paste, finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import torch

from .detail.finish import finish
from .devices import Placement, free_memory, in_pieces, is_out_of_memory, on_device, select_device
from .errors import GPENError
from .face_detail import noise_around, shape_detail
from .faces.align import align_faces, cut_around
from .faces.change import Change, measure_changes
from .faces.landmarks.find import find_landmarks68
from .faces.masks.paste_masks import draw_masks
from .faces.paste import paste_faces
from .faces.place import NO_PIXELS
from .find import FoundFaces, find_faces
from .models import LoadedModel, choose_landmarker
from .photograph.prepare import JpegTables, prepare
from .pixels.tone import SIDE as JUDGED_SIDE
from .pixels.tone import Tone, colour_rule, judge_tone, keep_tones
from .pixels.warp import scale_of
from .progress import Progress, silent
from .restore import restore_crops
from .settings import Settings
from .types import Alignment, Faces

Result = TypeVar("Result")

# What images, their result and the work on their faces take at most, as a multiple of the images.
_PICTURES_AT_ONCE = 8
# Whether a face is in colour is judged on so many times its crop, and on so many pixels of the picture a side at least:
# in fewer, JPEG's blocks of colour are as large as a face.
_AROUND, _LEAST_AROUND = 1.5, 128


@dataclass(frozen=True, eq=False)
class RestoredBatch:
    """What the chain made of a batch of images.

    Attributes:
        images: B x 3 x H x W in 0..1; the very tensor that came in where no face was restored.
        mask: B x 1 x H x W in 0..1; outside of it every pixel is the input's, bit for bit, or as it was prepared.
        faces: the chosen faces, in the order of `alignments`, `before` and `after`; `left_alone` tells which of them
            stayed as they were.
        found: these faces and those that were found and not chosen, with the reasons.
        alignments: where each crop came from.
        before: N x 3 x S x S, the aligned crops.
        after: N x 3 x S x S, the same crops restored.
        seconds: time spent per stage.
        prepared: for each image, what preparing it found and did; None where it was not asked for or has no face.
        left_alone: for each crop, why its face stayed as it was; None where it was restored.
        changes: for each crop, what changed of its face's pixels; None where none in the picture is its own.
        tones: for each crop, whether its face was judged to be in colour.
        noise: for each crop, deviation of the noise in and around its face, before and after, in units of 0..1; None
            where there is none.
    """

    images: torch.Tensor
    mask: torch.Tensor
    faces: Faces
    found: FoundFaces
    alignments: tuple[Alignment, ...]
    before: torch.Tensor
    after: torch.Tensor
    seconds: dict[str, float] = field(default_factory=dict)
    prepared: tuple[dict[str, Any] | None, ...] = ()
    left_alone: tuple[str | None, ...] = ()
    changes: tuple[Change | None, ...] = ()
    tones: tuple[Tone, ...] = ()
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
        found = find_faces(shown, detector.module, settings, indices, generator.template, partial(progress, "detect"))
        faces = found.selected
    with _timed(seconds, "landmarks"):
        landmarker = landmarker or choose_landmarker(settings.landmark_network)[0]
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
            colour="keep",  # judged below on more than the crop
            batch_size=batch_size,
            place=place,
            progress=progress,
        )
    with _timed(seconds, "detail"):
        shaped = in_pieces(
            len(before),
            lambda a, b: shape_detail(source, before[a:b], after[a:b], alignments[a:b], settings),
            too_large="There is not enough memory to shape the detail of a single face; free some or choose a smaller "
            "model.",
        )
        if shaped:
            after = torch.cat([crops for crops, _ in shaped])
        spared = [reason for _, reasons in shaped for reason in reasons]
        tones = _judge_tones(source, alignments)
        after = keep_tones(after, tones, colour_rule(settings.colour, settings.keep_grayscale))
    with _timed(seconds, "paste"):
        if parser is not None:
            place(parser.module)
        masks, faults = draw_masks(
            alignments,
            size,
            settings.mask_mode,
            settings.feather,
            crops=after,
            parser=parser.module if parser else None,
        )
        paste = partial(
            paste_faces,
            alignments=alignments,
            masks=masks,
            color_match=settings.color_match,
            match_grain=settings.match_grain,
            strength=settings.strength,
            denoise=settings.denoise,
        )
        masks[[reason is not None for reason in spared]] = 0
        pasted, mask = _here_or_on_the_cpu(paste, source, after)
        if pasted is not source:
            sharpen = partial(finish, sigma=settings.finish_sigma, mix=settings.finish_mix)
            pasted = _here_or_on_the_cpu(lambda pasted, mask: sharpen(pasted, mask=mask), pasted, mask)
        changes = measure_changes(source, pasted, alignments, masks)
        left_alone = tuple(
            reason or fault or _why_unchanged(change, settings)
            for reason, fault, change in zip(spared, faults, changes, strict=True)
        )
        noise = tuple(noise_around(source, pasted, alignment) for alignment in alignments)
        restored = images if pasted is shown else pasted.to(images.device)
        mask, before, after = (made.to(images.device) for made in (mask, before, after))
    return RestoredBatch(
        restored, mask, faces, found, alignments, before, after, seconds, prepared, left_alone, changes, tones, noise
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


def _why_unchanged(change: Change | None, settings: Settings) -> str | None:
    """Why nothing changed of a face; None where something did."""
    if change is None:
        return NO_PIXELS
    if change.share > 0:
        return None
    return "the strength is 0" if settings.strength == 0 else "the result differs from it by less than a file shows"


def _judge_tones(images: torch.Tensor, alignments: tuple[Alignment, ...]) -> tuple[Tone, ...]:
    """Whether each face is in colour, judged on its crop and what lies around it."""
    tones = []
    for alignment in alignments:
        side = alignment.crop_size * scale_of(alignment.inverse)
        reach = max(_AROUND, _LEAST_AROUND / side)
        tones.append(judge_tone(cut_around(images, alignment, reach, JUDGED_SIDE), reach))
    return tuple(tones)


def _here_or_on_the_cpu(work: Callable[..., Result], *pictures: torch.Tensor) -> Result:
    """Work on pictures where they are, or on the CPU where a GPU has too little memory for it."""
    try:
        return work(*pictures)
    except Exception as error:
        if not is_out_of_memory(error) or pictures[0].device.type == "cpu":
            raise
    return work(*(picture.cpu() for picture in pictures))


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Take the time of a stage.

    Raises:
        GPENError: memory has run out in it.
    """
    start = time.perf_counter()
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise GPENError(
            f"There is not enough memory for the picture (stage {stage}); free some, or make the picture smaller."
        ) from error
    seconds[stage] = time.perf_counter() - start

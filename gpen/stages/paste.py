"""Paste restored faces into their images, and measure what changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import torch

from ..choices import MaskMode
from ..detail.finish import finish
from ..devices import is_out_of_memory
from ..enlarging import GivenPictures, enlarge_plainly
from ..faces.change import Change, measure_changes
from ..faces.looks import find_misordered, find_strangers, find_unlike, looks_cut, looks_of
from ..faces.masks import draw_masks
from ..faces.masks.parsing import FaceParser
from ..faces.masks.parts import Part, crop_landmarks, part_gains
from ..faces.paste import check_crops, paste_faces
from ..faces.place import NO_PIXELS, NOT_IN_AREA, Cover, Place, find_places
from ..pixels.resize import resize
from ..progress import Steps, each, no_steps, steps_within
from ..settings import Settings
from ..types import Alignment
from ..wording import agree, named
from .detail import noise_around
from .networks import Networks
from .records import FaceRecord, RestoredFaces

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class PastedFaces:
    """Images with their restored faces.

    Attributes:
        images: B x 3 x H x W in 0..1; the input tensor itself if nothing was pasted.
        mask: B x 1 x H x W in 0..1; pixels outside it equal the input bit for bit.
        records: the record of each face, completed with its change.
    """

    images: torch.Tensor
    mask: torch.Tensor
    records: tuple[FaceRecord, ...]


@dataclass(frozen=True, eq=False)
class PastedCrops:
    """Images with pasted crops.

    Attributes:
        images: B x 3 x H x W in 0..1; the input tensor itself if nothing was pasted.
        mask: B x 1 x H x W in 0..1; pixels outside it equal the input bit for bit.
        faults: for each crop None, or why it was not pasted.
        notes: one sentence for each doubt about the input.
    """

    images: torch.Tensor
    mask: torch.Tensor
    faults: tuple[str | None, ...]
    notes: tuple[str, ...] = ()


def paste_crops(
    images: torch.Tensor,
    crops: torch.Tensor,
    alignments: tuple[Alignment, ...],
    *,
    mask_mode: MaskMode | str = "landmarks",
    feather: float = 0.1,
    parser: FaceParser | None = None,
    area: torch.Tensor | None = None,
    background: torch.Tensor | None = None,
    progress: Steps = no_steps,
    **how: Any,
) -> PastedCrops:
    """Paste crops into their images, one image after another; a crop without a mask does not affect the others.

    Besides the result, memory depends only on the size of one image and its crops.

    Args:
        images: B x 3 x H x W in 0..1.
        crops: N x 3 x S x S in 0..1, in the order of `alignments`.
        alignments: result of `align_faces` for these images.
        mask_mode, feather, parser: as for `draw_masks`.
        area: as for `restore_batch`.
        background: pictures that are pasted into instead, see `paste_faces`: of the same size, or enlarged by a whole
            factor. Then the result and the mask have their size.
        progress: called with (done, total) regularly; an exception it raises ends the work.
        **how: `color_match`, `match_grain`, `strength` and `denoise` of `paste_faces`.

    Raises:
        ImageError: images, crops and alignments do not match, or hold NaN or infinity.
        SettingsError: a setting is unknown or out of range.
    """
    check_crops(images, crops, alignments)
    area = None if area is None else area.expand(len(images), -1, -1, -1)
    doubts = _doubts(images, crops, alignments)
    factor = 1 if background is None else GivenPictures.of(background, images).factor
    if factor > 1:
        images, alignments = enlarge_plainly(images, factor), tuple(one.resized(factor) for one in alignments)
        area = None if area is None else resize(area, (images.shape[-2], images.shape[-1]), "bilinear")
    ground = images if background is None else background
    result, coverage = ground, torch.zeros_like(images[:, :1])
    faults: list[str | None] = [None] * len(alignments)
    by_image: dict[int, list[int]] = {}
    for n, alignment in enumerate(alignments):
        by_image.setdefault(alignment.image_index, []).append(n)
    for (index, numbers), steps in each(list(by_image.items()), progress):
        drawing, pasting = steps_within(steps, 0, 1, 4), steps_within(steps, 1, 4, 4)
        own, given = crops[numbers], images[index : index + 1]
        placed = tuple(replace(alignments[n], face=replace(alignments[n].face, image_index=0)) for n in numbers)
        masks, why = draw_masks(placed, own.shape[-1], mask_mode, feather, crops=own, parser=parser, progress=drawing)
        for n, fault in zip(numbers, why, strict=True):
            faults[n] = fault
        within = None if area is None else area[index : index + 1]
        places = find_places(masks.to(given), placed, area=within)
        for n, place in zip(numbers, places, strict=True):
            if area is not None and place is None:
                faults[n] = faults[n] or NOT_IN_AREA
        own_ground = None if background is None else background[index : index + 1]
        pasted, coverage[index : index + 1] = paste_faces(
            given, own, placed, places=places, background=own_ground, progress=pasting, **how
        )
        if pasted is not (given if own_ground is None else own_ground):
            result = ground.clone() if result is ground else result
            result[index : index + 1] = pasted
    return PastedCrops(result, coverage, tuple(faults), doubts)


def _doubts(images: torch.Tensor, crops: torch.Tensor, alignments: tuple[Alignment, ...]) -> tuple[str, ...]:
    """Notes if images or crops do not look like what was cut, or the crops are in another order."""
    notes = []
    strangers = find_strangers(images, alignments)
    if strangers:
        pasted = f"image {named(strangers)}" if len(images) > 1 else "The image"
        notes.append(
            f"{pasted[0].upper()}{pasted[1:]} {agree(len(strangers), 'does', 'do')} not look like the one that the "
            "crops were cut from; paste into the images that were aligned, in their order."
        )
    given, seen = looks_of(crops), looks_cut(alignments)
    misordered = find_misordered(given, seen)
    if misordered:
        what = agree(len(misordered), "Crop {} seems to be", "Crops {} seem to be").format(named(misordered))
        notes.append(f"{what} in the wrong place of the batch; paste the crops in the order in which they were cut.")
    unlike = tuple(n for n in find_unlike(given, seen) if n not in misordered)
    if unlike:
        what = agree(len(unlike), "Crop {} hardly looks", "Crops {} hardly look").format(named(unlike))
        notes.append(
            f"{what} like what was cut there: empty, turned, or of another face; paste what was made of the crops."
        )
    for note in notes:
        log.warning(note)
    return tuple(notes)


def paste_back(
    images: torch.Tensor,
    faces: RestoredFaces,
    networks: Networks,
    settings: Settings,
    *,
    area: torch.Tensor | None = None,
    background: torch.Tensor | None = None,
    progress: Steps = no_steps,
) -> PastedFaces:
    """Paste restored faces into their images.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: result of `keep_own_detail` for these images.
        networks: the parser is used for the mask mode `parsing`.
        settings: mask and strength settings.
        area: as for `find_places`.
        background: pictures of the same shape that are pasted into instead, see `paste_faces`. The crops are cut again
            from `images`, which may be enlarged.
        progress: called with (done, total) regularly; an exception it raises ends the work.
    """
    # Shares of the time, in percent.
    drawing, placing, pasting, finishing, measuring, listening = (
        steps_within(progress, first, last, 100) for first, last in pairwise((0, 10, 15, 60, 75, 85, 100))
    )
    alignments = faces.alignments
    parser = networks.parser if settings.mask_mode == "parsing" else None
    if parser is not None:
        networks.place(parser.module)
    changing = [n for n, record in enumerate(faces.records) if record.left_alone is None]
    masks = torch.zeros(len(alignments), 1, *faces.after.shape[-2:])
    faults: list[str | None] = [None] * len(alignments)
    masks[changing], why = draw_masks(
        tuple(alignments[n] for n in changing),
        faces.after.shape[-1],
        settings.mask_mode,
        settings.feather,
        crops=faces.after[changing] if parser else None,
        parser=parser.module if parser else None,
        progress=drawing,
    )
    for n, fault in zip(changing, why, strict=True):
        faults[n] = fault
    shares = _shares_of_parts(settings)
    if shares and changing:
        points = crop_landmarks(tuple(alignments[n] for n in changing), masks.shape[-1])
        masks[changing] *= part_gains(points, masks.shape[-1], shares, elsewhere=settings.strength_skin)

    def paste(images: torch.Tensor, crops: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, tuple[Place | None, ...]]:
        places = find_places(masks.to(images), alignments, area=area, progress=placing)
        pasted, mask = paste_faces(
            images,
            crops,
            alignments,
            places=places,
            originals=faces.before if faces.before.shape == crops.shape and background is None else None,
            background=background,
            color_match=settings.color_match,
            match_grain=settings.match_grain,
            strength=[settings.strength * record.share for record in faces.records],
            denoise=settings.denoise,
            noises=[record.fine_noise for record in faces.records],
            progress=pasting,
        )
        return pasted, mask, places

    ground = images if background is None else background
    pasted, mask, places = _here_or_on_the_cpu(paste, images, faces.after)
    if pasted is not ground:
        sharpen = partial(finish, sigma=settings.finish_sigma, mix=settings.finish_mix, progress=finishing)
        pasted = _here_or_on_the_cpu(lambda pasted, mask: sharpen(pasted, mask=mask), pasted, mask)
    changes = measure_changes(ground, pasted, alignments, places=places, progress=measuring)
    records = tuple(
        replace(
            record,
            left_alone=record.left_alone
            or fault
            or (NOT_IN_AREA if area is not None and place is None else None)
            or _why_unchanged(change, settings.strength * record.share),
            change=change,
            noise=noise_around(ground, pasted, record.alignment),
            cover=place and Cover.of(place),
        )
        for (record, fault, change, place), _ in each(
            list(zip(faces.records, faults, changes, places, strict=True)), listening
        )
    )
    return PastedFaces(pasted, mask, records)


def _shares_of_parts(settings: Settings) -> dict[Part, float]:
    """Shares of the strength by part of the face; empty if all are 1. The eyes are those without the brows."""
    shares: dict[Part, float] = {
        "brows": settings.strength_brows,
        "eyes": settings.strength_eyes,
        "lips": settings.strength_lips,
        "nose": settings.strength_nose,
        "skin": settings.strength_skin,
        "hair": settings.strength_hair,
    }
    return {} if set(shares.values()) == {1.0} else shares


def _why_unchanged(change: Change | None, strength: float) -> str | None:
    """Why a face did not change; None if it did."""
    if change is None:
        return NO_PIXELS
    if change.share > 0:
        return None
    return "the strength is 0" if strength == 0 else "the difference is too small to show in a file"


def _here_or_on_the_cpu(work: Callable[..., Result], *pictures: torch.Tensor) -> Result:
    """Process pictures on their device, or on the CPU if the GPU runs out of memory."""
    try:
        return work(*pictures)
    except Exception as error:
        if not is_out_of_memory(error) or pictures[0].device.type == "cpu":
            raise
    log.warning("The picture does not fit into the memory of %s; its faces are pasted on the CPU.", pictures[0].device)
    return work(*(picture.cpu() for picture in pictures))

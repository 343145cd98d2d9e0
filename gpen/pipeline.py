"""The whole chain in one call: detect, select, prepare, align, restore, shape the detail, paste, finish."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from .devices import free_memory, is_out_of_memory
from .errors import GPENError
from .faces.align import align_faces
from .faces.landmarks import find_landmarks68
from .photograph.prepare import JpegTables
from .progress import Progress, silent
from .restore import restore_crops
from .settings import Settings
from .stages import FaceRecord, FoundFaces, Networks, find_faces, keep_own_detail, paste_back, prepare_images
from .tasks import TASKS
from .types import Alignment, Faces

# Upper limit of the memory for images, result and work on the faces, as a multiple of the images' size.
_PICTURES_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class RestoredBatch:
    """Result of the chain for a batch of images.

    Attributes:
        images: B x 3 x H x W in 0..1; the input tensor itself if no face was restored.
        mask: B x 1 x H x W in 0..1; pixels outside it equal the (prepared) input bit for bit.
        found: the selected faces, and the rejected ones with the reasons.
        records: the record of each selected face, in the order of `before` and `after`.
        before: N x 3 x S x S, the aligned crops.
        after: N x 3 x S x S, the same crops restored.
        prepared: report of the preparation of each image; None if it is off or the image has no face.
        seconds: time spent per stage.
    """

    images: torch.Tensor
    mask: torch.Tensor
    found: FoundFaces
    records: tuple[FaceRecord, ...]
    before: torch.Tensor
    after: torch.Tensor
    prepared: tuple[dict[str, Any] | None, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def faces(self) -> Faces:
        """The selected faces, in the order of `records`."""
        return self.found.selected

    @property
    def alignments(self) -> tuple[Alignment, ...]:
        """The alignment of each crop."""
        return tuple(record.alignment for record in self.records)


def restore_batch(
    images: torch.Tensor,
    networks: Networks,
    settings: Settings | None = None,
    *,
    indices: str = "",
    batch_size: int = 0,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    progress: Progress = silent,
) -> RestoredBatch:
    """Restore the faces of a batch of images; the network processes all faces together.

    Args:
        images: B x 3 x H x W in 0..1.
        networks: from `load_networks`.
        settings: what to restore and how; by default the defaults of `Settings`.
        indices: numbers of the faces of each image to restore, such as `0,2-4`; empty: all.
        batch_size: faces per forward pass; 0: as many as memory allows.
        jpeg_tables: quantisation tables of each image's file, if any; used in the report of the preparation.
        progress: called regularly; an exception it raises ends the work.

    Raises:
        ImageError: the images have a wrong shape or contain NaN.
        SettingsError: `indices` cannot be parsed.
        GPENError: there is not enough memory.
    """
    settings = settings or Settings()
    generator, detector, landmarker = networks.generator, networks.detector.module, networks.landmarker.module
    seconds: dict[str, float] = {}

    with _timed(seconds, "detect"):
        shown = _move_if_it_fits(images, networks.place(detector))
        found = find_faces(
            shown,
            detector,
            settings,
            indices=indices,
            template=generator.template,
            progress=partial(progress, "detect"),
        )
    with _timed(seconds, "landmarks"):
        networks.place(landmarker)
        faces = find_landmarks68(landmarker, shown, found.selected, partial(progress, "landmarks"))
    with _timed(seconds, "prepare"):
        source, prepared = prepare_images(shown, faces, settings, jpeg_tables=jpeg_tables)
    with _timed(seconds, "align"):
        before, alignments = align_faces(source, faces, generator.module.config.size, generator.template)
    with _timed(seconds, "restore"):
        answer = restore_crops(
            generator.module,
            before,
            task=TASKS[generator.task],
            colour="keep",  # judged later, together with the detail, on more than the crop
            batch_size=batch_size,
            place=networks.place,
            progress=progress,
        )
    with _timed(seconds, "detail"):
        restored = keep_own_detail(source, before, answer, alignments, settings)
    with _timed(seconds, "paste"):
        pasted = paste_back(source, restored, networks, settings)
        result = images if pasted.images is shown else pasted.images.to(images.device)
        mask, before, after = (made.to(images.device) for made in (pasted.mask, before, restored.after))
    numbers = found.numbers | {face: found.numbers[old] for old, face in zip(found.selected, faces, strict=True)}
    found = replace(found, selected=faces, numbers=numbers)
    return RestoredBatch(result, mask, found, pasted.records, before, after, prepared, seconds)


def _move_if_it_fits(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move the images to the device of the networks if that is a GPU with enough memory."""
    if device.type != "cuda" or images.device.type != "cpu":
        return images  # other devices lack some operations
    free = free_memory(device)
    needed = _PICTURES_AT_ONCE * images.numel() * images.element_size()
    return images.to(device) if free is not None and needed <= free / 2 else images


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Measure the time of a stage.

    Raises:
        GPENError: the stage ran out of memory.
    """
    start = time.perf_counter()
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise GPENError(
            f"There is not enough memory for the picture (stage {stage}); free some memory or make the picture smaller."
        ) from error
    seconds[stage] = time.perf_counter() - start

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

# What images, their result and the work on their faces take at most, as a multiple of the images.
_PICTURES_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class RestoredBatch:
    """What the chain made of a batch of images.

    Attributes:
        images: B x 3 x H x W in 0..1; the very tensor that came in where no face was restored.
        mask: B x 1 x H x W in 0..1; outside of it every pixel is the input's, bit for bit, or as it was prepared.
        found: the chosen faces, and those that were found and not chosen, with the reasons.
        records: what is known of each chosen face, in the order of `before` and `after`.
        before: N x 3 x S x S, the aligned crops.
        after: N x 3 x S x S, the same crops restored.
        prepared: for each image, what preparing it found and did; None where it was not asked for or has no face.
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
        """The chosen faces, in the order of `records`."""
        return self.found.selected

    @property
    def alignments(self) -> tuple[Alignment, ...]:
        """Where each crop came from."""
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
    """Restore the faces of a batch of images; all its faces go through the network together.

    Args:
        images: B x 3 x H x W in 0..1.
        networks: from `load_networks`.
        settings: what to restore and how; the defaults of `Settings` where left out.
        indices: which of the ordered faces of each image, such as `0,2-4`; empty for all.
        batch_size: faces per forward pass; 0 takes as many as memory allows.
        jpeg_tables: the quantisation tables of each image's file, where it has any; preparing tells of them.
        progress: called as work goes on; what it raises ends the work.

    Raises:
        ImageError: the images have another shape or hold NaN.
        SettingsError: `indices` cannot be read.
        GPENError: memory has run out.
    """
    settings = settings or Settings()
    generator, detector, landmarker = networks.generator, networks.detector.module, networks.landmarker.module
    seconds: dict[str, float] = {}

    with _timed(seconds, "detect"):
        shown = _beside(images, networks.place(detector))
        found = find_faces(shown, detector, settings, indices, generator.template, partial(progress, "detect"))
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
            colour="keep",  # judged with the detail, on more than the crop
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
    found = replace(found, selected=faces)
    return RestoredBatch(result, mask, found, pasted.records, before, after, prepared, seconds)


def _beside(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The images on the device of the networks, where that is a GPU with much more memory than they take."""
    if device.type != "cuda" or images.device.type != "cpu":
        return images  # other devices lack some of the operations
    free = free_memory(device)
    needed = _PICTURES_AT_ONCE * images.numel() * images.element_size()
    return images.to(device) if free is not None and needed <= free / 2 else images


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

"""The steps of the chain, each complete in itself, so that those of several pictures can run beside each other.

    find_chosen -> cut_window -> restore_window_crops -> finish_window

`pipeline.restore_batch` runs them one after another, and `jobs` runs them in threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from .devices import free_memory, refuse_out_of_memory
from .enlarging import Enlarger, enlarge_plainly
from .faces.align import align_faces
from .faces.landmarks import Landmarker, find_landmarks68
from .photograph.prepare import JpegTables
from .pixels.resize import resize
from .progress import Progress, Steps, silent
from .restore import restore_crops
from .restored import RestoredWindow
from .settings import Settings
from .stages import (
    FoundFaces,
    Networks,
    RestoredFaces,
    choose_faces,
    find_faces,
    keep_own_detail,
    paste_back,
    prepare_images,
    soften_faces,
)
from .tasks import TASKS
from .types import Alignment, Faces

GPU_PASS = 8
"""Faces of one pass of the network on a GPU. On a CPU, a pass of several costs as much for each."""
# Upper limit of the memory for images, result and work on the faces, as a multiple of the images' size.
_PICTURES_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class CutWindow:
    """Images whose crops are ready for the network.

    Attributes:
        given: B x 3 x H x W in 0..1, the images as they came.
        shown: the same on the device of the networks, if they fit there.
        source: the same prepared; `shown` itself if nothing was changed.
        prepared: report of the preparation of each image.
        before: N x 3 x S x S in 0..1, the aligned crops.
        alignments: the alignment of each crop.
        area: B x 1 x H x W in 0..1: where faces may change; None: everywhere.
    """

    given: torch.Tensor
    shown: torch.Tensor
    source: torch.Tensor
    prepared: tuple[dict[str, Any] | None, ...]
    before: torch.Tensor
    alignments: tuple[Alignment, ...]
    area: torch.Tensor | None = None


def find_chosen(
    images: torch.Tensor,
    networks: Networks,
    settings: Settings,
    *,
    faces: Faces | None = None,
    within: Callable[[Faces], Faces] | None = None,
    indices: str = "",
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> tuple[torch.Tensor, FoundFaces]:
    """Find the faces to restore, with their 68 landmarks; arguments as for `restore_batch` and `restore_window`.

    Returns:
        The images, on the device of the networks if they fit there, and the faces.
    """
    seconds = {} if seconds is None else seconds
    finder, landmarker = networks.detector.module, networks.landmarker.module
    select = {"indices": indices, "template": networks.generator.template, "within": within}
    with timed(seconds, "detect"):
        shown = _move_if_it_fits(images, networks.place(finder if faces is None else landmarker))
        if faces is None:
            found = find_faces(shown, finder, settings, progress=partial(progress, "detect"), **select)
        else:
            found = choose_faces(shown, faces, settings, **select)
    with timed(seconds, "landmarks"):
        networks.place(landmarker)
        return shown, _with_landmarks(landmarker, shown, found, partial(progress, "landmarks"))


def cut_window(
    images: torch.Tensor,
    faces: Faces,
    networks: Networks,
    settings: Settings,
    *,
    source: torch.Tensor | None = None,
    area: torch.Tensor | None = None,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> CutWindow:
    """Prepare the images of a window and cut the crops of their faces; other arguments as for `restore_window`.

    Args:
        source: B x 3 x H x W, the images if they are prepared already.
        area: as in `CutWindow`.
    """
    seconds = {} if seconds is None else seconds
    generator = networks.generator
    shown = _move_if_it_fits(images, networks.place(generator.module))
    with timed(seconds, "prepare"):
        if source is None:
            source, prepared = prepare_images(
                shown, faces, settings, jpeg_tables=jpeg_tables, progress=partial(progress, "prepare")
            )
        else:
            source, prepared = source.to(shown.device), (None,) * len(images)
    with timed(seconds, "align"):
        size, template = generator.module.config.size, generator.template
        before, alignments = align_faces(source, faces, size, template, progress=partial(progress, "align"))
    return CutWindow(images, shown, source, prepared, before, alignments, area)


def restore_window_crops(
    crops: torch.Tensor,
    networks: Networks,
    *,
    batch_size: int = 0,
    announced: bool = False,
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> torch.Tensor:
    """The network's answer to the crops of one or more windows; arguments as for `restore_window`."""
    with timed({} if seconds is None else seconds, "restore"):
        return restore_crops(
            networks.generator.module,
            crops,
            task=TASKS[networks.generator.task],
            colour="keep",  # judged later, together with the detail, on more than the crop
            batch_size=batch_size,
            announced=announced,
            place=networks.place,
            progress=progress,
        )


def restore_together(
    crops: Sequence[torch.Tensor],
    networks: Networks,
    *,
    batch_size: int,
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> list[torch.Tensor]:
    """The network's answers to the crops of several windows, in passes that are all of the same size.

    The rounding of a pass depends on its number of faces, so the last one is filled up with empty crops.

    Args:
        crops: N x 3 x S x S in 0..1 of each window.
        batch_size: faces per forward pass.
        networks, progress, seconds: as for `restore_window`.

    Returns:
        N x 3 x S x S in 0..1 of each window, on the device of its crops.
    """
    faces = sum(map(len, crops))
    if not faces:
        return list(crops)
    device = networks.place(networks.generator.module)
    empty = crops[0].new_zeros((-faces % batch_size, *crops[0].shape[1:])).to(device)
    answers = restore_window_crops(
        torch.cat([*(own.to(device) for own in crops), empty]),
        networks,
        batch_size=batch_size,
        announced=True,
        progress=progress,
        seconds=seconds,
    ).split([*map(len, crops), len(empty)])
    return [answer.to(own.device) for answer, own in zip(answers, crops, strict=False)]


def finish_window(
    cut: CutWindow,
    answer: torch.Tensor,
    networks: Networks,
    settings: Settings,
    *,
    enlarger: Enlarger | None = None,
    index: int = 0,
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> RestoredWindow:
    """Keep the photograph's own detail and paste the faces; other arguments as for `restore_window`.

    Args:
        cut: from `cut_window`.
        answer: N x 3 x S x S in 0..1, from `restore_window_crops`.
        enlarger: enlarges the image, which must be a single one; its faces are pasted at the enlarged size.
        index: place of that image in the batch of the enlarger.

    Returns:
        The window; with an enlarger, its images, mask and records are those of the enlarged image.
    """
    seconds = {} if seconds is None else seconds
    with timed(seconds, "detail"):
        restored = keep_own_detail(
            cut.source,
            cut.before,
            answer,
            cut.alignments,
            settings,
            enlarged=enlarger is not None and enlarger.factor > 1,
            progress=partial(progress, "detail"),
        )
    return paste_window(
        cut, restored, networks, settings, enlarger=enlarger, index=index, progress=progress, seconds=seconds
    )


def enlarge_image(
    image: torch.Tensor,
    enlarger: Enlarger,
    index: int = 0,
    *,
    crop_side: int,
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> RestoredWindow:
    """The window of an enlarged image without faces; arguments as for `finish_window`, and the side of crops."""
    _, ground = _enlarge(image.cpu(), enlarger, index, progress, {} if seconds is None else seconds)
    crops = image.new_empty((0, 3, crop_side, crop_side))
    return RestoredWindow(ground, torch.zeros_like(ground[:, :1]), (), crops, crops, (None,))


def _enlarge(
    image: torch.Tensor, enlarger: Enlarger, index: int, progress: Progress, seconds: dict[str, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The image enlarged plainly, and as the enlarger does."""
    with timed(seconds, "enlarge"):
        plain = enlarge_plainly(image, enlarger.factor)
        return plain, enlarger(image, index, plain, partial(progress, "enlarge"))


def paste_window(
    cut: CutWindow,
    restored: RestoredFaces,
    networks: Networks,
    settings: Settings,
    *,
    enlarger: Enlarger | None = None,
    index: int = 0,
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> RestoredWindow:
    """Paste the faces of a window; `restored` is from `keep_own_detail`, other arguments as for `finish_window`."""
    seconds = {} if seconds is None else seconds
    images, ground, area, device = cut.source, None, cut.area, cut.given.device
    if enlarger is not None:
        # On the CPU: an enlarged picture seldom fits beside the networks.
        images, ground = _enlarge(cut.source.cpu(), enlarger, index, progress, seconds)
        restored, device = restored.in_enlarged(enlarger.factor), images.device
        area = None if area is None else resize(area, (images.shape[-2], images.shape[-1]), "bilinear")
    with timed(seconds, "paste"):
        restored = soften_faces(images, restored, settings, background=ground)
        pasted = paste_back(
            images, restored, networks, settings, area=area, background=ground, progress=partial(progress, "paste")
        )
        left_alone = [record.left_alone is not None for record in pasted.records]
        restored.after[left_alone] = cut.before[left_alone]  # what is shown as the result must be what was pasted
        result = cut.given if pasted.images is cut.shown else pasted.images.to(device)
        before, after = cut.before.to(cut.given.device), restored.after.to(cut.given.device)
    return RestoredWindow(result, pasted.mask.to(device), pasted.records, before, after, cut.prepared)


def _with_landmarks(landmarker: Landmarker, images: torch.Tensor, found: FoundFaces, progress: Steps) -> FoundFaces:
    """Add the 68 landmarks to the selected faces that have none."""
    without = tuple(face for face in found.selected if face.landmarks68 is None)
    located = find_landmarks68(landmarker, images, Faces(without, found.selected.sizes), progress)
    complete = dict(zip(without, located, strict=True))
    selected = tuple(complete.get(face, face) for face in found.selected)
    numbers = found.numbers | {new: found.numbers[old] for old, new in complete.items()}
    return replace(found, selected=Faces(selected, found.selected.sizes), numbers=numbers)


def _move_if_it_fits(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move the images to the device of the networks if that is a GPU with enough memory."""
    if device.type != "cuda" or images.device.type != "cpu":
        return images  # other devices lack some operations
    free = free_memory(device)
    needed = _PICTURES_AT_ONCE * images.numel() * images.element_size()
    return images.to(device) if free is not None and needed <= free / 2 else images


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the time of a stage to `seconds`.

    Raises:
        GPENError: the stage ran out of memory.
    """
    start = time.perf_counter()
    with refuse_out_of_memory(
        f"There is not enough memory for the picture (stage {stage}); free some memory or make the picture smaller."
    ):
        yield
    seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start

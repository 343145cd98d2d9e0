"""The whole chain in one call: detect, select, prepare, align, restore, shape the detail, paste, finish.

A batch goes through in windows, so that the working memory does not grow with its length.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch

from .backends import expect
from .devices import free_memory, refuse_out_of_memory
from .faces.align import align_faces
from .faces.landmarks import Landmarker, find_landmarks68
from .photograph.prepare import JpegTables
from .progress import Progress, Steps, part_of, silent
from .restore import restore_crops
from .restored import GatheredWindows, RestoredBatch, RestoredWindow
from .settings import Settings
from .stages import FoundFaces, Networks, choose_faces, find_faces, keep_own_detail, paste_back, prepare_images
from .tasks import TASKS
from .types import Faces

SHARES = {"detect": 48, "landmarks": 1, "prepare": 10, "align": 1, "restore": 20, "detail": 12, "paste": 8}
"""Shares of the stages of the time, in percent: between those of 20 frames of 768 x 432 with all settings on and with
the defaults, measured on a CPU with gpen-lite-256, and more for the network, since other models are larger."""

# Upper limit of the memory for images, result and work on the faces, as a multiple of the images' size.
_PICTURES_AT_ONCE = 8
# A window ends before its crops (before the restoration) or its images would be larger, unless it is a single image:
# 21 crops of 512 x 512, 2 images of 1920 x 1080. The work on them takes about six times as much.
_WINDOW_CROP_BYTES, _WINDOW_IMAGE_BYTES = 1 << 26, 1 << 26


def restore_batch(
    images: torch.Tensor,
    networks: Networks,
    settings: Settings | None = None,
    *,
    faces: Faces | None = None,
    within: Callable[[Faces], Faces] | None = None,
    indices: str = "",
    batch_size: int = 0,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    progress: Progress = silent,
) -> RestoredBatch:
    """Restore the faces of a batch of images; the network processes faces of several images together.

    1. Find the faces of all images.
    2. Restore window by window, see `restore_window`. The result does not depend on where a window ends, except for
       the rounding of a pass of the network with another number of faces.

    Args:
        images: B x 3 x H x W in 0..1.
        networks: from `load_networks`.
        settings: what to restore and how; by default the defaults of `Settings`.
        faces: faces found elsewhere in these images, to choose from instead of searching, see `choose_faces`. Those
            with 68 landmarks keep them.
        within: returns the faces that may be numbered and selected, such as those inside a region.
        indices: numbers of the faces of each image to restore, such as `0,2-4`; empty: all.
        batch_size: faces per forward pass, no more than a window holds; 0: as many as memory allows.
        jpeg_tables: quantisation tables of each image's file, if any; used in the report of the preparation.
        progress: called regularly; an exception it raises ends the work.

    Raises:
        ImageError: the images have a wrong shape or contain NaN, or `faces` are not theirs.
        SettingsError: `indices` cannot be parsed, or a network for the settings is missing.
        GPENError: there is not enough memory.
    """
    settings = settings or Settings()
    networks.require(settings)
    seconds: dict[str, float] = {}
    finder, landmarker = networks.detector.module, networks.landmarker.module
    select = {"indices": indices, "template": networks.generator.template, "within": within}
    with _timed(seconds, "detect"):
        shown = _move_if_it_fits(images, networks.place(finder if faces is None else landmarker))
        if faces is None:
            found = find_faces(shown, finder, settings, progress=partial(progress, "detect"), **select)
        else:
            found = choose_faces(shown, faces, settings, **select)
    with _timed(seconds, "landmarks"):
        networks.place(landmarker)
        found = _with_landmarks(landmarker, shown, found, partial(progress, "landmarks"))
    chosen = found.selected
    expect(networks.generator.module, faces=len(chosen))
    with _timed(seconds, "gather"):
        gathered = GatheredWindows(images, chosen, networks.generator.module.config.size)
    for first, last in _windows(chosen, shown, gathered.before.shape[-1], batch_size):
        window, done = chosen.window(first, last), len(gathered.records)
        given = shown if last - first == len(shown) else shown[first:last]
        restored = restore_window(
            given,
            window,
            networks,
            settings,
            batch_size=batch_size,
            announced=True,
            jpeg_tables=jpeg_tables and jpeg_tables[first:last],
            progress=part_of(progress, done, done + len(window), len(chosen)),
            seconds=seconds,
        )
        gathered.add(restored, first, changed=restored.images is not given)
        del restored  # or it would be held beside the next one
    return gathered.batch(found, seconds, searched=faces is None)


def restore_window(
    images: torch.Tensor,
    faces: Faces,
    networks: Networks,
    settings: Settings,
    *,
    batch_size: int = 0,
    announced: bool = False,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    progress: Progress = silent,
    seconds: dict[str, float] | None = None,
) -> RestoredWindow:
    """Restore known faces of a few images, such as a window of the frames of a video, in one go.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: the faces to restore, with 68 landmarks; a face whose landmarks cannot be aligned must not be among them.
        networks: from `load_networks`.
        settings: what to restore and how.
        batch_size: faces per forward pass, no more than a window holds; 0: as many as memory allows.
        announced: whether the caller has told the network the number of faces, see `backends.expect`.
        jpeg_tables: quantisation tables of each image's file, if any; used in the report of the preparation.
        progress: called regularly; an exception it raises ends the work.
        seconds: the time of each stage is added to it.

    Raises:
        ImageError: the faces are not those of the images.
        GPENError: there is not enough memory.
    """
    seconds = {} if seconds is None else seconds
    generator = networks.generator
    shown = _move_if_it_fits(images, networks.place(generator.module))
    with _timed(seconds, "prepare"):
        source, prepared = prepare_images(
            shown, faces, settings, jpeg_tables=jpeg_tables, progress=partial(progress, "prepare")
        )
    with _timed(seconds, "align"):
        size, template = generator.module.config.size, generator.template
        before, alignments = align_faces(source, faces, size, template, progress=partial(progress, "align"))
    with _timed(seconds, "restore"):
        answer = restore_crops(
            generator.module,
            before,
            task=TASKS[generator.task],
            colour="keep",  # judged later, together with the detail, on more than the crop
            batch_size=batch_size,
            announced=announced,
            place=networks.place,
            progress=progress,
        )
    with _timed(seconds, "detail"):
        restored = keep_own_detail(source, before, answer, alignments, settings, progress=partial(progress, "detail"))
    with _timed(seconds, "paste"):
        pasted = paste_back(source, restored, networks, settings, progress=partial(progress, "paste"))
        left_alone = [record.left_alone is not None for record in pasted.records]
        restored.after[left_alone] = before[left_alone]  # what is shown as the result must be what was pasted
        result = images if pasted.images is shown else pasted.images.to(images.device)
        mask, before, after = (made.to(images.device) for made in (pasted.mask, before, restored.after))
    return RestoredWindow(result, mask, pasted.records, before, after, prepared)


def _with_landmarks(landmarker: Landmarker, images: torch.Tensor, found: FoundFaces, progress: Steps) -> FoundFaces:
    """Add the 68 landmarks to the selected faces that have none."""
    without = tuple(face for face in found.selected if face.landmarks68 is None)
    located = find_landmarks68(landmarker, images, Faces(without, found.selected.sizes), progress)
    complete = dict(zip(without, located, strict=True))
    selected = tuple(complete.get(face, face) for face in found.selected)
    numbers = found.numbers | {new: found.numbers[old] for old, new in complete.items()}
    return replace(found, selected=Faces(selected, found.selected.sizes), numbers=numbers)


def _windows(faces: Faces, images: torch.Tensor, crop_side: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """The first and last (exclusive) image of each window; all images with faces are in one of them."""
    most_faces = max(_WINDOW_CROP_BYTES // (3 * crop_side**2 * images.element_size()), 1)
    if 0 < batch_size <= most_faces:
        most_faces -= most_faces % batch_size  # passes of the same length as in one go
    most_images = max(_WINDOW_IMAGE_BYTES // images[:1].nbytes, 1) if len(images) else 1
    counts = Counter(face.image_index for face in faces)
    first, last, held = 0, 0, 0
    for index in sorted(counts):
        if held and (held + counts[index] > most_faces or index + 1 - first > most_images):
            yield first, last
            held = 0
        first = first if held else index
        last, held = index + 1, held + counts[index]
    if held:
        yield first, last


def _move_if_it_fits(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Move the images to the device of the networks if that is a GPU with enough memory."""
    if device.type != "cuda" or images.device.type != "cpu":
        return images  # other devices lack some operations
    free = free_memory(device)
    needed = _PICTURES_AT_ONCE * images.numel() * images.element_size()
    return images.to(device) if free is not None and needed <= free / 2 else images


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
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

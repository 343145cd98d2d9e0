"""The whole chain in one call: detect, select, prepare, align, restore, shape the detail, paste, finish.

A batch goes through in windows, so that the working memory does not grow with its length.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import torch

from .backends import expect
from .choices import LANCZOS
from .enlarging import Enlarger
from .photograph.prepare import JpegTables
from .progress import Progress, part_of, silent
from .restored import GatheredWindows, RestoredBatch, RestoredWindow
from .settings import Settings
from .stages import FoundFaces, Networks
from .steps import cut_window, enlarge_image, find_chosen, finish_window, restore_window_crops, timed
from .types import Faces

SHARES: dict[str, float] = {
    "detect": 48,
    "landmarks": 1,
    "prepare": 10,
    "align": 1,
    "restore": 20,
    "detail": 12,
    "enlarge": 0,
    "paste": 8,
}
"""Shares of the stages of the time, in percent: between those of 20 frames of 768 x 432 with all settings on and with
the defaults, measured on a CPU with gpen-lite-256, and more for the network, since other models are larger."""

# Share of enlarging by Lanczos, and by a network: Real-ESRGAN x4plus takes 3 ms of a core for each given pixel.
_PLAINLY, _BY_NETWORK = 4, 400

# A window ends before its crops (before the restoration) or its images would be larger, unless it is a single image:
# 21 crops of 512 x 512, 2 images of 1920 x 1080. The work on them takes about six times as much.
_WINDOW_CROP_BYTES, _WINDOW_IMAGE_BYTES = 1 << 26, 1 << 26


def shares_of(upscale: int = 1, background: str = LANCZOS) -> dict[str, float]:
    """`SHARES`, with that of enlarging; arguments as for `Restorer`."""
    return SHARES if upscale == 1 else {**SHARES, "enlarge": _PLAINLY if background == LANCZOS else _BY_NETWORK}


def restore_batch(
    images: torch.Tensor,
    networks: Networks,
    settings: Settings | None = None,
    *,
    faces: Faces | None = None,
    within: Callable[[Faces], Faces] | None = None,
    indices: str = "",
    area: torch.Tensor | None = None,
    batch_size: int = 0,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    enlarger: Enlarger | None = None,
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
        area: B x 1 x H x W, or 1 x 1 x H x W for all images, in 0..1: where faces may change, see `area_of`; None:
            everywhere. The preparation of whole images is not bound to it.
        batch_size: faces per forward pass, no more than a window holds; 0: as many as memory allows.
        jpeg_tables: quantisation tables of each image's file, if any; used in the report of the preparation.
        enlarger: enlarges the images. Faces are found in the given images and pasted at the enlarged size, and
            everything in the result but the crops is that of the enlarged images.
        progress: called regularly; an exception it raises ends the work.

    Raises:
        ImageError: the images have a wrong shape or contain NaN, `faces` are not theirs, or an enlarged one is too
            large.
        SettingsError: `indices` cannot be parsed, or a network for the settings is missing.
        GPENError: there is not enough memory.
    """
    settings = settings or Settings()
    networks.require(settings)
    area = None if area is None else area.expand(len(images), -1, -1, -1)
    if enlarger is not None:
        enlarger.check((images.shape[-2], images.shape[-1]))
    seconds: dict[str, float] = {}
    shown, found = find_chosen(
        images,
        networks,
        settings,
        faces=faces,
        within=within,
        indices=indices,
        progress=progress,
        seconds=seconds,
    )
    chosen = found.selected
    expect(networks.generator.module, faces=len(chosen))
    if enlarger is not None:
        return _restore_enlarged(
            images,
            shown,
            found,
            networks,
            settings,
            enlarger,
            area=area,
            batch_size=batch_size,
            jpeg_tables=jpeg_tables,
            progress=progress,
            seconds=seconds,
            searched=faces is None,
        )
    with timed(seconds, "gather"):
        gathered = GatheredWindows(images, chosen, networks.generator.module.config.size)
    for first, last in _windows(chosen, shown, gathered.before.shape[-1], batch_size):
        window, done = chosen.window(first, last), len(gathered.records)
        given = shown if last - first == len(shown) else shown[first:last]
        restored = restore_window(
            given,
            window,
            networks,
            settings,
            area=None if area is None else area[first:last],
            batch_size=batch_size,
            announced=True,
            jpeg_tables=jpeg_tables and jpeg_tables[first:last],
            progress=part_of(progress, done, done + len(window), len(chosen)),
            seconds=seconds,
        )
        gathered.add(restored, first, changed=restored.images is not given)
        del restored  # or it would be held beside the next one
    return gathered.batch(found, seconds, running=networks.generator.running, searched=faces is None)


def _restore_enlarged(
    images: torch.Tensor,
    shown: torch.Tensor,
    found: FoundFaces,
    networks: Networks,
    settings: Settings,
    enlarger: Enlarger,
    *,
    area: torch.Tensor | None,
    batch_size: int,
    jpeg_tables: Sequence[JpegTables | None] | None,
    progress: Progress,
    seconds: dict[str, float],
    searched: bool,
) -> RestoredBatch:
    """The rest of `restore_batch`, one image after another, since an enlarged one may be as large as a window."""
    chosen, large = found.selected, found.enlarged(enlarger.factor)
    size = networks.generator.module.config.size
    gathered = GatheredWindows.enlarged(images, large.selected, size, enlarger.factor)
    for index in range(len(images)):
        own, steps = chosen.window(index, index + 1), part_of(progress, index, index + 1, len(images))
        one = shown[index : index + 1]
        if not len(own):
            window = enlarge_image(one, enlarger, index, crop_side=size, progress=steps, seconds=seconds)
        else:
            tables = jpeg_tables and jpeg_tables[index : index + 1]
            within = None if area is None else area[index : index + 1]
            cut = cut_window(
                one, own, networks, settings, jpeg_tables=tables, area=within, progress=steps, seconds=seconds
            )
            answer = restore_window_crops(
                cut.before, networks, batch_size=batch_size, announced=True, progress=steps, seconds=seconds
            )
            window = finish_window(
                cut, answer, networks, settings, enlarger=enlarger, index=index, progress=steps, seconds=seconds
            )
        gathered.add(window, index, changed=True)
        del window  # or it would be held beside the next one
    running = networks.generator.running
    return gathered.batch(large, seconds, running=running, searched=searched, enlarger=enlarger)


def restore_window(
    images: torch.Tensor,
    faces: Faces,
    networks: Networks,
    settings: Settings,
    *,
    area: torch.Tensor | None = None,
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
        area: B x 1 x H x W in 0..1: where faces may change; None: everywhere.
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
    cut = cut_window(
        images,
        faces,
        networks,
        settings,
        area=area,
        jpeg_tables=jpeg_tables,
        progress=progress,
        seconds=seconds,
    )
    answer = restore_window_crops(
        cut.before,
        networks,
        batch_size=batch_size,
        announced=announced,
        progress=progress,
        seconds=seconds,
    )
    return finish_window(cut, answer, networks, settings, progress=progress, seconds=seconds)


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

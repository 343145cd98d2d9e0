"""A picture as stored in its file, before it is rotated upright; returned by the readers of all formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from .modes import Mode, has_alpha, image_into
from .picture import FileInfo
from .samples import bands, scale_into

Fill = Callable[[np.ndarray, "np.ndarray | None"], None]


@dataclass(frozen=True)
class Stored:
    """Result of a reader.

    Attributes:
        size: (height, width) as stored.
        fill: writes the samples to 3 x H x W planes, and to 1 x H x W alpha if that is not None.
        with_alpha: whether there is an alpha channel.
        info: information needed for writing.
        mode: pixel mode of the file.
        is_deep: whether the file has more than 8 bits per sample.
        exif: the EXIF block starting at its TIFF header; None if there is none, empty if it is damaged.
        icc_profile: the colour profile of the samples.
        orientation: orientation of the samples if the reader knows it; None if EXIF or XMP decides.
        n_frames: number of frames or pages in the file.
        notes, left_out: as in `Picture`.
        is_whole: whether the picture is complete.
    """

    size: tuple[int, int]
    fill: Fill
    with_alpha: bool
    info: FileInfo
    mode: Mode
    is_deep: bool = False
    exif: bytes | None = None
    icc_profile: bytes | None = None
    orientation: int | None = None
    n_frames: int = 1
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    is_whole: bool = True


def filled_by_image(image: Image.Image) -> tuple[tuple[int, int], Fill, bool]:
    """Size, `fill` and `with_alpha` of a plain image (see `plain_image`)."""
    return (image.height, image.width), partial(image_into, image), has_alpha(image)


def filled_by_samples(samples: np.ndarray) -> tuple[tuple[int, int], Fill]:
    """Size and `fill` of H x W x C uint8 or uint16."""
    height, width = samples.shape[:2]
    return (height, width), partial(_samples_into, samples)


def _samples_into(samples: np.ndarray, planes: np.ndarray, alpha: np.ndarray | None) -> None:
    for rows in bands(*samples.shape[:2]):
        scale_into(planes[:, rows], None if alpha is None else alpha[:, rows], samples[rows])

"""A picture as its file stores it, before it is turned upright: what the readers of the formats give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from ..errors import ImageError
from .modes import Mode, has_alpha, image_into
from .picture import FileInfo
from .samples import bands, scale_into

MAX_PIXELS = 500_000_000
"""Larger pictures are refused unread: as a float32 tensor one of this size fills 6 GB. Of TIFF and WebP, newer
releases of Pillow read no more than 178 megapixels."""

Fill = Callable[[np.ndarray, "np.ndarray | None"], None]


@dataclass(frozen=True)
class Stored:
    """What a reader found.

    Attributes:
        size: (height, width) as stored.
        fill: writes the samples into 3 x H x W planes, and into 1 x H x W alpha if that is not None.
        with_alpha: there is alpha.
        info: what writing needs.
        mode: what the file holds.
        is_deep: more than 8 bits a sample.
        exif: from its TIFF header on; None where there is none, empty where it is damaged.
        icc_profile: the profile that the samples are in.
        orientation: of the samples, where the reader knows it; None where EXIF or XMP decides.
        n_frames: frames or pages in the file.
        notes, left_out: sentences, as `Picture` has them.
        is_whole: nothing of the picture is lost.
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


def check_size(width: int, height: int, name: str) -> None:
    """Refuse a picture of more than `MAX_PIXELS`.

    Raises:
        ImageError: it claims to be larger.
    """
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise ImageError(f"{name} claims {width} x {height} pixels, more than {limit} million; make it smaller.")

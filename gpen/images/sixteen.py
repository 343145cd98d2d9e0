"""16-bit samples of PNG and TIFF files, which Pillow cuts to 8 bits: decoded by OpenCV."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ImageError
from .samples import bands
from .tiff import (
    ASSOCIATED_ALPHA,
    BITS,
    EXTRA_SAMPLES,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    PHOTOMETRIC,
    PLANAR,
    RGB,
    SAMPLE_FORMAT,
    UNASSOCIATED_ALPHA,
)

_UNSIGNED, _FLOAT = 1, 3
_SEPARATE = 2


def is_tiff16(tags: dict[int, tuple[int, ...]], name: str) -> bool:
    """Whether a TIFF with these layout tags holds 16-bit grey or RGB samples.

    Raises:
        ImageError: it holds samples of a kind that has no place in 0..1, or keeps its channels apart.
    """
    bits = max(tags[BITS], default=1)
    kinds = set(tags[SAMPLE_FORMAT]) or {_UNSIGNED}
    if bits > 16 or kinds != {_UNSIGNED}:
        kind = "floating-point" if _FLOAT in kinds else "integer"
        raise ImageError(f"{name} holds {bits}-bit {kind} samples without a fixed white; save it as 16-bit TIFF.")
    if bits < 16 or not set(tags[PHOTOMETRIC]) <= {MIN_IS_WHITE, MIN_IS_BLACK, RGB}:
        return False
    if _SEPARATE in tags[PLANAR] and len(tags[BITS]) > 1:
        raise ImageError(f"{name} is a 16-bit TIFF with its channels apart (planar); save it interleaved.")
    return True


def decode16(data: bytes, tags: dict[int, tuple[int, ...]], transparency: Any, name: str) -> tuple[np.ndarray, bool]:
    """The samples of a 16-bit file.

    Args:
        data: the whole file.
        tags: layout tags of a TIFF; empty for a PNG.
        transparency: the grey value a PNG declares to be transparent, if it is grey and does.
        name: the file's name, for messages.

    Returns:
        H x W x C uint16 (grey or RGB, then straight alpha), and whether the last channel is alpha. OpenCV
        turns a TIFF upright, and a PNG not.

    Raises:
        ImageError: OpenCV cannot decode it.
    """
    import cv2

    try:
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        samples = None
    if samples is None or samples.dtype != np.uint16:
        raise ImageError(f"{name} holds 16-bit samples in a way that OpenCV cannot decode; save it uncompressed.")
    if samples.ndim == 2:
        samples = samples[..., None]
        if isinstance(transparency, int):
            opaque = np.where(samples == transparency, 0, 65535).astype(np.uint16)
            return np.concatenate([samples, opaque], axis=2), True
    else:
        for rows in bands(*samples.shape[:2]):
            samples[rows, :, :3] = samples[rows, :, 2::-1].copy()  # OpenCV's order is BGR
    return _as_the_tags_say(samples, tags)


def _as_the_tags_say(samples: np.ndarray, tags: dict[int, tuple[int, ...]]) -> tuple[np.ndarray, bool]:
    if MIN_IS_WHITE in tags.get(PHOTOMETRIC, ()):
        np.subtract(65535, samples, out=samples)
    if samples.shape[2] < 4:
        return samples, False
    extra = tags.get(EXTRA_SAMPLES, (UNASSOCIATED_ALPHA,))
    if ASSOCIATED_ALPHA in extra:
        for rows in bands(*samples.shape[:2]):
            _unmultiply(samples[rows])
    elif UNASSOCIATED_ALPHA not in extra:
        return samples[..., :3], False
    return samples, True


def _unmultiply(samples: np.ndarray) -> None:
    alpha = samples[..., 3:].astype(np.float32)
    color = samples[..., :3] * (65535 / np.maximum(alpha, 1))
    samples[..., :3] = np.rint(np.minimum(color, 65535))

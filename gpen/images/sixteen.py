"""Decode 16-bit PNG files with OpenCV, since Pillow reduces them to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ImageError
from .samples import bands


def decode_png16(data: bytes, transparency: Any, name: str) -> tuple[np.ndarray, bool]:
    """The samples of a 16-bit PNG.

    Args:
        data: the whole file.
        transparency: the grey value that a grey file declares to be transparent, if any.
        name: the file's name, for messages.

    Returns:
        H x W x C uint16 (grey or RGB, then straight alpha), and whether the last channel is alpha.

    Raises:
        ImageError: OpenCV cannot decode it.
    """
    import cv2

    try:
        samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        samples = None
    if samples is None or samples.dtype != np.uint16:
        raise ImageError(f"{name} is a 16-bit PNG that OpenCV cannot decode; save it as TIFF.")
    if samples.ndim == 2:
        samples = samples[..., None]
        if isinstance(transparency, int):
            opaque = np.where(samples == transparency, 0, 65535).astype(np.uint16)
            return np.concatenate([samples, opaque], axis=2), True
        return samples, False
    for rows in bands(*samples.shape[:2]):
        samples[rows, :, :3] = samples[rows, :, 2::-1].copy()  # OpenCV's order is BGR
    return samples, samples.shape[2] == 4

"""Camera raw files, developed by LibRaw if rawpy is installed."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from ..errors import ImageError
from .kinds import raw_picture

NOTE = (
    "The camera raw file was developed with the camera's white balance and LibRaw's default tones; a raw converter "
    "gives you more control."
)


def develop(file: BinaryIO, name: str) -> np.ndarray:
    """H x W x 3 uint16 sRGB, upright.

    Raises:
        ImageError: rawpy is not installed, or LibRaw does not know the camera or finds the file damaged.
    """
    try:
        import rawpy
    except ImportError:
        raise raw_picture(name) from None
    file.seek(0)
    try:
        with rawpy.imread(file) as raw:
            return raw.postprocess(use_camera_wb=True, output_bps=16)
    except (rawpy.LibRawError, ValueError, RuntimeError) as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ImageError(
            f"{name} is a camera raw file that cannot be developed here ({reason}); develop it first."
        ) from None

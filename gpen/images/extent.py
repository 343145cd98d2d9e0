"""The number of pixels of a picture file, from its header alone."""

from __future__ import annotations

from pathlib import Path

from .kinds import recognise

# Pixels of a byte in a file whose header tells no size: that of a HEIC of good quality.
_PIXELS_PER_BYTE = 8
_HEAD = 256


def pixels_of(path: Path) -> int:
    """Number of pixels of the first picture in a file; estimated by its length if only a decoder can tell.

    Damaged and missing files count as they are: reading them tells what is wrong.
    """
    length = 0
    try:
        length = path.stat().st_size
        with path.open("rb") as file:
            _, opener = recognise(file.read(_HEAD), path.name)
            if opener is None:
                return _PIXELS_PER_BYTE * length
            file.seek(0)
            with opener(file) as picture:
                return picture.width * picture.height
    except Exception:  # Pillow's plugins raise any type of exception on damaged files
        return _PIXELS_PER_BYTE * length

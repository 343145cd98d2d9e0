"""Write any file whole: a reader sees the old one or the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..weights.files import replacing
from .errors import ImageError

if TYPE_CHECKING:
    from PIL import Image


def save_png(image: Image.Image, path: Path) -> None:
    """Write a sheet or a crop as PNG atomically, creating missing folders.

    Raises:
        ImageError: the folder cannot be written to.
    """
    write_whole(path, lambda temporary: image.save(temporary, "PNG"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file atomically, creating missing folders; `write` is called with a temporary path beside it.

    Raises:
        ImageError: the folder cannot be written to.
    """
    try:
        with replacing(path) as temporary:
            write(temporary)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from None

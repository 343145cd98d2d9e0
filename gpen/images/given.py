"""What functions take as a picture: a path, a `Picture`, an array or a PIL image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .arrays import from_array
from .picture import Picture
from .read import read_picture


def open_picture(image: Any) -> tuple[torch.Tensor, Picture | None]:
    """The pixels of an input, 1 x 3 x H x W in 0..1, and the picture of its file, if it has one.

    Raises:
        ImageError: the file cannot be read as a picture, or the array has a wrong shape, dtype or range.
    """
    picture = read_picture(image) if isinstance(image, str | Path) else image if isinstance(image, Picture) else None
    return (picture.pixels if picture else from_array(image)), picture

"""The area of a picture that may change, from masks that somebody made."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import ImageError
from ..types import Size
from .given import open_picture


def area_of(only_here: torch.Tensor | None, not_here: torch.Tensor | None, size: Size) -> torch.Tensor | None:
    """The area that may change: `only_here` without `not_here`.

    Args:
        only_here: B x 1 x H x W in 0..1, where the picture may change; None: everywhere.
        not_here: the same, where it must not; None: nowhere. 0.5 lets half of a change through.
        size: (height, width) of the pictures.

    Returns:
        B x 1 x H x W in 0..1; None if everything may change.

    Raises:
        ImageError: a mask is of another size.
    """
    for name, mask in (("only_here", only_here), ("not_here", not_here)):
        if mask is not None and tuple(mask.shape[-2:]) != tuple(size):
            raise ImageError(
                f"The mask {name} has {mask.shape[-1]} x {mask.shape[-2]} pixels, but the picture {size[1]} x "
                f"{size[0]}; make a mask of this picture, or resize it."
            )
    if not_here is None:
        return only_here
    kept = 1 - not_here
    return kept if only_here is None else only_here * kept


def mask_of(image: Any) -> torch.Tensor:
    """A mask from what `open_picture` takes: 1 x 1 x H x W in 0..1, the brightness; alpha is not read.

    Raises:
        ImageError: it cannot be read as a picture.
    """
    return open_picture(image)[0].mean(1, keepdim=True)

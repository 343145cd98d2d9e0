"""Checks of the arguments of functions on pictures."""

from __future__ import annotations

import math

import torch

from .errors import ImageError
from .values import require_between

__all__ = ["all_finite", "require_between", "require_finite_images", "require_images", "require_same_shape"]


def require_images(images: torch.Tensor, name: str = "Images", *, gray: bool = False, square: bool = False) -> None:
    """Check that a tensor is a batch of colour images.

    Args:
        images: the tensor to check.
        name: its name in the message.
        gray: also allow images with one channel.
        square: allow only square images.

    Raises:
        ImageError: it is not B x 3 x H x W of floating point, or an image has no pixels.
    """
    fits = (
        images.ndim == 4
        and images.shape[1] in ((1, 3) if gray else (3,))
        and (not square or images.shape[2] == images.shape[3])
        and 0 not in images.shape[2:]
        and images.is_floating_point()
    )
    if not fits:
        shape = "B x 3 x S x S" if square else "B x 3 x H x W or B x 1 x H x W" if gray else "B x 3 x H x W"
        raise ImageError(
            f"{name} must be a floating-point tensor {shape} in 0..1, got {tuple(images.shape)} of {images.dtype}."
        )


def require_finite_images(images: torch.Tensor, name: str = "Images", *, square: bool = False) -> None:
    """Check that a tensor is a batch of colour images with finite values; arguments as for `require_images`.

    Raises:
        ImageError: it is not B x 3 x H x W of floating point, has no pixels, or holds NaN or infinity.
    """
    require_images(images, name, square=square)
    if not all_finite(images):
        raise ImageError(f"{name} contain NaN or infinity; correct the previous step.")


def all_finite(values: torch.Tensor) -> bool:
    """Whether all values are finite; no memory of the size of `values` is allocated."""
    # NaN and infinity appear in the extremes.
    return not values.numel() or all(math.isfinite(float(value)) for value in torch.aminmax(values))


def require_same_shape(base: torch.Tensor, detail: torch.Tensor) -> None:
    """Check that two batches can be combined pixel by pixel.

    Raises:
        ImageError: they differ in shape.
    """
    if base.shape != detail.shape:
        raise ImageError(
            f"Base and detail must have the same shape, got {tuple(base.shape)} and {tuple(detail.shape)}; resize one "
            "of them."
        )

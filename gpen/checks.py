"""Checks of the arguments of functions on pictures."""

from __future__ import annotations

import math

import torch

from .errors import ImageError
from .values import require_between

__all__ = ["all_finite", "require_between", "require_finite_images", "require_images", "require_same_shape"]


def require_images(images: torch.Tensor, name: str = "Images") -> None:
    """Check that a tensor is a batch of colour images.

    Raises:
        ImageError: it is not B x 3 x H x W of floating point, or an image has no pixels.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point() or 0 in images.shape[2:]:
        raise ImageError(
            f"{name} must be a floating-point tensor B x 3 x H x W in 0..1, got {tuple(images.shape)} of "
            f"{images.dtype}."
        )


def require_finite_images(images: torch.Tensor, name: str = "Images") -> None:
    """Check that a tensor is a batch of colour images with finite values.

    Raises:
        ImageError: it is not B x 3 x H x W of floating point, has no pixels, or holds NaN or infinity.
    """
    require_images(images, name)
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

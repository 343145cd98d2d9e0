"""What the blocks that prepare and finish pictures ask of their arguments."""

from __future__ import annotations

import torch

from ..errors import ImageError, SettingsError


def require_finite_images(images: torch.Tensor, name: str = "Images") -> None:
    """Check that a tensor is a batch of colour images without holes.

    Raises:
        ImageError: it is not B x 3 x H x W of floating point, has no pixels, or holds NaN or infinity.
    """
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point() or 0 in images.shape[2:]:
        raise ImageError(
            f"{name} must be a floating-point tensor B x 3 x H x W in 0..1, got {tuple(images.shape)} of "
            f"{images.dtype}."
        )
    # NaN and infinity both spoil a sum; a picture at a time, so that nothing of its size is allocated.
    if not all(torch.isfinite(image.sum(dtype=torch.float32)) for image in images):
        raise ImageError(f"{name} hold NaN or infinity; mend the step before.")


def require_same_shape(base: torch.Tensor, detail: torch.Tensor) -> None:
    """Check two batches of colour images that are to be combined pixel by pixel.

    Raises:
        ImageError: one of them is none, or they differ in shape.
    """
    require_finite_images(base, "Base pictures")
    require_finite_images(detail, "Detail pictures")
    if base.shape != detail.shape:
        raise ImageError(
            f"Base and detail must have the same shape, got {tuple(base.shape)} and {tuple(detail.shape)}; resize one "
            "of them."
        )


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Check a number against its range, both ends included; NaN lies in none.

    Raises:
        SettingsError: it lies outside.
    """
    if not low <= value <= high:
        raise SettingsError(f"{name} is {value}, and must lie between {low:g} and {high:g}.")

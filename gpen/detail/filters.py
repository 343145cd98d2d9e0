"""Filters the detail blocks share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F


def gaussian_blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur with mirrored borders, made for crops.

    Each axis is one product with a matrix that holds the kernel and the mirroring: the cost does not grow with
    `sigma`, which at 512 pixels makes it several times faster than a convolution, but it grows with the cube of the
    side.

    Args:
        images: B x C x H x W floating point.
        sigma: standard deviation in pixels; 0 or less changes nothing.

    Returns:
        B x C x H x W.
    """
    if sigma <= 0:
        return images
    rows = _kernel_matrix(images.shape[-2], sigma).to(images)
    square = images.shape[-2] == images.shape[-1]
    columns = rows if square else _kernel_matrix(images.shape[-1], sigma).to(images)
    return rows @ images @ columns.T


def box_mean(images: torch.Tensor, radius: int) -> torch.Tensor:
    """Mean of the (2 radius + 1) x (2 radius + 1) pixels around each, B x C x H x W; at borders of those there are."""
    side = 2 * radius + 1
    images = F.avg_pool2d(images, (side, 1), stride=1, padding=(radius, 0), count_include_pad=False)
    return F.avg_pool2d(images, (1, side), stride=1, padding=(0, radius), count_include_pad=False)


def smoothstep(x: torch.Tensor, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    """From 0 at `low` to 1 at `high` without a kink: 3 t^2 - 2 t^3."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def _kernel_matrix(length: int, sigma: float) -> torch.Tensor:
    """length x length; row i holds the weights of the pixels that make blurred pixel i."""
    reach = math.ceil(4 * sigma)  # beyond lie 6e-5 of the weight
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    weights = (weights / weights.sum()).expand(length, -1)
    # Mirrored about the outer edge of the border pixels, again and again if the kernel is longer than the picture.
    source = (torch.arange(length)[:, None] + offsets) % (2 * length)
    source = torch.where(source < length, source, 2 * length - 1 - source)
    return torch.zeros(length, length, dtype=torch.float64).scatter_add_(1, source, weights)

"""Filters the detail blocks share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

# Pixels of a plane that are summed at a time: with what lies between, they fit a processor's cache.
_STRIP = 1 << 17


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
    height, width = images.shape[-2:]
    padded = F.pad(images, (radius,) * 4)
    # A processor sums strips of a plane that stay in its cache, in a third of the time that pooling takes.
    rows = max(_STRIP // (width + 2 * radius), 1) if images.device.type == "cpu" else height
    sums = images.new_empty(images.shape)
    for plane, place in zip(padded.flatten(0, 1), sums.flatten(0, 1), strict=True):
        for top in range(0, height, rows):
            strip = plane[top : top + rows + 2 * radius]
            place[top : top + rows] = _windows(_windows(strip, 0, 2 * radius + 1), 1, 2 * radius + 1)
    counts = [_window_counts(length, radius).to(images) for length in (height, width)]
    return sums.div_(counts[0][:, None]).div_(counts[1])


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


def _windows(images: torch.Tensor, dim: int, length: int) -> torch.Tensor:
    """Sums of all windows of a length along a dimension, by doubling: with as many additions as it has bits."""
    count = images.shape[dim] - length + 1
    power, total, begin = images, None, 0
    for bit in range(length.bit_length()):
        if length >> bit & 1:
            part = power.narrow(dim, begin, count)
            total = part if total is None else total + part
            begin += 1 << bit
        if length >> (bit + 1):
            power = power.narrow(dim, 0, power.shape[dim] - (1 << bit)) + power.narrow(
                dim, 1 << bit, power.shape[dim] - (1 << bit)
            )
    assert total is not None
    return total


def _window_counts(length: int, radius: int) -> torch.Tensor:
    """How many pixels of a row lie within the window around each."""
    places = torch.arange(length)
    return (places + radius).clamp(max=length - 1) - (places - radius).clamp(min=0) + 1

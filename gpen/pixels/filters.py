"""Filters and windows shared by several packages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F

Values = TypeVar("Values", torch.Tensor, np.ndarray)

# Maximum radius of a kernel for OpenCV. On one core, up to this one it takes 1/3 to 1/15 of the time of the matrix
# products below, for sides of 64 to 1024, and about as long beyond it.
_SHORT_REACH = 32
# The same for a box, beyond which running sums are faster.
_SHORT_BOX = 8
# Rows or columns per matrix product. On one core, blocks of 32 to 64 were fastest for sides of 512 to 2048.
_BLOCK = 64
# Weights below this share of the kernel have no effect in single precision.
_LEAST_WEIGHT = 1e-8
# Maximum side of cached matrices.
_KEPT_SIDE = 1024
# Ratio of standard deviation to median absolute value for normal noise around 0.
_DEVIATION_PER_MEDIAN = 1.4826


def gaussian_blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur; the border is mirrored about the outer edge of the border pixels.

    1. On a CPU, filter by OpenCV unless the kernel is long.
    2. Otherwise multiply each axis by a matrix with the kernel. The matrix is banded: 64 rows of the result need 64 + 2
       `kernel_reach(sigma)` rows of the picture. So multiply in blocks, which makes the cost proportional to the area
       instead of the cube of the side.
    3. If the kernel is long compared with the picture, use one product with the whole matrix, which is faster then.

    Args:
        images: B x C x H x W floating point.
        sigma: standard deviation in pixels; 0 or less changes nothing.

    Returns:
        B x C x H x W; the tensor `images` itself if the kernel has one pixel.
    """
    reach = kernel_reach(sigma)
    if reach == 0:
        return images
    if reach <= _SHORT_REACH and _suits_opencv(images):
        import cv2  # imported here, since it takes a while

        kernel = _kernel(sigma).numpy()
        return _filtered(
            images, lambda plane, made: cv2.sepFilter2D(plane, -1, kernel, kernel, made, borderType=cv2.BORDER_REFLECT)
        )
    planes = _blur_axis(images.flatten(0, 1), sigma, 1)
    return _blur_axis(planes, sigma, 2).view(images.shape)


def kernel_reach(sigma: float) -> int:
    """Radius of a Gaussian kernel: four standard deviations, without weights that single precision would lose."""
    return len(_kernel(sigma)) // 2


def box_mean(images: torch.Tensor, radius: int) -> torch.Tensor:
    """Box filter, B x C x H x W: the mean of (2 radius + 1) x (2 radius + 1) pixels.

    Near a border only pixels inside the image are averaged.
    """
    side = 2 * radius + 1
    if not _suits_opencv(images):
        sums = _windows(_windows(F.pad(images, (radius,) * 4), 2, side), 3, side)
        rows, columns = (_window_counts(length, radius).to(images) for length in images.shape[-2:])
        return sums.div_(rows[:, None]).div_(columns)
    import cv2

    kernel = np.full(side, 1 / side)
    if radius <= _SHORT_BOX:
        run = partial(cv2.sepFilter2D, ddepth=-1, kernelX=kernel, kernelY=kernel, borderType=cv2.BORDER_CONSTANT)
    else:
        run = partial(cv2.boxFilter, ddepth=-1, ksize=(side, side), borderType=cv2.BORDER_CONSTANT)
    means = _filtered(images, lambda plane, made: run(plane, dst=made))
    # Near a border, the filter has averaged zeros as well.
    for dim, length in enumerate(images.shape[-2:]):
        more = side / _window_counts(length, radius).to(means)
        more = more if dim else more[:, None]
        for first, count in ((0, radius), (length - radius, radius)) if length > side else ((0, length),):
            means.narrow(dim - 2, first, count).mul_(more.narrow(0, first, count))
    return means


def smoothstep(x: Values, low: float = 0.0, high: float = 1.0) -> Values:
    """Smooth step from 0 at `low` to 1 at `high`: 3 t^2 - 2 t^3."""
    t = ((x - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def hann_window(length: int, device: torch.device | None = None) -> torch.Tensor:
    """A Hann window sampled at pixel centres, so that it is symmetric and never all 0 (`torch.hann_window` begins with
    0).
    """
    return torch.sin(math.pi * (torch.arange(length, device=device) + 0.5) / length) ** 2


def taper(pieces: torch.Tensor, window: torch.Tensor, total: float | None = None) -> torch.Tensor:
    """Subtract the weighted mean of pieces of a plane, ... x H x W, and multiply by the window H x W.

    Args:
        pieces: the pieces.
        window: the window.
        total: its sum, if it is known already.
    """
    mean = (window * pieces).sum(dim=(-2, -1), keepdim=True) / (window.sum() if total is None else total)
    return (pieces - mean).mul_(window)


def mirrored_index(index: torch.Tensor, length: int) -> torch.Tensor:
    """Map positions beyond the ends of a row of `length` pixels to those of their mirror images."""
    index = index % (2 * length)
    return torch.minimum(index, 2 * length - 1 - index)


def row_strips(height: int, width: int, pixels: int) -> Iterator[slice]:
    """Slices of rows that cover a picture, about `pixels` pixels each."""
    rows = max(1, pixels // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def robust_deviation(values: torch.Tensor, dim: int) -> torch.Tensor:
    """Standard deviation of normal noise around 0, from its median absolute value along a dimension."""
    return _DEVIATION_PER_MEDIAN * values.abs().median(dim=dim).values


def _suits_opencv(images: torch.Tensor) -> bool:
    """Whether OpenCV can filter these images: it knows neither other devices nor half precision nor gradients."""
    return images.device.type == "cpu" and images.dtype in (torch.float32, torch.float64) and not images.requires_grad


def _filtered(images: torch.Tensor, run: Callable[[np.ndarray, np.ndarray], object]) -> torch.Tensor:
    """Images filtered plane by plane; `run` is given a plane and where its result goes. It takes one core."""
    result = torch.empty(images.shape, dtype=images.dtype)
    for plane, made in zip(images.flatten(0, 1), result.flatten(0, 1), strict=True):
        run(np.ascontiguousarray(plane.numpy()), made.numpy())
    return result


def _blur_axis(planes: torch.Tensor, sigma: float, dim: int) -> torch.Tensor:
    """N x H x W blurred along H or W."""
    length, reach = planes.shape[dim], kernel_reach(sigma)
    if 2 * (_BLOCK + 2 * reach) > length:
        return _multiply(_matrix(_mirrored_matrix, length, sigma, planes), planes, dim)
    band = _matrix(_band_matrix, _BLOCK, sigma, planes)
    index = mirrored_index(torch.arange(-reach, length + reach, device=planes.device), length)
    padded = planes.index_select(dim, index)
    blurred = torch.empty_like(planes)
    for first in range(0, length, _BLOCK):
        count = min(_BLOCK, length - first)
        part = padded.narrow(dim, first, count + 2 * reach)
        blurred.narrow(dim, first, count).copy_(_multiply(band[:count, : count + 2 * reach], part, dim))
    return blurred


def _multiply(matrix: torch.Tensor, planes: torch.Tensor, dim: int) -> torch.Tensor:
    """Each column (dim 1) or row (dim 2) of N x H x W times a matrix."""
    matrices = matrix.expand(len(planes), -1, -1)
    return matrices @ planes if dim == 1 else planes @ matrices.mT


def _matrix(build: Callable[[int, float], torch.Tensor], length: int, sigma: float, like: torch.Tensor) -> torch.Tensor:
    if length > _KEPT_SIDE:
        return build(length, sigma).to(like)
    return _kept_matrix(build, length, sigma, like.dtype, like.device)


@lru_cache(maxsize=16)
def _kept_matrix(
    build: Callable[[int, float], torch.Tensor], length: int, sigma: float, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    # Tensors created in inference mode cannot be used with gradients later.
    with torch.inference_mode(False):
        return build(length, sigma).to(device, dtype)


@lru_cache(maxsize=16)
def _kernel(sigma: float) -> torch.Tensor:
    """The weights of a Gaussian at whole pixels, float64; their sum is 1."""
    if sigma <= 0:
        return torch.ones(1, dtype=torch.float64)
    with torch.inference_mode(False):
        reach = math.ceil(4 * sigma)  # 6e-5 of the weight is beyond
        weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1).double() / sigma) ** 2)
        weights = weights[weights > _LEAST_WEIGHT * weights.sum()]
        return weights / weights.sum()


def _mirrored_matrix(length: int, sigma: float) -> torch.Tensor:
    """length x length; row i holds the weights of the pixels that make blurred pixel i, mirrored ones among them."""
    kernel = _kernel(sigma)
    offsets = torch.arange(len(kernel)) - len(kernel) // 2
    source = mirrored_index(torch.arange(length)[:, None] + offsets, length)
    weights = kernel.expand(length, -1)
    return torch.zeros(length, length, dtype=torch.float64).scatter_add_(1, source, weights)


def _band_matrix(rows: int, sigma: float) -> torch.Tensor:
    """rows x (rows + 2 reach); row i holds the weights of the pixels from i - reach to i + reach."""
    kernel = _kernel(sigma)
    source = torch.arange(rows)[:, None] + torch.arange(len(kernel))
    band = torch.zeros(rows, rows + len(kernel) - 1, dtype=torch.float64)
    return band.scatter_(1, source, kernel.expand(rows, -1))


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
    """Number of pixels of a row within the window around each pixel."""
    places = torch.arange(length)
    return (places + radius).clamp(max=length - 1) - (places - radius).clamp(min=0) + 1

"""Affine warps of a region of interest, with anti-aliasing.

Convention: points are (x, y), the centre of the top-left pixel is (0, 0), matrices are 2 x 3 float64 and act on
(x, y, 1). A picture of n pixels covers -0.5 .. n - 0.5, so one scaled by k sends x to k * (x + 0.5) - 0.5.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

from ..types import Size
from .filters import mirrored_index
from .resize import resize

# Pixels beside a point that interpolation reads, with one more for rounding.
_TAPS = 3
# Radius of a bicubic kernel and of the anti-aliasing filter (bicubic, a = -0.5), at the final scale.
_REACH = 4


def compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix that applies `inner`, then `outer`."""
    return outer @ np.vstack([inner, [0.0, 0.0, 1.0]])


def transform_points(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a 2 x 3 matrix to points ... x 2."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def resize_matrix(x_scale: float, y_scale: float) -> np.ndarray:
    """The 2 x 3 matrix from pixels of a picture to those of the resized picture."""
    return np.array([[x_scale, 0.0, (x_scale - 1) / 2], [0.0, y_scale, (y_scale - 1) / 2]])


def shift_matrix(x: float, y: float) -> np.ndarray:
    """The 2 x 3 matrix that adds (x, y)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def matrix_scale(matrix: np.ndarray) -> float:
    """Scale factor of a matrix along a side: output pixels per input pixel."""
    return math.sqrt(abs(np.linalg.det(matrix[:, :2])))


def transformed_bounds(matrix: np.ndarray, size: Size) -> tuple[float, float, float, float]:
    """Bounding box (x0, y0, x1, y1) of the pixel centres of a picture of (height, width) after `matrix`."""
    height, width = size
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], np.float64)
    points = corners @ matrix.T
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def warp(
    image: torch.Tensor,
    matrix: np.ndarray,
    size: Size,
    *,
    mode: Literal["bilinear", "bicubic"] = "bicubic",
    border: Literal["reflection", "border", "zeros"] = "reflection",
) -> torch.Tensor:
    """Sample an image on a translated, rotated and scaled grid.

    1. Read only the part of the image under the grid.
    2. If the grid is coarser than the image, reduce that part to the grid's scale with an anti-aliasing filter.
    3. Interpolate the remaining rotation and translation.

    Args:
        image: B x C x H x W.
        matrix: 2 x 3, from the pixels of the result to those of the image.
        size: (height, width) of the result.
        mode: interpolation of step 3.
        border: how the image is extended: by reflection, by its outermost pixels, or not at all.

    Returns:
        B x C x height x width. Bicubic interpolation may slightly overshoot the range of the image.
    """
    step = max(matrix_scale(matrix), 1.0)
    x0, y0, x1, y1 = transformed_bounds(matrix, size)
    reach = _REACH * step
    rows = _span(y0 - reach, y1 + reach, image.shape[-2])
    columns = _span(x0 - reach, x1 + reach, image.shape[-1])
    part = image[..., rows, columns]
    matrix = compose(shift_matrix(-columns.start, -rows.start), matrix)
    if step > 1:
        height, width = part.shape[-2:]
        reduced = (max(1, round(height / step)), max(1, round(width / step)))
        part = resize(part, reduced)
        matrix = compose(resize_matrix(reduced[1] / width, reduced[0] / height), matrix)
    # `grid_sample` takes twice as long where it has to mirror each pixel that it reads.
    mirrored = _with_mirrored_border(part, matrix, size) if border == "reflection" else None
    if mirrored:
        (part, matrix), border = mirrored, "zeros"
    grid = _sampling_grid(matrix, size, (part.shape[-2], part.shape[-1])).to(part).expand(len(part), -1, -1, -1)
    return F.grid_sample(part, grid, mode=mode, padding_mode=border, align_corners=False)


def _with_mirrored_border(
    image: torch.Tensor, matrix: np.ndarray, size: Size
) -> tuple[torch.Tensor, np.ndarray] | None:
    """Extend an image by its mirror image as far as a grid leaves it, and move the matrix along.

    None if the grid is coarser than the image, which cannot be reduced below one pixel: the extension would be without
    bounds.
    """
    x0, y0, x1, y1 = transformed_bounds(matrix, size)
    if max(y1 - y0, x1 - x0) > sum(size):  # more than a turned grid of the image's scale
        return None
    starts = []
    for dim, low, high in ((-2, y0, y1), (-1, x0, x1)):
        length = image.shape[dim]
        start, stop = math.floor(low) - _TAPS, math.ceil(high) + _TAPS + 1
        if start >= 0 and stop <= length:
            start = 0
        else:
            index = mirrored_index(torch.arange(start, stop, device=image.device), length)
            image = image.index_select(dim, index)
        starts.append(start)
    return image, compose(shift_matrix(-starts[1], -starts[0]), matrix)


def _span(low: float, high: float, length: int) -> slice:
    """The pixels of one axis that low..high touches, including those it sees mirrored in the border."""
    first, last = math.floor(low), math.ceil(high) + 1
    start, stop = max(first, 0), min(last, length)
    if first < 0:
        stop = max(stop, -first)
    if last > length:
        start = min(start, 2 * length - last)
    return slice(min(max(start, 0), length - 1), max(min(stop, length), 1))


def _sampling_grid(matrix: np.ndarray, size: Size, image_size: Size) -> torch.Tensor:
    """1 x height x width x 2, where each pixel lies in an image of `image_size`, in the -1..1 coordinates of
    `torch.nn.functional.grid_sample` (align_corners=False).
    """
    from_pixels = [np.array([2 / side, 1 / side - 1]) for side in image_size[::-1]]
    scaled = np.stack([row * scale + [0, 0, shift] for row, (scale, shift) in zip(matrix, from_pixels, strict=True)])
    x, y = (torch.arange(side, dtype=torch.float64)[:, None] for side in size[::-1])
    across, down, shift = (torch.from_numpy(column) for column in scaled.T)
    return ((y * down + shift).float()[:, None] + (x * across).float())[None]

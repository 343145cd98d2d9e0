"""Resize pictures with anti-aliasing, on a CPU by products of banded matrices."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F

from ..types import Size

# Rows of the result per matrix product. The rows of the picture that they need overlap with those of the next block; on
# one core, 16 were fastest for results of 64 to 300 pixels.
_BLOCK = 16
# From this reduction on, PyTorch's kernel for GPUs needs more shared memory than they have: 149 kB at 74, of 48.
_STEEP = 16
# Radius of the filters at the scale of the result: a cubic convolution with a = -0.5, a triangle, and a sinc windowed
# by the middle lobe of a wider one.
_RADIUS = {"bicubic": 2.0, "bilinear": 1.0, "lanczos": 3.0}


def resize(
    images: torch.Tensor, size: Size, mode: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
) -> torch.Tensor:
    """Resize pictures as `F.interpolate(images, size, mode=mode, antialias=True)` does, up to rounding.

    `lanczos`, which `F.interpolate` does not have, is that of Pillow (Duchon, "Lanczos filtering in one and two
    dimensions", 1979), with three lobes.

    On a CPU in half of its time: the rows come first, of which a processor multiplies many neighbours at once.

    Args:
        images: B x C x H x W floating point; planes, or with the channels of a pixel side by side.
        size: (height, width) of the result.
        mode: kernel. Bicubic and Lanczos may slightly overshoot the range of the images.

    Returns:
        B x C x height x width.
    """
    count, channels, height, width = images.shape
    if images.device.type != "cpu" and max(height / size[0], width / size[1]) > _STEEP:
        return _resize_whole(images, size, mode)
    if images.device.type != "cpu" or images.dtype != torch.float32 or images.requires_grad:
        if mode == "lanczos":
            return _resize_whole(images, size, mode)
        return F.interpolate(images, size, mode=mode, antialias=True)
    reduced = images.new_empty(count, channels, size[0], width)
    matrix, spans = _matrix(height, size[0], mode)
    for image, result in zip(images, reduced, strict=True):
        if channels > 1 and image.stride(0) == 1 and image.stride(2) == channels:
            lines = image.permute(1, 2, 0).flatten(1)  # a view
            made = _multiply(matrix, spans, lines, images.new_empty(size[0], width * channels))
            result.copy_(made.view(size[0], width, channels).permute(2, 0, 1))
        else:
            for plane, made in zip(image, result, strict=True):
                _multiply(matrix, spans, plane, made)
    lines = reduced.view(-1, width)
    matrix, spans = _matrix(width, size[1], mode)
    result = images.new_empty(len(lines), size[1])
    for rows, (first, last) in spans:
        result[:, rows] = lines[:, first:last] @ matrix[rows, first:last].T
    return result.view(count, channels, *size)


def _resize_whole(images: torch.Tensor, size: Size, mode: str) -> torch.Tensor:
    """As `resize`, by one product for each side, which runs on any device."""
    down, across = (
        _matrix(length, made, mode)[0].to(images) for length, made in zip(images.shape[-2:], size, strict=True)
    )
    return down @ images @ across.T


Spans = list[tuple[slice, tuple[int, int]]]


def _multiply(matrix: torch.Tensor, spans: Spans, lines: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    for rows, (first, last) in spans:
        torch.mm(matrix[rows, first:last], lines[first:last], out=result[rows])
    return result


def _matrix(length: int, made: int, mode: str) -> tuple[torch.Tensor, Spans]:
    """The weights that make a row of `made` pixels from one of `length`, made x length, and where they are not 0:
    blocks of rows, each with its first and last (exclusive) column.
    """
    step = length / made
    stretch = max(step, 1.0)  # the filter is that of the coarser side
    centres = step * (torch.arange(made, dtype=torch.float64) + 0.5)
    reach = _RADIUS[mode] * stretch
    first = (centres - reach + 0.5).floor().clamp(min=0).long()
    last = (centres + reach + 0.5).floor().clamp(max=length).long()
    index = first[:, None] + torch.arange(int((last - first).max()))
    away = ((index + 0.5 - centres[:, None]) / stretch).abs()
    if mode == "bicubic":
        weights = torch.where(away < 1, (1.5 * away - 2.5) * away**2 + 1, ((-0.5 * away + 2.5) * away - 4) * away + 2)
        weights = torch.where(away < 2, weights, 0.0)
    elif mode == "lanczos":
        weights = torch.where(away < 3, torch.sinc(away) * torch.sinc(away / 3), 0.0)
    else:
        weights = (1 - away).clamp(min=0)
    weights = torch.where(index < last[:, None], weights, 0.0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    matrix = torch.zeros(made, length, dtype=torch.float64).scatter_add_(1, index.clamp(max=length - 1), weights)
    blocks = [slice(start, min(start + _BLOCK, made)) for start in range(0, made, _BLOCK)]
    return matrix.float(), [(rows, (int(first[rows.start]), int(last[rows.stop - 1]))) for rows in blocks]

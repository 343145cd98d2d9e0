"""Run a network that enlarges over a picture in overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from ..progress import Steps, no_steps

OVERLAP = 32
"""Pixels of the picture that neighbouring tiles share. One passes into the other there, so that no seam is seen."""


def run_tiled(
    image: torch.Tensor,
    run: Callable[[torch.Tensor], torch.Tensor],
    scale: int,
    *,
    side: int,
    progress: Steps = no_steps,
) -> torch.Tensor:
    """Enlarge a picture tile by tile; besides the result, memory depends only on the size of a tile.

    Args:
        image: 1 x 3 x H x W.
        run: enlarges 1 x 3 x h x w by `scale`; h and w are at most `side`.
        scale: whole factor.
        side: of a tile in pixels of the picture, at least three times `OVERLAP`.
        progress: called with (done, total) after each tile; an exception it raises ends the work.

    Returns:
        1 x 3 x (scale * H) x (scale * W) on the device of the image.
    """
    height, width = image.shape[-2:]
    result = image.new_zeros((1, image.shape[1], scale * height, scale * width))
    rows, columns = tile_spans(height, side), tile_spans(width, side)
    total, done = len(rows) * len(columns), 0
    progress(0, total)
    for y, (top, bottom) in enumerate(rows):
        down = _weight(rows, y, scale).to(image)
        for x, (left, right) in enumerate(columns):
            made = run(image[..., top:bottom, left:right]).to(result)
            made = made * down[:, None] * _weight(columns, x, scale).to(image)
            result[..., scale * top : scale * bottom, scale * left : scale * right] += made
            done += 1
            progress(done, total)
    return result


def tile_spans(length: int, side: int) -> list[tuple[int, int]]:
    """First and last (exclusive) pixel of each tile along an axis: all of equal length, overlapping by `OVERLAP` or
    more.
    """
    if length <= side:
        return [(0, length)]
    count = -(-(length - OVERLAP) // (side - OVERLAP))
    starts = [round(n * (length - side) / (count - 1)) for n in range(count)]
    return [(start, start + side) for start in starts]


def _weight(spans: list[tuple[int, int]], number: int, scale: int) -> torch.Tensor:
    """Weight of each enlarged pixel of a tile along an axis; those of all tiles add up to 1 everywhere."""
    first, last = spans[number]
    places = torch.arange(scale * first, scale * last, dtype=torch.float64)
    weight = torch.ones_like(places)
    if number:
        weight = weight * _risen(places, spans[number - 1], spans[number], scale)
    if number + 1 < len(spans):
        weight = weight * (1 - _risen(places, spans[number], spans[number + 1], scale))
    return weight.float()


def _risen(places: torch.Tensor, before: tuple[int, int], after: tuple[int, int], scale: int) -> torch.Tensor:
    """From 0 to 1, over `OVERLAP` pixels in the middle of what two tiles share."""
    middle = scale * (before[1] + after[0]) / 2
    return ((places + 0.5 - middle) / (scale * OVERLAP) + 0.5).clamp(0, 1)


def padded_to(image: torch.Tensor, least: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """Extend a picture by its border until no side is shorter than `least`; also returns its own (height, width)."""
    height, width = image.shape[-2:]
    extended = F.pad(image, (0, max(least - width, 0), 0, max(least - height, 0)), mode="replicate")
    return extended, (height, width)

"""Boxes that overlap: how much, and which of them are the best.

Convention: boxes are N x 4 tensors of corners x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, in pixels. The functions have
the names and the results of `torchvision.ops`, whose import takes longer than finding the faces of a photograph.
"""

from __future__ import annotations

import torch
from torch import Tensor


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Shared area of boxes N x 4 and M x 4 by the area of both together, N x M in 0..1; 0 where both are empty."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    together = _area(boxes)[:, None] + _area(others) - shared
    return torch.where(together > 0, shared / together, 0.0)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: the boxes that no better one of the chosen overlaps by more than a threshold.

    Args:
        boxes: N x 4.
        scores: N; of two that are equal the first counts as better.
        iou_threshold: the most that two chosen boxes overlap, 0..1.

    Returns:
        Indices of the chosen boxes, int64, by falling score.
    """
    waiting = scores.argsort(descending=True, stable=True)
    chosen = []
    # A row at a time: thousands of boxes of one crowd would need a matrix of their square.
    while len(waiting):
        best, waiting = waiting[:1], waiting[1:]
        chosen.append(best)
        waiting = waiting[box_iou(boxes[best], boxes[waiting])[0] <= iou_threshold]
    return torch.cat(chosen) if chosen else waiting


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(-1)

"""Overlap of boxes and non-maximum suppression.

Convention: boxes are N x 4 tensors of corners x0, y0, x1, y1 with x0 <= x1 and y0 <= y1, in pixels. The functions have
the names and results of `torchvision.ops`, whose import takes longer than detecting the faces of a photograph.
"""

from __future__ import annotations

import torch
from torch import Tensor


def box_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes N x 4 and M x 4, N x M in 0..1; 0 if both are empty."""
    low = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    together = _area(boxes)[:, None] + _area(others) - shared
    return torch.where(together > 0, shared / together, 0.0)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: keep boxes that do not overlap a better kept box by more than a threshold.

    Args:
        boxes: N x 4.
        scores: N; of two equal scores, the first counts as better.
        iou_threshold: maximum overlap of two kept boxes, 0..1.

    Returns:
        Indices of the kept boxes, int64, by descending score.
    """
    waiting = scores.argsort(descending=True, stable=True)
    chosen = []
    # One row at a time: the full matrix for thousands of boxes of a crowd would be too large.
    while len(waiting):
        best, waiting = waiting[:1], waiting[1:]
        chosen.append(best)
        waiting = waiting[box_iou(boxes[best], boxes[waiting])[0] <= iou_threshold]
    return torch.cat(chosen) if chosen else waiting


def _area(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(-1)

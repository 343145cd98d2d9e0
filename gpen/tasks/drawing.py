"""Drawing: a map of facial parts in CelebAMask-HQ's colours to a face (GPEN's `segmentation2face.py`).

Colours enter as 0..1, without the -1..1 of the other tasks, and the answer is in 0..1 as well.
"""

from __future__ import annotations

import torch

from .task import Task, clamped


def _same(values: torch.Tensor) -> torch.Tensor:
    return values


DRAWING = Task("seg2face", _same, _same, clamped)

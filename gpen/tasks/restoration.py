"""Restoration: a degraded face to the same face in photographic quality (GPEN's `face_enhancement.py`)."""

from __future__ import annotations

import torch

from .task import Task


def _feed(crops: torch.Tensor) -> torch.Tensor:
    return crops.mul(2).sub(1)


def _use(answer: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
    return answer.add(1).div(2).clamp(0, 1)


RESTORATION = Task("restoration", _feed, _use)

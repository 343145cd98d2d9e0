"""What the machine's convolutions can do at best: the roof under which a network runs."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

# Channels and side of 3 x 3 convolutions as GPEN's decoder has them.
_SHAPES = ((1024, 512, 64), (512, 256, 128), (256, 128, 256), (128, 64, 512))


def peak(dtype: torch.dtype, rounds: int = 5) -> float:
    """Operations a second of the fastest of these convolutions, channels last, in a number format."""
    best = 0.0
    for inputs, outputs, side in _SHAPES:
        x = torch.rand(1, inputs, side, side).to(dtype, memory_format=torch.channels_last)
        weight = torch.rand(outputs, inputs, 3, 3).to(dtype, memory_format=torch.channels_last)
        operations = 2 * 9 * inputs * outputs * side**2
        with torch.inference_mode():
            F.conv2d(x, weight, padding=1)
            for _ in range(rounds):
                start = time.perf_counter()
                F.conv2d(x, weight, padding=1)
                best = max(best, operations / (time.perf_counter() - start))
    return best

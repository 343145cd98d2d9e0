"""What the machine's convolutions can do at best: the roof under which a network runs."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from gpen_blocks.gpen.devices import wait_for

# Channels and side of 3 x 3 convolutions as GPEN's decoder has them.
_SHAPES = ((1024, 512, 64), (512, 256, 128), (256, 128, 256), (128, 64, 512))
# One face leaves a GPU idle.
_GPU_BATCH = 16


def _convolve(x: torch.Tensor, weight: torch.Tensor) -> None:
    """Convolve, to the end."""
    F.conv2d(x, weight, padding=1)
    wait_for(x.device)


def peak(dtype: torch.dtype, device: torch.device | None = None, rounds: int = 5) -> float:
    """Operations a second of the fastest of these convolutions, channels last, in a number format on a device."""
    best = 0.0
    for inputs, outputs, side in _SHAPES:
        batch = 1 if device is None or device.type == "cpu" else _GPU_BATCH
        x = torch.rand(batch, inputs, side, side).to(device, dtype, memory_format=torch.channels_last)
        weight = torch.rand(outputs, inputs, 3, 3).to(device, dtype, memory_format=torch.channels_last)
        operations = batch * 2 * 9 * inputs * outputs * side**2
        with torch.inference_mode():
            _convolve(x, weight)
            for _ in range(rounds):
                start = time.perf_counter()
                _convolve(x, weight)
                best = max(best, operations / (time.perf_counter() - start))
    return best

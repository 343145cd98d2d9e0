"""Averaged weights, the result of a training run."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

DECAY = 0.998


class MovingAverage:
    """Exponential moving average of a module's parameters and buffers, with a warm-up over the first steps."""

    def __init__(self, module: nn.Module, decay: float = DECAY) -> None:
        self.tensors = {key: value.detach().clone() for key, value in module.state_dict().items()}
        self.decay = decay
        self._updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Update the average with the current state of the module."""
        self._updates += 1
        decay = min(self.decay, self._updates / (self._updates + 9))
        for key, value in module.state_dict().items():
            value = value.to(self.tensors[key].device)
            if value.is_floating_point():
                self.tensors[key].lerp_(value, 1 - decay)
            else:
                self.tensors[key].copy_(value)

    def contiguous(self) -> dict[str, Tensor]:
        """The averaged tensors in contiguous memory on the CPU, as safetensors needs them."""
        return {key: value.cpu().contiguous() for key, value in self.tensors.items()}

    def state_dict(self) -> dict[str, Any]:
        """State for `load_state_dict`."""
        return {"tensors": self.tensors, "updates": self._updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved average."""
        self.tensors = {key: state["tensors"][key].to(value) for key, value in self.tensors.items()}
        self._updates = int(state["updates"])


def warm_cosine(step: int, steps: int, warm: int) -> float:
    """Factor of the learning rate: linear warm-up over `warm` steps, then a cosine decay to a hundredth."""
    return min(1.0, (step + 1) / warm) * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * step / steps)))

"""One step of teaching, the same for every small network: AdamW along a warm cosine, gradients clipped, weights
averaged."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .ema import MovingAverage, warm_cosine


class Learner:
    """A network that is being taught.

    Args:
        network: changed in place.
        steps: in all; the learning rate falls over them.
        rate: its peak.
        warm_steps: over which it rises.
        weight_decay: of AdamW.
        largest_gradient: norm that gradients are clipped to.

    Attributes:
        step: how many steps have been taken.
        average: the averaged weights, which are what is kept.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        steps: int,
        rate: float,
        warm_steps: int,
        weight_decay: float,
        largest_gradient: float,
    ) -> None:
        self.network, self.steps, self.step = network, steps, 0
        self._rate, self._warm_steps, self._largest_gradient = rate, warm_steps, largest_gradient
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=weight_decay, betas=(0.9, 0.99))
        self.average = MovingAverage(network)

    def learn(self, loss: Tensor) -> None:
        """Take a step down the gradient of a loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate * warm_cosine(self.step, self.steps, self._warm_steps)
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self._largest_gradient)
        self._optimizer.step()
        self.average.update(self.network)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.step = int(state["step"])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])

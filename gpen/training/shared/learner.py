"""Training loop of all small networks: AdamW with warm-up and cosine decay, gradient clipping, averaged weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...devices import select_device
from .ema import MovingAverage, warm_cosine

log = logging.getLogger(__name__)

_LOGGED = 100  # steps


@dataclass(frozen=True)
class Recipe:
    """Parameters of the training steps.

    Attributes:
        rate: peak learning rate of AdamW.
        weight_decay: weight decay of AdamW.
        warm_steps: steps of the warm-up.
        largest_gradient: maximum norm of gradients.
    """

    rate: float
    weight_decay: float
    warm_steps: int
    largest_gradient: float


class Learner:
    """A network in training.

    Args:
        network: changed in place.
        recipe: parameters of the steps.
        steps: total number of steps, over which the learning rate decays.

    Attributes:
        step: number of steps done.
        average: the averaged weights, which are the result.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, steps: int) -> None:
        self.network, self.recipe, self.steps, self.step = network, recipe, steps, 0
        self._optimizer = torch.optim.AdamW(
            network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99)
        )
        self.average = MovingAverage(network)

    def run(self, loss_of_batch: Callable[[], Tensor], until: int | None = None) -> float:
        """Train up to step `until`, or to the end, with a new batch for each step.

        Returns:
            The mean loss of these steps.
        """
        total, first, last = 0.0, self.step, self.steps if until is None else until
        while self.step < last:
            loss = loss_of_batch()
            self._learn(loss)
            total += loss.item()
            if self.step % _LOGGED == 0:
                log.info("%s step %d: loss %.4f", type(self.network).__name__, self.step, loss.item())
        return total / max(self.step - first, 1)

    def _learn(self, loss: Tensor) -> None:
        recipe = self.recipe
        for group in self._optimizer.param_groups:
            group["lr"] = recipe.rate * warm_cosine(self.step, self.steps, recipe.warm_steps)
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), recipe.largest_gradient)
        self._optimizer.step()
        self.average.update(self.network)
        self.step += 1

    def state_dict(self) -> dict[str, Any]:
        """State for `load_state_dict`."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        self.step = int(state["step"])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])


def train(
    network: nn.Module,
    recipe: Recipe,
    steps: int,
    loss_of_batch: Callable[[], Tensor],
    *,
    device: torch.device | None = None,
) -> dict[str, Tensor]:
    """Train a network from the first step to the last.

    Args:
        network: changed in place; afterwards it is on the CPU.
        recipe: parameters of the steps.
        steps: number of steps.
        loss_of_batch: the loss of a new batch; called when the network is on the device.
        device: where to train; by default the best available device.

    Returns:
        The averaged state dict.
    """
    network.train().to(device or select_device()).to(memory_format=torch.channels_last)
    learner = Learner(network, recipe, steps)
    learner.run(loss_of_batch)
    network.cpu()
    return learner.average.contiguous()

"""Definition of a task of GPEN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Task:
    """Input of the network for a task, and use of its output.

    Attributes:
        name: name in the registry.
        feed: converts crops, B x 3 x S x S in 0..1, to the input of the network, of the same shape.
        read: converts the output of the network to a picture, of the same shape, about 0..1 and not clamped.
        use: converts that picture and the crops to the result, B x 3 x S x S in 0..1.
    """

    name: str
    feed: Callable[[torch.Tensor], torch.Tensor]
    read: Callable[[torch.Tensor], torch.Tensor]
    use: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def result(self, answer: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
        """The result, B x 3 x S x S in 0..1, from the output of the network for these crops."""
        return self.use(self.read(answer), crops)


def to_signed(crops: torch.Tensor) -> torch.Tensor:
    """0..1 to the -1..1 that most GPENs take (`is_norm` in the authors' `face_gan.py`)."""
    return crops.mul(2).sub(1)


def from_signed(answer: torch.Tensor) -> torch.Tensor:
    """-1..1 to 0..1, not clamped."""
    return answer.add(1).div(2)


def clamped(picture: torch.Tensor, _crops: torch.Tensor) -> torch.Tensor:
    """The picture itself, in 0..1."""
    return picture.clamp(0, 1)

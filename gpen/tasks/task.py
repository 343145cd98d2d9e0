"""What a GPEN was taught to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Task:
    """What the network of a task is fed, and how its answer is used.

    Attributes:
        name: as the registry has it.
        feed: crops, B x 3 x S x S in 0..1, to what the network is given, of the same shape.
        use: the network's answer and these crops to the result, B x 3 x S x S in 0..1.
    """

    name: str
    feed: Callable[[torch.Tensor], torch.Tensor]
    use: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

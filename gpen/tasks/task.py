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
        use: converts the output of the network and these crops to the result, B x 3 x S x S in 0..1.
    """

    name: str
    feed: Callable[[torch.Tensor], torch.Tensor]
    use: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

"""What every backend is."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..errors import GPENError


class EngineError(GPENError):
    """A backend cannot be had here: a package is missing, the device is another, or its runtime refuses the graph."""


class Engine(Protocol):
    """Restores faces as its generator does."""

    def __call__(self, faces: Tensor) -> Tensor:
        """B x 3 x S x S float32 in -1..1 on the engine's device, to the same around -1..1."""
        ...

"""Interface of all backends."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..errors import GPENError


class EngineError(GPENError):
    """A backend is unavailable: a package is missing, the device is not supported, or the runtime refuses the graph."""


class Engine(Protocol):
    """Restores faces like its generator."""

    def __call__(self, faces: Tensor) -> Tensor:
        """B x 3 x S x S float32 in -1..1 on the engine's device, to the same shape, about -1..1."""
        ...

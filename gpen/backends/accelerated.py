"""A generator and the engine that runs it."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn

from ..network import Generator, GeneratorConfig
from .engine import Engine
from .trial import Trial, compare

log = logging.getLogger(__name__)


class Accelerated(nn.Module):
    """A generator, and an engine that runs it on one kind of device; elsewhere it runs as it is written.

    Args:
        generator: in the engine's number format.
        engine: what runs it; None where nothing does yet.
        name: of the backend.
        device_type: where the engine does.
        checked: whether the engine was compared with the generator; if not, it is at the first face.
    """

    def __init__(
        self, generator: Generator, engine: Engine | None, name: str, device_type: str, *, checked: bool
    ) -> None:
        super().__init__()
        self.generator = generator
        self._engine = engine
        self._name = name
        self._device_type = device_type
        self._checked = checked

    @property
    def backend(self) -> str:
        """What runs it: `eager` also where an engine was found wanting."""
        return "eager" if self._engine is None else self._name

    @property
    def config(self) -> GeneratorConfig:
        """The generator's sizes."""
        return self.generator.config

    def activation_bytes(self) -> int:
        """As `Generator.activation_bytes`."""
        return self.generator.activation_bytes()

    def forward(self, x: Tensor) -> Tensor:
        """As `Generator.forward`."""
        if self._engine is None or x.device.type != self._device_type or not len(x):
            return self.generator(x)
        if not self._checked and not self._check(x[:1].float()):
            return self.generator(x)
        return self._engine(x.float()).to(x.dtype)

    def _check(self, face: Tensor) -> bool:
        assert self._engine is not None
        truth = self.generator(face)
        try:
            mean, largest = compare(truth, self._engine(face))
        # A compiler or a driver may raise anything; the generator itself goes on.
        except Exception as error:
            if isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            log.warning("The backend fails (%s: %s); the network runs as it is written.", type(error).__name__, error)
            self._engine = None
            return False
        # Both are in the same number format: half of it is the reference's own error.
        dtype = self.generator.generator.input.input.dtype
        if not Trial(mean, largest, 0, 0).is_close(dtype):
            log.warning("The backend is off by %.1f/255; the network runs as it is written.", largest * 255)
            self._engine = None
            return False
        self._checked = True
        return True

    def _take_over(self, other: Accelerated) -> None:
        self._engine, self._name, self._checked = other._engine, other._name, other._checked

"""A generator together with the engine that runs it."""

from __future__ import annotations

import logging
import threading

from torch import Tensor, nn

from ..devices import is_out_of_memory
from ..network import Generator, GeneratorConfig
from .engine import Engine
from .trial import Difference, compare

log = logging.getLogger(__name__)


class _Ran(threading.local):
    """Backends that ran the faces of one thread since the last call of `expect`."""

    def __init__(self) -> None:
        self.names: list[str] = []


class Accelerated(nn.Module):
    """A generator, and an engine that runs it on one type of device; on others it runs in plain PyTorch.

    Args:
        generator: the generator in the engine's number format.
        engine: the engine, or None if there is none yet.
        name: name of the backend.
        device_type: device type of the engine.
        checked: whether the engine was compared with the generator; if not, this is done at the first face.

    Attributes:
        faults: one sentence for each failure of the engine while running.
    """

    def __init__(
        self, generator: Generator, engine: Engine | None, name: str, device_type: str, *, checked: bool
    ) -> None:
        super().__init__()
        self.generator = generator
        self.faults: tuple[str, ...] = ()
        self._engine = engine
        self._name = name
        self._device_type = device_type
        self._checked = checked
        self._changing = threading.RLock()
        self._ran = _Ran()

    @property
    def backend(self) -> str:
        """Backend that ran the faces of this thread since the last call of `expect`; several names if it changed.

        Before the first face, the backend that will run them on the engine's device.
        """
        return " and ".join(self._ran.names) or self._running

    @property
    def config(self) -> GeneratorConfig:
        """Configuration of the generator."""
        return self.generator.config

    def activation_bytes(self) -> int:
        """As `Generator.activation_bytes`."""
        return self.generator.activation_bytes()

    def expect(self, faces: int) -> None:
        """Announce the total number of faces in the next passes."""
        self._ran.names = []

    def forward(self, x: Tensor) -> Tensor:
        """As `Generator.forward`."""
        engine = self._engine
        if engine is None or not len(x):
            return self._run_as_written(x)
        if x.device.type != self._device_type:
            self._tell(f"{self._name} runs only on {self._device_type}, but the faces are on {x.device.type}")
            return self._run_as_written(x)
        if not self._is_true(engine, x[:1]):
            return self._run_as_written(x)
        return self._run_by(engine, self._name, x)

    @property
    def _running(self) -> str:
        return "eager" if self._engine is None else self._name

    def _run_by(self, engine: Engine, name: str, x: Tensor) -> Tensor:
        restored = engine(x.float()).to(x.dtype) if len(x) else x
        self._count(len(x), name)
        return restored

    def _run_as_written(self, x: Tensor) -> Tensor:
        restored = self.generator(x)
        self._count(len(x), "eager")
        return restored

    def _count(self, faces: int, backend: str) -> None:
        if faces and backend not in self._ran.names:
            self._ran.names.append(backend)

    def _is_true(self, engine: Engine, face: Tensor) -> bool:
        """Whether an engine gives the generator's picture; checked once, at its first face."""
        if self._checked:
            return True
        with self._changing:
            if not self._checked and self._engine is not None:
                fault = self._fault(engine, face.float())
                if fault:
                    self._engine = None
                    self._tell(fault)
                self._checked = True
            return self._engine is not None

    def _fault(self, engine: Engine, face: Tensor) -> str:
        truth = self.generator(face)
        try:
            engine(face)
            # The second result counts: at the first one, engines still compile or record.
            difference = Difference(*compare(truth, engine(face)))
        # A compiler or driver may raise anything; the generator itself still works.
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.info("%s fails", self._name, exc_info=True)
            return f"{self._name} cannot run this network: it fails with {type(error).__name__}: {error}"
        # Both use the same number format, so half of the difference is the reference's own error.
        if difference.is_close(self.generator.generator.input.input.dtype):
            return ""
        return f"{self._name} cannot run this network: it differs by up to {difference.largest * 255:.1f}/255"

    def _tell(self, fault: str) -> None:
        """Store a fault for the report, and log it once."""
        sentence = f"{fault.rstrip('.')}. Plain PyTorch (eager) is used."
        with self._changing:
            if sentence not in self.faults:
                self.faults += (sentence,)
                log.warning(sentence)

    def _take_over(self, other: Accelerated) -> None:
        # The engine is set last: another thread that sees it sees the rest, too.
        self._name, self._checked, self._engine = other._name, other._checked, other._engine

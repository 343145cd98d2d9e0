"""A generator and the engine that runs it."""

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
    """What ran the faces of one thread since it was last told of work to come."""

    def __init__(self) -> None:
        self.names: list[str] = []


class Accelerated(nn.Module):
    """A generator, and an engine that runs it on one kind of device; elsewhere it runs as it is written.

    Args:
        generator: in the engine's number format.
        engine: what runs it; None where nothing does yet.
        name: of the backend.
        device_type: where the engine does.
        checked: whether the engine was compared with the generator; if not, it is at the first face.

    Attributes:
        faults: a sentence for each time that the engine gave way while it ran.
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
        """What ran the faces of this thread since the last call of `expect`; several names where it changed in between.

        Before the first face, what is going to run them where the device is the engine's.
        """
        return " and ".join(self._ran.names) or self._running

    @property
    def config(self) -> GeneratorConfig:
        """The generator's sizes."""
        return self.generator.config

    def activation_bytes(self) -> int:
        """As `Generator.activation_bytes`."""
        return self.generator.activation_bytes()

    def expect(self, faces: int) -> None:
        """Tell how many faces the next passes bring together."""
        self._ran.names = []

    def forward(self, x: Tensor) -> Tensor:
        """As `Generator.forward`."""
        engine = self._engine
        if engine is None or not len(x):
            return self._run_as_written(x)
        if x.device.type != self._device_type:
            self._tell(f"{self._name} runs on {self._device_type} only, and the faces are on {x.device.type}")
            return self._run_as_written(x)
        if not self._is_true(engine, x[:1]):
            return self._run_as_written(x)
        restored = engine(x.float()).to(x.dtype)
        self._count(len(x), self._name)
        return restored

    @property
    def _running(self) -> str:
        return "eager" if self._engine is None else self._name

    def _run_as_written(self, x: Tensor) -> Tensor:
        restored = self.generator(x)
        self._count(len(x), "eager")
        return restored

    def _count(self, faces: int, backend: str) -> None:
        if faces and backend not in self._ran.names:
            self._ran.names.append(backend)

    def _is_true(self, engine: Engine, face: Tensor) -> bool:
        """Whether an engine gives the generator's picture; it is asked once, at its first face."""
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
            # Its second answer counts: at their first faces engines still compile, or only see what to record.
            difference = Difference(*compare(truth, engine(face)))
        # A compiler or a driver may raise anything; the generator itself goes on.
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.info("%s fails", self._name, exc_info=True)
            return f"{self._name} does not run this network: it fails with {type(error).__name__}: {error}"
        # Both are in the same number format: half of it is the reference's own error.
        if difference.is_close(self.generator.generator.input.input.dtype):
            return ""
        return f"{self._name} does not run this network: it is off by {difference.largest * 255:.1f}/255 at most"

    def _tell(self, fault: str) -> None:
        """Keep a fault for the report, and log it once."""
        sentence = f"{fault.rstrip('.')}. The network runs as it is written."
        with self._changing:
            if sentence not in self.faults:
                self.faults += (sentence,)
                log.warning(sentence)

    def _take_over(self, other: Accelerated) -> None:
        # The engine last: who finds it finds the rest.
        self._name, self._checked, self._engine = other._name, other._checked, other._engine

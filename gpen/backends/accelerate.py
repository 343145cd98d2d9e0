"""Which backend runs a generator: the one asked for where it can, is close enough and (of `auto`) is faster."""

from __future__ import annotations

import copy
import importlib.util
import logging
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..network import Generator, GeneratorConfig
from .engine import Engine, EngineError
from .onnxruntime_engine import OnnxRuntimeEngine
from .openvino_engine import OpenVINOEngine
from .torch_engines import CompiledEngine, CudaGraphEngine
from .trial import Trial, compare, key_of, probe, race, remembered

log = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16", "fp16"]
Backend = Literal["auto", "eager", "compile", "openvino", "onnxruntime", "cudagraph", "tensorrt"]

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

# What `auto` tries beside eager: what is ready within seconds.
_AUTO = {"cpu": ("openvino", "onnxruntime"), "cuda": ("cudagraph",)}
# Share of eager's time below which a backend is worth its memory and its start.
_WORTH_IT = 0.95
# They run on the generator's own weights, wherever these are: they are checked there, at their first face.
_FOLLOWING: dict[str, Callable[[Generator], Engine]] = {"compile": CompiledEngine, "cudagraph": CudaGraphEngine}
# They have weights of their own, on one device.
_STANDING: dict[str, Callable[[Generator, torch.dtype, torch.device], Engine]] = {
    "openvino": OpenVINOEngine,
    "onnxruntime": OnnxRuntimeEngine,
    "tensorrt": partial(OnnxRuntimeEngine, tensorrt=True),
}
_PACKAGES = {"openvino": ("openvino", "onnx"), "onnxruntime": ("onnxruntime", "onnx")}


class Accelerated(nn.Module):
    """A generator, and an engine that runs it on one kind of device; elsewhere it runs as it is written.

    Args:
        generator: in the engine's number format.
        engine: what runs it.
        device_type: where the engine does.
        checked: whether the engine was compared with the generator; if not, it is at the first face.
    """

    def __init__(self, generator: Generator, engine: Engine, device_type: str, *, checked: bool) -> None:
        super().__init__()
        self.generator = generator
        self._engine: Engine | None = engine
        self._device_type = device_type
        self._checked = checked

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


Network = Generator | Accelerated
"""What restores faces: takes and gives B x 3 x S x S, has a `config` and tells its `activation_bytes()`."""


class Chosen(NamedTuple):
    """How a generator runs.

    Attributes:
        network: in eval mode, without gradients.
        backend: that runs it.
        precision: it runs in.
        notes: a sentence for everything that is not as it was asked for.
    """

    network: Network
    backend: str
    precision: Precision
    notes: tuple[str, ...]


def accelerate(
    generator: Generator, sha256: str, backend: Backend, precision: Precision, device: torch.device
) -> Chosen:
    """Let a backend run a generator.

    1. A number format that changes the picture, or that the device only emulates, gives way to float32.
    2. The backend asked for is built, and compared on a probe with the network as it is written, in float32; one that
       cannot be built or is too far off gives way to `eager`.
    3. `auto` takes the fastest of those installed that is close enough and faster than `eager`.

    Args:
        generator: in float32, on the CPU; afterwards it is in the number format it runs in.
        sha256: of its file, under which measurements are remembered.
        backend: what is asked for.
        precision: what is asked for.
        device: where it is going to run.
    """
    notes: list[str] = []
    fault = _precision_fault(generator, sha256, precision, device)
    if fault:
        notes.append(f"The network runs in fp32: {fault}")
        precision = "fp32"
    auto = backend == "auto"

    def tell(name: str, error: EngineError) -> None:
        said = f"{name} does not run this network: {error}"
        if auto:
            log.info(said)
        else:
            notes.append(f"{said} It runs as it is written.")

    wanted = [name for name in _AUTO.get(device.type, ()) if _is_installed(name)] if auto else [backend]
    candidates: list[_Candidate] = []
    for name in wanted:
        if name == "eager":
            continue
        try:
            candidates.append(_examine(generator, sha256, name, precision, device))
        except EngineError as error:
            tell(name, error)
    # Each was timed beside eager in a race of its own; of these, that counts which was disturbed least.
    eager_seconds = min((candidate.eager_seconds for candidate in candidates), default=0.0)
    for name, seconds, _, build in sorted(candidates, key=lambda candidate: candidate.seconds):
        try:
            if auto and seconds > _WORTH_IT * eager_seconds:
                raise EngineError(f"it takes {seconds / eager_seconds:.2f} of eager's time.")
            return Chosen(build().eval(), name, precision, tuple(notes))
        except EngineError as error:
            tell(name, error)
    return Chosen(generator.set_precision(DTYPES[precision]), "eager", precision, tuple(notes))


class _Candidate(NamedTuple):
    """A backend that is close enough; its seconds are 0 where only its first face will tell."""

    name: str
    seconds: float
    eager_seconds: float
    build: Callable[[], Accelerated]


def _examine(generator: Generator, sha256: str, name: str, precision: Precision, device: torch.device) -> _Candidate:
    """Try a backend.

    Raises:
        EngineError: it cannot be built, or is too far off.
    """
    dtype = DTYPES[precision]
    if name in _FOLLOWING:
        engine = _FOLLOWING[name](generator.set_precision(dtype))
        return _Candidate(name, 0.0, 0.0, lambda: Accelerated(generator, engine, device.type, checked=False))
    build = lru_cache(partial(_STANDING[name], generator, dtype, device))

    def run() -> Trial:
        eager = generator if precision == "fp32" else copy.deepcopy(generator).set_precision(dtype)
        return _try(generator, build(), eager, device)

    trial = remembered(key_of(sha256, name, precision, device), run)
    if not trial.is_close(dtype):
        raise EngineError(
            f"it is off by {255 * trial.mean:.2f}/255 in the mean, {255 * trial.largest:.1f}/255 at most."
        )

    def accelerated() -> Accelerated:
        engine = build()  # of the weights in float32
        return Accelerated(generator.set_precision(dtype), engine, device.type, checked=True)

    return _Candidate(name, trial.seconds, trial.eager_seconds, accelerated)


def _try(generator: Generator, engine: Engine, eager: Generator, device: torch.device) -> Trial:
    """How far an engine on a device is from the generator, and how long it takes beside what runs as it is written."""
    faces = probe(generator.config.size)
    with torch.inference_mode():
        truth = generator(faces)
    (_, restored), (eager_seconds, seconds) = race([(eager, faces), (engine, faces.to(device))])
    return Trial(*compare(truth, restored.cpu()), seconds, eager_seconds)


def _precision_fault(generator: Generator, sha256: str, precision: Precision, device: torch.device) -> str:
    """What speaks against a number format; empty where nothing does."""
    if precision == "fp16":
        # Processors convert at every step: a face of 512 pixels took 35 s where fp32 took 1.5 s.
        return "processors only emulate fp16; bf16 is what they may have." if device.type == "cpu" else ""
    if precision == "fp32":
        return ""
    cpu = torch.device("cpu")  # rounds as any other device

    def run() -> Trial:
        return _try(generator, copy.deepcopy(generator).set_precision(DTYPES[precision]), generator, cpu)

    trial = remembered(key_of(sha256, "eager", precision, cpu), run)
    if trial.is_close(DTYPES[precision]):
        return ""
    return (
        f"{precision} changes its picture by {255 * trial.mean:.2f}/255 in the mean and by "
        f"{255 * trial.largest:.1f}/255 at most."
    )


def _is_installed(backend: str) -> bool:
    return all(importlib.util.find_spec(package) for package in _PACKAGES.get(backend, ()))

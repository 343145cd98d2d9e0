"""Which backend runs a generator: the one asked for where it can, is close enough and (of `auto`) is faster."""

from __future__ import annotations

import copy
import importlib.util
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import nn

from ..network import Generator
from .accelerated import Accelerated
from .automatic import WORTH_IT, Automatic
from .engine import Engine, EngineError
from .kept import kept_file
from .onnxruntime_engine import OnnxRuntimeEngine
from .openvino_engine import OpenVINOEngine
from .torch_engines import CompiledEngine, CudaGraphEngine
from .trial import Difference, Trial, compare, key_of, probe, race, recall, remembered

log = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16", "fp16"]
Backend = Literal["auto", "eager", "compile", "openvino", "onnxruntime", "cudagraph", "tensorrt"]

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_EMULATED = "processors only emulate fp16; bf16 is what they may have."

# What `auto` tries beside eager: what is ready within seconds.
_AUTO = {"cpu": ("openvino", "onnxruntime"), "cuda": ("cudagraph",)}
# They run on the generator's own weights, wherever these are: they are checked there, at their first face.
_FOLLOWING: dict[str, Callable[[Generator], Engine]] = {"compile": CompiledEngine, "cudagraph": CudaGraphEngine}
# They have weights of their own, on one device.
_STANDING: dict[str, Callable[[Generator, torch.dtype, torch.device, Path | None], Engine]] = {
    "openvino": OpenVINOEngine,
    "onnxruntime": OnnxRuntimeEngine,
    "tensorrt": partial(OnnxRuntimeEngine, tensorrt=True),
}
_PACKAGES = {"openvino": ("openvino", "onnx"), "onnxruntime": ("onnxruntime", "onnx")}


Network = Generator | Accelerated
"""What restores faces: takes and gives B x 3 x S x S, has a `config` and tells its `activation_bytes()`."""


class Chosen(NamedTuple):
    """How a generator runs.

    Attributes:
        network: in eval mode, without gradients.
        precision: it runs in.
        notes: a sentence for everything that is not as it was asked for.
    """

    network: Network
    precision: Precision
    notes: tuple[str, ...]

    @property
    def backend(self) -> str:
        """What runs it, see `backend_of`."""
        return backend_of(self.network)


def backend_of(network: nn.Module) -> str:
    """The name of what ran a network's last faces, see `Accelerated.backend`."""
    return network.backend if isinstance(network, Accelerated) else "eager"


def precision_of(network: nn.Module) -> Precision:
    """The number format that a generator runs in where it lies now."""
    generator = network.generator if isinstance(network, Accelerated) else network
    dtype = generator.map_dtype if isinstance(generator, Generator) else torch.float32
    return next(name for name, known in DTYPES.items() if known == dtype)


def faults_of(network: nn.Module) -> tuple[str, ...]:
    """A sentence for each time that a backend or a number format gave way to another since the network was loaded."""
    faults = network.faults if isinstance(network, Accelerated) else ()
    generator = network.generator if isinstance(network, Accelerated) else network
    emulated = isinstance(generator, Generator) and generator.map_dtype != generator.generator.input.input.dtype
    return (*faults, _runs_in_fp32(_EMULATED)) if emulated else faults


def _runs_in_fp32(fault: str) -> str:
    return f"The network runs in fp32: {fault}"


def expect(network: nn.Module, *, faces: int | None = None, pictures_left: int | None = None) -> None:
    """Tell a network of work to come: `auto` plans with it, and `backend_of` tells what has run since then.

    Args:
        network: from `accelerate`.
        faces: that the next passes bring together.
        pictures_left: pictures that follow this one.
    """
    if faces is not None and isinstance(network, Accelerated):
        network.expect(faces)
    if pictures_left is not None and isinstance(network, Automatic):
        network.pictures_left = pictures_left


def accelerate(
    generator: Generator, sha256: str, backend: Backend, precision: Precision, device: torch.device
) -> Chosen:
    """Let a backend run a generator.

    1. A number format that changes the picture, or that the device only emulates, gives way to float32.
    2. The backend asked for is built, and compared on a probe with the network as it is written, in float32; one that
       cannot be built or is too far off gives way to `eager`.
    3. `auto` takes the fastest of those installed that is close enough and faster than `eager`; on a processor, where
       engines take seconds to start, once there are faces enough for it, see `Automatic`.

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
        notes.append(_runs_in_fp32(fault))
        precision = "fp32"
    if backend != "auto":
        chosen = _first_of(generator, sha256, [backend], precision, device, notes.append, raced=False)
        return Chosen(chosen or generator.set_precision(DTYPES[precision]), precision, tuple(notes))
    names = [name for name in _AUTO.get(device.type, ()) if _is_installed(name)]
    if device.type != "cpu":
        chosen = _first_of(generator, sha256, names, precision, device, log.info, raced=True)
        return Chosen(chosen or generator.set_precision(DTYPES[precision]), precision, tuple(notes))
    if not names:
        return Chosen(generator.set_precision(DTYPES[precision]), precision, tuple(notes))
    # Engines are made of the weights in float32.
    original = generator if precision == "fp32" else copy.deepcopy(generator)
    network = Automatic(
        generator.set_precision(DTYPES[precision]),
        device.type,
        lambda: [recall(key_of(sha256, name, precision, device), Trial) for name in names],
        lambda: _first_of(original, sha256, names, precision, device, log.info, raced=True),
    )
    return Chosen(network.eval(), precision, tuple(notes))


def _first_of(
    generator: Generator,
    sha256: str,
    names: Sequence[str],
    precision: Precision,
    device: torch.device,
    tell: Callable[[str], object],
    *,
    raced: bool,
) -> Accelerated | None:
    """The first of these backends that can be had and is close enough.

    Args:
        tell: called with a sentence about each that cannot be had.
        raced: they are timed beside `eager`; the fastest comes first, and what is no faster than `eager` is refused.
    """
    candidates: list[_Candidate] = []

    def refuse(name: str, error: EngineError) -> None:
        tell(f"{name} does not run this network: {error} It runs as it is written.")

    for name in names:
        if name == "eager":
            continue
        try:
            candidates.append(_examine(generator, sha256, name, precision, device, raced=raced))
        except EngineError as error:
            refuse(name, error)
    # Each was timed beside eager in a race of its own; of these, that counts which was disturbed least.
    eager_seconds = min((candidate.eager_seconds for candidate in candidates if candidate.seconds), default=0.0)
    for name, seconds, _, build in sorted(candidates, key=lambda candidate: candidate.seconds):
        try:
            if seconds > WORTH_IT * eager_seconds:
                raise EngineError(f"it takes {seconds / eager_seconds:.2f} of eager's time.")
            return build().eval()
        except EngineError as error:
            refuse(name, error)
    return None


class _Candidate(NamedTuple):
    """A backend that is close enough; its seconds are 0 where it was not timed."""

    name: str
    seconds: float
    eager_seconds: float
    build: Callable[[], Accelerated]


def _examine(
    generator: Generator, sha256: str, name: str, precision: Precision, device: torch.device, *, raced: bool
) -> _Candidate:
    """Try a backend.

    Raises:
        EngineError: it cannot be built, or is too far off.
    """
    dtype = DTYPES[precision]
    if name in _FOLLOWING:
        engine = _FOLLOWING[name](generator.set_precision(dtype))
        return _Candidate(name, 0.0, 0.0, lambda: Accelerated(generator, engine, name, device.type, checked=False))
    key = key_of(sha256, name, precision, device)
    build = lru_cache(partial(_STANDING[name], generator, dtype, device, kept_file(key)))

    def accelerated() -> Accelerated:
        engine = build()  # of the weights in float32
        return Accelerated(generator.set_precision(dtype), engine, name, device.type, checked=True)

    def race_it() -> Trial:
        began = time.perf_counter()
        engine = build()
        started = time.perf_counter() - began
        as_it_is = precision == "fp32" and device.type == "cpu"
        eager = generator if as_it_is else copy.deepcopy(generator).set_precision(dtype).to(device)
        return replace(_race_beside(generator, engine, eager, device), start_seconds=started)

    if raced:
        difference = trial = remembered(key, Trial, race_it)
        candidate = _Candidate(name, trial.seconds, trial.eager_seconds, accelerated)
    else:
        difference = remembered(key, Difference, lambda: _difference(generator, build(), device))
        candidate = _Candidate(name, 0.0, 0.0, accelerated)
    if not difference.is_close(dtype):
        raise EngineError(
            f"it is off by {255 * difference.mean:.2f}/255 in the mean, {255 * difference.largest:.1f}/255 at most."
        )
    return candidate


@torch.inference_mode()
def _difference(generator: Generator, engine: Engine, device: torch.device) -> Difference:
    """How far an engine on a device is from the generator in float32 on the CPU."""
    faces = probe(generator.config.size)
    return Difference(*compare(generator(faces), engine(faces.to(device)).cpu()))


def _race_beside(generator: Generator, engine: Engine, eager: Engine, device: torch.device) -> Trial:
    """How far an engine on a device is from the generator, and how long it takes beside what runs as it is written."""
    faces = probe(generator.config.size)
    with torch.inference_mode():
        truth = generator(faces)
    (_, restored), (eager_seconds, seconds) = race([eager, engine], faces.to(device))
    return Trial(*compare(truth, restored.cpu()), seconds, eager_seconds)


def _precision_fault(generator: Generator, sha256: str, precision: Precision, device: torch.device) -> str:
    """What speaks against a number format; empty where nothing does."""
    if precision == "fp16":
        return _EMULATED if device.type == "cpu" else ""
    if precision == "fp32":
        return ""
    cpu = torch.device("cpu")  # rounds as any other device

    def run() -> Difference:
        return _difference(generator, copy.deepcopy(generator).set_precision(DTYPES[precision]), cpu)

    difference = remembered(key_of(sha256, "eager", precision, cpu), Difference, run)
    if difference.is_close(DTYPES[precision]):
        return ""
    return (
        f"{precision} changes its picture by {255 * difference.mean:.2f}/255 in the mean and by "
        f"{255 * difference.largest:.1f}/255 at most."
    )


def _is_installed(backend: str) -> bool:
    return all(importlib.util.find_spec(package) for package in _PACKAGES.get(backend, ()))

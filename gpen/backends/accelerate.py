"""Choose the backend of a generator: it must run, be close enough and, for `auto`, be faster."""

from __future__ import annotations

import copy
import importlib.util
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from ..choices import Backend, Precision
from ..network import Generator
from .accelerated import Accelerated
from .automatic import WORTH_IT, Automatic
from .engine import Engine, EngineError
from .kept import kept_file
from .onnx_network import OnnxNetwork
from .onnxruntime_engine import OnnxRuntimeEngine
from .openvino_engine import OpenVINOEngine
from .torch_engines import CompiledEngine, CudaGraphEngine
from .trial import Difference, Trial, compare, key_of, probe, race, recall, recall_or_run

log = logging.getLogger(__name__)

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_EMULATED = "CPUs only emulate fp16; some of them support bf16."

# Backends that `auto` tries besides eager: those that start within seconds.
_AUTO = {"cpu": ("openvino", "onnxruntime"), "cuda": ("cudagraph",)}
# These run on the generator's own weights on any device, so they are checked there at the first face.
_FOLLOWING: dict[str, Callable[[Generator], Engine]] = {"compile": CompiledEngine, "cudagraph": CudaGraphEngine}
# These have separate weights on one device.
_STANDING: dict[str, Callable[[Generator, torch.dtype, torch.device, Path | None], Engine]] = {
    "openvino": OpenVINOEngine,
    "onnxruntime": OnnxRuntimeEngine,
    "tensorrt": partial(OnnxRuntimeEngine, tensorrt=True),
}
_PACKAGES = {"openvino": ("openvino", "onnx"), "onnxruntime": ("onnxruntime", "onnx")}


Network = Generator | Accelerated | OnnxNetwork
"""A network that restores faces, B x 3 x S x S, and has `config` and `activation_bytes()`."""


class Chosen(NamedTuple):
    """The choice of how a generator runs.

    Attributes:
        network: the network in eval mode, without gradients.
        precision: number format in which it runs.
        notes: one sentence for each deviation from what was requested.
    """

    network: Network
    precision: Precision
    notes: tuple[str, ...]

    @property
    def backend(self) -> str:
        """Its backend, see `backend_of`."""
        return backend_of(self.network)


def backend_of(network: nn.Module) -> str:
    """Name of the backend that ran a network's last faces, see `Accelerated.backend`."""
    return network.backend if isinstance(network, Accelerated | OnnxNetwork) else "eager"


def precision_of(network: nn.Module) -> Precision:
    """Number format in which a generator runs on its current device."""
    generator = network.generator if isinstance(network, Accelerated) else network
    dtype = generator.map_dtype if isinstance(generator, Generator) else torch.float32
    return next(name for name, known in DTYPES.items() if known == dtype)


def faults_of(network: nn.Module) -> tuple[str, ...]:
    """One sentence for each time that a backend or number format was replaced since the network was loaded."""
    faults = network.faults if isinstance(network, Accelerated) else ()
    generator = network.generator if isinstance(network, Accelerated) else network
    emulated = isinstance(generator, Generator) and generator.map_dtype != generator.generator.input.input.dtype
    return (*faults, _runs_in_fp32(_EMULATED)) if emulated else faults


def _runs_in_fp32(fault: str) -> str:
    return f"The network runs in fp32: {fault}"


def expect(network: nn.Module, *, faces: int | None = None, pictures_left: int | None = None) -> None:
    """Announce work to a network: `auto` plans with it, and `backend_of` refers to the time since then.

    Args:
        network: result of `accelerate`.
        faces: total number of faces in the next passes.
        pictures_left: number of pictures after this one.
    """
    if faces is not None and isinstance(network, Accelerated):
        network.expect(faces)
    if pictures_left is not None and isinstance(network, Automatic):
        network.pictures_left = pictures_left


def settled(network: nn.Module, *, faces: int) -> AbstractContextManager[None]:
    """Let a network run in one way inside of a context, so that a result does not depend on how many came before it.

    `auto` on a CPU chooses between plain PyTorch and engines by the time that faces take, and changes its choice. Here
    it chooses once, by the size of the network and the number of faces alone: the same on all machines with the same
    engines, whatever the network ran before.

    Args:
        network: result of `accelerate`.
        faces: about how many faces there are in all.
    """
    return network.settled(faces) if isinstance(network, Automatic) else nullcontext()


def accelerate(
    generator: Generator, sha256: str, backend: Backend, precision: Precision, device: torch.device
) -> Chosen:
    """Run a generator with a backend.

    1. Replace a number format that changes the picture, or that the device only emulates, by float32.
    2. Build the requested backend and compare its output for a probe with that of plain PyTorch in float32. Use `eager`
       if it cannot be built or differs too much.
    3. `auto`: use the fastest installed backend that is close enough and faster than `eager`; on a CPU, where engines
       take seconds to start, only once there are enough faces, see `Automatic`.

    Args:
        generator: in float32, on the CPU; converted to the chosen number format.
        sha256: hash of its file, the key of cached measurements.
        backend: the requested backend.
        precision: the requested number format.
        device: device on which it will run.
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
    # Engines are built from the weights in float32.
    original = generator if precision == "fp32" else copy.deepcopy(generator)
    network = Automatic(
        generator.set_precision(DTYPES[precision]),
        device.type,
        lambda: [recall(key_of(sha256, name, precision, device), Trial) for name in names],
        lambda raced: _first_of(original, sha256, names, precision, device, log.info, raced=raced),
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
    """The first of these backends that is available and close enough.

    Args:
        tell: called with one sentence about each backend that is refused.
        raced: measure their times against `eager`; the fastest comes first, and any that is not faster is refused.
    """
    candidates: list[_Candidate] = []

    def refuse(name: str, error: EngineError) -> None:
        tell(f"{name} cannot run this network: {error} Plain PyTorch (eager) is used.")

    for name in names:
        if name == "eager":
            continue
        try:
            candidates.append(_examine(generator, sha256, name, precision, device, raced=raced))
        except EngineError as error:
            refuse(name, error)
    # Each was timed against eager in a separate race; the least disturbed measurement counts.
    eager_seconds = min((candidate.eager_seconds for candidate in candidates if candidate.seconds), default=0.0)
    for name, seconds, _, build in sorted(candidates, key=lambda candidate: candidate.seconds):
        try:
            if seconds > WORTH_IT * eager_seconds:
                raise EngineError(f"it takes {seconds / eager_seconds:.2f} times as long as eager.")
            return build().eval()
        except EngineError as error:
            refuse(name, error)
    return None


class _Candidate(NamedTuple):
    """A backend that is close enough; its seconds are 0 if it was not timed."""

    name: str
    seconds: float
    eager_seconds: float
    build: Callable[[], Accelerated]


def _examine(
    generator: Generator, sha256: str, name: str, precision: Precision, device: torch.device, *, raced: bool
) -> _Candidate:
    """Try a backend.

    Raises:
        EngineError: it cannot be built, or differs too much.
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
        difference = trial = recall_or_run(key, Trial, race_it)
        candidate = _Candidate(name, trial.seconds, trial.eager_seconds, accelerated)
    else:
        difference = recall_or_run(key, Difference, lambda: _difference(generator, build(), device))
        candidate = _Candidate(name, 0.0, 0.0, accelerated)
    if not difference.is_close(dtype):
        raise EngineError(
            f"it differs by {255 * difference.mean:.2f}/255 on average, {255 * difference.largest:.1f}/255 at most."
        )
    return candidate


@torch.inference_mode()
def _difference(generator: Generator, engine: Engine, device: torch.device) -> Difference:
    """Difference between an engine on a device and the generator in float32 on the CPU."""
    faces = probe(generator.config.size)
    return Difference(*compare(generator(faces), engine(faces.to(device)).cpu()))


def _race_beside(generator: Generator, engine: Engine, eager: Engine, device: torch.device) -> Trial:
    """Difference between an engine on a device and the generator, and their times."""
    faces = probe(generator.config.size)
    with torch.inference_mode():
        truth = generator(faces)
    (_, restored), (eager_seconds, seconds) = race([eager, engine], faces.to(device))
    return Trial(*compare(truth, restored.cpu()), seconds, eager_seconds)


def _precision_fault(generator: Generator, sha256: str, precision: Precision, device: torch.device) -> str:
    """Why a number format cannot be used; empty if it can."""
    if precision == "fp16":
        return _EMULATED if device.type == "cpu" else ""
    if precision == "fp32":
        return ""
    cpu = torch.device("cpu")  # rounds like any other device

    def run() -> Difference:
        return _difference(generator, copy.deepcopy(generator).set_precision(DTYPES[precision]), cpu)

    difference = recall_or_run(key_of(sha256, "eager", precision, cpu), Difference, run)
    if difference.is_close(DTYPES[precision]):
        return ""
    return (
        f"{precision} changes its picture by {255 * difference.mean:.2f}/255 in the mean and by "
        f"{255 * difference.largest:.1f}/255 at most."
    )


def _is_installed(backend: str) -> bool:
    return all(importlib.util.find_spec(package) for package in _PACKAGES.get(backend, ()))

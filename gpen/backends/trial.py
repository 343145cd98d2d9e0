"""Measure how much the output of an engine differs from plain PyTorch, and how long it takes.

Results are cached on disk, so that each engine is tried once per model and machine.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...weights import places
from ...weights.files import replacing
from ..devices import processor_name, usable_cores, wait_for
from ..locks import KeyedLocks
from ..versions import installed_version, package_version
from .engine import Engine

log = logging.getLogger(__name__)

# In 0..1: an error that is invisible and does not affect measurements on the picture.
LARGEST_MEAN, LARGEST = 1 / 255, 8 / 255
# A float32 engine only computes in another order.
LARGEST_FP32 = 0.2 / 255


class Effort(NamedTuple):
    """Length of a race: a number of rounds, or a number of seconds if that is shorter."""

    rounds: int
    seconds: float


# Read at each race.
EFFORT = Effort(rounds=8, seconds=6.0)

# Simultaneous races would disturb each other.
_racing = threading.Lock()
# One trial per engine at a time, and one writer of the file.
_trying, _writing = KeyedLocks(), threading.Lock()


@dataclass(frozen=True)
class Difference:
    """Difference between an engine and plain PyTorch.

    Attributes:
        mean, largest: absolute difference from the network in float32, pixels in 0..1.
    """

    mean: float
    largest: float

    @property
    def is_possible(self) -> bool:
        """Whether the numbers are plausible; guards against a damaged cache file."""
        return self.mean >= 0 and self.largest >= 0

    def is_close(self, dtype: torch.dtype) -> bool:
        """Whether the difference is small enough not to change the picture."""
        if dtype == torch.float32:
            return self.largest <= LARGEST_FP32
        return self.mean <= LARGEST_MEAN and self.largest <= LARGEST


@dataclass(frozen=True)
class Trial(Difference):
    """Difference and speed of an engine.

    Attributes:
        seconds: time of the engine for one face.
        eager_seconds: time of plain PyTorch for one face, in the same number format.
        start_seconds: time to start the engine without a cache.
    """

    seconds: float
    eager_seconds: float
    start_seconds: float = 0.0

    @property
    def is_possible(self) -> bool:
        """As `Difference.is_possible`."""
        return super().is_possible and min(self.seconds, self.eager_seconds) > 0


Result = TypeVar("Result", bound=Difference)


def probe(size: int) -> Tensor:
    """A test picture for networks, 1 x 3 x S x S in -1..1: soft shapes like those of faces, and some grain."""
    chance = torch.Generator().manual_seed(0)
    soft = F.interpolate(torch.rand(1, 3, 9, 9, generator=chance), (size, size), mode="bicubic", align_corners=True)
    return (soft + 0.02 * torch.randn(1, 3, size, size, generator=chance)).clamp(0, 1) * 2 - 1


def compare(truth: Tensor, restored: Tensor) -> tuple[float, float]:
    """Mean and largest absolute difference of two network outputs, as pixels in 0..1; NaN counts as infinite."""
    truth, restored = (image.add(1).div(2).clamp(0, 1) for image in (truth, restored))
    difference = (truth - restored).abs().nan_to_num(nan=float("inf"))
    return float(difference.mean()), float(difference.max())


def race(engines: Sequence[Engine], faces: Tensor) -> tuple[list[Tensor], list[float]]:
    """Run engines on faces; returns their outputs and the best time of each in seconds.

    They take turns, so that other load on the machine slows all of them alike. `EFFORT` defines when a race ends.

    Args:
        engines: engines on the device of the faces.
        faces: B x 3 x S x S in -1..1. Times include the completion of all work on their device.
    """
    with _racing, torch.inference_mode():
        restored = [engine(faces) for engine in engines]  # also serves as warm-up
        wait_for(faces.device)
        best = [float("inf")] * len(engines)
        began = time.perf_counter()
        for _ in range(EFFORT.rounds):
            for index, engine in enumerate(engines):
                start = time.perf_counter()
                engine(faces)
                wait_for(faces.device)
                best[index] = min(best[index], time.perf_counter() - start)
            if time.perf_counter() - began > EFFORT.seconds:
                break
    return restored, best


def likely_cost(seconds: float) -> float:
    """Estimated seconds for the trial of an engine (start and race), given the seconds per face in plain PyTorch.

    On two cores, engines started within 1.5 s for the smallest networks and within 15 s for those of 512 pixels, which
    take 10 times as long. A race is limited by `EFFORT`, and each engine runs once before.
    """
    rounds = min(EFFORT.rounds, math.ceil(EFFORT.seconds / (2 * seconds))) + 1
    return 1.0 + 5 * seconds + rounds * 2 * seconds


def recall(key: str, kind: type[Result]) -> Result | None:
    """The cached result for `key` if it has all fields of `kind`, else None."""
    found = _read().get(key)
    return found if isinstance(found, kind) else None


def recall_or_run(key: str, kind: type[Result], run: Callable[[], Result]) -> Result:
    """The cached result for `key`, or that of `run`, which is then cached; concurrent threads share one result."""
    with _trying.of(key):
        kept = recall(key, kind)
        if kept is None:
            kept = run()
            _keep(key, kept)
        return kept


def key_of(sha256: str, backend: str, precision: str, device: torch.device) -> str:
    """Cache key of one engine of one model on this machine.

    It includes everything that may affect the speed or accuracy of the engine: the model, the number format, the
    processor, its cores and threads, and the versions of this package and of the libraries.
    """
    versions = [f"torch {torch.__version__}", f"gpen-blocks {package_version()}"]
    versions += [f"{name} {version}" for name in _COMPUTING.get(backend, ()) if (version := installed_version(name))]
    processor = f"{processor_name()} {torch.backends.cpu.get_cpu_capability()}"
    if device.type == "cuda":
        processor = f"{torch.cuda.get_device_name(device)} with {processor}"
    threads = f"{torch.get_num_threads()} threads on {usable_cores()} cores"
    return ", ".join([sha256[:16], backend, precision, device.type, processor, threads, *versions])


# Distributions that may provide a backend; a machine has some of them.
_ONNX_RUNTIME = ("onnxruntime", "onnxruntime-gpu")
_COMPUTING = {
    "openvino": ("openvino",),
    "onnxruntime": _ONNX_RUNTIME,
    "tensorrt": (*_ONNX_RUNTIME, "tensorrt", "tensorrt-cu12", "tensorrt-cu13"),
}


def _path() -> Path:
    return places.cache_folder() / "backends.json"


def _keep(key: str, result: Difference) -> None:
    try:
        with _writing, replacing(_path()) as temporary:
            entries = {name: asdict(entry) for name, entry in {**_read(), key: result}.items()}
            temporary.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    except OSError as error:
        log.info("The measurement of a backend is not cached: %s", error)


def _read() -> dict[str, Difference]:
    try:
        entries = json.loads(_path().read_text(encoding="utf-8"))
        kept = {key: _result({name: float(value) for name, value in entry.items()}) for key, entry in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}  # no or unreadable cache: measure again
    return {key: result for key, result in kept.items() if result.is_possible}


def _result(numbers: dict[str, float]) -> Difference:
    return (Trial if "seconds" in numbers else Difference)(**numbers)

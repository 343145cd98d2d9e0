"""How far an engine is from the network as it is written, and how long it takes.

Results are kept in this user's cache folder, so that a machine tries each engine once for each model.
"""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...weights import places
from ...weights.files import replacing
from ..versions import installed_version, package_version
from .engine import Engine

log = logging.getLogger(__name__)

# In 0..1: an error that cannot be seen, nor shifts what is measured on the picture.
LARGEST_MEAN, LARGEST = 1 / 255, 8 / 255
# An engine in float32 computes the same numbers in another order.
LARGEST_FP32 = 0.2 / 255
# Turns of a race, unless so many seconds are over.
ROUNDS, _ENOUGH = 8, 6.0


@dataclass(frozen=True)
class Trial:
    """What was measured.

    Attributes:
        mean, largest: absolute difference from the network in float32, pixels in 0..1.
        seconds: one face took.
        eager_seconds: one face took the network as it is written, in the same number format.
        start_seconds: the engine took to start, before there was anything of it to read.
    """

    mean: float
    largest: float
    seconds: float
    eager_seconds: float
    start_seconds: float = 0.0

    @property
    def is_possible(self) -> bool:
        """Whether these are numbers that a measurement gives."""
        return self.mean >= 0 and self.largest >= 0 and min(self.seconds, self.eager_seconds) > 0

    def is_close(self, dtype: torch.dtype) -> bool:
        """Whether the picture stays what it is."""
        if dtype == torch.float32:
            return self.largest <= LARGEST_FP32
        return self.mean <= LARGEST_MEAN and self.largest <= LARGEST


def probe(size: int) -> Tensor:
    """A picture to try networks with, 1 x 3 x S x S in -1..1: soft shapes as faces have, and some grain."""
    chance = torch.Generator().manual_seed(0)
    soft = F.interpolate(torch.rand(1, 3, 9, 9, generator=chance), (size, size), mode="bicubic", align_corners=True)
    return (soft + 0.02 * torch.randn(1, 3, size, size, generator=chance)).clamp(0, 1) * 2 - 1


def compare(truth: Tensor, restored: Tensor) -> tuple[float, float]:
    """Mean and largest absolute difference of two results of a network as pixels in 0..1; NaN counts as infinite."""
    truth, restored = (image.add(1).div(2).clamp(0, 1) for image in (truth, restored))
    difference = (truth - restored).abs().nan_to_num(nan=float("inf"))
    return float(difference.mean()), float(difference.max())


def race(engines: Sequence[tuple[Engine, Tensor]], rounds: int = ROUNDS) -> tuple[list[Tensor], list[float]]:
    """What engines make of their faces, and the seconds each takes at its best.

    They take turns, so that what else the machine does slows all of them. A few seconds end a race before its time.
    """
    with torch.inference_mode():
        restored = [engine(faces) for engine, faces in engines]  # warms them, too
        best = [float("inf")] * len(engines)
        began = time.perf_counter()
        for _ in range(rounds):
            for index, (engine, faces) in enumerate(engines):
                start = time.perf_counter()
                engine(faces)
                best[index] = min(best[index], time.perf_counter() - start)
            if time.perf_counter() - began > _ENOUGH:
                break
    return restored, best


def recall(key: str) -> Trial | None:
    """The kept result under `key`, if there is one."""
    return _read().get(key)


def likely_cost(seconds: float) -> float:
    """Seconds that the trial of an engine takes, beside a network that takes so many for a face: its start and a race.

    Engines on two cores started within 1.5 s for the smallest networks, and within 15 s for those of 512 pixels, which
    take 10 times as long; a race ends after so many rounds or seconds, and each runs once before.
    """
    rounds = min(ROUNDS, math.ceil(_ENOUGH / (2 * seconds))) + 1
    return 1.0 + 5 * seconds + rounds * 2 * seconds


def remembered(key: str, run: Callable[[], Trial]) -> Trial:
    """The kept result under `key`, or that of `run`, which is kept."""
    kept = recall(key)
    if kept is not None:
        return kept
    result = run()
    path = _path()
    all_kept = {**_read(), key: result}  # others may have written meanwhile
    try:
        with replacing(path) as temporary:
            text = json.dumps({name: asdict(entry) for name, entry in all_kept.items()}, indent=1)
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        log.info("what was measured of a backend is not kept: %s", error)
    return result


def key_of(sha256: str, backend: str, precision: str, device: torch.device) -> str:
    """A name for one engine of one model on this machine, with everything that could change how fast or true it is."""
    packages = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime",), "tensorrt": ("onnxruntime-gpu",)}
    versions = [f"torch {torch.__version__}", f"gpen-blocks {package_version()}"]
    versions += [f"{name} {installed_version(name)}" for name in packages.get(backend, ())]
    processor = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    threads = f"{torch.get_num_threads()} of {os.cpu_count()} threads"
    return ", ".join([sha256[:16], backend, precision, device.type, processor, threads, *versions])


def _path() -> Path:
    return places.cache_folder() / "backends.json"


def _read() -> dict[str, Trial]:
    try:
        entries = json.loads(_path().read_text(encoding="utf-8"))
        kept = {key: Trial(**{name: float(value) for name, value in entry.items()}) for key, entry in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}  # nothing kept yet, or nothing that can be read: it is measured again
    return {key: trial for key, trial in kept.items() if trial.is_possible}

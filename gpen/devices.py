"""Devices and placements; only a placement moves a model between devices."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch

from .errors import GPENError, SettingsError

Placement = Callable[[torch.nn.Module], torch.device]
"""Moves a module to its device and returns that device. In ComfyUI, its memory manager does it."""

Piece = TypeVar("Piece")

_AUTO_ORDER = ("cuda", "xpu", "mps")
# Where Linux tells a container its limits.
_CGROUP = "/sys/fs/cgroup"


def _is_available(kind: str) -> bool:
    if kind == "mps":
        return torch.backends.mps.is_available()
    backend = getattr(torch, kind, None)
    return backend is not None and backend.is_available()


def select_device(name: str = "auto") -> torch.device:
    """The device of a given name.

    Args:
        name: `auto` (the first available of CUDA, XPU and MPS, otherwise the CPU) or a torch device such as `cuda:1`.

    Raises:
        SettingsError: the name is not a device, or the device is not available on this machine or in this build of
            torch.
    """
    if name == "auto":
        return torch.device(next((kind for kind in _AUTO_ORDER if _is_available(kind)), "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SettingsError(f"{name!r} is not a device; use auto, cpu, cuda, cuda:1, mps or xpu.") from None
    if device.type != "cpu" and not _is_available(device.type):
        raise SettingsError(f"This installation of torch sees no {device.type} device; use --device cpu or auto.")
    return device


def free_memory(device: torch.device) -> int | None:
    """Free memory of a device in bytes, or None if it cannot be queried; of the CPU, what this process may still take.

    A container may have a limit of its own (cgroup v2), beside what the machine has.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    lines = _lines_of("/proc/meminfo")
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    left = [int(kilobytes) << 10] if kilobytes else []
    limit, used = _lines_of(f"{_CGROUP}/memory.max"), _lines_of(f"{_CGROUP}/memory.stat")
    if limit and limit[0].isdecimal():
        # Pages of files are given back on demand.
        anonymous = sum(int(line.split()[1]) for line in used if line.startswith(("anon ", "kernel ", "shmem ")))
        left.append(max(int(limit[0]) - anonymous, 0))
    return min(left, default=None)


def usable_cores() -> int:
    """Number of cores that this process may use: fewer than the machine has if it is bound to some, or in a container
    with a limit (cgroup v2).
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = " ".join(_lines_of(f"{_CGROUP}/cpu.max")).split()
    if len(limit) == 2 and limit[0].isdecimal() and limit[1].isdecimal():
        cores = min(cores, int(limit[0]) // max(int(limit[1]), 1))
    return max(cores, 1)


def _lines_of(path: str) -> list[str]:
    """The lines of a file of the system; none if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def processor_name() -> str:
    """Name of the processor from the operating system, such as `AMD EPYC 7763 64-Core Processor`."""
    told = platform.processor() or platform.machine()
    pairs = [[part.strip() for part in line.split(":", 1)] for line in _lines_of("/proc/cpuinfo") if ":" in line]
    # Arm processors have only numbers, and several kinds of cores.
    names = {value for name, value in pairs if name in ("model name", "CPU implementer", "CPU part")}
    return " ".join(sorted(names)) or told


def wait_for(device: torch.device) -> None:
    """Block until all work queued on the device is done."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type in ("cuda", "xpu"):
        getattr(torch, device.type).synchronize(device)


def on_device(device: torch.device) -> Placement:
    """Placement for the command line and Python: moves the module to `device`, where it stays."""

    def place(module: torch.nn.Module) -> torch.device:
        module.to(device)
        return device

    return place


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the CPU ran out of memory; only CUDA, XPU and numpy raise a specific error for it."""
    if isinstance(error, GPENError):
        return False
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # MPS and accelerators: "out of memory"; torch's CPU allocator: "can't allocate memory", "not enough memory";
    # OpenCV: "Insufficient memory".
    text = str(error).lower()
    words = ("out of memory", "can't allocate memory", "not enough memory", "insufficient memory")
    return isinstance(error, Exception) and any(some in text for some in words)


@contextmanager
def refuse_out_of_memory(sentence: str) -> Iterator[None]:
    """Work that may need more memory than there is.

    Raises:
        GPENError: `sentence`; memory ran out.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise GPENError(sentence) from error


def release_memory() -> None:
    """Give devices back what torch has set aside and does not use, so that smaller work finds room in one piece."""
    for kind in _AUTO_ORDER:
        if _is_available(kind):
            getattr(torch, kind).empty_cache()


def in_pieces(
    count: int, run: Callable[[int, int], Piece], *, most: int | None = None, too_large: str, smallest: int = 1
) -> list[Piece]:
    """Process items in chunks, and in smaller chunks if memory runs out.

    Args:
        count: number of items.
        run: processes the items from its first to its last (exclusive) index.
        most: initial chunk size; by default all items.
        too_large: the message if not even `smallest` items fit.
        smallest: smallest possible chunk size.

    Returns:
        The results of `run` for all chunks, in order.

    Raises:
        GPENError: `too_large`.
    """
    pieces: list[Piece] = []
    done, length = 0, max(most or count, smallest)
    while done < count:
        last = min(done + length, count)
        try:
            pieces.append(run(done, last))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if last - done <= smallest:
                raise GPENError(too_large) from error
        else:
            done = last
            continue
        # Here and not in the handler: while an exception is handled, its frames keep the memory allocated.
        length = max((last - done) // 2, smallest)
        release_memory()
    return pieces


def answers(device: torch.device) -> bool:
    """Whether a device still works: after some errors, a GPU does nothing more for the program."""
    try:
        return bool((torch.ones(1, device=device) + 1).item() == 2)
    except Exception as error:
        return is_out_of_memory(error)

"""Where a model runs. A placement is the only thing that moves a model between devices."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from .errors import GPENError, SettingsError

Placement = Callable[[torch.nn.Module], torch.device]
"""Puts a module where it is to run and returns that device. ComfyUI brings its own, which asks its memory manager."""

Piece = TypeVar("Piece")

_AUTO_ORDER = ("cuda", "xpu", "mps")


def _is_available(kind: str) -> bool:
    if kind == "mps":
        return torch.backends.mps.is_available()
    backend = getattr(torch, kind, None)
    return backend is not None and backend.is_available()


def select_device(name: str = "auto") -> torch.device:
    """The device a name stands for.

    Args:
        name: `auto` (the first of CUDA, XPU, MPS that is there, otherwise the CPU) or a torch device such as `cuda:1`.

    Raises:
        SettingsError: the name is no device, or this machine or this build of torch does not have it.
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
    """Bytes that are free on a device; None where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
    return None if kilobytes is None else int(kilobytes) << 10


def processor_name() -> str:
    """What the operating system calls the processor, such as `AMD EPYC 7763 64-Core Processor`."""
    told = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return told
    pairs = [[part.strip() for part in line.split(":", 1)] for line in lines if ":" in line]
    # Arm's have numbers only, and several kinds of cores.
    names = {value for name, value in pairs if name in ("model name", "CPU implementer", "CPU part")}
    return " ".join(sorted(names)) or told


def wait_for(device: torch.device) -> None:
    """Block until all work queued on the device is done."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type in ("cuda", "xpu"):
        getattr(torch, device.type).synchronize(device)


def on_device(device: torch.device) -> Placement:
    """The placement of the command line and of Python: the module moves to `device` and stays there."""

    def place(module: torch.nn.Module) -> torch.device:
        module.to(device)
        return device

    return place


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the CPU has run out of memory; only CUDA, XPU and numpy have an error of their own for it."""
    if isinstance(error, GPENError):
        return False
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    # MPS and accelerators: "out of memory"; torch's CPU allocator: "can't allocate memory", "not enough memory";
    # OpenCV: "Insufficient memory".
    text = str(error).lower()
    words = ("out of memory", "can't allocate memory", "not enough memory", "insufficient memory")
    return isinstance(error, Exception) and any(some in text for some in words)


def in_pieces(
    count: int, run: Callable[[int, int], Piece], *, most: int | None = None, too_large: str, smallest: int = 1
) -> list[Piece]:
    """Do work in pieces, and in smaller ones where memory runs out.

    Args:
        count: how many things there are.
        run: does those from the first to the last (exclusive) number it is given.
        most: how many at a time to begin with; all of them where left out.
        too_large: a sentence for the user, where not even `smallest` fit.
        smallest: how many there must be at a time.

    Returns:
        What `run` gave for each piece, in order.

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
        # Here, not above: as long as an error is handled, its frames hold what did not fit.
        length = max((last - done) // 2, smallest)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return pieces

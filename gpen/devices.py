"""Where a model runs. A placement is the only thing that moves a model between devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from .errors import SettingsError

Placement = Callable[[torch.nn.Module], torch.device]
"""Puts a module where it is to run and returns that device. ComfyUI brings its own, which asks its memory manager."""

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


def wait_for(device: torch.device) -> None:
    """Wait for what a device was given to do beside this thread."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def on_device(device: torch.device) -> Placement:
    """The placement of the command line and of Python: the module moves to `device` and stays there."""

    def place(module: torch.nn.Module) -> torch.device:
        module.to(device)
        return device

    return place

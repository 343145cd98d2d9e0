"""Where a model runs. A placement is the only thing that moves a model between devices."""

from __future__ import annotations

from collections.abc import Callable

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


def on_device(device: torch.device) -> Placement:
    """The placement of the command line and of Python: the module moves to `device` and stays there."""

    def place(module: torch.nn.Module) -> torch.device:
        module.to(device)
        return device

    return place

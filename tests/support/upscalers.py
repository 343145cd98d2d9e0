"""Tiny networks that enlarge, with weights from a seed, in files as their authors publish them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file


def write_compact(path: Path, scale: int = 2, *, seed: int = 0, gain: float = 1.0) -> Path:
    """A network of Real-ESRGAN's compact kind (SRVGG): the picture enlarged by repetition, and a little more."""
    compact = pytest.importorskip("spandrel.architectures.Compact").Compact
    return _write(path, compact(num_feat=8, num_conv=2, upscale=scale), seed, gain)


def write_rrdb(path: Path, scale: int = 4, *, seed: int = 0) -> Path:
    """A network of Real-ESRGAN's large kind (RRDBNet)."""
    esrgan = pytest.importorskip("spandrel.architectures.ESRGAN").ESRGAN
    return _write(path, esrgan(num_filters=8, num_blocks=1, scale=scale), seed, 1.0)


def _write(path: Path, network: torch.nn.Module, seed: int, gain: float) -> Path:
    chance = torch.Generator().manual_seed(seed)
    tensors = {
        name: gain * torch.empty_like(tensor).uniform_(-0.1, 0.1, generator=chance)
        for name, tensor in network.state_dict().items()
    }
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"params_ema": tensors}, path)
    return path

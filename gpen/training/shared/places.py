"""Where a network is taught, and in which numbers."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from ...network.ops import AUTOCAST_DEVICES


def device_of(network: nn.Module) -> torch.device:
    """The device a network lies on."""
    return next(network.parameters()).device


def beside(network: nn.Module, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Tensors on the device of a network."""
    return tuple(tensor.to(device_of(network)) for tensor in tensors)


def in_bfloat16(network: nn.Module) -> AbstractContextManager[object]:
    """Let a network compute in bfloat16 by autocast, where its device has that; in float32 elsewhere."""
    device = device_of(network)
    return torch.autocast(device.type, torch.bfloat16) if device.type in AUTOCAST_DEVICES else nullcontext()

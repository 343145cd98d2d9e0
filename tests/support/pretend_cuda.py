"""A device that computes as the processor does and refuses what CUDA refuses: its tensors beside the processor's.

So it shows, where there is no GPU, whether everything lies on the device it should. It shows nothing of kernels, speed
or memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

DEVICE = torch.device("cuda", 0)

# Functions that take tensors of two devices: copies, and indices from the processor.
_MAY_MIX = {torch.Tensor.copy_, torch.Tensor.to, torch.Tensor.__getitem__, torch.Tensor.__setitem__}


class OnCuda(torch.Tensor):
    """A tensor that lies on the pretended device."""

    __torch_function__: Any = torch._C._disabled_torch_function_impl


class PretendCuda(TorchFunctionMode):
    """While it is entered, `cuda:0` is there."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        kwargs.pop("pin_memory", None)
        first = args[0] if args else None
        if func == torch.Tensor.device.__get__:
            return DEVICE if isinstance(first, OnCuda) else func(first)
        if func == torch.Tensor.is_cuda.__get__:
            return isinstance(first, OnCuda)
        if func is torch.Tensor.pin_memory:
            return first
        if func is torch.Tensor.cpu:
            return _plain(first)
        if func in (torch.Tensor.numpy, torch.Tensor.__array__) and isinstance(first, OnCuda):
            raise TypeError("can't convert cuda:0 device type tensor to numpy; copy it to the processor first")
        tensors = list(_tensors((args, kwargs)))
        ours = any(isinstance(tensor, OnCuda) for tensor in tensors)
        if ours and func not in _MAY_MIX:
            strangers = [tensor for tensor in tensors if tensor.dim() and not isinstance(tensor, OnCuda)]
            if strangers:
                raise RuntimeError(f"{func}: expected all tensors to be on the same device, cuda:0 and cpu!")
        if func is torch.Tensor.__getitem__ and not isinstance(first, OnCuda) and ours:
            raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
        named = [torch.device(place) for place in (*args, kwargs.get("device")) if _is_place(place)]
        if func is torch.Tensor.to:
            others = tensors[1:]
            if named:
                ours = named[0].type == "cuda"
            elif others:
                ours = isinstance(others[0], OnCuda)
        elif named:
            ours = named[0].type == "cuda"
        elif func in (torch.Tensor.copy_, torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            ours = isinstance(first, OnCuda)
        cpu = torch.device("cpu")
        plain = _mapped((args, kwargs), lambda value: cpu if _is_place(value) else _plain(value))
        done = func(*plain[0], **plain[1])
        if args and done is plain[0][0] and isinstance(first, OnCuda) == ours:
            return first  # changed in place, or the same
        return _mapped(done, _ours) if ours else done


def move(module: nn.Module) -> None:
    """Put a module on the pretended device."""
    with torch._C.DisableTorchFunction():
        for part in module.modules():
            for name, parameter in part._parameters.items():
                part._parameters[name] = _ours(parameter)
            for name, buffer in part._buffers.items():
                part._buffers[name] = _ours(buffer)


def _is_place(value: object) -> TypeGuard[torch.device | str]:
    return isinstance(value, torch.device) or (isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda"))


def _plain(value: Any) -> Any:
    return value.as_subclass(torch.Tensor) if isinstance(value, OnCuda) else value


def _ours(value: Any) -> Any:
    return value.as_subclass(OnCuda) if isinstance(value, torch.Tensor) else value


def _tensors(values: Any) -> Any:
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _tensors(tuple(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)


def _mapped(values: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(values, dict):
        return {key: _mapped(value, change) for key, value in values.items()}
    if isinstance(values, list):
        return [_mapped(value, change) for value in values]
    if isinstance(values, torch.Size):
        return values
    if isinstance(values, tuple):
        changed = tuple(_mapped(value, change) for value in values)
        return changed if type(values) is tuple else type(values)(changed)
    return change(values)

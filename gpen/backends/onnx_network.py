"""A GPEN generator that lies on this machine as an ONNX file, the form in which other packages keep it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CheckpointError, ImageError, MissingPackageError, NotGPENError
from ..network import GeneratorConfig
from ..wording import pip_install
from .onnxruntime_engine import provider_of, start_session

_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
# GPEN doubles maps from 4 x 4 on; no published one is smaller than 128.
_SMALLEST = 64


def import_onnx_runtime(name: str) -> ModuleType:
    """The module `onnxruntime`.

    Args:
        name: name of the model that needs it, for the message.

    Raises:
        MissingPackageError: it is not installed, or does not start; the message gives the command.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            f"{name} is an ONNX file, which needs ONNX Runtime ({error}). Install it with {pip_install('onnxruntime')} "
            "(onnxruntime-gpu for NVIDIA cards) and restart, or choose a model in another format."
        ) from error
    return onnxruntime


class OnnxNetwork(nn.Module):
    """Restores faces as a `Generator` does, by ONNX Runtime.

    Nothing in the file is executed but the operators of ONNX. It must be the whole network: one input of N x 3 x S x S,
    RGB in -1..1, and as its first output the same shape, as facefusion, ReActor and `gpen models export` have it.

    Args:
        path: the ONNX file.
        device: where it should run; other devices than the CPU and CUDA take the CPU.

    Attributes:
        config: its size is that of the graph; its channels are those of the standard GPEN of that size.
        metadata: texts in the file, such as `template` and `task` from `gpen models export`.
        notes: one sentence for each deviation from what was requested.

    Raises:
        MissingPackageError: ONNX Runtime is not installed.
        CheckpointError: ONNX Runtime cannot read or run the file.
        NotGPENError: the graph has other inputs or outputs than a GPEN.
    """

    backend = "onnxruntime"

    def __init__(self, path: Path, device: torch.device) -> None:
        super().__init__()
        onnxruntime = import_onnx_runtime(path.name)
        self.notes: tuple[str, ...] = ()
        kind = device if device.type in ("cpu", "cuda") else torch.device("cpu")
        provider, options = provider_of(torch.float32, kind, tensorrt=False)
        if provider not in onnxruntime.get_available_providers():
            self.notes = (
                f"{path.name} runs on the CPU: this build of ONNX Runtime has no {provider}; onnxruntime-gpu has it.",
            )
            provider, options = provider_of(torch.float32, torch.device("cpu"), tensorrt=False)
        try:
            self._session: Any = start_session(str(path), provider, options)
        # Its exceptions have no common base class.
        except Exception as error:
            raise CheckpointError(f"{path} cannot be run by ONNX Runtime: {error}") from error
        (self._input, self._dtype, self._single), size = _read_graph(self._session, path)
        self.config = GeneratorConfig.from_multipliers(size)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        # Placements ask where a module's parameters are; the weights themselves are in the session.
        self.place = nn.Parameter(torch.zeros(1), requires_grad=False)
        _check_answer(self, self._session.get_outputs()[0].shape, path)

    def activation_bytes(self) -> int:
        """As `Generator.activation_bytes`, for the standard GPEN of this size."""
        return self.config.activation_values() * self._dtype().itemsize

    def forward(self, x: Tensor) -> Tensor:
        """As `Generator.forward`; a graph for a single face runs once for each."""
        size = self.config.size
        if x.ndim != 4 or x.shape[1:] != (3, size, size) or not x.is_floating_point():
            raise ImageError(
                f"This ONNX file needs floating-point faces of shape (batch, 3, {size}, {size}), but got "
                f"{tuple(x.shape)} in {x.dtype}; align faces to {size} pixels first."
            )
        if not len(x):
            return x
        faces = x.float().cpu().contiguous().numpy().astype(self._dtype, copy=False)
        pieces = np.split(faces, len(faces)) if self._single else [faces]
        restored = np.concatenate([self._session.run(None, {self._input: piece})[0] for piece in pieces])
        return torch.from_numpy(restored).to(x.device, x.dtype)


def _read_graph(session: Any, path: Path) -> tuple[tuple[str, type, bool], int]:
    """Name, number format and whether a graph takes a single face at a time; and the side of its faces."""
    inputs = session.get_inputs()
    told = ", ".join(f"{one.name} {_shape(one.shape)}" for one in inputs)
    if len(inputs) == 1 and len(inputs[0].shape) == 4 and inputs[0].type in _DTYPES:
        number, channels, height, width = inputs[0].shape
        is_size = isinstance(height, int) and height >= _SMALLEST and not height & (height - 1)
        if is_size and (channels, width) == (3, height) and (number == 1 or not isinstance(number, int)):
            return (inputs[0].name, _DTYPES[inputs[0].type], number == 1), height
    raise NotGPENError(
        f"{path} is not a GPEN in ONNX form: its input is {told or 'missing'}, but one of 1 x 3 x S x S in floating "
        "point is needed, such as 1 x 3 x 512 x 512; choose a GPEN, such as GPEN-BFR-512.onnx."
    )


def _check_answer(network: OnnxNetwork, told: list, path: Path) -> None:
    """Check that a graph answers with a face of the same size; it runs only if it does not tell the shape."""
    size = network.config.size
    shape = list(told)
    if len(shape) != 4 or not all(isinstance(side, int) for side in shape[1:]):
        try:
            shape = list(network(torch.zeros(1, 3, size, size)).shape)
        except Exception as error:
            raise CheckpointError(f"{path} cannot be run by ONNX Runtime: {error}") from error
    if len(shape) != 4 or shape[1:] != [3, size, size]:
        raise NotGPENError(
            f"{path} is not a GPEN in ONNX form: it turns faces of 3 x {size} x {size} into {_shape(shape)}, and a "
            "GPEN keeps their size; choose a GPEN, such as GPEN-BFR-512.onnx."
        )


def _shape(sides: list) -> str:
    return " x ".join("?" if side is None else str(side) for side in sides) or "a number"

"""Save the state of a training run atomically, so that it can be stopped at any time."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ....weights.files import replacing
from ...errors import TrainingError


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write a state atomically: if interrupted, the previous file is kept."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, parts: Set[str]) -> dict[str, Any] | None:
    """Load a state with tensors on the CPU; None if the file does not exist. Nothing in it is executed.

    Args:
        path: path of the file.
        parts: required keys of the state.

    Raises:
        TrainingError: the file is not a state of a training run.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError) as error:
        raise TrainingError(f"{path} is not the state of a training run; move it away to begin anew.") from error
    if not isinstance(state, dict) or not state.keys() >= parts:
        raise TrainingError(f"{path} is not the state of a training run; move it away to begin anew.")
    return state


def write_network(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write a trained network as safetensors in half precision, atomically."""
    half = {
        key: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for key, value in tensors.items()
    }
    with replacing(path) as temporary:
        save_file(half, temporary, metadata)

"""Strict loading of state dicts, with a readable error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn

from ..errors import CheckpointError

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def load_strictly(module: AnyModule, state_dict: Mapping[str, Tensor], fault: str) -> AnyModule:
    """Load a state dict into its module in place, and return the module.

    Raises:
        CheckpointError: tensors are missing, unexpected or misshapen; the message begins with `fault`.
    """
    try:
        module.load_state_dict(dict(state_dict), strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{fault}: {' '.join(str(error).split())[:300].rstrip('.')}.") from error
    return module

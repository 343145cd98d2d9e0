"""Tensors into networks: all of them, or a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn

from ..errors import CheckpointError

AnyModule = TypeVar("AnyModule", bound=nn.Module)


def load_strictly(module: AnyModule, state_dict: Mapping[str, Tensor], fault: str) -> AnyModule:
    """Load a state dict into the module that it belongs to, changed in place, and give that.

    Raises:
        CheckpointError: tensors are missing, left over or of another shape; its sentence begins with `fault`.
    """
    try:
        module.load_state_dict(dict(state_dict), strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{fault}: {' '.join(str(error).split())[:300].rstrip('.')}.") from error
    return module

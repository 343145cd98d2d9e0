"""Verified files in torch hub's folder."""

from __future__ import annotations

from pathlib import Path

import torch

from ...weights.digest import sha256_of
from ..errors import ModelNotFoundError


def hub_file(name: str) -> Path:
    """Path of a file in torch hub's folder whose name ends with the first digits of its SHA-256, as usual there."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        raise ModelNotFoundError(f"There is no {path}; nothing is fetched here.")
    digits = path.stem.rpartition("-")[2]
    if not sha256_of(path).startswith(digits):
        raise ModelNotFoundError(f"{path} is damaged, for its SHA-256 does not begin with {digits}; remove it.")
    return path

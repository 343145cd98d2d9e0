"""Saving a training run so that it can be stopped at any moment."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ....weights.files import replacing
from ...errors import SettingsError

PARTS = {"step", "generator", "discriminator", "generator_optimizer", "discriminator_optimizer", "average", "config"}
"""What the state of a run holds."""


def save_state(state: dict[str, Any], path: Path) -> None:
    """Write a state; whoever is stopped on the way leaves the one before it whole."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path) -> dict[str, Any] | None:
    """The state in a file, tensors on the CPU; None where there is no file. Nothing in it is executed.

    Raises:
        SettingsError: the file is not a state of a training run.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError) as error:
        raise SettingsError(f"{path} is not the state of a training run; move it away to begin anew.") from error
    if not isinstance(state, dict) or not state.keys() >= PARTS:
        raise SettingsError(f"{path} is not the state of a training run; move it away to begin anew.")
    return state

"""GPEN's tasks, one file each: the input of the network and the use of its output."""

from __future__ import annotations

from ..errors import SettingsError
from .colorization import COLORIZATION
from .drawing import DRAWING
from .inpainting import INPAINTING
from .restoration import RESTORATION
from .task import Task

TASKS = {task.name: task for task in (RESTORATION, COLORIZATION, INPAINTING, DRAWING)}
"""The supported tasks, by their names in the registry."""

__all__ = ["COLORIZATION", "DRAWING", "INPAINTING", "RESTORATION", "TASKS", "Task", "require_task"]


def require_task(model: str, taught: str, wanted: str) -> None:
    """Refuse a model that was trained for another task.

    Args:
        model: name of the model.
        taught: the task it was trained for.
        wanted: the task to do.

    Raises:
        SettingsError: the tasks differ.
    """
    if taught == wanted:
        return
    raise SettingsError(f"{model} is a GPEN for {taught}; choose a model for {wanted}.")

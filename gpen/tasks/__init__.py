"""GPEN's tasks, one file each: what its network is fed, and how its answer is used."""

from __future__ import annotations

from ..errors import SettingsError
from .restoration import RESTORATION
from .task import Task

TASKS = {task.name: task for task in (RESTORATION,)}
"""The tasks that are built, by their names in the registry."""

__all__ = ["RESTORATION", "TASKS", "Task", "require_task"]


def require_task(model: str, taught: str, wanted: str) -> None:
    """Refuse a model that was taught something else than it is wanted for.

    Args:
        model: its name.
        taught: the task it was taught.
        wanted: the task it is to do.

    Raises:
        SettingsError: these differ.
    """
    if taught == wanted:
        return
    built = "" if taught in TASKS else ", which GPEN Blocks cannot run yet"
    raise SettingsError(f"{model} is a GPEN for {taught}{built}; choose a model for {wanted}.")

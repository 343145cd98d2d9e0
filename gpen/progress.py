"""How long work tells where it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) after each piece of work. What it raises ends the work: that is how it is
interrupted."""


@runtime_checkable
class Viewer(Protocol):
    """A progress that also wants to see the pictures as they come."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def show(self, pictures: torch.Tensor) -> None:
        """Called before the progress itself, with what has just been made, B x 3 x H x W in 0..1."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """For callers who do not want to know."""

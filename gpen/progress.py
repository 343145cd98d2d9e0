"""Progress callbacks of long operations."""

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
    """A progress callback that also receives the pictures."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def show(self, pictures: torch.Tensor) -> None:
        """Called before the progress itself, with the latest result, B x 3 x H x W in 0..1."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """A progress callback that does nothing."""

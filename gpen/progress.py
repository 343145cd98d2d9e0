"""Progress callbacks of long operations, and one number for work of several stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) after each piece of work, and within a long piece with the numbers of before. What
it raises ends the work: that is how it is interrupted."""

Steps = Callable[[int, int], None]
"""The progress of one stage or function, called as `Progress` with (done, total)."""


Item = TypeVar("Item")

# Steps of one item of a larger piece of work, so that those of the work on it are not rounded away.
_FINE = 100


@runtime_checkable
class Viewer(Protocol):
    """A progress callback that also receives the pictures."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def show(self, pictures: torch.Tensor) -> None:
        """Called before the progress itself, with the latest result, B x 3 x H x W in 0..1."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """A progress callback that does nothing."""


def no_steps(done: int, total: int) -> None:
    """Steps that nobody follows."""


def steps_within(steps: Steps, first: int, last: int, total: int) -> Steps:
    """The steps of a piece of work within a larger one: from item `first` to `last` (exclusive) of `total`.

    Each item counts as 100 steps.
    """
    return lambda done, own_total: steps(
        _FINE * first + _FINE * (last - first) * done // max(own_total, 1), _FINE * total
    )


def each(items: Sequence[Item], steps: Steps) -> Iterator[tuple[Item, Steps]]:
    """Go through items; yields each with the steps of the work on it, and counts it when the next is asked for."""
    for number, item in enumerate(items):
        yield item, steps_within(steps, number, number + 1, len(items))
        steps(_FINE * (number + 1), _FINE * len(items))


def part_of(progress: Progress, first: int, last: int, total: int) -> Progress:
    """The progress of a piece of work within a larger one: from item `first` to `last` (exclusive) of `total`.

    Each item counts as 100 steps.

    The result is a `Viewer` if `progress` is one.
    """

    def count(stage: str, done: int, own_total: int) -> None:
        within = steps_within(partial(progress, stage), first, last, total)
        within(done, own_total)

    return _ViewedPart(progress, count) if isinstance(progress, Viewer) else count


class _ViewedPart:
    def __init__(self, viewer: Viewer, count: Progress) -> None:
        self._viewer, self._count = viewer, count

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._count(stage, done, total)

    def show(self, pictures: torch.Tensor) -> None:
        self._viewer.show(pictures)


class Overall:
    """One number for work of several stages, which never decreases.

    Stages may be interleaved. When one begins, stages before it that were never reported count as done.

    Args:
        shares: the share of each stage of the time, in their order; they are scaled to a sum of 1. Other stages are
            ignored. None for work of a single stage, whatever its name.
    """

    def __init__(self, shares: Mapping[str, float] | None = None) -> None:
        self._single = shares is None
        whole = sum(shares.values()) if shares else 1.0
        self._shares = {stage: share / whole for stage, share in (shares or {"": 1.0}).items()}
        self._done: dict[str, float] = {}
        self._reached = 0.0

    def __call__(self, stage: str, done: int, total: int) -> float:
        """The share of the whole work that is done after a step, 0..1."""
        stage = "" if self._single else stage
        if stage in self._shares:
            self._done[stage] = max(self._done.get(stage, 0.0), done / total if total else 1.0)
            self._reached = max(self._reached, min(self._sum(), 1.0))
        return self._reached

    def _sum(self) -> float:
        stages = list(self._shares)
        begun = max(stages.index(stage) for stage in self._done)
        return sum(
            share * self._done.get(stage, 1.0 if place < begun else 0.0)
            for place, (stage, share) in enumerate(self._shares.items())
        )

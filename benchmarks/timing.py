"""Seconds of several ways to do the same, taken in turns: what else the machine does then slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of each round of one way, and of the way it is compared with in the same rounds."""

    seconds: tuple[float, ...]
    reference: tuple[float, ...] = ()

    @property
    def best(self) -> float:
        """The quickest round."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """The middle round."""
        return statistics.median(self.seconds)

    @property
    def ratios(self) -> list[float]:
        """Seconds over the reference's, round by round."""
        return [mine / theirs for mine, theirs in zip(self.seconds, self.reference, strict=True)]


def take_turns(
    ways: Mapping[str, Callable[[], object]], reference: str | None = None, rounds: int = 5, enough: float = 60.0
) -> dict[str, Timing]:
    """Run every way once to warm it, then all of them in turns; where one turn takes long, the first one counts.

    Args:
        ways: by name.
        reference: the way the others are compared with.
        rounds: at most.
        enough: seconds after which no further round begins.
    """

    def turn() -> dict[str, float]:
        taken = {}
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name] = time.perf_counter() - start
        return taken

    turns = [turn()]
    spent = sum(turns[0].values())
    if spent < enough:
        turns = []
        while len(turns) < rounds and (len(turns) < 2 or spent < enough):
            turns.append(turn())
            spent += sum(turns[-1].values())
    seconds = {name: [taken[name] for taken in turns] for name in ways}
    against = tuple(seconds[reference]) if reference else ()
    return {name: Timing(tuple(values), against) for name, values in seconds.items()}

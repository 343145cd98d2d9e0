"""Walks as ARCHITECTURE.md writes them, and as a run takes them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[2]
# `folder/file.py: Class.function`
_STEP = re.compile(r"^\d+\. `([\w/]+\.py): ([\w.]+)`", re.MULTILINE)

Step = tuple[str, str]
"""A file below the root, and the function, with its class if it has one."""


def walks_of(page: str) -> dict[str, list[list[Step]]]:
    """The walks under each heading of a page that has any: numbered lists whose items begin with a step."""
    walks: dict[str, list[list[Step]]] = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        found: list[list[Step]] = []
        for match in _STEP.finditer(section):
            if match[0].startswith("1."):
                found.append([])
            found[-1].append((match[1], match[2]))
        if found:
            walks[section.splitlines()[0]] = found
    return walks


@contextmanager
def calls_recorded() -> Iterator[list[Step]]:
    """Every call of a function of this package while the context is open, in order; functions by their own name."""
    calls: list[Step] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT):
            calls.append((path.relative_to(ROOT).as_posix(), frame.f_code.co_name))

    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def first_not_taken(walk: Sequence[Step], calls: Iterable[Step]) -> Step | None:
    """The first step of a walk that is not among the calls behind the step before it; None if all are."""
    rest = iter(calls)
    for file, function in walk:
        if (file, function.rpartition(".")[2]) not in rest:
            return file, function
    return None

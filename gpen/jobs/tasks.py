"""What `restore_files` is asked for, and what came of it; these need no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .plan import Targets


@dataclass(frozen=True)
class Task:
    """One picture to restore.

    Attributes:
        source: its file.
        targets: where the results go.
        folder: the folder that the targets are in, which is not created if it is gone; None: it may be created.
    """

    source: Path
    targets: Targets
    folder: Path | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a task: either a report or an error.

    Attributes:
        task: the task.
        report: as `Restoration.report`, with `output`, the notes of writing, `pages` for a TIFF of several, and
            `compare` and `face_files` if they were asked for. Its files are in place.
        error: why there is no result; the files of the targets are as they were.
        seconds: time spent on the picture in all stages, without waiting.
    """

    task: Task
    report: dict[str, Any] | None = None
    error: Exception | None = None
    seconds: float = 0.0


Announce = Callable[[Task, Mapping[str, Any], Mapping[str, str]], None]
"""Called with a task, its report, and the SHA-256 of each of its files by the path that it is about to get. What it
raises is the error of the task, whose files do not get their names then."""

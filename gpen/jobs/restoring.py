"""Restore files: from a list of tasks to files in place, in order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from ..images import Picture, read_picture
from ..restorer import Restoration, Restorer
from .pages import has_pages
from .tasks import Outcome, Task
from .writing import Writing


def restore_files(
    tasks: Iterable[Task],
    restorer: Restorer,
    *,
    indices: str = "",
    batch_size: int = 0,
    quality: int | None = None,
    compare: bool = False,
    save_faces: bool = False,
    allow_damaged: bool = False,
    workers: int = 0,
    memory: int = 0,
) -> Iterator[Outcome]:
    """Restore the faces of many files and write the results.

    Args:
        tasks: the pictures, asked for in the caller's thread, shortly before they are begun.
        restorer: the models and settings.
        indices, batch_size: as for `Restorer.restore`.
        quality: as for `Restoration.save`.
        compare: also write a before-and-after sheet: the first of the targets' `beside`.
        save_faces: also write all crops, before and after: to the folder that is the next of `beside`.
        allow_damaged: read as much as possible of damaged files.
        workers: threads that work at once; 0: as many as there are cores.
        memory: bytes that pictures and the work on them may take; 0: half of what is free.

    Yields:
        The outcome of each task, in the order of the tasks. The error of one picture is its outcome and does not affect
        the others. Closing the iterator, or an exception in the caller's thread such as KeyboardInterrupt, ends the
        work within seconds; files are written whole or not at all.
    """
    writing = Writing(quality, compare, save_faces, allow_damaged)
    for task in tasks:
        began = time.perf_counter()
        try:
            report, error = _restore_file(task, restorer, writing, indices, batch_size), None
        except Exception as fault:  # decoders and drivers raise anything
            report, error = None, fault
        yield Outcome(task, report, error, time.perf_counter() - began)


def _restore_file(task: Task, restorer: Restorer, writing: Writing, indices: str, batch_size: int) -> dict[str, Any]:
    def restore(picture: Picture, number: int = 0) -> Restoration:
        return restorer.restore(picture, indices=indices, batch_size=batch_size)

    picture = read_picture(task.source, allow_damaged=writing.allow_damaged)
    if has_pages(picture, task.targets.main):
        return writing.write_pages(task, picture, restore)
    return writing.write(task, restore(picture))

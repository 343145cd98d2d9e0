"""A job whose worker only copies, so that it takes no time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from gpen_blocks.gpen.errors import GPENError, ImageError
from gpen_blocks.gpen.files import write_whole
from gpen_blocks.gpen.jobs.collect import Job
from gpen_blocks.gpen.jobs.entries import Recipe
from gpen_blocks.gpen.jobs.job import Order, WorkList, list_work
from gpen_blocks.gpen.jobs.journal import Journal
from gpen_blocks.gpen.jobs.kept import kept_journal
from gpen_blocks.gpen.jobs.ownership import write_files
from gpen_blocks.gpen.jobs.recording import run_job
from gpen_blocks.gpen.jobs.tasks import Announce, Outcome, Task

RECIPE = Recipe({"strength": 1.0}, {"gpen": "0" * 64})
FACE = {"box": [1.0, 2.0, 3.0, 4.0], "score": 0.9, "restored": True, "changed": {"share": 0.5, "mean": 2.0}}


def copy_files(tasks: Iterator[Task], announce: Announce | None = None) -> Iterator[Outcome]:
    """A worker that finds a face in every picture and changes nothing; an empty file is no picture."""
    for task in tasks:
        if not task.source.stat().st_size:
            yield Outcome(task, error=ImageError(f"{task.source} is empty."))
            continue
        try:
            yield Outcome(task, write_files(task, partial(copy_file, task), announce), seconds=0.25)
        except GPENError as error:
            yield Outcome(task, error=error)


def copy_file(task: Task) -> dict[str, Any]:
    """Write the result, and whatever is wanted beside it."""
    for path in (task.targets.main, *task.targets.beside):
        crops = (path / "face00-before.png", path / "face00-after.png") if path.name.endswith("-faces") else ()
        for file in crops or (path,):
            write_whole(file, partial(shutil.copyfile, task.source))
    return {"output": str(task.targets.main), "faces": [FACE], "notes": ["copied"], "settings": RECIPE.settings}


def pictures(folder: Path, *names: str) -> list[Job]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if not (folder / name).exists():
            (folder / name).write_bytes(os.fsencode(name))
    return [Job(folder / name, Path(name)) for name in names]


def call(jobs: list[Job], order: Order, stop_after: int = -1) -> tuple[WorkList, list[str]]:
    """One call of a job; returns its work and the names of the results it wrote."""
    with kept_journal(order.output, order.shard_name) as kept:
        work = list_work(jobs, order, kept.journal)
        written = []
        outcomes = run_job(work, order, kept.journal, copy_files)
        for number, outcome in enumerate(outcomes, 1):
            if outcome.error is None:
                written.append(outcome.task.targets.main.name)
            if number == stop_after:
                outcomes.close()
                break
    return work, written


def states(order: Order) -> dict[str, str]:
    with Journal.read(order.output) as journal:
        return {Path(source).name: entry.state for source, entry in journal.entries().items()}

"""A job on Ray: the same lists of work and the same journal as on one machine, also where results go to a URL."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from ..errors import JobError
from .entries import Entry, Recipe, name_of
from .job import Order, WorkList
from .kept import KeptJournal, put_rows
from .ray_engine import restore_on_ray
from .ray_worker import Setup
from .tasks import Outcome, Task


def run_on_ray(
    work: WorkList,
    order: Order,
    kept: KeptJournal,
    setup: Setup,
    *,
    address: str | None = None,
    gpus_per_worker: float = 0.0,
) -> Generator[Outcome, None, None]:
    """Do the work on a Ray cluster, and write what came of it to the journal.

    Args:
        work: from `list_work`.
        order: what it was listed for.
        kept: the journal.
        setup: what workers are told.
        address, gpus_per_worker: as for `restore_on_ray`.

    Yields:
        The outcome of each picture, as it is ready.

    Raises:
        MissingPackageError, JobError, StorageError: as for `restore_on_ray`. What is finished is kept.
    """
    journal, began = kept.journal, time.monotonic()
    run = journal.begin_run(order.shard_name)
    tasks = {name_of(job.source): Task(job.source, targets) for job, targets in work.todo.items()}
    # Until its row comes, a picture may have been written at any moment.
    journal.put(replace(entry, state="working") for entry in work.entries.values())
    kept.save()
    setup = replace(setup, home=journal.home, overwrite=order.overwrite)
    pictures = faces = 0
    with closing(
        restore_on_ray(
            list(work.entries.values()), setup, kept.output, address=address, gpus_per_worker=gpus_per_worker
        )
    ) as batches:
        for rows in batches:
            done = [entry for entry, _ in rows if entry.state == "done" and entry.source in tasks]
            pictures, faces = pictures + len(done), faces + sum(entry.restored or 0 for entry in done)
            with journal.transaction():
                put_rows(journal, rows)
                journal.count_run(run, pictures, faces, time.monotonic() - began)
            for entry, _ in rows:
                if task := tasks.pop(entry.source, None):  # a second row is of a picture that was begun again
                    yield _outcome(task, entry, order.recipe)


def _outcome(task: Task, entry: Entry, recipe: Recipe) -> Outcome:
    if entry.state != "done":
        return Outcome(task, None, JobError(entry.why or "It was not restored."), entry.seconds or 0.0)
    report = {**(entry.report or {}), "settings": recipe.settings.get("settings", {})}
    return Outcome(task, report, None, entry.seconds or 0.0)

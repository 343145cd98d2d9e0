"""A job on Ray: the same lists of work and the same journal as on one machine, also where results go to a URL."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from ..errors import JobError
from .entries import Entry, name_of
from .job import Order, WorkList
from .journal import FILE, Journal
from .ray_engine import restore_on_ray
from .ray_worker import Setup
from .rows import FOLDER, Row, left_rows
from .storage import Place
from .tasks import Outcome, Task


class KeptJournal:
    """A journal that is open for writing, and the folder of results where it belongs.

    Args:
        journal: the journal; of results by URL a copy on this machine.
        output: the folder of results.
    """

    def __init__(self, journal: Journal, output: Place) -> None:
        self.journal = journal
        self.output = output

    def save(self) -> None:
        """Bring the copy to the results.

        Raises:
            StorageError: it cannot be written.
        """
        if self.output.is_remote:
            (self.output / FILE).write(self.journal.path.read_bytes())

    def take_in(self) -> None:
        """Take in rows that a call on Ray has left, and delete them when they are in the journal.

        Raises:
            JobError, StorageError: the journal or the folder of results cannot be read or written.
        """
        if not has_left_rows(self.output):
            return
        put_rows(self.journal, left_rows(self.output))
        self.save()
        (self.output / FOLDER).delete()


@contextmanager
def kept_journal(output: Path) -> Iterator[KeptJournal]:
    """Open the journal of a folder of results for writing, with the rows that an earlier call on Ray has left.

    SQLite cannot work in an object store: a journal there is copied to this machine, and back at the end. A call that
    is killed leaves its rows with the results, and the next call takes them in, on whatever machine.

    Raises:
        JobError, StorageError: the journal cannot be read or written.
    """
    place = Place.of(str(output))
    with tempfile.TemporaryDirectory(prefix="gpen-") as temporary:
        folder = Path(temporary) if place.is_remote else output
        if place.is_remote and (place / FILE).exists():
            (folder / FILE).write_bytes((place / FILE).read())
        with closing(Journal.open(folder)) as journal:
            kept = KeptJournal(journal, place)
            kept.take_in()
            try:
                yield kept
            finally:
                kept.save()
                kept.take_in()


@contextmanager
def journal_to_read(output: Path) -> Iterator[Journal]:
    """Open the journal of a folder of results for reading, with the rows that are not yet in it.

    Raises:
        JobError, StorageError: there is none, or it cannot be read.
    """
    place = Place.of(str(output))
    if not has_left_rows(place) and not place.is_remote:
        with closing(Journal.read(output)) as journal:
            yield journal
        return
    with tempfile.TemporaryDirectory(prefix="gpen-") as temporary:
        if not (place / FILE).exists():
            raise JobError(f"There is no job in {place}: it has no {FILE}.")
        (Path(temporary) / FILE).write_bytes((place / FILE).read())
        with closing(Journal.open(Path(temporary))) as journal:
            put_rows(journal, left_rows(place))
            yield journal


def has_left_rows(output: Place) -> bool:
    """Whether a call on Ray has left something in the folder of results, or is at work."""
    return (output / FOLDER).is_dir() if output.is_remote else (Path(output.address) / FOLDER).is_dir()


def put_rows(journal: Journal, rows: list[Row]) -> None:
    """Write rows to a journal."""
    # A picture that was begun again after its machine died may come twice: the last row holds.
    latest = {entry.source: (entry, faces) for entry, faces in rows}
    journal.put([entry for entry, _ in latest.values()], {source: faces for source, (_, faces) in latest.items()})


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
                    yield _outcome(task, entry)


def _outcome(task: Task, entry: Entry) -> Outcome:
    if entry.state != "done":
        return Outcome(task, None, JobError(entry.why or "It was not restored."), entry.seconds or 0.0)
    return Outcome(task, dict(entry.report or {}), None, entry.seconds or 0.0)

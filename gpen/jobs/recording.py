"""Do the work of a job such that it can be interrupted at any moment. Needs no torch."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from ..errors import JobError, causes_of, reason_of
from .announcements import Announcements, announcements_file
from .entries import CHANGED, Entry, Stamp, done_entry, faces_of, name_of, now, stamp_of
from .exclusion import lock_name
from .job import Order, WorkList
from .journal import Journal
from .ownership import check_free, settle
from .tasks import Announce, Outcome, Task

# Pictures that are marked as begun in one transaction, each of which waits for the disk.
_BEGUN_AT_ONCE = 16
# Results are written to the journal this often; until then their announcements tell of them. In seconds.
_WRITE_EVERY = 0.5

_FULL = {
    errno.ENOSPC: "is full",
    errno.EROFS: "is read-only",
    getattr(errno, "EDQUOT", None): "has no room left in your quota",  # Windows has no such number
}


def run_job(
    work: WorkList, order: Order, journal: Journal, restore: Callable[[Iterator[Task], Announce], Iterator[Outcome]]
) -> Iterator[Outcome]:
    """Do the work, and write what came of it to the journal.

    Before the files of a picture get their names, its row is on the disk beside the journal, so that after a crash the
    next call knows them for its own: see `announcements` and `ownership.settle`.

    Args:
        work: from `list_work`.
        order: what it was listed for.
        journal: the journal.
        restore: `restore_files` with its options; called with the tasks, and what it announces files to.

    Yields:
        The outcome of each picture.

    Raises:
        JobError: the disk is full or read-only, or the folder of results is gone. What is finished is kept.
    """
    recorder = _Recorder(work, order, journal)
    outcomes = restore(recorder.tasks(), recorder.announce)
    try:
        for outcome in outcomes:
            recorder.record(outcome)
            yield outcome
    except BaseException:
        _close(outcomes)
        with suppress(JobError):  # the first reason counts
            recorder.end()
        raise
    else:
        recorder.end()
    finally:
        recorder.close()


def _close(outcomes: Iterator[Outcome]) -> None:
    """End the work behind an iterator, if it is a generator."""
    if isinstance(outcomes, Generator):
        outcomes.close()


class _Recorder:
    """Writes the progress of a job to its journal."""

    def __init__(self, work: WorkList, order: Order, journal: Journal) -> None:
        self._work, self._order, self._journal = work, order, journal
        self._run = journal.begin_run(order.shard_name)
        self._began = self._written = time.monotonic()
        self._begun: dict[str, Entry] = {}
        self._announced: dict[str, Entry] = {}
        name = announcements_file(journal.path.parent, lock_name(order.shard_name))
        self._announcements = Announcements(name, journal.home)
        self._stamps: dict[str, Stamp] = {}
        self._new: list[Entry] = []
        self._pictures = self._restored = 0

    def tasks(self) -> Iterator[Task]:
        """The tasks; each is marked as begun before it is handed out."""
        self._began = time.monotonic()  # loading the models does not count
        items = iter(self._work.todo.items())
        while chunk := list(islice(items, _BEGUN_AT_ONCE)):
            begun = [replace(self._work.entries[name_of(job.source)], state="working") for job, _ in chunk]
            self._begun |= {entry.source: entry for entry in begun}
            self._write(begun)
            for job, targets in chunk:
                self._stamps[name_of(job.source)] = stamp_of(job.source) or Stamp(0, 0)
                yield Task(job.source, targets, self._order.output)

    def announce(self, task: Task, report: Mapping[str, Any], written: Mapping[str, str]) -> None:
        """See `Announce`; called in the threads of the workers."""
        source = name_of(task.source)
        entry = self._begun[source]
        self._journal.require_there()
        if not self._order.overwrite:
            check_free(entry, written)
        announced = done_entry(entry, self._stamps[source], self._order.recipe, task, report, written)
        self._announcements.add(announced)
        self._announced[source] = announced

    def record(self, outcome: Outcome) -> None:
        source = name_of(outcome.task.source)
        if outcome.error is not None:
            self._journal.require_there()  # the picture is not to blame
        entry, stamp = self._begun.pop(source), self._stamps.pop(source)
        announced = self._announced.pop(source, None)
        if outcome.error is None and announced and announced.state == "done" and stamp_of(source) == stamp:
            done = replace(announced, seconds=round(outcome.seconds, 4))
            self._new.append(done.with_output_stamp(stamp_of(outcome.task.targets.main)))
            self._pictures += 1
            self._restored += done.restored or 0
        else:
            self._new.append(self._not_done(settle(entry, announced) if announced else entry, outcome))
        if time.monotonic() - self._written >= _WRITE_EVERY:
            self._write()

    def _not_done(self, entry: Entry, outcome: Outcome) -> Entry:
        error = outcome.error
        why = reason_of(error) if error else CHANGED
        state = "waiting" if error is None or _is_short_of_memory(error) else "failed"
        full = next((_FULL[code] for code in _error_numbers(error) if code in _FULL), None)
        entry = replace(
            entry,
            state="waiting" if full else state,
            why=why,
            seconds=round(outcome.seconds, 4),
            finished=now(),
        )
        if full:
            self._new.append(entry)
            raise JobError(
                f"The disk of {self._order.output} {full}, so the job stops ({why}) What is finished is kept; call the "
                "same command again when that is mended."
            )
        return entry

    def _write(self, begun: Sequence[Entry] = ()) -> None:
        with self._journal.transaction():
            faces = {entry.source: faces_of(entry) for entry in self._new if entry.state == "done"}
            self._journal.put([*self._new, *begun], faces)
            self._journal.count_run(self._run, self._pictures, self._restored, time.monotonic() - self._began)
        self._announcements.drop(entry.source for entry in self._new)
        self._new, self._written = [], time.monotonic()

    def end(self) -> None:
        """Write what is not written; pictures that were begun and have no outcome wait again, or are done."""
        for source, entry in self._begun.items():
            announced = self._announced.pop(source, None)
            self._new.append(settle(entry, announced) if announced else replace(entry, state="waiting"))
        self._begun = {}
        self._write()

    def close(self) -> None:
        """Leave nothing beside the journal, unless something could not be written to it."""
        self._announcements.close()


def _error_numbers(error: BaseException | None) -> Iterator[int]:
    """Numbers of the system's errors behind an error."""
    for cause in causes_of(error):
        if isinstance(cause, OSError) and cause.errno is not None:
            yield cause.errno


def _is_short_of_memory(error: BaseException) -> bool:
    from ..devices import is_out_of_memory

    return any(is_out_of_memory(cause) for cause in causes_of(error))

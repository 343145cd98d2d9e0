"""Journals where they belong: in the folder of the results, which may be in an object store. Needs no torch.

SQLite cannot work in an object store: a journal there is copied to this machine, and back at the end. Rows that a call
on Ray has left are part of it.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path

from ..errors import JobError, StorageError
from ..wording import agree, count
from .announcements import PATTERN, read_announcements
from .entries import Entry, faces_of, name_of
from .exclusion import ended_process, lock_name, only_process
from .journal import FILE, Journal
from .ownership import settle
from .rows import FOLDER, Row, left_announcements, left_rows
from .storage import Entry as FileEntry
from .storage import Place

_LOCK = ".gpen-job.lock"
# Seconds between signs of life in the lock of an object store, and without one after which a call has ended.
_SIGN_EVERY, _GONE_AFTER = 30.0, 150.0


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
        _put_left(self.journal, self.output)
        begun = {source for source, entry in self.journal.entries().items() if entry.state == "working"}
        put_announced(self.journal, left_announcements(self.output, self.journal.home, begun))
        self.save()
        (self.output / FOLDER).delete()


@contextmanager
def kept_journal(output: Path, shard: str = "") -> Iterator[KeptJournal]:
    """Open the journal of a folder of results for writing, and keep others from the same work.

    A call on Ray that is killed leaves its rows with the results. The next call takes them in, on whatever machine.

    Args:
        output: the folder.
        shard: part of the job, such as `2/8`; empty: all of it.

    Raises:
        JobError, StorageError: another process is at work, or the journal cannot be read or written.
    """
    place, folder = Place.of(str(output)), output
    with ExitStack() as stack:
        if place.is_remote:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gpen-")))
            stack.enter_context(_only_call(place))
            if (place / FILE).exists():
                (folder / FILE).write_bytes((place / FILE).read())
        kept = KeptJournal(stack.enter_context(closing(Journal.open(folder, name_of(output)))), place)
        if not place.is_remote:
            stack.enter_context(only_process(folder, shard))
            _take_in_announced(kept.journal, folder, lock_name(shard))
        if not shard:  # shards run beside each other, and Ray does all of a job
            kept.take_in()
        try:
            yield kept
        finally:
            kept.save()
            if not shard:
                kept.take_in()


@contextmanager
def journal_to_read(output: Path) -> Iterator[Journal]:
    """Open the journal of a folder of results for reading, with the rows that are not yet in it.

    Raises:
        JobError, StorageError: there is none, or it cannot be read.
    """
    place = Place.of(str(output))
    if not place.is_remote and not has_left_rows(place):
        with closing(Journal.read(output)) as journal:
            yield journal
        return
    with tempfile.TemporaryDirectory(prefix="gpen-") as temporary:
        if not (place / FILE).exists():
            raise JobError(f"There is no job in {place}: it has no {FILE}.")
        (Path(temporary) / FILE).write_bytes((place / FILE).read())
        with closing(Journal.open(Path(temporary), name_of(output))) as journal:
            _put_left(journal, place)
            yield journal


def has_journal(output: Path) -> bool:
    """Whether there is a journal in a folder of results.

    Raises:
        StorageError: the folder cannot be read.
    """
    return (output / FILE).exists()


def has_left_rows(output: Place) -> bool:
    """Whether a call on Ray has left something in the folder of results, or is at work.

    Raises:
        StorageError: the folder cannot be read.
    """
    return (output / FOLDER).is_dir() if output.is_remote else (Path(output.address) / FOLDER).is_dir()


def put_rows(journal: Journal, rows: list[Row]) -> None:
    """Write rows to a journal.

    Raises:
        JobError: it cannot be written.
    """
    # A picture that was begun again after its machine died may come twice: the last row holds.
    latest = {entry.source: (entry, faces) for entry, faces in rows}
    journal.put([entry for entry, _ in latest.values()], {source: faces for source, (_, faces) in latest.items()})


def _put_left(journal: Journal, output: Place) -> None:
    latest = {source: entry.finished or "" for source, entry in journal.entries().items()}
    # A picture may have been done again since, by a shard without Ray.
    put_rows(journal, [row for row in left_rows(output) if (row[0].finished or "") >= latest.get(row[0].source, "")])


def _take_in_announced(journal: Journal, folder: Path, own: str) -> None:
    """Take in what processes have announced that were killed, or could not write to the journal."""
    start, end = PATTERN.split("*")
    for path in sorted(folder.glob(PATTERN)):
        name = path.name.removeprefix(start).removesuffix(end)
        with nullcontext(True) if name == own else ended_process(folder, name) as ended:
            if ended and path.exists():  # or it has ended just now, and left nothing
                found = read_announcements(path.read_bytes(), journal.home)
                put_announced(journal, found.entries)
                if found.passed_over:
                    number = found.passed_over
                    journal.notes += (
                        f"{count(number, 'line')} of {path} {agree(number, 'is', 'are')} not of this version and "
                        f"{agree(number, 'was', 'were')} passed over. Finished pictures that only they tell of fail, "
                        "since their results exist already; --overwrite does these again.",
                    )
                path.unlink()


def put_announced(journal: Journal, announced: Iterable[Entry]) -> None:
    """Write to a journal what came of pictures whose files were about to get their names.

    Raises:
        JobError: it cannot be written.
    """
    latest = {entry.source: entry for entry in announced}
    with journal.transaction():
        known = journal.entries() if latest else {}
        for source, entry in latest.items():
            row = known.get(source)
            if row and row.state in ("done", "failed") and (row.finished or "") >= (entry.finished or ""):
                continue  # the row came later
            settled = settle(row, entry)
            journal.put([settled], {source: faces_of(settled)} if settled.state == "done" else {})


@contextmanager
def _only_call(output: Place) -> Iterator[None]:
    """Keep other calls from the same work in an object store, which has no locks: a file tells who is at work.

    Two calls that begin within a second might not see each other.

    Raises:
        JobError: another call is at work.
    """
    place = output / _LOCK
    found = place.stat()
    if found and _is_alive(place, found):
        raise JobError(f"Another call works on the job in {output}; wait for it, or delete {place} if it has ended.")
    content = json.dumps({"host": socket.gethostname(), "process": os.getpid()}).encode()
    ended = threading.Event()

    def give_signs() -> None:
        while not ended.wait(_SIGN_EVERY):
            with suppress(StorageError):  # the next sign may get through, and the journal tells of a lasting fault
                place.write(content)

    place.write(content)
    signs = threading.Thread(target=give_signs, daemon=True)
    signs.start()
    try:
        yield
    finally:
        ended.set()
        signs.join()
        place.delete()


def _is_alive(place: Place, found: FileEntry) -> bool:
    """Whether the call that wrote a lock is at work."""
    if time.time() - found.mtime_ns / 1e9 > _GONE_AFTER:
        return False
    holder = json.loads(place.read())
    if holder["host"] != socket.gethostname() or os.name == "nt":
        return True
    try:
        os.kill(holder["process"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's
    return True

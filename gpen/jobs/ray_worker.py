"""A worker of a job on Ray: builds the models once, then restores batches of pictures by their names.

Ray moves names and small rows; pictures are read and written here, by the code that a job on one machine uses.
"""

from __future__ import annotations

import json
import socket
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...weights.digest import hash_file
from ..errors import JobError, StorageError, reason_of
from .announcements import Announcements, as_line
from .entries import Entry, Recipe, Stamp, done_entry, faces_of, now, stamp_of
from .ownership import check_free, settle
from .plan import Targets
from .rows import ANNOUNCED, FOLDER, UNFIT, Row, announcement_name, from_table, to_table
from .storage import Place, hide_secrets, is_url
from .tasks import Outcome, Task

if TYPE_CHECKING:
    import pyarrow as arrow

    from ..restorer import Restorer

# Transfers from and to an object store at once, for each worker. They wait for the network.
_TRANSFERS = 4


@dataclass(frozen=True)
class Setup:
    """What every worker is told.

    Attributes:
        restorer: arguments of `Restorer`.
        restoring: options of `restore_files`.
        recipe: settings and models of the job.
        workers: threads of a worker: as many as it has cores; 0: what fits the cluster.
        memory: bytes for pictures in work of each worker; 0: its share of half of what is free.
        home: the folder of results; what files are about to get their names is announced in it; empty: nowhere.
        overwrite: as for `Order`.
    """

    restorer: Mapping[str, Any]
    restoring: Mapping[str, Any]
    recipe: Recipe
    workers: int = 0
    memory: int = 0
    home: str = ""
    overwrite: bool = False


class Worker:
    """Restores batches of pictures.

    Args:
        setup: what it is told.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._announcer = _Announcer(setup)
        self._fault = ""
        try:
            self._restorer = _make_restorer(setup)
        except Exception as error:  # drivers raise anything, and the job must hear the reason
            self._fault = UNFIT + _reason(error)

    def __call__(self, batch: arrow.Table) -> arrow.Table:
        """Restore pictures; each error is told in the row of its picture.

        Args:
            batch: a table with the columns of `row_schema`; `source`, `output` and `beside` say what to do.

        Returns:
            A row for each picture.
        """
        entries = [entry for entry, _ in from_table(batch)]
        if self._fault:
            return to_table((_failed(entry, self._fault), []) for entry in entries)
        with (
            tempfile.TemporaryDirectory(prefix="gpen-", ignore_cleanup_errors=True) as folder,
            ThreadPoolExecutor(_TRANSFERS) as transfers,
        ):
            own = (Path(folder) / str(number) for number in range(len(entries)))
            errands = [_Errand(entry, each, self._announcer) for entry, each in zip(entries, own, strict=True)]
            return to_table(self._run(errands, transfers))

    def _run(self, errands: list[_Errand], transfers: ThreadPoolExecutor) -> Iterator[Row]:
        """Fetch, restore and deliver at the same time; rows come at the end, in order."""
        from .restoring import restore_files

        fetched = [transfers.submit(errand.fetch) for errand in errands]
        rows: dict[str, Row | Future[Row]] = {}
        under_way: dict[int, _Errand] = {}

        def tasks() -> Iterator[Task]:
            for errand, coming in zip(errands, fetched, strict=True):
                try:
                    task = coming.result()
                except Exception as error:
                    rows[errand.entry.source] = errand.failed(error)
                    continue
                under_way[id(task)] = errand
                yield task

        def announce(task: Task, report: Mapping[str, Any], written: Mapping[str, str]) -> None:
            under_way[id(task)].announce(task, report, written)

        options = {"workers": self._setup.workers, "announce": announce, **self._setup.restoring}
        fault: Exception | None = None
        try:
            for outcome in restore_files(tasks(), self._restorer, **options):
                errand = under_way.pop(id(outcome.task))
                rows[errand.entry.source] = transfers.submit(errand.deliver, outcome)
        except Exception as error:  # what ends a batch must not end the job
            fault = error
        for errand in errands:
            row = rows.get(errand.entry.source)
            if row is None:
                yield errand.failed(fault or RuntimeError("The picture was not begun."))
            else:
                yield row.result() if isinstance(row, Future) else row


class _Announcer:
    """Tells in the folder of results which files are about to get their names, see `announcements`."""

    def __init__(self, setup: Setup) -> None:
        self.recipe, self._home, self._overwrite = setup.recipe, setup.home, setup.overwrite
        self._folder = Place(setup.home) / FOLDER / ANNOUNCED
        file = Path(self._folder.address) / f"{uuid.uuid4().hex}.jsonl"
        self._announcements = None if self._folder.is_remote or not setup.home else Announcements(file, setup.home)

    def announce(self, entry: Entry, announced: Entry, written: Mapping[str, str]) -> None:
        """Check that the files may get their names, and announce the row that their picture is to have.

        Raises:
            ImageError: there is a file that was not written for this picture.
            OSError, StorageError: it cannot be told.
        """
        if not self._overwrite:
            check_free(entry, written)
        if self._announcements:
            self._announcements.add(announced)
        elif self._home:
            (self._folder / announcement_name(entry.source)).write(as_line(announced, self._home))


class _Errand:
    """One picture: brought to this machine if it is elsewhere, and its results to where they belong.

    Args:
        entry: the picture.
        folder: a folder of its own for copies.
        announcer: told before files get their names.
    """

    def __init__(self, entry: Entry, folder: Path, announcer: _Announcer) -> None:
        self.entry = entry
        self._announcer = announcer
        self._announced: Entry | None = None
        self._stamp = Stamp(0, 0)
        self._source = folder / "source" / Place(entry.source).name if is_url(entry.source) else Path(entry.source)
        # The place of each result, and its file on this machine.
        self._results = {
            address: folder / Place(address).name if is_url(address) else Path(address)
            for address in (entry.output or "", *entry.beside)
        }

    def fetch(self) -> Task:
        """Bring the picture to this machine."""
        if is_url(self.entry.source):
            place = Place(self.entry.source)
            found = place.stat()
            if found is None:
                raise StorageError(f"{self.entry.source} does not exist.")
            self._stamp = Stamp(found.size, found.mtime_ns)
            self._source.parent.mkdir(parents=True)
            self._source.write_bytes(place.read())
        else:
            self._stamp = stamp_of(self._source) or self._stamp
        main, *beside = self._results.values()
        return Task(self._source, Targets(main, tuple(beside)))

    def announce(self, task: Task, report: Mapping[str, Any], written: Mapping[str, str]) -> None:
        """See `Announce`; of a result by URL, the copy gets its name, and that is told before it is brought home."""
        announced = done_entry(self.entry, self._stamp, self._announcer.recipe, task, report, written)
        if not is_url(self.entry.output or ""):
            self._announcer.announce(self.entry, announced, written)
        self._announced = announced

    def deliver(self, outcome: Outcome) -> Row:
        """Bring the results to where they belong; returns the row of the picture."""
        announced = self._announced
        if outcome.error is not None or announced is None:
            return self.failed(outcome.error or RuntimeError("Nothing was written."), outcome.seconds)
        try:
            if announced.state == "done" and is_url(self.entry.output or ""):
                announced = self._deliver(announced)
            done = replace(announced, seconds=round(outcome.seconds, 4))
            return done.with_output_stamp(stamp_of(self.entry.output or "")), faces_of(done)
        except Exception as error:
            return self.failed(error, outcome.seconds)

    def _deliver(self, entry: Entry) -> Entry:
        files = [
            file
            for path in reversed(self._results.values())  # the picture last: it tells that all are there
            for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
            if file.is_file()
        ]
        written = {self._at_home(str(file)): hash_file(file) for file in files}
        announced = replace(
            entry,
            output=self.entry.output,
            beside=self.entry.beside,
            written={**self.entry.written, **written},
            report=json.loads(self._at_home(json.dumps(entry.report))),
        )
        self._announcer.announce(self.entry, announced, written)
        for file in files:
            Place(self._at_home(str(file))).write(file.read_bytes())
        return announced

    def failed(self, error: Exception, seconds: float | None = None) -> Row:
        """The row of a picture that cannot be restored."""
        entry = self.entry
        if self._announced and not is_url(entry.output or ""):
            entry = settle(entry, self._announced)
        return _failed(entry, self._at_home(_reason(error)), seconds), []

    def _at_home(self, text: str) -> str:
        """A text that names places instead of copies."""
        for address, path in {self.entry.source: self._source, **self._results}.items():
            text = text.replace(str(path), address)
        return text


def _make_restorer(setup: Setup) -> Restorer:
    """The models; they must be those of the job, or results would depend on the machine that made them.

    Raises:
        JobError: a model is another one here.
    """
    from ..model_files import model_hashes
    from ..restorer import Restorer

    restorer = Restorer(**setup.restorer)
    found = model_hashes(setup.restorer["model"], setup.restorer["detector"], restorer.settings)
    if found != setup.recipe.models:
        strange = sorted({name for name, _ in found.items() ^ setup.recipe.models.items()})
        raise JobError(
            f"{socket.gethostname()} has other model files than the machine that began the job ({', '.join(strange)}); "
            "bring the same files to all machines, or name models that all have."
        )
    return restorer


def _share_of_memory(workers: int) -> int:
    """Half of the free memory, divided by the workers that find room on this machine."""
    import torch

    from ..devices import free_memory, usable_cores

    return (free_memory(torch.device("cpu")) or 0) // (2 * max(usable_cores() // max(workers, 1), 1))


def _failed(entry: Entry, why: str, seconds: float | None = None) -> Entry:
    return replace(entry, state="failed", why=why, seconds=seconds and round(seconds, 4), finished=now())


def _reason(error: Exception) -> str:
    return hide_secrets(reason_of(error))

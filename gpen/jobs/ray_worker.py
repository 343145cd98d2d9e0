"""A worker of a job on Ray: builds the models once, then restores batches of pictures by their names.

Ray moves names and small rows; pictures are read and written here, by the code that a job on one machine uses.
"""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import JobError, StorageError, reason_of
from .entries import Entry, Recipe, Stamp, done_entry, now, stamp_of
from .plan import Targets
from .rows import UNFIT, Row, from_table, to_table
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
    """

    restorer: Mapping[str, Any]
    restoring: Mapping[str, Any]
    recipe: Recipe
    workers: int = 0
    memory: int = 0


class Worker:
    """Restores batches of pictures.

    Args:
        setup: what it is told.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
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
            errands = [_Errand(entry, Path(folder) / str(number)) for number, entry in enumerate(entries)]
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

        fault: Exception | None = None
        try:
            for outcome in restore_files(tasks(), self._restorer, workers=self._setup.workers, **self._setup.restoring):
                errand = under_way.pop(id(outcome.task))
                rows[errand.entry.source] = transfers.submit(errand.deliver, outcome, self._setup.recipe)
        except Exception as error:  # what ends a batch must not end the job
            fault = error
        for errand in errands:
            row = rows.get(errand.entry.source)
            if row is None:
                yield errand.failed(fault or RuntimeError("The picture was not begun."))
            else:
                yield row.result() if isinstance(row, Future) else row


class _Errand:
    """One picture: brought to this machine if it is elsewhere, and its results to where they belong.

    Args:
        entry: the picture.
        folder: a folder of its own for copies.
    """

    def __init__(self, entry: Entry, folder: Path) -> None:
        self.entry = entry
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

    def deliver(self, outcome: Outcome, recipe: Recipe) -> Row:
        """Bring the results to where they belong; returns the row of the picture."""
        if outcome.error is not None:
            return self.failed(outcome.error, outcome.seconds)
        try:
            entry, faces = done_entry(self.entry, self._stamp, recipe, outcome)
            if not is_url(self.entry.source) and stamp_of(self._source) != self._stamp:
                return replace(self.entry, state="waiting", why="The file changed while it was restored."), []
            if is_url(self.entry.output or ""):
                entry = self._deliver(entry)
            return entry, faces
        except Exception as error:
            return self.failed(error, outcome.seconds)

    def _deliver(self, entry: Entry) -> Entry:
        for path in reversed(self._results.values()):  # the picture last: it tells that all are there
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    Place(self._at_home(str(file))).write(file.read_bytes())
        done = replace(
            entry,
            output=self.entry.output,
            beside=self.entry.beside,
            report=json.loads(self._at_home(json.dumps(entry.report))),
        )
        return done.with_output_stamp(stamp_of(self.entry.output or ""))

    def failed(self, error: Exception, seconds: float | None = None) -> Row:
        """The row of a picture that cannot be restored."""
        return _failed(self.entry, self._at_home(_reason(error)), seconds), []

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

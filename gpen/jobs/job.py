"""A job on many pictures: what is left to do. Doing it: `recording`. Needs no torch."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...weights.files import remove_leftovers
from ..errors import ImageError
from .collect import Job
from .entries import Entry, Recipe, name_of, now, sha256_of, stamp_of
from .journal import Journal
from .listing import listed
from .moved import find_moved, with_new_sources
from .ownership import owns
from .plan import Earlier, Targets, first_of, name_result, plan
from .storage import Place, path_of

# A temporary file that was not written for this long was left by a crash. In seconds.
_LEFTOVER = 600


@dataclass(frozen=True)
class Order:
    """What a call of a job is to do.

    Attributes:
        output: the folder for the results.
        recipe: settings and models.
        endings: endings of further results, as for `plan`.
        pattern: names of results, as for `plan`.
        overwrite: whether files may be replaced that the job did not write.
        again: whether to do also what is done already.
        shard: part of the pictures, such as (2, 8) for the second of eight.
        limit: maximum number of pictures; 0: all.
    """

    output: Path
    recipe: Recipe
    endings: tuple[str, ...] = ()
    pattern: str = ""
    overwrite: bool = False
    again: bool = False
    shard: tuple[int, int] = (1, 1)
    limit: int = 0

    @property
    def shard_name(self) -> str:
        """The shard as the user writes it; empty if the job has only one."""
        return "" if self.shard == (1, 1) else "{}/{}".format(*self.shard)


@dataclass(frozen=True)
class WorkList:
    """What is to be done, and what is not.

    Attributes:
        todo: the pictures to restore, with their targets.
        there: pictures whose results are there and up to date.
        faults: pictures that cannot be restored, with the reasons.
        postponed: number of pictures that are left because of the limit.
        entries: what the journal has of the pictures to restore, by their sources.
        known: what it has of those whose results are there.
    """

    todo: dict[Job, Targets]
    there: list[Job] = field(default_factory=list)
    faults: dict[Job, ImageError] = field(default_factory=dict)
    postponed: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    known: list[Entry] = field(default_factory=list, compare=False)


def in_shard(source: str, shard: tuple[int, int]) -> bool:
    """Whether a picture belongs to a shard, which depends only on its path."""
    number, shards = shard
    name = source.encode(errors="surrogateescape")
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % shards == number - 1


def list_work(jobs: Sequence[Job], order: Order, journal: Journal | None, *, dry: bool = False) -> WorkList:
    """Find what is left to do, plan the names of new results, and write both to the journal.

    A picture is done if it was restored from the same file with the same settings and models, and its results are
    there. Files that were moved, and the folder of results as a whole, are known again.

    Args:
        jobs: all pictures of the job, whatever the shard.
        order: what to do.
        journal: the journal; None: there is none yet.
        dry: write nothing.

    Raises:
        JobError: the journal cannot be read or written.
        StorageError: a folder by URL cannot be listed.
    """
    sources = (job.source.parent for job in jobs if isinstance(job.source, Place))
    with listed(sources, [order.output] if isinstance(order.output, Place) else []):
        return _list_work(jobs, order, journal, dry)


def _list_work(jobs: Sequence[Job], order: Order, journal: Journal | None, dry: bool) -> WorkList:
    known = journal.entries() if journal else {}
    jobs = list({name_of(job.source): job for job in reversed(jobs)}.values())[::-1]
    moved = find_moved(jobs, known, lambda entry, job: entry.output is not None and _fits(entry.output, job, order))
    entries = with_new_sources(known, moved)
    sources = {job: name_of(job.source) for job in jobs}
    results = {path for entry in entries.values() for path in (entry.output, *entry.beside) if path}
    jobs = [job for job in jobs if sources[job] not in results]
    own = [job for job in jobs if in_shard(sources[job], order.shard)]
    touched: dict[str, Entry] = {}
    there = [job for job in own if _is_done(job, entries.get(sources[job]), order, touched)]
    done = set(there)
    left = [job for job in own if job not in done]
    kept = [entries[sources[job]] for job in there]
    if journal is None or dry:
        return replace(_planned(jobs, left, there, order, entries, sources)[0], known=kept)
    if not left and not touched and not moved and all(sources[job] in entries for job in jobs):
        return WorkList({}, there, known=kept)
    for folder in {os.path.dirname(path) for path in results}:  # noqa: PTH120 (names of a journal are texts)
        remove_leftovers(Path(folder), _LEFTOVER)
    with journal.transaction():
        journal.rename_sources(moved)
        # Another shard may have planned its names meanwhile.
        work, new = _planned(jobs, left, there, order, journal.entries(), sources)
        journal.keep_settings(order.recipe.digest, order.recipe.text)
        journal.put([*new, *touched.values()])
    return replace(work, known=kept)


def _is_done(job: Job, entry: Entry | None, order: Order, touched: dict[str, Entry]) -> bool:
    """Whether nothing is to be done for a picture; `touched` receives the entry of a file with only a new date."""
    if entry is None or entry.state != "done" or order.again or entry.output is None:
        return False
    if entry.settings != order.recipe.digest or entry.models != order.recipe.models:
        return False
    if not _fits(entry.output, job, order) or not _has_results(entry, order.endings):
        return False
    stamp = stamp_of(entry.source)
    if stamp is None:
        return True  # what was restored and then removed is done
    if stamp != (entry.size, entry.mtime_ns):
        if stamp.size != entry.size or sha256_of(entry.source) != entry.sha256:
            return False
        touched[entry.source] = replace(entry, mtime_ns=stamp.mtime_ns)
    return True


def _fits(output: str, job: Job, order: Order) -> bool:
    """Whether a result has the name that it would get today, perhaps with a number."""
    name = name_of(name_result(job, order.output, pattern=order.pattern))
    if output == name:
        return True
    kept, wanted = path_of(output), path_of(name)
    number = re.fullmatch(re.escape(wanted.stem) + r"-\d+", kept.stem)
    return kept.parent == wanted.parent and kept.suffix == wanted.suffix and number is not None


def _has_results(entry: Entry, endings: Iterable[str]) -> bool:
    """Whether the result and further results with these endings are there."""
    if stamp_of(entry.output or "") is None:
        return False
    for ending in endings:
        path = next((path for path in entry.beside if path.endswith(ending)), None)
        # Without a restored face there may be no folder of crops.
        if path is None or (stamp_of(path) is None and (path_of(path).suffix or entry.restored)):
            return False
    return True


def _planned(
    jobs: Sequence[Job],
    left: Sequence[Job],
    there: list[Job],
    order: Order,
    entries: Mapping[str, Entry],
    sources: Mapping[Job, str],
) -> tuple[WorkList, list[Entry]]:
    """The work, and the entries to write: those of the work, and of new pictures of other shards."""
    own = set(left)
    to_plan = [job for job in jobs if job in own or sources[job] not in entries]
    known = {job: entries[sources[job]] for job in to_plan if sources[job] in entries}
    kept, ours, changed = {}, set(), {}
    for job, entry in known.items():
        if entry.output is None or not _fits(entry.output, job, order):
            continue
        main = name_result(job, order.output, pattern=order.pattern).with_name(path_of(entry.output).name)
        beside = tuple(main.with_name(path_of(path).name) for path in entry.beside)
        kept[job] = Targets(main, beside)
        further = (main.with_name(stem + ending) for stem in (main.stem, main.name) for ending in order.endings)
        ours |= {path for path in (main, *beside, *further) if order.overwrite or owns(entry, name_of(path))}
        if main not in ours and entry.output_stamp and not (isinstance(main, Path) and main.is_dir()):
            changed[job] = ImageError(
                f"{entry.output} was changed since it was restored; move it away, or pass --overwrite to replace it."
            )
    mine = {entry.source for entry in known.values()}
    reserved = {
        path_of(path): path_of(source)
        for source, entry in entries.items()
        if source not in mine
        for path in (entry.output, *entry.beside)
        if path
    }
    planned, faults = plan(
        [job for job in to_plan if job not in changed],
        order.output,
        "",
        order.endings,
        overwrite=order.overwrite,
        pattern=order.pattern,
        photographs=[job.source for job in jobs],
        alone=False,
        earlier=Earlier(kept, reserved, ours),
    )
    faults |= changed
    new = [_new_entry(sources[job], known.get(job), planned.get(job), faults.get(job)) for job in to_plan]
    todo = {job: planned[job] for job in left if job in planned}
    todo, postponed = first_of(todo, order.limit)
    by_source = {entry.source: entry for entry in new}
    return WorkList(
        todo,
        there,
        {job: faults[job] for job in left if job in faults},
        postponed,
        {sources[job]: by_source[sources[job]] for job in todo},
    ), new


def _new_entry(source: str, known: Entry | None, targets: Targets | None, fault: ImageError | None) -> Entry:
    entry = known or Entry(source=source)
    if targets is None:
        return replace(entry, state="failed", why=str(fault), finished=now())
    output = name_of(targets.main)
    written = entry.output_stamp if entry.output == output else None
    beside = tuple(name_of(path) for path in targets.beside)
    return replace(entry, state="waiting", why=None, output=output, beside=beside).with_output_stamp(written)

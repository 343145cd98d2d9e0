"""Pictures that were moved since a job began, such as with a drive that got another letter. Needs no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from .collect import Job
from .entries import Entry, Stamp, name_of, sha256_of, stamp_of
from .storage import Place, path_of


def find_moved(jobs: Iterable[Job], entries: Mapping[str, Entry], fits: Callable[[Entry, Job], bool]) -> dict[str, str]:
    """The new sources of pictures that are no longer where they were, by the old ones.

    A picture is the same if the name of its file, its result and its bytes are the same. A file with the time of then
    is not read.

    Args:
        jobs: pictures of this call.
        entries: what the journal has, by source.
        fits: whether the result of an entry has the name that a picture's would get.
    """
    named = {name_of(job.source): job for job in jobs if not isinstance(job.source, Place)}
    new = {name: job for name, job in named.items() if name not in entries}
    if not new:
        return {}
    old: dict[str, list[Entry]] = defaultdict(list)
    wanted = {job.source.name for job in new.values()}
    for entry in entries.values():
        if path_of(entry.source).name in wanted and stamp_of(entry.source) is None:
            old[path_of(entry.source).name].append(entry)
    moved: dict[str, str] = {}
    for name, job in new.items():
        for entry in old[job.source.name]:
            if entry.source not in moved and fits(entry, job) and _is_same(entry, name):
                moved[entry.source] = name
                break
    return moved


def with_new_sources(entries: Mapping[str, Entry], moved: Mapping[str, str]) -> dict[str, Entry]:
    """The entries with the sources that pictures have now, by these."""
    renamed = (replace(entry, source=moved.get(entry.source, entry.source)) for entry in entries.values())
    return {entry.source: entry for entry in renamed}


def _is_same(entry: Entry, name: str) -> bool:
    stamp = stamp_of(name)
    if entry.size is None:  # it was never done: there is only a name to keep
        return True
    if stamp is None or stamp.size != entry.size:
        return False
    return stamp == Stamp(entry.size, entry.mtime_ns or 0) or sha256_of(name) == entry.sha256

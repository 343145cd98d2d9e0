"""Which pictures a call is given: by names, by a list, or by a folder that fills. Needs no torch."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath

from ..errors import ImageError, NoPictureError, SettingsError
from .collect import Collection, Job, collect
from .entries import Stamp, name_of, stamp_of
from .storage import Place, is_url, path_of

_SHARD = re.compile(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*")


def find_inputs(inputs: Iterable[str], files_from: str, recursive: bool, output: Path | None) -> Collection:
    """All pictures of a call, each once.

    Args:
        inputs: files, folders and globs as typed by the user.
        files_from: a file with a list of names, or `-` for the standard input; empty: none.
        recursive, output: as for `collect`.

    Raises:
        NoPictureError: there is none.
        ImageError: the list cannot be read.
    """
    given = list(inputs)
    if not files_from:
        if not given:
            raise NoPictureError("No picture is given: name files or folders, or a list of them with --files-from.")
        return collect(given, recursive, output)
    found = collect(given, recursive, output) if given else Collection([], [])
    jobs = {name_of(job.source): job for job in found.jobs}
    for name in read_names(files_from):
        path = path_of(Place.of(name).address if is_url(name) else name)
        jobs.setdefault(name_of(path), Job(path, _relative(name)))
    if not jobs:
        raise NoPictureError(f"There is no name in {files_from}; write one on each line.")
    return Collection(list(jobs.values()), found.passed_over)


def read_names(files_from: str) -> list[str]:
    """The names in a list: one on each line, or separated by null characters, as `find -print0` writes them.

    Raises:
        ImageError: the list cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if files_from == "-" else Path(files_from).read_bytes()
    except OSError as error:
        raise ImageError(f"The list {files_from} cannot be read: {error.strerror or error}.") from None
    names = content.split(b"\0") if b"\0" in content else content.removeprefix(b"\xef\xbb\xbf").splitlines()
    return [os.fsdecode(name) for name in names if name.strip()]


def _relative(name: str) -> Path:
    """Where the result of a listed file lies below the output: a relative name keeps its folders."""
    path = PurePath(name)
    return Path(path.name) if path.is_absolute() or is_url(name) or ".." in path.parts else Path(path)


def parse_shard(text: str) -> tuple[int, int]:
    """Read a shard such as `2/8`: the second of eight.

    Raises:
        SettingsError: the text is no shard.
    """
    found = _SHARD.fullmatch(text)
    number, shards = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= shards:
        raise SettingsError(f"The shard is {text!r}; write for example 2/8 for the second of eight.")
    return number, shards


class Settling:
    """Tells which files of a folder that fills are complete: those that two looks in a row found unchanged.

    A file is told once, and again if it changes later.
    """

    def __init__(self) -> None:
        self._seen: dict[str, Stamp] = {}
        self._told: dict[str, Stamp] = {}

    def settled(self, jobs: Iterable[Job]) -> list[Job]:
        """The pictures that are new and complete; to be called again and again."""
        ready, seen = [], {}
        for job in jobs:
            name = name_of(job.source)
            stamp = stamp_of(name)
            if stamp is None:
                continue
            seen[name] = stamp
            if stamp.size and self._seen.get(name) == stamp != self._told.get(name):
                self._told[name] = stamp
                ready.append(job)
        self._seen = seen
        return ready

"""Which pictures a call is given: by names, by a list, or by a folder that fills. Needs no torch."""

from __future__ import annotations

import errno
import glob
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path, PurePath

from ..errors import ImageError, NoPictureError, SettingsError
from .collect import Collection, Job, PassedOver, collect, is_same, is_special
from .entries import Stamp, name_of, stamp_of
from .plan import name_result
from .storage import Place, is_url, path_of

QUIET = 2.0
"""A file is complete when nothing has changed it for this long, in seconds."""


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
        if isinstance(path, Path) and path.is_dir():
            found.passed_over.append(PassedOver(path, "listed"))
        elif is_special(path):
            found.passed_over.append(PassedOver(path, "special"))
        else:
            jobs.setdefault(name_of(path), Job(path, _relative(name)))
    if not jobs:
        raise NoPictureError(f"There is no name of a picture in {files_from}; write one on each line.")
    return Collection(list(jobs.values()), found.passed_over)


def require_other_folder(jobs: Iterable[Job], output: Path, pattern: str) -> None:
    """Check that the results do not get the places of the pictures, by whatever path the folder is given.

    Args:
        jobs: the pictures.
        output, pattern: as for `plan`.

    Raises:
        SettingsError: they do.
    """
    same: dict[tuple[Path, Path], bool] = {}
    for job in jobs:
        result = name_result(job, output, pattern=pattern)
        folders = result.parent, job.source.parent
        if result.name == job.source.name and folders not in same:
            same[folders] = is_same(*folders)
            if same[folders]:
                raise SettingsError(
                    f"{output} is the folder of the photographs, which the results would replace; choose another "
                    "--output, or name the results, for example with --pattern "
                    '"{parent}/{stem}-restored{suffix}".'
                )


def watched(inputs: Iterable[str]) -> list[Job]:
    """A picture that there might be in each of the folders that are watched.

    Raises:
        NoPictureError: one of the inputs is neither a folder, nor a file, nor a glob.
    """
    for text in inputs:
        if not Path(text).exists() and not glob.has_magic(text):
            raise NoPictureError(f"There is no folder {text} to wait for pictures in.")
    return [Job(Path(text, "picture.png"), Path("picture.png")) for text in inputs if Path(text).is_dir()]


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
    """Tells which files of a folder that fills are complete.

    These are those that nothing has changed for `QUIET` seconds, and that no program of this machine has open for
    writing.

    A file is told once, and again if it changes later.
    """

    def __init__(self) -> None:
        self._since: dict[str, tuple[Stamp, float]] = {}
        self._told: dict[str, Stamp] = {}

    def settled(self, jobs: Iterable[Job]) -> list[Job]:
        """The pictures that are new and complete; to be called again and again."""
        ready, seen = [], {}
        for job in jobs:
            name = name_of(job.source)
            stamp = stamp_of(name)
            if stamp is None:
                continue
            now = time.monotonic()
            last, since = self._since.get(name, (None, now))
            seen[name] = stamp, since if stamp == last else now
            is_new = stamp.size and stamp != self._told.get(name)
            if is_new and now - seen[name][1] >= QUIET and not is_being_written(name):
                self._told[name] = stamp
                ready.append(job)
        self._since = seen
        return ready


def is_being_written(path: str) -> bool:
    """Whether a program of this machine has a file open for writing.

    False if the system does not tell: only Linux does, of one's own files. It grants no lease of such a file.
    """
    if sys.platform != "linux":
        return False
    import fcntl
    import signal

    try:
        with open(path, "rb") as file:  # noqa: PTH123 (names of a journal are texts)
            # The signal that tells of a writer who comes now; by default, it would end the program.
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False

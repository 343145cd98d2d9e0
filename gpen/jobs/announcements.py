"""What a process announces before files get their names, so that after a crash the next one knows its own files.

Each process has a file of lines in JSON beside the journal; each line is the row that a picture is to have. A line is
dropped when its row is in the journal. Needs no torch.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ...weights.files import replacing
from .entries import Entry
from .records import read_record, to_record

PATTERN = ".gpen-job-written-*.jsonl"
"""Names of the files beside a journal."""

# Lines that are dropped are removed from the file when it has so many bytes.
_LARGEST = 1 << 20


def announcements_file(folder: Path, name: str) -> Path:
    """The file of a process, by the name of its lock, see `exclusion.lock_name`."""
    return folder / PATTERN.replace("*", name)


class Announcements:
    """The file of one process; its methods may be called from several threads.

    Args:
        path: the file; it is created with the first line.
        home: the folder of the results, see `records`.
    """

    def __init__(self, path: Path, home: str) -> None:
        self._path, self._home = path, home
        self._guard = threading.Lock()
        self._lines: dict[str, bytes] = {}
        self._handle: int | None = None

    def add(self, entry: Entry) -> None:
        """Write a line; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written.
        """
        line = as_line(entry, self._home)
        with self._guard:
            if self._handle is None:
                self._handle = self._begin()
            end = os.lseek(self._handle, 0, os.SEEK_END)
            try:
                left = memoryview(line)
                while left:
                    left = left[os.write(self._handle, left) :]
                os.fsync(self._handle)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._handle, end)
                raise
            self._lines[entry.source] = line

    def drop(self, sources: Iterable[str]) -> None:
        """Drop the lines of pictures whose rows are in the journal."""
        with self._guard:
            for source in sources:
                self._lines.pop(source, None)
            if self._handle is not None and os.lseek(self._handle, 0, os.SEEK_END) > _LARGEST:
                os.close(self._handle)
                self._handle = None  # the next line begins the file anew, if that fails here
                with suppress(OSError):
                    self._handle = self._begin()

    def close(self) -> None:
        """Close the file, and delete it if no line is left."""
        with self._guard:
            if self._handle is None:
                return
            os.close(self._handle)
            self._handle = None
            if not self._lines:
                self._path.unlink(missing_ok=True)

    def _begin(self) -> int:
        """Begin the file anew with the lines that are needed."""
        with replacing(self._path, within=self._path.parent) as temporary:
            temporary.write_bytes(b"".join(self._lines.values()))
        return os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))


def as_line(entry: Entry, home: str) -> bytes:
    """The line of an entry; `home` as for `Announcements`."""
    return json.dumps(to_record(entry, home)).encode("ascii") + b"\n"


class Announced(NamedTuple):
    """What a file of lines tells: entries in the order of their lines, and the number of lines that are none."""

    entries: list[Entry]
    passed_over: int


def read_announcements(content: bytes, home: str) -> Announced:
    """The entries of a file. A line whose end is missing is left out; one of another form is also counted.

    Args:
        content: of the file.
        home: as for `Announcements`.
    """
    entries, passed_over = [], 0
    for line in content.splitlines(keepends=True):
        try:
            entries.append(read_record(line, home))
        except (ValueError, RecursionError):
            passed_over += line.endswith(b"\n")
    return Announced(entries, passed_over)

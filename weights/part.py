"""The beginning of a file, on disk, with a note of where it came from."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from . import contents
from .errors import DownloadError


class Part:
    """The beginning of a file, kept between calls beside a note of where it came from.

    Args:
        path: the part file; the note lies beside it, named `.json` in addition.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(path.name + ".json")

    @property
    def size(self) -> int:
        """Bytes there are."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def pieced(self) -> bool:
        """The bytes came in more than one answer, perhaps of different files."""
        return bool(self._read_note().get("pieced", True))

    def validator(self, url: str) -> str:
        """What the server at `url` called the version begun; empty where unknown or begun elsewhere."""
        note = self._read_note()
        return str(note.get("validator", "")) if note.get("url") == url else ""

    def begin(self, url: str, validator: str) -> None:
        """Start over with nothing."""
        with on_disk(self.path):
            self.path.write_bytes(b"")
        self._write_note({"url": url, "validator": validator, "pieced": False})

    def resume(self, url: str, validator: str) -> None:
        """Note that a further answer will be appended."""
        self._write_note({"url": url, "validator": validator, "pieced": True})

    def head(self) -> bytes:
        """The first bytes: enough to tell what kind of file it is."""
        with on_disk(self.path), self.path.open("rb") as file:
            return file.read(contents.HEAD_BYTES)

    def open_end(self) -> BinaryIO:
        """The part file, open for appending."""
        with on_disk(self.path):
            return self.path.open("ab")

    def discard(self) -> None:
        """Throw away the bytes and the note."""
        with on_disk(self.path):
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """The bytes are whole and true: give them their name, in one step, once they are on the disk."""
        with on_disk(target):
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
            self.path.replace(target)
            self._note.unlink(missing_ok=True)

    def _read_note(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _write_note(self, note: dict[str, Any]) -> None:
        with on_disk(self._note):
            self._note.write_text(json.dumps(note), encoding="utf-8")


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DownloadError(
            f"{path} cannot be written: {error.strerror or error}; free some room or choose another folder "
            "(what has arrived is kept)."
        ) from error

"""A partial download on disk, with a note of its origin."""

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
    """A partial download, kept between calls, with a note of its origin.

    Args:
        path: the partial file; the note has the same name plus `.json`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(path.name + ".json")

    @property
    def size(self) -> int:
        """Bytes received."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def pieced(self) -> bool:
        """Whether the bytes came in more than one response, perhaps from different files."""
        return bool(self._read_note().get("pieced", True))

    def validator(self, url: str) -> str:
        """ETag that the server at `url` gave for this file; empty if unknown or if another server gave it."""
        note = self._read_note()
        return str(note.get("validator", "")) if note.get("url") == url else ""

    def begin(self, url: str, validator: str) -> None:
        """Start again with an empty file."""
        with on_disk(self.path):
            self.path.write_bytes(b"")
        self._write_note({"url": url, "validator": validator, "pieced": False})

    def resume(self, url: str, validator: str) -> None:
        """Note that another response will be appended."""
        self._write_note({"url": url, "validator": validator, "pieced": True})

    def head(self) -> bytes:
        """First bytes of the file, enough to identify its format."""
        with on_disk(self.path), self.path.open("rb") as file:
            return file.read(contents.HEAD_BYTES)

    def open_end(self) -> BinaryIO:
        """The partial file, open for appending."""
        with on_disk(self.path):
            return self.path.open("ab")

    def discard(self) -> None:
        """Delete the bytes and the note."""
        with on_disk(self.path):
            self.path.unlink(missing_ok=True)
            self._note.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Flush the verified file to disk and rename it to `target` atomically."""
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
            f"{path} cannot be written: {error.strerror or error}; free some space or choose another folder "
            "(received bytes are kept)."
        ) from error

"""Atomic writes: a reader sees the old file or the new one, never a part of either."""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
# What file systems answer that have nothing to synchronize.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)

Held = list[tuple[Path, Path]]
"""Temporary files that are complete, and the paths they are for."""

# Of this thread: the files that wait for each other, the paths for which they do, and the folder that is never made.
_together: ContextVar[tuple[Held, Collection[Path], Path | None] | None] = ContextVar("together", default=None)


@contextmanager
def replacing(path: Path, *, within: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to, and move it to `path` at the end.

    Missing folders are created, but for `within` and those that it is in. The file and its folder are synchronized with
    the disk, so that a power failure leaves the old file or the new one. If writing fails, the temporary file is
    removed and `path` is unchanged.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    held, whole = _held_for(path)
    _make_folder(path.parent, within or whole)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    waits = False
    try:
        yield temporary
        _synchronize(temporary)
        if held is None:
            _put_in_place([(temporary, path)])
        else:
            held.append((temporary, path))
            waits = True
    finally:
        if not waits:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_together(paths: Collection[Path], *, within: Path | None = None) -> Iterator[Held]:
    """Let `replacing` inside, in this thread, move files to these paths and below them only at the end.

    Args:
        paths: files and folders.
        within: a folder that the paths are in, and that must be there: it is not created.

    Yields:
        The files that are complete so far.

    Raises:
        OSError: a file cannot be moved. Whatever is raised, the temporary files are removed.
    """
    held: Held = []
    token = _together.set((held, paths, within))
    try:
        yield held
        _put_in_place(held)
    finally:
        _together.reset(token)
        for temporary, _ in held:
            temporary.unlink(missing_ok=True)


def _held_for(path: Path) -> tuple[Held | None, Path | None]:
    held, paths, within = _together.get() or ([], (), None)
    return (held, within) if any(each in paths for each in (path, *path.parents)) else (None, None)


def _make_folder(folder: Path, within: Path | None) -> None:
    """Create a folder and those that it is in; of these, none if they are not below `within`."""
    if within is None:
        folder.mkdir(parents=True, exist_ok=True)
    elif within in folder.parents and not folder.is_dir():
        _make_folder(folder.parent, within)
        folder.mkdir(exist_ok=True)


def _put_in_place(files: Sequence[tuple[Path, Path]]) -> None:
    for temporary, path in files:
        temporary.replace(path)
    for folder in {path.parent for _, path in files}:
        synchronize_folder(folder)


def synchronize_folder(folder: Path) -> None:
    """Let the names in a folder survive a power failure."""
    if os.name != "nt":  # Windows opens no folders
        _synchronize(folder)


def remove_leftovers(folder: Path, older_than: float) -> int:
    """Remove temporary files of `replacing` that a crash has left in a folder; returns how many.

    Args:
        folder: the folder; nothing happens if it cannot be read.
        older_than: seconds since they were last written, so that the files of running processes stay.
    """
    removed = 0
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if _TEMPORARY.fullmatch(entry.name):
                with suppress(OSError):  # another process may have been faster
                    if time.time() - entry.stat().st_mtime > older_than:
                        Path(entry.path).unlink()
                        removed += 1
    return removed


def _synchronize(path: Path) -> None:
    # Windows synchronizes only what may be written; elsewhere a file may be read-only by now.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)

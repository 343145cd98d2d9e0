"""Atomic writes: a reader sees the old file or the new one, never a part of either."""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
# What file systems answer that have nothing to synchronize.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to, and move it to `path` at the end.

    Missing folders are created. The file and its folder are synchronized with the disk, so that a power failure leaves
    the old file or the new one. If writing fails, the temporary file is removed and `path` is unchanged.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        _synchronize(temporary)
        temporary.replace(path)
        if os.name != "nt":  # Windows opens no folders
            _synchronize(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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

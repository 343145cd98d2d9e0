"""Locks between the processes of a job: no two may have the same pictures.

A lock ends with its process, however that ends. Needs no torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import JobError

_LOCK = re.compile(r"\.gpen-job-(?P<name>all|[0-9]+-of-[0-9]+)\.lock")
# Another process may look at the same moment whether a lock is held, in seconds.
_LOOK = 1.0


def lock_name(shard: str) -> str:
    """The name of a process by its shard, such as `2/8`; empty: it does all of the job."""
    return shard.replace("/", "-of-") or "all"


@contextmanager
def only_process(folder: Path, shard: str = "") -> Iterator[None]:
    """Keep other processes from the same work: from this shard, and from others of another division.

    Args:
        folder: of the results.
        shard: such as `2/8`; empty: all of the job.

    Raises:
        JobError: another process is at work, or the folder cannot be written.
    """
    name = lock_name(shard)
    if not (lock := _acquired(_path_of(folder, name))):
        raise JobError(_told(folder, name, name))
    try:
        for other in _names(folder) - {name}:
            if _division(other) != _division(name) and not _is_free(folder, other):
                raise JobError(_told(folder, name, other))
        yield
    finally:
        _end(lock)


@contextmanager
def ended_process(folder: Path, name: str) -> Iterator[bool]:
    """Whether a process that has this lock name is not running; meanwhile none begins."""
    with locked(_path_of(folder, name)) as was_free:
        yield was_free


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a file, if no other process does; whether it was free.

    Raises:
        JobError: the file cannot be written.
    """
    lock = _acquired(path)
    try:
        yield lock is not None
    finally:
        if lock:
            _end(lock)


def _is_free(folder: Path, name: str) -> bool:
    with ended_process(folder, name) as ended:
        return ended


def _path_of(folder: Path, name: str) -> Path:
    return folder / f".gpen-job-{name}.lock"


def _acquired(path: Path) -> FileLock | None:
    lock = FileLock(path, timeout=_LOOK)
    try:
        lock.acquire()
    except Timeout:
        return None
    except OSError as error:
        raise JobError(f"{path} cannot be written: {error.strerror or error}.") from error
    return lock


def _end(lock: FileLock) -> None:
    with suppress(OSError):  # Windows deletes no open file, and the one who releases it does
        Path(lock.lock_file).unlink()
    lock.release()


def _names(folder: Path) -> set[str]:
    return {found["name"] for path in folder.iterdir() if (found := _LOCK.fullmatch(path.name))}


def _division(name: str) -> str:
    return name.rpartition("-of-")[2]


def _told(folder: Path, own: str, other: str) -> str:
    """Why a process does not begin, by its name and that of the one at work."""
    what = "all of the job" if other == "all" else f"shard {other.replace('-of-', '/')} of the job"
    told = f"Another process is working on {what} in {folder}; wait for it, or end it"
    if own == "all" and other != "all":
        return f"{told}. Beside it, only other shards of the same division may run, with --shard K/{_division(other)}."
    if "all" in (own, other) or own == other:
        return f"{told}."
    return f"{told}. Only shards of the same division, such as 1/8 and 2/8, may run at the same time."

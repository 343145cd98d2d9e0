"""What is finished of a video, in a folder beside the result: a command that was killed goes on from there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...weights.files import remove_leftovers, replacing
from ..errors import GPENError, JobError
from ..files import write_whole
from ..jobs.entries import stamp_of
from ..jobs.exclusion import locked
from .steady.arrays import load_arrays, save_arrays

_ORDER, _RESULT, _LOCK = "order.json", "result.json", "lock"
# What is work, which takes time to do again.
_WORK = ("segment-*", "tracks.npz", "times.npz", _RESULT)


class Parts:
    """The folder of a video's finished parts.

    A segment counts as finished if its file, the state after it and its tally are there; each is whole once it has its
    name.

    Attributes:
        folder: the folder.
        resumed: whether an earlier call with the same order left it.
        changed: whether an earlier call with another order left work, which is gone.
        report: of an earlier call with the same order whose result is in its place already, or None.
    """

    def __init__(
        self, folder: Path, suffix: str, *, resumed: bool, changed: bool, report: dict[str, Any] | None
    ) -> None:
        self.folder, self.resumed, self.changed, self.report = folder, resumed, changed, report
        self._suffix = suffix

    @property
    def tracks(self) -> Path:
        """Where the faces of all frames are kept."""
        return self.folder / "tracks.npz"

    @property
    def times(self) -> Path:
        """Where the times of all frames are kept; the faces come after them."""
        return self.folder / "times.npz"

    def keep_times(self, times: np.ndarray, notes: Sequence[str]) -> None:
        """Write the times of all frames, and what was told while they were read, whole or not at all.

        Raises:
            ImageError: the folder cannot be written to.
        """
        save_arrays(self.times, {"times": times, "notes": np.array(notes, np.str_)})

    def kept_times(self) -> tuple[np.ndarray, list[str]]:
        """What `keep_times` wrote.

        Raises:
            ImageError: it cannot be read.
        """
        kept = load_arrays(self.times)
        return kept["times"], kept["notes"].tolist()

    def segment(self, number: int) -> Path:
        """The file of a segment."""
        return self.folder / f"segment-{number:05}{self._suffix}"

    def state(self, number: int) -> Path:
        """What the segment after this one begins with."""
        return self.folder / f"segment-{number:05}.npz"

    def tally(self, number: int) -> Path:
        """What was done in a segment, for the report."""
        return self.folder / f"segment-{number:05}.json"

    def finished(self) -> int:
        """Number of segments that are finished, from the first on without a gap."""
        number = 0
        while all(path.is_file() for path in (self.segment(number), self.state(number), self.tally(number))):
            number += 1
        return number

    def keep_report(self, result: Path, report: Mapping[str, Any]) -> None:
        """Write the report of a result that is whole and gets its name next, whole or not at all.

        Raises:
            ImageError: the folder cannot be written to.
        """
        text = json.dumps({"stamp": stamp_of(result), "order": _read(self.folder / _ORDER), "report": report})
        write_whole(self.folder / _RESULT, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def remove(self) -> None:
        """Remove the folder, when the result is in its place; last what tells so."""
        with suppress(OSError):  # the result is whole; another program may look into the folder
            for path in self.folder.iterdir():
                if path.name not in (_RESULT, _LOCK):
                    path.unlink()
            shutil.rmtree(self.folder)


def is_free(folder: Path) -> bool:
    """Whether no process is at work on the result that a folder of parts belongs to.

    Raises:
        JobError: the folder cannot be written.
    """
    with locked(folder / _LOCK) as was_free:
        return was_free


def is_own_result(target: Path) -> bool:
    """Whether a file is the result of the parts beside it, which an earlier call could not remove any more."""
    return target.exists() and _result(target).get("stamp") == _stamp(target)


@contextmanager
def kept_parts(target: Path, order: Mapping[str, Any], *, suffix: str) -> Iterator[Parts]:
    """Open the folder of parts of a result, and keep other processes from the same work.

    If the block is left by a `GPENError` before there is work in it, it goes.

    Args:
        target: the result.
        order: everything that decides about the parts, JSON-serialisable. Those of another order are removed.
        suffix: of the files of segments.

    Raises:
        JobError: another process is at work, or the folder cannot be written.
    """
    target = target.absolute()
    folder = _folder(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JobError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        with locked(folder / _LOCK) as was_free:
            if not was_free:
                raise JobError(f"Another process is making {target}; wait for it, or end it.")
            try:
                yield _begin(target, json.dumps(order, sort_keys=True, indent=1), suffix)
            except GPENError:
                if not _has_work(folder):
                    with suppress(OSError):
                        (folder / _ORDER).unlink()
                raise
    finally:
        with suppress(OSError):  # there is work, or a file of somebody else
            folder.rmdir()


def _begin(target: Path, order: str, suffix: str) -> Parts:
    folder = _folder(target)
    try:
        result = _result(target)
        done = result if is_own_result(target) and result.get("order") == order else {}
        before, worked = _read(folder / _ORDER), _has_work(folder)
        if before != order:
            _clear(folder)
            with replacing(folder / _ORDER) as temporary:
                temporary.write_text(order, encoding="utf-8")
        remove_leftovers(folder, 0)  # nobody else is at work here
    except OSError as error:
        raise JobError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return Parts(
        folder,
        suffix,
        resumed=before == order,
        changed=worked and not done and before not in ("", order),
        report=done.get("report"),
    )


def _folder(target: Path) -> Path:
    return target.with_name(f"{target.name}.parts")


def _has_work(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in _WORK)


def _result(target: Path) -> dict[str, Any]:
    """What `keep_report` wrote; empty if it did not."""
    text = _read(_folder(target) / _RESULT)
    return json.loads(text) if text else {}


def _stamp(path: Path) -> list[int] | None:
    stamp = stamp_of(path)
    return None if stamp is None else list(stamp)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _clear(folder: Path) -> None:
    """Remove the parts of another order, and only these: somebody may keep other files there."""
    for pattern in (*_WORK, "joined.*"):
        for path in folder.glob(pattern):
            path.unlink()

"""What a journal keeps of a picture and of its faces. Needs no torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...weights.digest import hash_file
from .storage import Place, is_url
from .tasks import Task

State = Literal["waiting", "working", "done", "failed"]
"""`waiting`: to be done; `working`: begun, and perhaps written; `done`: its result is on the disk; `failed`: there is
no result, and `why` says the reason."""


class Stamp(NamedTuple):
    """What tells without reading a file whether it is still the same: bytes and time of the last change."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Recipe:
    """Everything but the picture that decides about a result.

    Attributes:
        settings: the settings of the chain and the options that change a result; JSON-serialisable.
        models: SHA-256 of each model by its name.
    """

    settings: Mapping[str, Any]
    models: Mapping[str, str]
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.text.encode()).hexdigest())

    @property
    def text(self) -> str:
        """The settings as JSON; the same for the same settings."""
        return json.dumps(self.settings, sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A picture of a job.

    Attributes:
        source: absolute path of the picture.
        state: see `State`.
        size, mtime_ns, sha256: the source as it was restored.
        settings: digest of the settings it was restored with, see `Recipe`.
        models: SHA-256 of the models it was restored with, by name.
        faces, restored: number of faces found, and of those restored.
        why: the reason, if it failed or has to wait.
        seconds: time spent on it.
        output: path of the result, planned or written; None if there can be none.
        output_size, output_mtime_ns: the result as it was written.
        beside: paths of further results.
        written: SHA-256 of every file of the results by its path, those of earlier calls included.
        notes: sentences for the user.
        finished: when it was done or failed, UTC.
        report: the report without its settings, which the journal keeps once.
    """

    source: str
    state: State = "waiting"
    size: int | None = None
    mtime_ns: int | None = None
    sha256: str | None = None
    settings: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    faces: int | None = None
    restored: int | None = None
    why: str | None = None
    seconds: float | None = None
    output: str | None = None
    output_size: int | None = None
    output_mtime_ns: int | None = None
    beside: tuple[str, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    finished: str | None = None
    report: Mapping[str, Any] | None = None

    @property
    def output_stamp(self) -> Stamp | None:
        """The result as it was written; None if it never was."""
        if self.output_size is None or self.output_mtime_ns is None:
            return None
        return Stamp(self.output_size, self.output_mtime_ns)

    def with_output_stamp(self, stamp: Stamp | None) -> Entry:
        """The entry with another stamp of its result; None: it was not written."""
        size, mtime_ns = stamp or (None, None)
        return replace(self, output_size=size, output_mtime_ns=mtime_ns)


@dataclass(frozen=True, kw_only=True)
class FaceEntry:
    """A face of a picture of a job.

    Attributes:
        source: absolute path of the picture.
        number: position among the faces of its report.
        x0, y0, x1, y1: the box in pixels.
        score: confidence of the detector, 0..1.
        restored: whether it was restored.
        left_alone: why not.
        changed_share: share of its pixels that changed, 0..1.
        changed_mean: mean change in 8-bit levels.
        sharpness, identity: how sharp it became and how much it is still the same person, if they were measured.
    """

    source: str
    number: int
    x0: float
    y0: float
    x1: float
    y1: float
    score: float
    restored: bool
    left_alone: str | None = None
    changed_share: float | None = None
    changed_mean: float | None = None
    sharpness: float | None = None
    identity: float | None = None


def name_of(path: Path) -> str:
    """The name of a file in a journal: its absolute path, or its URL."""
    if isinstance(path, Place):
        return path.address
    return os.path.abspath(path)  # noqa: PTH100 (not resolved, and ten times as fast)


def stamp_of(path: Path | str) -> Stamp | None:
    """The stamp of a file; None if it cannot be seen."""
    if isinstance(path, Place) or is_url(path):
        found = Place(str(path)).stat()
        return Stamp(found.size, found.mtime_ns) if found else None
    try:
        status = os.stat(path)  # noqa: PTH116 (names of a journal are texts)
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def sha256_of(path: Path | str) -> str | None:
    """SHA-256 of a file, lower-case hexadecimal; None if it cannot be read."""
    if is_url(path):
        return hashlib.sha256(Place(str(path)).read()).hexdigest()
    try:
        return hash_file(Path(path))
    except OSError:
        return None


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


CHANGED = "The file changed while it was restored."
"""Why a picture waits that was restored from a file that is no longer there."""


def done_entry(
    entry: Entry, stamp: Stamp, recipe: Recipe, task: Task, report: Mapping[str, Any], written: Mapping[str, str]
) -> Entry:
    """The entry of a picture that was restored, but for the stamp of its result; it waits if its source has changed.

    Args:
        entry: what the journal has of it.
        stamp: its source before it was read.
        recipe: what it was restored with.
        task, report, written: as for `Announce`.
    """
    kept = {name: value for name, value in report.items() if name != "settings"}
    faces, targets = kept.get("faces", ()), task.targets
    sha256 = sha256_of(task.source)  # of a URL, the copy that was restored
    if not is_url(entry.source) and stamp_of(task.source) != stamp:
        return replace(entry, state="waiting", why=CHANGED, written={**entry.written, **written}, finished=now())
    return replace(
        entry,
        state="done",
        size=stamp.size,
        mtime_ns=stamp.mtime_ns,
        sha256=sha256,
        settings=recipe.digest,
        models=recipe.models,
        faces=len(faces),
        restored=sum(face["restored"] for face in faces),
        why=None,
        seconds=round(sum(report.get("seconds", {}).values()), 4),
        output=name_of(targets.main),
        beside=tuple(name_of(path) for path in targets.beside),
        written={**entry.written, **written},
        notes=tuple(kept.get("notes", ())),
        finished=now(),
        report=kept,
    )


def faces_of(entry: Entry) -> list[FaceEntry]:
    """The faces of a picture, by its report."""
    faces = (entry.report or {}).get("faces", ())
    return [_face_entry(entry.source, number, face) for number, face in enumerate(faces)]


def _face_entry(source: str, number: int, face: Mapping[str, Any]) -> FaceEntry:
    x0, y0, x1, y1 = face["box"]
    changed = face.get("changed", {})
    return FaceEntry(
        source=source,
        number=number,
        x0=x0,
        y0=y0,
        x1=x1,
        y1=y1,
        score=face["score"],
        restored=face["restored"],
        left_alone=face.get("skipped"),
        changed_share=changed.get("share"),
        changed_mean=changed.get("mean"),
        sharpness=face.get("sharpness"),
        identity=face.get("identity"),
    )

"""The journal of a job: a SQLite database in the folder of the results. Needs no torch.

Several processes may use it at the same time. It is written in SQLite's default mode, whose locks also work on the
network file systems that have locks at all.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import JobError
from ..versions import package_version
from .database import (
    PATIENCE,
    VERSION,
    begin_folder,
    columns,
    connect,
    copy_readable,
    create,
    fault_of,
    inode_of,
    open_tables,
    refuse_folder,
    set_aside,
)
from .entries import Entry, FaceEntry, name_of, now
from .records import bound, entry_of_row, row_value, text, to_record

FILE = "gpen-job.sqlite"
"""Name of a journal."""

_PICTURE = tuple(field.name for field in fields(Entry))
_FACE = tuple(field.name for field in fields(FaceEntry))


class Journal:
    """A journal that is open. Its methods may be called from several threads.

    Args:
        path: the database.
        connection: an open connection to it.
        home: the folder of the results, where the journal is or where it was copied from; see `entries.name_of`.
        notes: sentences for the user about how it was opened.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, home: str, notes: tuple[str, ...] = ()) -> None:
        self.path = path
        self.home = home
        self.notes = notes
        self._connection = connection
        self._guard = threading.RLock()
        self._inode = inode_of(path)

    @classmethod
    def open(cls, folder: Path, home: str = "") -> Journal:
        """Open the journal of a folder for writing; folder and journal are created if they are missing.

        A journal that is damaged, or of a later version, is kept under another name, and what can be read of it is
        copied into a new one; a note says so.

        Args:
            folder: where it is.
            home: the folder of the results, if the journal is a copy.

        Raises:
            JobError: the folder or the journal cannot be written.
        """
        path = folder / FILE
        try:
            begin_folder(folder)
            refuse_folder(path)
            home = home or name_of(folder)
            journal = _open(path, home)
            if journal is None:
                with FileLock(folder / ".gpen-job.lock", timeout=PATIENCE):
                    journal = _open(path, home) or (_replace if path.exists() else _create)(path, home)
                    with suppress(OSError):  # Windows deletes no open file; who waits for it finds the journal
                        (folder / ".gpen-job.lock").unlink()
            return journal
        except Timeout:
            raise JobError(f"{path} is locked by another process; try again when that has ended.") from None
        except OSError as error:
            raise JobError(f"The journal {path} cannot be written: {error.strerror or error}.") from error
        except sqlite3.Error as error:
            raise _write_error(path, error) from error

    @classmethod
    def read(cls, folder: Path) -> Journal:
        """Open the journal of a folder for reading only.

        Raises:
            JobError: there is none, or it cannot be read.
        """
        path = folder / FILE
        refuse_folder(path)
        if not path.is_file():
            raise JobError(f"There is no job in {folder}: it has no {FILE}.")
        try:
            # After a crash, SQLite has to write before anything can be read.
            connection = connect(path, "rw" if os.access(folder, os.W_OK) and os.access(path, os.W_OK) else "ro")
            fault = fault_of(connection)
        except sqlite3.Error as error:
            raise JobError(f"The journal {path} cannot be read: {error}.") from error
        if fault:
            raise JobError(
                f"The journal {path} cannot be read: {fault}. `gpen restore` with this --output keeps it under another "
                "name and begins a new one."
            )
        return cls(path, connection, name_of(folder))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def require_there(self) -> None:
        """Check that the journal is where it was opened.

        Raises:
            JobError: it is gone, or another has its name.
        """
        if inode_of(self.path) != self._inode:
            raise JobError(
                f"{self.path.parent} has lost its journal while the job ran: it was moved, deleted or unmounted. Bring "
                "it back and call the same command again."
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is written, and on the disk at the end, or nothing is. May be nested.

        Raises:
            JobError: the disk is full, or the journal is gone or cannot be written.
        """
        with self._guard:
            if self._connection.in_transaction:
                yield
                return
            try:
                self.require_there()
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise _write_error(self.path, error) from error

    def entries(self, *, reports: bool = False) -> dict[str, Entry]:
        """All pictures by their sources; with their reports only on request, since these are long."""
        with self._guard:
            present = columns(self._connection, "pictures")  # a journal of an earlier version may be read only
        names = [name for name in _PICTURE if name in present and (reports or name != "report")]
        rows = self._select(f"SELECT {', '.join(names)} FROM pictures ORDER BY source")
        found = (entry_of_row(dict(zip(names, row, strict=True)), self.home) for row in rows)
        return {entry.source: entry for entry in found}

    def faces(self) -> list[FaceEntry]:
        """All faces, by source and number."""
        rows = self._select(f"SELECT {', '.join(_FACE)} FROM faces ORDER BY source, number")
        found = (dict(zip(_FACE, map(text, row), strict=True)) for row in rows)
        return [FaceEntry(**{**face, "restored": bool(face["restored"])}) for face in found]

    def settings(self) -> dict[str, dict[str, Any]]:
        """All settings that pictures were restored with, by their digests."""
        return {digest: json.loads(body) for digest, body in self._select("SELECT digest, body FROM settings")}

    def meta(self) -> dict[str, str]:
        """Facts about the journal: versions of its tables and of the package that began it."""
        return dict(self._select("SELECT name, value FROM meta"))

    def pace(self) -> tuple[int, int, float]:
        """Pictures done and faces restored by all runs so far, and the seconds that the runs took, added up."""
        ((pictures, faces, seconds),) = self._select("SELECT sum(pictures), sum(faces), sum(seconds) FROM runs")
        return pictures or 0, faces or 0, seconds or 0.0

    def put(self, entries: Iterable[Entry], faces: Mapping[str, Iterable[FaceEntry]] | None = None) -> None:
        """Write pictures, each instead of what is known of it.

        Args:
            entries: the pictures. One without a report keeps the report that is there.
            faces: all faces of a picture by its source; pictures that are not named keep theirs.
        """
        records = (to_record(entry, self.home) for entry in entries)
        picture_marks, face_marks = (", ".join("?" * len(names)) for names in (_PICTURE, _FACE))
        changes = ", ".join(
            f"{name} = coalesce(excluded.{name}, {name})" if name == "report" else f"{name} = excluded.{name}"
            for name in _PICTURE[1:]
        )
        with self.transaction():
            self._connection.executemany(
                f"INSERT INTO pictures ({', '.join(_PICTURE)}) VALUES ({picture_marks}) "
                f"ON CONFLICT (source) DO UPDATE SET {changes}",
                ([row_value(record, name) for name in _PICTURE] for record in records),
            )
            for source, found in (faces or {}).items():
                self._connection.execute("DELETE FROM faces WHERE source = ?", (bound(source),))
                self._connection.executemany(
                    f"INSERT INTO faces ({', '.join(_FACE)}) VALUES ({face_marks})",
                    ([bound(getattr(face, name)) for name in _FACE] for face in found),
                )

    def rename_sources(self, names: Mapping[str, str]) -> None:
        """Give pictures that were moved their new sources, by the old ones."""
        with self.transaction():
            for table in ("pictures", "faces"):
                self._connection.executemany(
                    f"UPDATE OR IGNORE {table} SET source = ? WHERE source = ?",
                    [(bound(new), bound(old)) for old, new in names.items()],
                )

    def keep_settings(self, digest: str, body: str) -> None:
        """Write settings as JSON under their digest."""
        with self.transaction():
            self._connection.execute("INSERT OR IGNORE INTO settings VALUES (?, ?)", (digest, body))

    def begin_run(self, shard: str = "") -> int:
        """Note that a process begins; returns its number."""
        with self.transaction():
            row = self._connection.execute(
                "INSERT INTO runs (began, version, shard, pictures, faces, seconds) VALUES (?, ?, ?, 0, 0, 0)",
                (now(), package_version(), shard),
            )
            return row.lastrowid or 0

    def count_run(self, run: int, pictures: int, faces: int, seconds: float) -> None:
        """Note how many pictures and faces a process has done so far, and how long it took."""
        with self.transaction():
            self._connection.execute(
                "UPDATE runs SET pictures = ?, faces = ?, seconds = ?, ended = ? WHERE id = ?",
                (pictures, faces, seconds, now(), run),
            )

    def _select(self, query: str) -> list[Any]:
        try:
            with self._guard:
                return self._connection.execute(query).fetchall()
        except sqlite3.Error as error:
            raise JobError(f"The journal {self.path} cannot be read: {error}.") from error


def _open(path: Path, home: str) -> Journal | None:
    """Open a journal; None if there is none that can be used."""
    connection = open_tables(path)
    if connection is None:
        return None
    journal = Journal(path, connection, home)
    with journal.transaction():
        _upgrade(journal, connection)
    return journal


def _create(path: Path, home: str) -> Journal:
    create(path)
    journal = _open(path, home)
    assert journal is not None  # or another process wrote nonsense into it meanwhile
    return journal


def _upgrade(journal: Journal, connection: sqlite3.Connection) -> None:
    """Bring a journal of an earlier version to this one: its paths were absolute."""
    if journal.meta()["tables"] == str(VERSION):
        return
    if "written" not in columns(connection, "pictures"):
        connection.execute("ALTER TABLE pictures ADD COLUMN written TEXT")
    journal.put(journal.entries(reports=True).values())
    connection.execute("UPDATE meta SET value = ? WHERE name = 'tables'", (str(VERSION),))


def _replace(path: Path, home: str) -> Journal:
    """Set a journal aside that cannot be used, and begin a new one with what can be read of it."""
    with closing(connect(path, "ro")) as connection:
        fault = fault_of(connection)
    aside = set_aside(path)
    journal = _create(path, home)
    copied = copy_readable(aside, journal._connection)
    journal.notes = (
        f"The journal {path} cannot be used: {fault}. It was kept as {aside.name}; {copied} of its pictures were "
        "taken over. Results of the others stay as they are, and these pictures fail since their results exist "
        "already; --overwrite does them again and replaces these.",
    )
    return journal


def _write_error(path: Path, error: sqlite3.Error) -> JobError:
    return JobError(
        f"The journal {path} cannot be written: {error}. What is finished is kept; call the same command again when "
        "that is mended."
    )

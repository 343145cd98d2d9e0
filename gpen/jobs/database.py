"""The file under a journal: its tables, and what is wrong with it."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ...weights.files import replacing
from ..errors import JobError
from ..versions import package_version
from .entries import now

VERSION = 2
"""Version of the tables. A change of what they mean raises it; 1 had absolute paths of results, and no `written`."""

_READABLE = ("1", "2")

# Waiting for other processes, in seconds. A transaction takes milliseconds; planning 100,000 pictures takes seconds.
PATIENCE = 120

TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS settings (digest TEXT PRIMARY KEY, body TEXT);
CREATE TABLE IF NOT EXISTS pictures (
    source TEXT PRIMARY KEY, state TEXT NOT NULL CHECK (state IN ('waiting', 'working', 'done', 'failed')),
    size INTEGER, mtime_ns INTEGER, sha256 TEXT, settings TEXT, models TEXT, faces INTEGER, restored INTEGER, why TEXT,
    seconds REAL, output TEXT, output_size INTEGER, output_mtime_ns INTEGER, beside TEXT, written TEXT, notes TEXT,
    finished TEXT, report TEXT);
CREATE TABLE IF NOT EXISTS faces (
    source TEXT, number INTEGER, x0 REAL, y0 REAL, x1 REAL, y1 REAL, score REAL, restored INTEGER, left_alone TEXT,
    changed_share REAL, changed_mean REAL, sharpness REAL, identity REAL, PRIMARY KEY (source, number));
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, began TEXT, ended TEXT, version TEXT, shard TEXT, pictures INTEGER, faces INTEGER,
    seconds REAL);
"""


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a database; `mode` is `ro`, `rw`, or `rwc` to create it if it is missing.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )


def begin_folder(folder: Path) -> None:
    """Create the folder of a journal if it is missing.

    Raises:
        JobError: it cannot be written to.
        OSError: it cannot be created for another reason.
    """
    refused = f"{folder} is not writable; choose another --output."
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise JobError(refused) from None
        raise
    if not os.access(folder, os.W_OK):
        raise JobError(refused)


def refuse_folder(path: Path) -> None:
    """Check that there is no folder under the name of a journal.

    Raises:
        JobError: there is.
    """
    if path.is_dir():
        raise JobError(f"{path} is a folder, where the journal of a job would be; move it away.")


def create(path: Path) -> None:
    """Begin a journal, which gets its name when it has its tables: one without them is damaged, not new.

    Raises:
        OSError, sqlite3.Error: it cannot be written.
    """
    with replacing(path) as temporary, closing(connect(temporary, "rwc")) as connection:
        connection.executescript(TABLES)
        began = (("tables", str(VERSION)), ("version", package_version()), ("began", now()))
        connection.executemany("INSERT INTO meta VALUES (?, ?)", began)


def open_tables(path: Path) -> sqlite3.Connection | None:
    """Open a journal for writing; None if there is none, or one that cannot be used.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    if not path.exists():
        return None
    connection = connect(path, "rw")
    if fault_of(connection):
        connection.close()
        return None
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(TABLES)
    return connection


def fault_of(connection: sqlite3.Connection) -> str:
    """Why a database is no journal of this version; empty if it is one.

    Raises:
        sqlite3.OperationalError: it cannot be read for another reason, such as a lock.
    """
    try:
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            return "it is damaged"
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return "it is empty"
        found = connection.execute("SELECT value FROM meta WHERE name = 'tables'").fetchone()
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        return "it was not written by this program"
    except sqlite3.DatabaseError:
        return "it is damaged"
    if found is None:
        return "it was not written by this program"
    if found[0] not in _READABLE:
        return f"its tables have version {found[0]}, and this program reads up to {VERSION}"
    return ""


def set_aside(path: Path) -> Path:
    """Rename a journal and what SQLite keeps beside it, to names that are free; returns the journal's."""
    number = 1
    while (aside := path.with_name(f"{path.stem}-aside-{number}{path.suffix}")).exists():
        number += 1
    for ending in ("", "-journal", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def copy_readable(aside: Path, connection: sqlite3.Connection) -> int:
    """Copy into a new journal what can be read of one that was set aside; returns the number of pictures."""
    copied = 0
    with closing(connect(aside, "ro")) as old, connection:
        connection.execute("BEGIN IMMEDIATE")
        for table in ("settings", "pictures", "faces"):
            rows, names = _readable(old, table, columns(connection, table))
            done = connection.executemany(
                f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows
            )
            copied += done.rowcount if table == "pictures" else 0
    return copied


def _readable(old: sqlite3.Connection, table: str, wanted: list[str]) -> tuple[list[tuple], list[str]]:
    """The rows of a table up to the first damage, and their columns."""
    rows: list[tuple] = []
    names = wanted
    try:
        present = columns(old, table)
        names = [name for name in wanted if name in present] or wanted
        for row in old.execute(f"SELECT {', '.join(names)} FROM {table}"):
            rows.append(row)
    except sqlite3.Error:
        pass  # the caller tells how many rows were read
    return rows, names


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    """Names of the columns of a table; none if there is no such table."""
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def inode_of(path: Path) -> int | None:
    """What tells a file from another that later has its name; None if there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None

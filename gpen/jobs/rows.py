"""Entries of a journal as tables: what workers on other machines send back, and what is exported. Needs no torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from .announcements import read_announcements
from .entries import Entry, FaceEntry
from .storage import Place

if TYPE_CHECKING:
    import pyarrow as arrow

FOLDER = ".gpen-job"
"""Folder in the results of a job for what is under way; a job that has ended leaves none."""
ANNOUNCED = "announced"
"""Folder in it for what workers announce."""
UNFIT = "unfit worker: "
"""Begins the reason in rows of a worker that cannot work at all."""
Row = tuple[Entry, list[FaceEntry]]
"""A picture and its faces."""

_TYPES = {
    **dict.fromkeys(("size", "mtime_ns", "output_size", "output_mtime_ns", "faces", "restored"), "int64"),
    "seconds": "float64",
}
_FACE_TYPES = {
    **dict.fromkeys(("source", "left_alone"), "string"),
    "number": "int64",
    "restored": "bool",
}
# A column of a table has one type: what is of any form is JSON, as in the journal.
_AS_JSON = ("models", "beside", "written", "notes", "report")
_FACES = "face_entries"


def row_schema() -> arrow.Schema:
    """The columns of a table of rows: those of `Entry` by their names, and the faces of a picture as a list."""
    import pyarrow as arrow

    types = {"int64": arrow.int64(), "float64": arrow.float64(), "bool": arrow.bool_(), "string": arrow.string()}
    face = arrow.struct([(each.name, types[_FACE_TYPES.get(each.name, "float64")]) for each in fields(FaceEntry)])
    columns = [(each.name, types[_TYPES.get(each.name, "string")]) for each in fields(Entry)]
    return arrow.schema([*columns, (_FACES, arrow.list_(face))])


def to_table(rows: Iterable[Row]) -> arrow.Table:
    """Rows as a table with the columns of `row_schema`."""
    import pyarrow as arrow

    return arrow.Table.from_pylist([_to_record(entry, faces) for entry, faces in rows], schema=row_schema())


def from_table(table: arrow.Table) -> Iterator[Row]:
    """The rows of a table."""
    for record in table.to_pylist():
        faces = [FaceEntry(**face) for face in record.pop(_FACES) or ()]
        values = {name: json.loads(value) if name in _AS_JSON and value else value for name, value in record.items()}
        for name in ("beside", "notes"):
            values[name] = tuple(values[name] or ())
        yield Entry(**{**values, **{name: values.get(name) or {} for name in ("models", "written")}}), faces


class RowFolder:
    """The tables of rows in a folder. Each is read once; one that is still being written is left for later.

    Args:
        folder: the folder; it need not be there.
    """

    def __init__(self, folder: Place) -> None:
        self._folder = folder
        self._read: set[str] = set()

    def new(self) -> list[Row]:
        """Rows of tables that have appeared since the last call.

        Raises:
            StorageError: the folder cannot be read.
        """
        import pyarrow as arrow
        from pyarrow import parquet

        found: list[Row] = []
        for file in self._folder.files():
            if file.name in self._read:
                continue
            try:
                table = parquet.read_table(arrow.BufferReader((self._folder / file.name).read()))
            except arrow.ArrowInvalid:  # its end is missing
                continue
            self._read.add(file.name)
            found += from_table(table)
        return found


def left_rows(output: Place) -> list[Row]:
    """Rows in the folder of results that are not in the journal, in the order of the calls that left them.

    Raises:
        StorageError: the folder cannot be read.
    """
    folder = output / FOLDER
    runs = sorted({file.name.partition("/")[0] for file in folder.files()})
    found = [row for run in runs for row in RowFolder(folder / run / "rows").new()]
    return [(entry, faces) for entry, faces in found if not (entry.why or "").startswith(UNFIT)]


def left_announcements(output: Place, home: str, sources: Collection[str]) -> Iterator[Entry]:
    """What workers have announced before files got their names, see `announcements`.

    Args:
        output: the folder of results.
        home: its name in the journal.
        sources: the pictures in question; an object store has a file for each.

    Raises:
        StorageError: the folder cannot be read.
    """
    folder = output / FOLDER / ANNOUNCED
    wanted = {announcement_name(source) for source in sources}
    for file in folder.files() if wanted else ():
        if file.name in wanted or not output.is_remote:
            found = read_announcements((folder / file.name).read(), home).entries
            yield from (entry for entry in found if entry.source in sources)


def announcement_name(source: str) -> str:
    """The name of the file for one picture in an object store."""
    return f"{hashlib.sha256(os.fsencode(source)).hexdigest()}.jsonl"


def _to_record(entry: Entry, faces: list[FaceEntry]) -> dict[str, Any]:
    record = {each.name: getattr(entry, each.name) for each in fields(entry)}
    for name in _AS_JSON:
        record[name] = None if record[name] is None else json.dumps(record[name])
    return {**record, _FACES: [{each.name: getattr(face, each.name) for each in fields(face)} for face in faces]}

"""A job as a table: one row for each picture, with its faces. Needs no torch."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import ImageError, MissingPackageError
from ..files import write_whole
from ..wording import pip_install
from .journal import Journal

_COLUMNS = (
    *("source", "state", "why", "output", "faces", "restored", "seconds", "finished", "notes", "beside"),
    *("size", "sha256", "output_size", "settings", "models", "found"),
)


def check_table(path: Path, *, overwrite: bool) -> None:
    """Check before the work that a table can be written.

    Raises:
        ImageError: the suffix is unknown, or the file exists and may not be overwritten.
        MissingPackageError: it is a .parquet file, and pyarrow is not installed.
    """
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ImageError(f"The table {path} must end in .csv or .parquet; choose another --export.")
    if path.exists() and not overwrite:
        raise ImageError(f"{path} already exists; choose another name or pass --overwrite.")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise MissingPackageError(
                f"A .parquet file needs pyarrow: {pip_install('pyarrow')}; or choose a .csv file."
            ) from None


def write_table(journal: Journal, path: Path) -> None:
    """Write all pictures of a job; the column `found` has the faces of each.

    In a .csv file, lists are written as JSON.

    Raises:
        ImageError: the file cannot be written.
        JobError: the journal cannot be read.
    """
    rows = _rows(journal)
    if path.suffix.lower() == ".parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.Table.from_pylist(rows, schema=_schema())
        write_whole(path, lambda temporary: pyarrow.parquet.write_table(table, temporary))
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()})
    write_whole(path, lambda temporary: temporary.write_text(text.getvalue(), encoding="utf-8", newline=""))


def _rows(journal: Journal) -> list[dict[str, Any]]:
    faces = defaultdict(list)
    for face in journal.faces():
        told = asdict(face)
        faces[told.pop("source")].append(told)
    rows = []
    for source, entry in journal.entries().items():
        row = {name: getattr(entry, name) for name in _COLUMNS[:-1]}
        row |= {"notes": list(entry.notes), "beside": list(entry.beside), "models": json.dumps(dict(entry.models))}
        rows.append({name: _readable(value) for name, value in {**row, "found": faces[source]}.items()})
    return rows


def _readable(value: Any) -> Any:
    """Names of files that are no UTF-8 cannot be in a table as they are."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return [_readable(item) for item in value] if isinstance(value, list) else value


def _schema() -> Any:
    """Named, since a column may hold nothing but nulls."""
    import pyarrow

    text, whole, real = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    face = pyarrow.struct(
        [
            ("number", whole),
            *((name, real) for name in ("x0", "y0", "x1", "y1", "score")),
            ("restored", pyarrow.bool_()),
            ("left_alone", text),
            *((name, real) for name in ("changed_share", "changed_mean", "sharpness", "identity")),
        ]
    )
    kinds = {
        **dict.fromkeys(("faces", "restored", "size", "output_size"), whole),
        "seconds": real,
        "notes": pyarrow.list_(text),
        "beside": pyarrow.list_(text),
        "found": pyarrow.list_(face),
    }
    return pyarrow.schema([(name, kinds.get(name, text)) for name in _COLUMNS])

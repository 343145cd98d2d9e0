"""Entries as records and as rows: paths in the folder of the results are relative to it, since it may be moved.

Needs no torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, get_args

from .entries import Entry, State, faces_of
from .storage import is_url

_REPORTED = ("output", "compare", "face_files")
_JSON = ("models", "beside", "written", "notes", "report")

_NONE = type(None)
# The types of the values of a record in JSON.
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("source", "state"), str),
    **dict.fromkeys(("sha256", "settings", "why", "output", "finished"), (str, _NONE)),
    **dict.fromkeys(("size", "mtime_ns", "faces", "restored", "output_size", "output_mtime_ns"), (int, _NONE)),
    "seconds": (int, float, _NONE),
    **dict.fromkeys(("models", "written"), dict),
    **dict.fromkeys(("beside", "notes"), list),
    "report": (dict, _NONE),
}


def to_record(entry: Entry, home: str) -> dict[str, Any]:
    """An entry as a record.

    Args:
        entry: the entry; its paths are absolute, or URLs.
        home: the folder of the results, see `entries.name_of`.
    """
    record = {each.name: getattr(entry, each.name) for each in fields(Entry)}
    return _with_paths(record, lambda name: _below(name, home))


def from_record(record: Mapping[str, Any], home: str) -> Entry:
    """The entry of a record; what is missing has its default. Arguments as for `to_record`."""
    given = {name: value for name, value in record.items() if value is not None}
    values = _with_paths(given, lambda name: _at(name, home))
    return Entry(**{**values, **{name: tuple(values.get(name) or ()) for name in ("beside", "notes")}})


def read_record(line: bytes, home: str) -> Entry:
    """The entry of a record as JSON; `home` as for `to_record`.

    Raises:
        ValueError: it is no such record, or one of another version.
    """
    record = json.loads(line)
    if not isinstance(record, dict) or record.keys() != _KINDS.keys() or record["state"] not in get_args(State):
        raise ValueError("This is no record of a picture.")
    for name, value in record.items():
        inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        texts = name == "report" or all(isinstance(each, str) for each in inside)
        if not isinstance(value, _KINDS[name]) or not texts:
            raise ValueError(f"This is not the {name} of a picture.")
    try:
        entry = from_record(record, home)
        faces_of(entry)
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError("This is not the report of a picture.") from error
    return entry


def row_value(record: Mapping[str, Any], name: str) -> Any:
    """A value of a record as SQLite takes it."""
    value = record[name]
    if name in _JSON and value is not None:
        return json.dumps(value)
    return bound(value)


def entry_of_row(row: Mapping[str, Any], home: str) -> Entry:
    """The entry of a row; `home` as for `to_record`."""
    values = {name: text(value) for name, value in row.items()}
    for name in _JSON:
        if values.get(name) is not None:
            values[name] = json.loads(values[name])
    return from_record(values, home)


def bound(value: Any) -> Any:
    """A value as SQLite takes it: names of files that are no UTF-8 become bytes."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return os.fsencode(value)
    return value


def text(value: Any) -> Any:
    """A value as it was before `bound`."""
    return os.fsdecode(value) if isinstance(value, bytes) else value


def _with_paths(record: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    changed = dict(record)
    if changed.get("output"):
        changed["output"] = change(changed["output"])
    if changed.get("beside"):
        changed["beside"] = [change(name) for name in changed["beside"]]
    if changed.get("written"):
        changed["written"] = {change(name): digest for name, digest in changed["written"].items()}
    if changed.get("report"):
        told = changed["report"] = dict(changed["report"])
        for name in _REPORTED:
            if isinstance(told.get(name), str):
                told[name] = change(told[name])
            elif told.get(name):
                told[name] = [change(each) for each in told[name]]
    return changed


def _below(name: str, home: str) -> str:
    """A path below the folder of the results, with "/"; another one as it is."""
    separator = "/" if is_url(home) else os.sep
    start = home.rstrip(separator) + separator
    return name.removeprefix(start).replace(separator, "/") if name.startswith(start) else name


def _at(name: str, home: str) -> str:
    if is_url(name) or os.path.isabs(name):  # noqa: PTH117 (names of a journal are texts)
        return name
    separator = "/" if is_url(home) else os.sep
    return home.rstrip(separator) + separator + name.replace("/", separator)

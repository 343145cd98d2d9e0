"""Entries as records: paths in the folder of the results are relative to it, since it may be moved as a whole.

Needs no torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from .entries import Entry
from .storage import is_url

_REPORTED = ("output", "compare", "face_files")


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

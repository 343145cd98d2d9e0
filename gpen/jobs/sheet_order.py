"""Which pictures of a large job its contact sheet shows: the first ones in an order. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

from ..errors import SettingsError
from .entries import Entry, FaceEntry

Sort = Literal["change", "sharpness", "identity", "name"]

Faces = Mapping[str, Sequence[FaceEntry]]


def check_sort(sort: Sort, faces: Faces, *, limited: bool) -> None:
    """Check that there are values to sort by.

    Args:
        sort: the order.
        faces: the faces of all pictures, by their sources.
        limited: whether the order decides which pictures are shown.

    Raises:
        SettingsError: the journal lacks what to sort by. Without a limit, the page measures sharpness itself.
    """
    if sort not in ("sharpness", "identity") or (sort == "sharpness" and not limited):
        return
    if all(getattr(face, sort) is None for found in faces.values() for face in found):
        others = ", ".join(one for one in get_args(Sort) if one not in ("identity", "sharpness" if limited else ""))
        why = ", which --limit needs" if limited else ""
        raise SettingsError(f"The journal does not hold the {sort} of faces{why}; sort by {others}.")


def first_pictures(entries: Iterable[Entry], faces: Faces, sort: Sort, limit: int) -> list[Entry]:
    """The first finished pictures in an order, as many as `limit`, and all that failed.

    Args:
        entries: all pictures of the job.
        faces: the faces of all pictures, by their sources.
        sort: `change`: the most changed face first; `sharpness`, `identity`: the lowest first; `name`.
        limit: maximum number of finished pictures; 0: all pictures, also those that are not done yet.
    """
    entries = list(entries)
    if not limit:
        return entries
    failed = [entry for entry in entries if entry.state == "failed"]
    done = [entry for entry in entries if entry.state == "done"]
    done.sort(key=lambda entry: (_rank(faces.get(entry.source, ()), sort), _natural(entry.source)))
    return failed + done[:limit]


def _rank(faces: Sequence[FaceEntry], sort: Sort) -> float:
    """The lower, the earlier; pictures without a value come last."""
    if sort == "name":
        return 0.0
    if sort == "change":
        return min((-(face.changed_mean or 0.0) for face in faces if face.restored), default=0.0)
    values = [getattr(face, sort) for face in faces]
    return min((value for value in values if value is not None), default=float("inf"))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts 9.png before 10.png."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if number % 2 else (0, part) for number, part in enumerate(parts)]

"""Folders that are listed once, instead of asking a storage for each of their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .storage import Entry, Place, listings


@contextmanager
def listed(flat: Iterable[Place], deep: Iterable[Place] = ()) -> Iterator[None]:
    """List folders, so that `Place.stat` of a file in them takes no request.

    Args:
        flat: folders that are listed without the folders in them.
        deep: folders that are listed with all that is in them.

    Raises:
        StorageError: a folder cannot be listed.
    """
    listing = _Listed(frozenset(flat), tuple(deep))
    listings.append(listing)
    try:
        yield
    finally:
        listings.remove(listing)


class _Listed:
    def __init__(self, flat: frozenset[Place], deep: tuple[Place, ...]) -> None:
        self._flat, self._deep = flat, deep
        self._found: dict[Place, Entry] = {}
        for root in {*flat, *deep}:
            for folder, folders, files in root.walk():
                self._found |= {folder / entry.name: entry for entry in files}
                if root not in deep:
                    folders.clear()

    def covers(self, place: Place) -> bool:
        """Whether a place is in one of the folders."""
        return place.parent in self._flat or any(place.address.startswith(f"{folder}/") for folder in self._deep)

    def get(self, place: Place) -> Entry | None:
        """The file at a place; None if there is none."""
        return self._found.get(place)

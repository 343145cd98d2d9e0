"""Collect the input pictures of a command."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import NoPictureError
from ..images import RAW_SUFFIXES, READABLE
from .storage import Place, is_url, path_of


@dataclass(frozen=True)
class Job:
    """One picture to process.

    Attributes:
        source: the picture.
        relative: its path relative to the given folder, or its bare name.
    """

    source: Path
    relative: Path


@dataclass(frozen=True)
class PassedOver:
    """A skipped file or folder, and the reason: a key of `REASONS`."""

    path: Path
    reason: str


class Collection(NamedTuple):
    """Pictures found in files, folders and globs."""

    jobs: list[Job]
    passed_over: list[PassedOver]


# Reasons for skipping, singular and plural.
REASONS = {
    "other": ("file that is not a picture", "files that are not pictures"),
    "result": ("result of an earlier run", "results of earlier runs"),
    "special": ("pipe, socket or device", "pipes, sockets and devices"),
    "raw": ("camera raw file (rawpy reads it)", "camera raw files (rawpy reads them)"),
    "hidden": ("hidden file or folder", "hidden files and folders"),
    "folder": ("folder (--recursive looks into it)", "folders (--recursive looks into them)"),
    "listed": ("folder in the list", "folders in the list"),
    "locked": ("folder that cannot be read", "folders that cannot be read"),
}
# Suffixes that the commands append to a picture's stem, followed by a number if a name was taken. Such results in an
# input folder are skipped.
_RESULT = re.compile(
    r"(?P<source>.+?)(?:-restored(?:-\d+)?)?(?:-compare|-faces|-restored|-coloured|-filled)(?:-\d+)?", re.DOTALL
)


def collect(inputs: Iterable[str], recursive: bool, output: Path | None = None) -> Collection:
    """Collect the pictures in files, folders and globs, each once, in a stable order.

    A file given by name is included whatever its suffix, so that a wrong one is reported instead of skipped. Hidden
    files in folders, and results next to their sources, are skipped.

    Args:
        inputs: as typed by the user.
        recursive: whether to search subfolders.
        output: the output folder; its files count as results unless the folder itself is an input.

    Raises:
        NoPictureError: nothing was found.
    """
    jobs: dict[Path, Job] = {}
    passed_over: list[PassedOver] = []
    for text in inputs:
        # A name may contain brackets: an existing path is used literally, anything else as a pattern.
        given = path_of(Place.of(text).address) if is_url(text) else Path(text)
        literal = is_url(text) or given.exists()
        paths = [] if literal else [Path(p) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 (absolute patterns)
        for path in paths or [given]:
            if path.is_dir():
                for picture in _pictures_in(path, recursive, output, passed_over):
                    jobs.setdefault(picture.absolute(), Job(picture, picture.relative_to(path)))
            elif is_special(path):
                passed_over.append(PassedOver(path, "special"))
            else:
                jobs.setdefault(path.absolute(), Job(path, Path(path.name)))
    if not jobs:
        raise NoPictureError(
            f"There is no picture in {', '.join(inputs)}; pictures end in {', '.join(sorted(READABLE))}."
        )
    return Collection(list(jobs.values()), passed_over)


def is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same file or folder, which need not be there."""
    if isinstance(path, Place) or isinstance(other, Place):
        return path == other
    try:
        return path.samefile(other)
    except OSError:  # one of them does not exist
        return path.absolute() == other.absolute()


def is_special(path: Path) -> bool:
    """Whether a path leads to a pipe, a socket or a device, reading which may never end."""
    try:
        mode = path.stat().st_mode if not isinstance(path, Place) else 0
    except OSError:
        return False
    return bool(mode) and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _pictures_in(folder: Path, recursive: bool, output: Path | None, passed_over: list[PassedOver]) -> list[Path]:
    pictures: list[Path] = []

    def locked(error: OSError) -> None:
        passed_over.append(PassedOver(Path(error.filename or folder), "locked"))

    def leave(path: Path, reason: str) -> None:
        passed_over.append(PassedOver(path, reason))

    results = output if output and output.is_dir() else None
    readable = READABLE | RAW_SUFFIXES if find_spec("rawpy") else READABLE
    for here, folders, names in _walk(folder, locked):
        sources = {part for name in names if Path(name).suffix.lower() in READABLE for part in (name, Path(name).stem)}
        entered = []
        for name in sorted(folders):
            if name.startswith("."):
                leave(here / name, "hidden")
            elif (
                (results and is_same(here / name, results))
                or _is_result(here / name, sources)
                or _is_of_page(name, names)
            ):
                leave(here / name, "result")
            elif not recursive:
                leave(here / name, "folder")
            else:
                entered.append(name)
        folders[:] = entered
        for name in names:
            path = here / name
            if name.startswith("."):
                leave(path, "hidden")
            elif path.suffix.lower() not in readable:
                leave(path, "raw" if path.suffix.lower() in RAW_SUFFIXES else "other")
            elif isinstance(path, Path) and not path.is_file():
                leave(path, "special" if is_special(path) else "other")
            elif _is_result(path, sources):
                leave(path, "result")
            else:
                pictures.append(path)
    return sorted(pictures)


def _walk(folder: Path, locked: Callable[[OSError], None]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder with the names of the folders in it, from which those may be taken that are not to be entered."""
    if isinstance(folder, Place):
        for place, folders, files in folder.walk():
            yield path_of(place.address), folders, [file.name for file in files]
        return
    for place, folders, names in os.walk(folder, onerror=locked):
        yield Path(place), folders, names


def _is_result(path: Path, sources: set[str]) -> bool:
    """Whether a file or folder has the name of a result of one of the pictures next to it, given their stems."""
    found = _RESULT.fullmatch(path.stem if path.suffix.lower() in READABLE else path.name)
    return found is not None and found["source"] in sources


def _is_of_page(folder: str, names: Sequence[str]) -> bool:
    """Whether a folder holds the thumbnails of a contact sheet, or the pictures of a page that was saved."""
    return folder.endswith("_files") and f"{folder.removesuffix('_files')}.html" in names

"""Which pictures a command works on, and where its results go."""

from __future__ import annotations

import glob
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import ImageError, NoPictureError
from ..images import RAW_SUFFIXES, READABLE, WRITABLE
from ..wording import count


@dataclass(frozen=True)
class Job:
    """One picture to work on.

    Attributes:
        source: the picture.
        relative: its path below the folder that was named, or its bare name.
    """

    source: Path
    relative: Path


@dataclass(frozen=True)
class PassedOver:
    """Something in a folder that is not worked on, and why not: a key of `REASONS`."""

    path: Path
    reason: str


class Collection(NamedTuple):
    """What was found behind files, folders and globs."""

    jobs: list[Job]
    passed_over: list[PassedOver]


# Why something is passed over, as one and as many.
REASONS = {
    "other": ("file that is no picture", "files that are no pictures"),
    "result": ("result of an earlier run", "results of earlier runs"),
    "raw": ("camera raw file (rawpy reads it)", "camera raw files (rawpy reads them)"),
    "hidden": ("hidden file or folder", "hidden files and folders"),
    "folder": ("folder (--recursive looks into it)", "folders (--recursive looks into them)"),
    "locked": ("folder that may not be read", "folders that may not be read"),
}
# What the commands put behind a picture's stem, with a number where a name was taken; a folder's own results are not
# worked on again.
_RESULT = re.compile(r"(?P<source>.+?)(?:-restored(?:-\d+)?)?(?:-compare|-faces|-restored)(?:-\d+)?", re.DOTALL)


def collect(inputs: Iterable[str], recursive: bool, output: Path | None = None) -> Collection:
    """The pictures behind files, folders and globs, each once, in a stable order.

    A named file is taken whatever its suffix, so that a wrong one is reported and not passed over; a folder gives
    the pictures in it, without hidden ones and without the results that lie beside their sources.

    Args:
        inputs: as the user wrote them.
        recursive: whether folders inside folders are looked into.
        output: the folder of the results; what lies in it is a result, unless the folder itself was named.

    Raises:
        NoPictureError: nothing was found at all.
    """
    jobs: dict[Path, Job] = {}
    passed_over: list[PassedOver] = []
    for text in inputs:
        # A name may hold brackets: what exists is taken as it is, and only the rest as a pattern.
        paths = [Path(text)] if Path(text).exists() else [Path(p) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 (absolute patterns)
        for path in paths or [Path(text)]:
            if path.is_dir():
                for picture in _pictures_in(path, recursive, output, passed_over):
                    jobs.setdefault(picture.absolute(), Job(picture, picture.relative_to(path)))
            else:
                jobs.setdefault(path.absolute(), Job(path, Path(path.name)))
    if not jobs:
        raise NoPictureError(
            f"There is no picture in {', '.join(inputs)}; pictures end in {', '.join(sorted(READABLE))}."
        )
    return Collection(list(jobs.values()), passed_over)


def _pictures_in(folder: Path, recursive: bool, output: Path | None, passed_over: list[PassedOver]) -> list[Path]:
    pictures: list[Path] = []

    def locked(error: OSError) -> None:
        passed_over.append(PassedOver(Path(error.filename or folder), "locked"))

    def leave(path: Path, reason: str) -> None:
        passed_over.append(PassedOver(path, reason))

    results = output.absolute() if output else None
    readable = READABLE | RAW_SUFFIXES if find_spec("rawpy") else READABLE
    for place, folders, names in os.walk(folder, onerror=locked):
        here = Path(place)
        sources = {part for name in names if Path(name).suffix.lower() in READABLE for part in (name, Path(name).stem)}
        entered = []
        for name in sorted(folders):
            if name.startswith("."):
                leave(here / name, "hidden")
            elif (here / name).absolute() == results or _is_result(here / name, sources):
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
            elif path.suffix.lower() not in readable or not path.is_file():
                leave(path, "raw" if path.suffix.lower() in RAW_SUFFIXES else "other")
            elif _is_result(path, sources):
                leave(path, "result")
            else:
                pictures.append(path)
    return sorted(pictures)


def _is_result(path: Path, sources: set[str]) -> bool:
    """Whether a file or a folder is called as the result of a picture beside it, of which there are these stems."""
    found = _RESULT.fullmatch(path.stem if path.suffix.lower() in READABLE else path.name)
    return found is not None and found["source"] in sources


@dataclass(frozen=True)
class Targets:
    """Where the results of one picture go.

    Attributes:
        main: the picture that is written.
        beside: what else is, in the order in which its endings were given.
    """

    main: Path
    beside: tuple[Path, ...] = ()


def plan(
    jobs: Sequence[Job], output: Path | None, ending: str, beside: Sequence[str] = (), *, overwrite: bool
) -> tuple[dict[Job, Targets], dict[Job, ImageError]]:
    """Where everything goes, before any work: no two results have one name, on any file system.

    Names are compared without case and composed, as Windows and macOS do; of those that are alike the later ones get a
    number.

    Args:
        jobs: the pictures.
        output: None for beside the source; a file name where there is one picture alone; otherwise a folder.
        ending: put behind the stem where the result lies beside its source.
        beside: ends of the names of further results, put behind the stem of the first.
        overwrite: whether what exists may be replaced.

    Returns:
        The targets of each job that can be done, and what speaks against each other one.

    Raises:
        ImageError: `output` is a picture's name, and there are several.
    """
    if output is not None and len(jobs) > 1 and output.suffix.lower() in WRITABLE and not output.is_dir():
        raise ImageError(f"{output} names one file for {count(len(jobs), 'picture')}; name a folder.")
    taken = {_key(job.source): job.source for job in jobs}
    planned: dict[Job, Targets] = {}
    faults: dict[Job, ImageError] = {}
    for job in jobs:
        targets = _free_targets(job, output, ending, beside, taken, alone=len(jobs) == 1)
        paths = (targets.main, *targets.beside)
        try:
            for path in paths:
                claim(path, taken.get(_key(path), job.source), {}, overwrite)
        except ImageError as error:
            faults[job] = error
            continue
        taken |= {_key(path): job.source for path in paths}
        planned[job] = targets
    return planned, faults


def _free_targets(
    job: Job, output: Path | None, ending: str, beside: Sequence[str], taken: Mapping[str, Path], *, alone: bool
) -> Targets:
    """The first names that are not taken by another result; those of photographs are left for `claim` to refuse."""
    for number in itertools.count(1):
        main = _target(job, output, ending, f"-{number}" if number > 1 else "", alone)
        # Of a.jpg and a.png the second keeps its suffix in the names of its sheets.
        for stem in (main.stem, main.name):
            paths = (main, *(main.with_name(stem + end) for end in beside))
            claims = [(path, taken[_key(path)]) for path in paths if _key(path) in taken]
            if not claims or main == output or any(_is_same(path, other) for path, other in claims):
                return Targets(main, paths[1:])
    raise AssertionError("numbers do not end")


def _target(job: Job, output: Path | None, ending: str, again: str, alone: bool) -> Path:
    suffix = job.source.suffix if job.source.suffix.lower() in WRITABLE else ".png"
    if output is None:
        return job.source.with_name(f"{job.source.stem}{ending}{again}{suffix}")
    if alone and output.suffix and not output.is_dir():
        return output
    return output / job.relative.with_name(f"{job.source.stem}{again}{suffix}")


def _key(path: Path) -> str:
    return unicodedata.normalize("NFC", str(path.absolute())).casefold()


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there
        return path.absolute() == other.absolute()


def claim(target: Path, source: Path, taken: dict[Path, Path], overwrite: bool) -> None:
    """Reserve a target for a source, so that nothing is lost.

    Raises:
        ImageError: it is the source itself, or another picture's result, or exists and may not be overwritten, or its
            folder cannot be written to.
    """
    key = target.absolute()
    try:
        folder = next(parent for parent in key.parents if parent.exists())
        writable = folder.is_dir() and os.access(folder, os.W_OK)
        exists = target.exists()
        same = exists and source.exists() and target.samefile(source)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise ImageError(f"{target} cannot be written: {error.strerror or error}.") from None
    if not writable:
        raise ImageError(f"{target} cannot be written: {folder} is no folder that may be written to.")
    if same:
        raise ImageError(f"The result would overwrite the photograph {source}; name another --output.")
    if key in taken:
        raise ImageError(f"{target} is already the result of {taken[key]}; work on this one in a run of its own.")
    if exists and not overwrite:
        raise ImageError(f"{target} exists already; name another --output or pass --overwrite.")
    taken[key] = source

"""Which pictures a command works on, and where its results go."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer
from PIL import Image

from ...weights.files import replacing
from ..errors import ImageError
from ..images import READABLE, WRITABLE, Picture, read_picture


@dataclass(frozen=True)
class Job:
    """One picture to work on.

    Attributes:
        source: the picture.
        relative: its path below the folder that was named, or its bare name.
    """

    source: Path
    relative: Path


# What the commands put behind a picture's stem; a folder's own results are not worked on again.
_RESULT_ENDINGS = ("-restored", "-restored-compare", "-compare", "-faces")


def collect(inputs: Iterable[str], recursive: bool) -> list[Job]:
    """The pictures behind files, folders and globs, each once, in a stable order.

    A named file is taken whatever its suffix, so that a wrong one is reported and not passed over; a folder gives
    the pictures in it, without the results that lie beside their sources.

    Raises:
        typer.BadParameter: nothing was found at all.
    """
    jobs: dict[Path, Job] = {}
    for text in inputs:
        # A name may hold brackets: what exists is taken as it is, and only the rest as a pattern.
        paths = [Path(text)] if Path(text).exists() else [Path(p) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207 (absolute patterns)
        for path in paths or [Path(text)]:
            if path.is_dir():
                found = path.rglob("*") if recursive else path.glob("*")
                pictures = sorted(p for p in found if p.suffix.lower() in READABLE and p.is_file())
                sources = {picture.with_suffix("") for picture in pictures}
                jobs.update({p.absolute(): Job(p, p.relative_to(path)) for p in pictures if not _is_result(p, sources)})
            else:
                jobs.setdefault(path.absolute(), Job(path, Path(path.name)))
    if not jobs:
        raise typer.BadParameter(
            f"there is no picture in {', '.join(inputs)}; pictures end in {', '.join(sorted(READABLE))}"
        )
    return list(jobs.values())


def _is_result(picture: Path, sources: set[Path]) -> bool:
    return any(
        picture.stem.endswith(ending) and picture.with_name(picture.stem.removesuffix(ending)) in sources
        for ending in _RESULT_ENDINGS
    )


def target_of(job: Job, output: Path | None, ending: str, alone: bool) -> Path:
    """Where the result of a job goes.

    Args:
        job: the picture.
        output: None for beside the source; a file name where there is one picture alone; otherwise a folder.
        ending: put behind the stem where the result lies beside its source.
        alone: whether this is the only picture.
    """
    suffix = job.source.suffix if job.source.suffix.lower() in WRITABLE else ".png"
    if output is None:
        return job.source.with_name(f"{job.source.stem}{ending}{suffix}")
    if alone and output.suffix and not output.is_dir():
        return output
    return output / job.relative.with_suffix(suffix)


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


class ReadAhead:
    """Reads each picture while the one before is worked on, unless it is so large that memory might not hold both.

    Args:
        jobs: the pictures, in the order in which they will be asked for.
        pool: of one thread, which reads.
    """

    # Two pictures of this size take a gigabyte as float32.
    _LARGEST = 40_000_000

    def __init__(self, jobs: Sequence[Job], pool: ThreadPoolExecutor) -> None:
        self.alone = len(jobs) == 1
        self._next = dict(pairwise(jobs))
        self._pool = pool
        self._begun: dict[Job, Future[Picture]] = {}

    def read(self, job: Job) -> Future[Picture]:
        """The picture of a job; the next one is begun behind it."""
        wanted = self._begun.pop(job, None) or self._pool.submit(read_picture, job.source)
        following = self._next.get(job)
        if following is not None and _is_at_most(following.source, self._LARGEST):
            self._begun[following] = self._pool.submit(read_picture, following.source)
        return wanted


def _is_at_most(path: Path, pixels: int) -> bool:
    """Whether a file says that its picture has at most so many pixels; what cannot be read will be told in its turn."""
    try:
        with Image.open(path) as picture:
            return picture.width * picture.height <= pixels
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def open_report(path: Path | None) -> None:
    """Make sure that a report can be written before any work is done.

    Raises:
        ImageError: it is not called .json (so that no photograph is replaced), or its folder cannot be written to.
    """
    if path is None:
        return
    if path.suffix.lower() != ".json":
        raise ImageError(f"The report {path} must be called something.json; name another --report.")
    if not path.exists():
        write_json(path, {"pictures": []})


def write_json(path: Path, body: Any) -> None:
    """Write JSON in one piece: a reader sees the old file or the new one.

    Raises:
        ImageError: the folder cannot be written to.
    """
    write_text(path, json.dumps(body, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text in one piece, with the folders it needs.

    Raises:
        ImageError: the folder cannot be written to.
    """
    _write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def save_png(image: Image.Image, path: Path) -> None:
    """Write a sheet or a crop as PNG in one piece, with the folders it needs.

    Raises:
        ImageError: the folder cannot be written to.
    """
    _write_whole(path, lambda temporary: image.save(temporary, "PNG"))


def _write_whole(path: Path, write: Callable[[Path], object]) -> None:
    try:
        with replacing(path) as temporary:
            write(temporary)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from None

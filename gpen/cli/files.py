"""Which pictures a command works on, and where its results go."""

from __future__ import annotations

import glob
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import ImageError
from ..images import READABLE, WRITABLE

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Job:
    """One picture to work on.

    Attributes:
        source: the picture.
        relative: its path below the folder that was named, or its bare name.
    """

    source: Path
    relative: Path


def collect(inputs: Iterable[str], recursive: bool) -> list[Job]:
    """The pictures behind files, folders and globs, each once, in a stable order.

    A named file is taken whatever its suffix, so that a wrong one is reported and not passed over; a folder gives
    the pictures in it.

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
                jobs.update({p.absolute(): Job(p, p.relative_to(path)) for p in pictures})
            else:
                jobs.setdefault(path.absolute(), Job(path, Path(path.name)))
    if not jobs:
        raise typer.BadParameter(f"no picture found; pictures end in {', '.join(sorted(READABLE))}")
    return list(jobs.values())


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
        ImageError: it is the source itself, or another picture's result, or exists and may not be overwritten.
    """
    key = target.absolute()
    if target.exists() and source.exists() and target.samefile(source):
        raise ImageError(f"The result would overwrite the photograph {source}; name another --output.")
    if key in taken:
        raise ImageError(f"{target} is already the result of {taken[key]}; name another --output.")
    if target.exists() and not overwrite:
        raise ImageError(f"{target} exists already; name another --output or pass --overwrite.")
    taken[key] = source


def write_json(path: Path, body: Any) -> None:
    """Write JSON in one piece: a reader sees the old file or the new one.

    Raises:
        ImageError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".tmp", delete=False) as file:
            json.dump(body, file, indent=2, ensure_ascii=False)
        Path(file.name).replace(path)
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from None


def save_png(image: Image.Image, path: Path) -> None:
    """Write a sheet or a crop as PNG, with the folders it needs.

    Raises:
        ImageError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, "PNG")
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror or error}.") from None

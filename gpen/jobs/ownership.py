"""Which files are results of a job, so that it may replace them: those whose bytes it has written. Needs no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...weights.digest import hash_file
from ...weights.files import replacing_together
from ..errors import ImageError
from .entries import Entry, name_of, sha256_of, stamp_of
from .plan import FOREIGN
from .storage import Place, is_url
from .tasks import Announce, Task

# Other files in a folder of crops are never replaced.
_CROP = re.compile(r"face[0-9]+-(before|after)\.png")


def owns(entry: Entry, name: str) -> bool:
    """Whether a picture may have its result at a path: nothing is there, or only what was written for the picture.

    Args:
        entry: what the journal has of the picture.
        name: absolute path or URL of a file or a folder.
    """
    if not is_url(name) and Path(name).is_symlink():
        return False  # results are no links
    if name == entry.output:
        stamp = stamp_of(name)
        return stamp is None or stamp == entry.output_stamp or _is_written(entry, name)
    files = _files_at(name)
    if files and not entry.written and name in entry.beside:  # of a version that kept no hashes of these
        return entry.output_stamp is not None and stamp_of(entry.output or "") == entry.output_stamp
    return all(_is_written(entry, file) for file in files)


def check_free(entry: Entry, written: Mapping[str, str]) -> None:
    """Check right before files get their names that nobody has put others there meanwhile.

    Raises:
        ImageError: there is a file that was not written for this picture.
    """
    for name in written:
        if not owns(entry, name):
            raise ImageError(FOREIGN.format(name))


def settle(entry: Entry | None, announced: Entry) -> Entry:
    """What is true of a picture whose files were about to get their names.

    Args:
        entry: what the journal has of it.
        announced: what the journal was to have of it, with the hashes of its files.

    Returns:
        `announced`, if all files are there; otherwise the picture waits, and those that are there are its own.
    """
    results = (announced.output or "", *announced.beside)
    new = {name: digest for name, digest in announced.written.items() if _lies_in(name, results)}
    there = {name: digest for name, digest in new.items() if sha256_of(name) == digest}
    if len(there) == len(new):
        return announced.with_output_stamp(stamp_of(announced.output or ""))
    known = entry or replace(announced, models={}, settings=None, report=None, faces=None, restored=None)
    waiting = replace(known, state="waiting", written={**known.written, **there})
    return waiting.with_output_stamp(stamp_of(known.output or "")) if known.output in there else waiting


def write_files(task: Task, write: Callable[[], dict[str, Any]], announce: Announce | None = None) -> dict[str, Any]:
    """Write all files of a picture under temporary names, announce them, and give them their names.

    Args:
        task: the picture.
        write: writes the files and returns the report.
        announce: see `Announce`; None: each file gets its name when it is complete.

    Raises:
        ImageError: a file cannot be written.
    """
    for folder in task.targets.folders:
        if folder.is_symlink():
            raise ImageError(f"{folder} is a link, which is in the way of the result; move it away.")
    if announce is None:
        return write()
    targets = (task.targets.main, *task.targets.beside)
    try:
        with replacing_together(targets, within=task.folder) as held:
            report = write()
            announce(task, report, {name_of(path): hash_file(there) for there, path in held})
            return report
    except OSError as error:
        raise ImageError(f"{task.targets.main} cannot be written: {error.strerror or error}.") from error


def _lies_in(name: str, results: tuple[str, ...]) -> bool:
    return any(name == result or (result and name.startswith((f"{result}/", f"{result}\\"))) for result in results)


def _files_at(name: str) -> list[str]:
    """The file at a path, or the crops in the folder there."""
    if stamp_of(name) is not None and (is_url(name) or not Path(name).is_dir()):
        return [name]
    if is_url(name):
        place = Place(name)
        return [str(place / file.name) for file in place.files() if _CROP.fullmatch(file.name)]
    folder = Path(name)
    return [str(file) for file in folder.iterdir() if _CROP.fullmatch(file.name)] if folder.is_dir() else []


def _is_written(entry: Entry, name: str) -> bool:
    digest = entry.written.get(name)
    return digest is not None and digest == sha256_of(name)

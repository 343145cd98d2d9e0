"""Plan the output files of a command, before any of them is written."""

from __future__ import annotations

import itertools
import os
import string
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..errors import ImageError, SettingsError
from ..images import WRITABLE
from ..wording import count
from .collect import Job, is_same
from .storage import Place

FOREIGN = "{} already exists, and this job did not write it; move it away, or pass --overwrite to replace it."
"""Why a job does not write a result."""


@dataclass(frozen=True)
class Targets:
    """Output paths of one picture.

    Attributes:
        main: the restored picture.
        beside: further results, in the order of their endings.
    """

    main: Path
    beside: tuple[Path, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Those that are folders for files."""
        return tuple(path for path in self.beside if path.suffix.lower() not in WRITABLE)


@dataclass(frozen=True)
class Earlier:
    """What earlier calls have planned.

    Attributes:
        kept: targets of pictures that shall keep their names.
        reserved: other planned paths, with the pictures they belong to.
        ours: existing files that may be replaced, since they are results of the same pictures.
    """

    kept: Mapping[Job, Targets] = field(default_factory=dict)
    reserved: Mapping[Path, Path] = field(default_factory=dict)
    ours: Container[Path] = frozenset()


def plan(
    jobs: Sequence[Job],
    output: Path | None,
    ending: str,
    beside: Sequence[str] = (),
    *,
    overwrite: bool,
    pattern: str = "",
    photographs: Iterable[Path] = (),
    alone: bool | None = None,
    earlier: Earlier | None = None,
) -> tuple[dict[Job, Targets], dict[Job, ImageError]]:
    """Plan all output paths before the work begins, such that they are unique on every file system.

    Names are compared case-insensitively and in composed form, as on Windows and macOS; a number is appended to later
    duplicates.

    Args:
        jobs: the pictures.
        output: None: next to the source. A file name if there is only one picture, otherwise a folder.
        ending: appended to the stem if the result is written next to its source.
        beside: endings of further results, appended to the stem of the first.
        overwrite: whether existing files may be replaced.
        pattern: names below the folder `output`, see `check_pattern`; empty: as the sources.
        photographs: other pictures, which must not be replaced either.
        alone: whether `output` may be a file; by default if there is one job.
        earlier: what earlier calls have planned.

    Returns:
        The targets of each possible job, and the error of each other job.

    Raises:
        ImageError: `output` is the name of one picture, but there are several.
    """
    if output is not None and len(jobs) > 1 and output.suffix.lower() in WRITABLE and not output.is_dir():
        raise ImageError(f"{output} is one file for {count(len(jobs), 'picture')}; give a folder.")
    words = {} if earlier is None else {"foreign": FOREIGN}
    earlier = earlier or Earlier()
    taken = {_key(path): path for path in photographs} | {_key(job.source): job.source for job in jobs}
    taken |= {_key(path): source for path, source in earlier.reserved.items()}
    for job, targets in earlier.kept.items():
        taken |= {_key(path): job.source for path in (targets.main, *targets.beside)}
    planned: dict[Job, Targets] = {}
    faults: dict[Job, ImageError] = {}
    alone = len(jobs) == 1 if alone is None else alone
    for job in jobs:
        kept = earlier.kept.get(job)
        own = {_key(path) for path in (kept.main, *kept.beside)} if kept else set()
        mains = itertools.chain([kept.main] if kept else [], _mains(job, output, ending, pattern, alone))
        targets = _free_targets(mains, beside, taken, own, output)
        paths = (targets.main, *targets.beside)
        try:
            for path in paths:
                owner = job.source if _key(path) in own else taken.get(_key(path), job.source)
                may_replace = overwrite or path in earlier.ours
                claim(path, owner, {}, may_replace, is_folder=path in targets.folders, **words)
        except ImageError as error:
            faults[job] = error
            continue
        taken |= {_key(path): job.source for path in paths}
        planned[job] = targets
    return planned, faults


def first_of(planned: Mapping[Job, Targets], limit: int) -> tuple[dict[Job, Targets], int]:
    """The pictures that are done now, and the number of those that are left because of a limit; 0: no limit."""
    most = limit or len(planned)
    return dict(itertools.islice(planned.items(), most)), max(len(planned) - most, 0)


def _free_targets(
    mains: Iterable[Path], beside: Sequence[str], taken: Mapping[str, Path], own: Container[str], output: Path | None
) -> Targets:
    """The first names not taken by another result; `claim` refuses those of photographs."""
    for main in mains:
        # For a.jpg and a.png, the sheets of the second keep its suffix in their names.
        for stem in (main.stem, main.name):
            paths = (main, *(main.with_name(stem + end) for end in beside))
            keys = {path: _key(path) for path in paths}
            claims = [(path, taken[key]) for path, key in keys.items() if key in taken and key not in own]
            if not claims or main == output or any(is_same(path, other) for path, other in claims):
                return Targets(main, paths[1:])
    raise AssertionError("unreachable: numbers are unlimited")


def _mains(job: Job, output: Path | None, ending: str, pattern: str, alone: bool) -> Iterator[Path]:
    """The names that the result may have, in the order of choice."""
    first = name_result(job, output, ending, pattern, alone=alone)
    yield first
    for number in itertools.count(2):
        yield first if first == output else first.with_name(f"{first.stem}-{number}{first.suffix}")


def name_result(job: Job, output: Path | None, ending: str = "", pattern: str = "", *, alone: bool = False) -> Path:
    """The path of a result, if no other has it; arguments as for `plan`."""
    suffix = job.source.suffix if job.source.suffix.lower() in WRITABLE else ".png"
    if output is None:
        return job.source.with_name(f"{job.source.stem}{ending}{suffix}")
    if alone and output.suffix and not output.is_dir():
        return output
    if pattern:
        parent = job.relative.parent.as_posix()
        return output / pattern.format(parent=parent, stem=job.source.stem, suffix=suffix)
    return output / job.relative.with_name(f"{job.source.stem}{suffix}")


def check_pattern(pattern: str) -> None:
    """Check a pattern of names, such as `{parent}/{stem}-restored{suffix}`.

    `parent` is the folder of the picture below the given one, `stem` its name without suffix, and `suffix` that of the
    result: that of the picture if it can be written, otherwise .png.

    Raises:
        SettingsError: the pattern has another field, leads out of the folder of results, or names no picture.
    """
    known = {"parent": ".", "stem": "stem", "suffix": ".png"}
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(pattern) if name is not None}
        name = PurePath(pattern.format(**known))
    except (ValueError, LookupError, AttributeError):
        fields, name = {""}, PurePath()
    if not fields <= known.keys() or "stem" not in fields:
        raise SettingsError(
            f"The pattern {pattern!r} must contain {{stem}}, and may contain {{parent}} and {{suffix}}."
        )
    if name.is_absolute() or ".." in name.parts:
        raise SettingsError(f"The pattern {pattern!r} leads out of the folder of results.")
    if name.suffix.lower() not in WRITABLE:
        raise SettingsError(
            f"The pattern {pattern!r} names no picture; let it end in {{suffix}}, or in {', '.join(sorted(WRITABLE))}."
        )


def _key(path: Path) -> str:
    name = path.address if isinstance(path, Place) else os.path.abspath(path)  # noqa: PTH100 (not resolved)
    return unicodedata.normalize("NFC", name).casefold()


def claim(
    target: Path,
    source: Path,
    taken: dict[Path, Path],
    overwrite: bool,
    *,
    is_folder: bool = False,
    foreign: str = "{} already exists; choose another name or pass --overwrite.",
) -> None:
    """Reserve a target for a source, so that no file is lost. A link is a file of its own, wherever it leads.

    Args:
        target: the path of a result.
        source: the picture that it is the result of.
        taken: the targets reserved so far, with their sources; receives this one.
        overwrite: whether an existing file may be replaced.
        is_folder: whether the target is a folder for files.
        foreign: the sentence if it exists and may not be replaced.

    Raises:
        ImageError: the target is the source itself or another picture's result, exists and may not be overwritten, or
            its folder is not writable.
    """
    key = target.absolute()
    try:
        folder, writable, is_link, in_way = target.parent, True, False, False
        exists = target.exists()
        if isinstance(target, Path):
            folder = next(parent for parent in key.parents if parent.exists())
            writable = folder.is_dir() and os.access(folder, os.W_OK)
            is_link = target.is_symlink()
            in_way = (is_link and is_folder) or (exists and not is_link and target.is_dir() != is_folder)
        same = exists and source.exists() and (key == source.absolute() if is_link else is_same(target, source))
    except OSError as error:  # the name is too long, or the folder cannot be read
        raise ImageError(f"{target} cannot be written: {error.strerror or error}.") from None
    if not writable:
        raise ImageError(f"{target} cannot be written: {folder} is not a writable folder.")
    if same:
        raise ImageError(f"The result would overwrite the photograph {source}; choose another --output.")
    if key in taken:
        raise ImageError(f"{target} is already the result of {taken[key]}; process this picture in a separate run.")
    if in_way:
        kind = "link" if is_link else "file" if is_folder else "folder"
        raise ImageError(f"{target} is a {kind}, which is in the way of the result; move it away.")
    if (exists or is_link) and not overwrite:
        raise ImageError(foreign.format(target))
    taken[key] = source

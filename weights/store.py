"""Find model files on this machine and verify them; nothing is downloaded."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import checkpoint, contents, digest, places, registry
from .errors import ModelNotFoundError, WeightsError
from .places import search_folders
from .registry import Kind, ModelRecord

# `unverified`: no hash is published, or the file is a conversion. Its format is right, its origin is not proven.
State = Literal["verified", "unverified", "rejected"]

_log = logging.getLogger(__name__)
_said: set[str] = set()
_saying = threading.Lock()


@dataclass(frozen=True)
class Inspection:
    """Result of comparing one file with the record of the same name.

    Attributes:
        path: the file.
        record: the record of the model.
        state: `verified` (SHA-256 as published), `unverified` or `rejected` (damaged, or another file).
        reason: why it is not `verified`; empty if it is.
        sha256: hash of the file; empty if it was rejected without being read.
    """

    path: Path
    record: ModelRecord
    state: State
    reason: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class ResolvedModel:
    """A model file to load.

    Attributes:
        path: the file.
        record: its registry record, or None if the file is not in the registry.
        sha256: hash of the file, lower-case hexadecimal.
        verified: whether the SHA-256 is the published one.
    """

    path: Path
    record: ModelRecord | None
    sha256: str
    verified: bool


def resolve(name_or_path: str | os.PathLike[str]) -> ResolvedModel:
    """Find the file to load for a model.

    Args:
        name_or_path: a path, a registry name or a file name. Names are searched in `search_folders` and in the caches
            of ModelScope and Hugging Face, never outside them.

    Raises:
        ModelNotFoundError: there is no such file, or every file of that name was rejected.
        WeightsError: the file cannot be read.
    """
    path = _as_path(name_or_path)
    if path is not None:
        return _resolve_path(path.absolute())
    name = os.fspath(name_or_path).strip()
    record = registry.find(name)
    if record is None:
        loose = _find_loose(name)
        if loose is None:
            raise ModelNotFoundError(registry.unknown_model(name))
        return _resolve_path(loose)
    found, passed_over = _search(record)
    if found is None:
        raise ModelNotFoundError(_missing(record, passed_over))
    return ResolvedModel(found.path, record, found.sha256, found.state == "verified")


def find(name: str) -> Path | None:
    """Path of a model (registry name or file name) on this machine, or None."""
    record = registry.find(name)
    if record is None:
        return _find_loose(name)
    found, _ = _search(record)
    return found.path if found else None


def named(name: str, kind: Kind) -> Iterator[Path]:
    """Files with this name, ignoring case, in the user's folders for a kind."""
    for folder in places.own_folders(kind):
        yield from filter(places.is_file, _entry(folder, name))


def rejected(record: ModelRecord) -> tuple[Inspection, ...]:
    """The files with a model's name that are not used, and why."""
    return tuple(_search(record)[1])


def installed() -> tuple[ResolvedModel, ...]:
    """All models of the registry that are on this machine, in the order of the registry."""
    found = (_search(record)[0] for record in registry.records().values())
    return tuple(ResolvedModel(one.path, one.record, one.sha256, one.state == "verified") for one in found if one)


def verify(name: str) -> tuple[Inspection, ...]:
    """Verify every file with a model's name again, without the cache; raises ModelNotFoundError."""
    record = registry.get(name)
    return tuple(inspect(path, record, fresh=True) for path in _locations(record))


def inspect(path: Path, record: ModelRecord, *, fresh: bool = False) -> Inspection:
    """Compare a file with a record.

    A file with a published hash is read once, and its hash is cached. A file without one is read only if `fresh` is
    set; its architecture is checked anyway before it is used.
    """
    try:
        form = contents.identify(path)
        if form not in checkpoint.FORMS_READ:
            return Inspection(path, record, "rejected", f"it is {form.value}")
        if _is_conversion(path, record):
            return _inspect_conversion(path, record, fresh)
        size = path.stat().st_size
        if record.bytes is not None and size != record.bytes:
            return Inspection(path, record, "rejected", f"it has {size:,} bytes instead of {record.bytes:,}")
        sha256 = digest.sha256_of(path, fresh=fresh)
        if record.sha256 is None:
            if fresh:
                checkpoint.read(path)
            return Inspection(path, record, "unverified", "no SHA-256 is published for it", sha256)
    except OSError as error:
        return Inspection(path, record, "rejected", f"it cannot be read ({error.strerror or error})")
    except WeightsError as error:
        return Inspection(path, record, "rejected", str(error))
    if sha256 != record.sha256:
        reason = f"its SHA-256 is {sha256[:12]}… instead of {record.sha256[:12]}…: it is damaged or another model"
        return Inspection(path, record, "rejected", reason, sha256)
    return Inspection(path, record, "verified", sha256=sha256)


def _is_conversion(path: Path, record: ModelRecord) -> bool:
    return path.suffix.lower() == ".safetensors" and not record.file.endswith(".safetensors")


def _inspect_conversion(path: Path, record: ModelRecord, fresh: bool) -> Inspection:
    origin = checkpoint.read_metadata(path).get("source_sha256", "")
    if record.sha256 is not None and origin != record.sha256:
        return Inspection(path, record, "rejected", f"its metadata does not name {record.file}")
    if fresh:
        checkpoint.read(path)
    reason = f"its metadata says that it was converted from {record.file}"
    return Inspection(path, record, "unverified", reason, digest.sha256_of(path, fresh=fresh))


def _search(record: ModelRecord) -> tuple[Inspection | None, list[Inspection]]:
    """The first acceptable file for a record, and the files rejected before it, each logged once."""
    passed_over: list[Inspection] = []
    for path in _locations(record):
        inspection = inspect(path, record)
        if inspection.state != "rejected":
            return inspection, passed_over
        passed_over.append(inspection)
        _warn_once(f"{path} has the name of {record.name} but is ignored: {inspection.reason}.")
    return None, passed_over


def _locations(record: ModelRecord) -> Iterator[Path]:
    """Existing files with one of a record's names, in search order, each once."""
    own = places.own_folders(record.kind)
    late = tuple(folder for folder in search_folders(record.kind) if folder not in own)
    seen: set[Path] = set()
    for path in (*_named_in(own, record), *places.cached_files(record), *_named_in(late, record)):
        if path not in seen and places.is_file(path):
            seen.add(path)
            yield path


def _named_in(folders: tuple[Path, ...], record: ModelRecord) -> Iterator[Path]:
    for folder in folders:
        for name in record.file_names:
            yield from _entry(folder, name)


def _entry(folder: Path, name: str) -> tuple[Path, ...]:
    """The entry of a folder with this name, ignoring case. Names are compared with entries, never joined to the
    path.
    """
    try:
        entries = tuple(folder.iterdir())
    except OSError:
        return ()
    exact = tuple(entry for entry in entries if entry.name == name)
    return exact or tuple(entry for entry in entries if entry.name.casefold() == name.casefold())[:1]


def _find_loose(name: str) -> Path | None:
    """Find a file that is not in the registry by its bare name in the folders of generators and detectors."""
    for kind in ("generator", "detector"):
        for folder in search_folders(kind):
            for path in _entry(folder, name):
                if places.is_file(path):
                    return path
    return None


def _as_path(name_or_path: str | os.PathLike[str]) -> Path | None:
    """The path that was given, or None for a bare name that is not a file in the current folder."""
    if not isinstance(name_or_path, str):
        return Path(name_or_path)
    path = places.expand(name_or_path)
    looks_like_path = path.name != name_or_path or "\\" in name_or_path
    return path if looks_like_path or (path.suffix and places.is_file(path)) else None


def _resolve_path(path: Path) -> ResolvedModel:
    if not places.is_file(path):
        if places.is_folder(path):
            raise WeightsError(f"{path} is a folder; give a model file in it.")
        raise ModelNotFoundError(f"There is no model file at {path}; check the path or give a name from the registry.")
    sha256 = digest.sha256_of(path)
    known = registry.find_by_sha256(sha256)
    if known is not None:
        return ResolvedModel(path, known, sha256, verified=True)
    namesake = registry.find(path.name)
    if namesake is None:
        return ResolvedModel(path, None, sha256, verified=False)
    inspection = inspect(path, namesake)
    if inspection.state == "rejected":
        _warn_once(f"{path} has the name of {namesake.name} but is used as an unknown model: {inspection.reason}.")
        return ResolvedModel(path, None, sha256, verified=False)
    return ResolvedModel(path, namesake, sha256, verified=False)


def _missing(record: ModelRecord, passed_over: list[Inspection]) -> str:
    where = places.copy_folder(record.kind)
    sentence = f"{record.name} ({record.file}) is not on this machine"
    if passed_over:
        sentence += "; ignored: " + "; ".join(f"{one.path}, because {one.reason}" for one in passed_over)
    if record.sources:
        return f"{sentence}; get it with `gpen models download {record.name}` or copy the file into {where}."
    return f"{sentence}; install the package again or copy the file into {where}."


def _warn_once(sentence: str) -> None:
    with _saying:
        new = sentence not in _said
        _said.add(sentence)
    if new:
        _log.warning(sentence)


__all__ = [
    "Inspection",
    "ResolvedModel",
    "State",
    "find",
    "inspect",
    "installed",
    "named",
    "rejected",
    "resolve",
    "search_folders",
    "verify",
]

"""Menus of models and presets, and what happens with a choice.

A menu lists the names of the registry, which are the same on every machine and before and after a download, so that a
workflow can be opened anywhere. Then follow the files in ComfyUI's folders that are not in the registry.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ..gpen.errors import SettingsError
from ..gpen.models import AUTO_DETECTORS, AUTO_GENERATORS
from ..gpen.tasks import RESTORATION, TASKS, require_task
from ..weights import places, registry, store
from ..weights.download import download
from ..weights.registry import ModelRecord
from . import progress

Kind = Literal["generator", "detector"]

AUTO = "auto"
_AUTO = {"generator": AUTO_GENERATORS, "detector": AUTO_DETECTORS}
_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
# Folders such as facerestore_models are shared with other restorers, so a file there must have its kind in its name.
# Every file in this package's own folder counts as a generator.
_OWN_FOLDER = "gpen"
_WORD = {"generator": "gpen", "detector": "retinaface"}


def model_names(kind: Kind) -> list[str]:
    """`auto`, the names of the registry, then the names of the user's files. Lists folders but does not open files."""
    known = [record.name for record in registry.records().values() if _is_offered(record, kind)]
    own = sorted({path.name for path in _loose_files(kind)}, key=str.casefold)
    return [AUTO, *known, *own]


def _is_offered(record: ModelRecord, kind: Kind) -> bool:
    return record.kind == kind and (record.task is None or record.task in TASKS)


def _loose_files(kind: Kind) -> Iterable[Path]:
    for folder in places.own_folders(kind):
        for path in folder.iterdir() if places.is_folder(folder) else ():
            fits = _WORD[kind] in path.name.casefold() or (kind == "generator" and folder.name == _OWN_FOLDER)
            fits = fits and path.suffix.lower() in _SUFFIXES and registry.find(path.name) is None
            if fits and places.is_file(path):
                yield path


def require_model(name: str, kind: Kind) -> str:
    """Return `name` if the menu of its kind has it.

    Raises:
        SettingsError: it is neither a registry name nor a file of the user, or is for another task than restoration.
    """
    record = registry.find(name)
    if record and record.task:
        require_task(name, record.task, RESTORATION.name)
    if name not in model_names(kind):
        folder = places.download_folder(kind).with_name(_OWN_FOLDER)
        raise SettingsError(
            f"There is no {kind} {name!r} here; choose one from the menu, or copy a file of that name into {folder}."
        )
    return name


def fingerprint(name: str | None, kind: Kind) -> str:
    """Fingerprint of a loader's result: the SHA-256 of the file it would load.

    Before a download it is that of the registry, so that the download does not change it. It is empty if neither is
    known, or if the name comes from another block and is not known yet (None).
    """
    if name is None:
        return ""
    for candidate in _AUTO[kind] if name == AUTO else (name,):
        if store.find(candidate) is not None:
            return store.resolve(candidate).sha256
    record = registry.find(name)
    return (record.sha256 if record else None) or ""


def make_available(name: str, kind: Kind) -> None:
    """Download a chosen model of the registry that is not on this machine, and show its licence.

    Raises:
        SettingsError: the name is not in the menu.
        DownloadError: no source delivered the file; the message names the file, the sources and the target folder.
    """
    record = registry.find(require_model(name, kind))
    if record is None or record.bundled or store.find(name) is not None:
        return
    bar = progress.node_progress()
    megabytes = f"{record.bytes / 1e6:.0f} MB" if record.bytes else "size unknown"
    path = download(
        record,
        progress=lambda done, total: bar("download", done, total or done),
        on_licence=lambda licence: progress.say(f"Downloading {name} ({megabytes}). {licence}"),
    )
    progress.say(f"Downloaded {name} to {path}. {record.licence}: {record.licence_note}")


__all__ = ["AUTO", "Kind", "fingerprint", "make_available", "model_names", "require_model"]

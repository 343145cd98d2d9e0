"""Menus of models and presets, and what happens with a choice.

A menu lists the names of the registry, which are the same on every machine and before and after a download, so that a
workflow can be opened anywhere. Then follow the files in ComfyUI's folders that are not in the registry.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from ..gpen.backends import import_onnx_runtime
from ..gpen.errors import SettingsError
from ..gpen.model_files import AUTO_DETECTORS, AUTO_GENERATORS, AUTO_PARSERS
from ..weights import places, registry, store
from ..weights.download import download
from ..weights.registry import ModelRecord
from . import progress
from .inputs import fault_of

Kind = Literal["generator", "detector", "parser"]

AUTO = "auto"
_AUTO = {"generator": AUTO_GENERATORS, "detector": AUTO_DETECTORS, "parser": AUTO_PARSERS}
# What the loaders call a model of each kind.
_NOUNS = {"generator": "model", "detector": "detector", "parser": "parser"}
_SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
# The form in which other packs keep generators.
_ONNX = ".onnx"
# Folders such as facerestore_models are shared with other restorers, so a file there must have its kind in its name.
# Every file in this package's own folder that has no other kind in its name counts as a generator.
_OWN_FOLDER = "gpen"
_WORDS = {"generator": ("gpen",), "detector": ("retinaface",), "parser": ("parsing", "parsenet", "bisenet")}
# Names of files that no block can run: a discriminator (GPEN-BFR-512-D.pth) serves training only.
_DISCRIMINATOR = ("-d", "_d", "discriminator")


def model_names(kind: Kind) -> list[str]:
    """`auto`, the names of the registry, then the names of the user's files. Lists folders but does not open files."""
    known = [record.name for record in registry.records().values() if record.kind == kind]
    own = sorted({path.name for path in _loose_files(kind)}, key=str.casefold)
    return [AUTO, *known, *own]


def _loose_files(kind: Kind) -> Iterable[Path]:
    for folder in places.own_folders(kind):
        for path in folder.iterdir() if places.is_folder(folder) else ():
            if _is_of_kind(path, kind) and registry.find(path.name) is None and places.is_file(path):
                yield path


def _is_of_kind(path: Path, kind: Kind) -> bool:
    name = path.name.casefold()
    others = [word for other, words in _WORDS.items() if other not in (kind, "generator") for word in words]
    fits = any(word in name for word in _WORDS[kind])
    fits = fits or (
        kind == "generator" and path.parent.name == _OWN_FOLDER and not any(word in name for word in others)
    )
    fits = fits and path.suffix.lower() in ((*_SUFFIXES, _ONNX) if kind == "generator" else _SUFFIXES)
    return fits and not _is_discriminator(name)


def _is_discriminator(name: str) -> bool:
    return Path(name).stem.casefold().endswith(_DISCRIMINATOR)


def require_model(name: str, kind: Kind) -> str:
    """Return `name` if the menu of its kind has it, and what it needs is installed.

    Raises:
        MissingPackageError: it is an ONNX file, and ONNX Runtime is not installed.
        SettingsError: it is neither a registry name nor a file of the user. The message names the folder to put the
            file into, and where the registry knows one, the source; or the file that is there but not taken, and what
            to do about it.
    """
    if name in model_names(kind):
        if name.lower().endswith(_ONNX):
            import_onnx_runtime(name)
        return name
    raise SettingsError(_missing(name, kind, registry.find(name)))


def fault_of_choice(name: str | None, kind: Kind) -> str | None:
    """Why a choice cannot be used, see `inputs.fault_of`."""
    return fault_of(require_model, name, kind)


def _missing(name: str, kind: Kind, record: ModelRecord | None) -> str:
    noun, target = _NOUNS[kind], places.copy_folder(kind)
    if record and record.kind != kind:
        return f"{name} is a {record.kind}; choose a {noun} from the menu."
    if record:
        sources = ", ".join(map(str, record.sources)) or "this package"
        return (
            f"The menu has {name} as {record.name}; choose that. When the block runs, it is taken from {target} or "
            f"another model folder, or downloaded from one of: {sources}."
        )
    if kind == "generator" and _is_discriminator(name):
        return f"{name} is a discriminator, which only training needs; choose a {noun} from the menu."
    for path in store.named(name, kind):
        return f"{path} is here, but no {name!r} is in the menu: {_why_untaken(path, kind)}, and press R in the page."
    known = (registry.namesake(one) for one in (name, *_AUTO[kind]))
    best = next((one for one in known if one and one.sources), None)
    example = f"; {best.name}, for example, is downloaded from {best.sources[0]}" if best else ""
    return (
        f"There is no {noun} {name!r} on this machine. Get the file from where the workflow comes from and put it into "
        f"{target}, or choose another {noun} from the menu{example}."
    )


def _why_untaken(path: Path, kind: Kind) -> str:
    """Why a file is not in the menu of a kind, and what to do about it."""
    noun, name = _NOUNS[kind], path.name
    if name in model_names(kind):
        return f"the menu has it as {name}; choose that"
    suffixes = (*_SUFFIXES, _ONNX) if kind == "generator" else _SUFFIXES
    if path.suffix.lower() not in suffixes:
        return f"a {noun} ends in {', '.join(suffixes[:-1])} or {suffixes[-1]}; get it in one of these forms"
    rename = f"rename it, such as to {_WORDS[kind][0]}-{name}"
    if kind != "generator":
        return f"the name of a {noun} holds {' or '.join(_WORDS[kind])}; {rename}"
    own = places.copy_folder(kind)
    if path.parent == own:
        return f"its name is not that of a {noun}; {rename}"
    return f"outside {own}, the name of a {noun} holds {_WORDS[kind][0]}; {rename}, or move it there"


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


def make_available(name: str, kind: Kind) -> str:
    """Download a chosen model of the registry that is not on this machine, and show its licence.

    Returns:
        A sentence about the download; empty if there was none.

    Raises:
        SettingsError: the name is not in the menu.
        DownloadError: no source delivered the file; the message names the file, the sources and the target folder.
    """
    record = registry.find(require_model(name, kind))
    if record is None or record.bundled or store.find(name) is not None:
        return ""
    bar = progress.node_progress()
    megabytes = f"{record.bytes / 1e6:.0f} MB" if record.bytes else "size unknown"
    path = download(
        record,
        progress=lambda done, total: bar("download", done, total or done),
        on_licence=lambda licence: progress.say(f"Downloading {name} ({megabytes}). {licence}"),
    )
    return f"Downloaded {name} to {path}. {record.licence}: {record.licence_note}"


def better_ignored(choice: str, taken: str, kind: Kind) -> list[str]:
    """A sentence for each file of a better model than `auto` took that is on this machine but cannot be used.

    Args:
        choice: the choice in the menu; whoever chooses a model gets it or an error.
        taken: name of the model that was loaded.
        kind: kind of the models.
    """
    names = _AUTO[kind]
    better = names[: names.index(taken)] if choice == AUTO and taken in names else ()
    return [
        f"{taken} was loaded, since {one.path} is ignored: {one.reason}. Delete it and choose {name} here to download "
        "it again."
        for name in better
        for one in store.rejected(registry.get(name))
    ]


__all__ = [
    "AUTO",
    "Kind",
    "better_ignored",
    "fault_of_choice",
    "fingerprint",
    "make_available",
    "model_names",
    "require_model",
]

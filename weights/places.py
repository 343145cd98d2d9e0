"""Folders for model files, downloads, caches and settings."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import platformdirs

from .registry import Kind, ModelRecord, Source

FOLDER_VARIABLE = "GPEN_MODELS_DIR"
BUNDLED = Path(__file__).with_name("bundled")

_APP = "gpen-blocks"

# Usual names of the folders below ComfyUI's `models`; downloads of a kind go to the first one.
_OWN_FOLDER = "gpen"
_COMFYUI_FOLDERS = ("facerestore_models", "facedetection", _OWN_FOLDER)

# ModelScope's organisation `damo` was renamed to `iic`; caches may use either name.
_MODELSCOPE_OWNERS = {"iic": ("iic", "damo")}

_host: Callable[[str], Iterable[Path]] | None = None


def search_folders(kind: Kind) -> tuple[Path, ...]:
    """Existing folders that are searched by file name, in order.

    `GPEN_MODELS_DIR`, ComfyUI's model folders, the user's data folder, facexlib's folder, the bundled folder. The
    caches of ModelScope and Hugging Face are searched by repository instead, before facexlib's folder: see
    `cached_files`.
    """
    candidates = (*own_folders(kind), *facexlib_folders(), BUNDLED)
    return tuple(dict.fromkeys(folder for folder in candidates if is_folder(folder)))


def own_folders(kind: Kind) -> tuple[Path, ...]:
    """Folders to which users and this package write model files, in search order; they need not exist."""
    roots = [root for root in (_folder_from_environment(),) if root]
    folders = [folder for root in roots for folder in _with_subfolders(root, kind)]
    return (*folders, *_comfyui_folders(kind), data_folder())


def download_folder(kind: Kind) -> Path:
    """Target folder for downloads of a kind: `GPEN_MODELS_DIR`, else ComfyUI's folder, else the user's data folder."""
    from_environment = _folder_from_environment()
    if from_environment:
        return from_environment
    comfyui = _comfyui_folders(kind)
    return comfyui[0] if comfyui else data_folder()


def copy_folder(kind: Kind) -> Path:
    """Folder that messages name for files that users copy: of generators, the one that no other program uses."""
    own = [folder for folder in own_folders(kind) if kind == "generator" and folder.name == _OWN_FOLDER]
    return (*own, download_folder(kind))[0]


def set_host(ask: Callable[[str], Iterable[Path]] | None) -> None:
    """Also search the model folders of the host program, such as ComfyUI.

    Args:
        ask: returns the host's folders for a name such as `facerestore_models`, the first one for downloads. It is
            called at every search, since users may change the folders. None: no host.
    """
    global _host
    _host = ask


def data_folder() -> Path:
    """The user's folder for model files; it need not exist."""
    return platformdirs.user_data_path(_APP, appauthor=False) / "models"


def cache_folder() -> Path:
    """The user's cache folder; it need not exist."""
    return platformdirs.user_cache_path(_APP, appauthor=False)


def config_folder() -> Path:
    """The user's folder for settings; it need not exist."""
    return platformdirs.user_config_path(_APP, appauthor=False, roaming=True)


def cached_files(record: ModelRecord) -> Iterator[Path]:
    """Paths of this model in the caches of ModelScope and Hugging Face; nothing is downloaded."""
    for scheme, ask in (("modelscope", _modelscope_files), ("huggingface", _huggingface_files)):
        for source in record.sources:
            if source.scheme == scheme:
                yield from ask(source)


def facexlib_folders() -> tuple[Path, ...]:
    """Folder to which facexlib downloads; facexlib itself is not imported."""
    try:
        spec = importlib.util.find_spec("facexlib")
    except (ImportError, ValueError):
        return ()
    locations = spec.submodule_search_locations if spec else None
    return tuple(Path(location) / "weights" for location in locations or ())


def is_file(path: Path) -> bool:
    """Whether `path` is an accessible file (`Path.is_file` raises if a parent folder is not accessible)."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether `path` is an accessible folder."""
    try:
        return path.is_dir()
    except OSError:
        return False


def expand(text: str) -> Path:
    """A path as typed by a user, with `~` expanded if possible."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # an unknown user's ~, or no home folder at all
        return Path(text)


def _home() -> Path:
    return expand("~")


def _folder_variable(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    return expand(value) if value else None


def _folder_from_environment() -> Path | None:
    folder = _folder_variable(FOLDER_VARIABLE)
    return folder.absolute() if folder else None


def _with_subfolders(root: Path, kind: Kind) -> list[Path]:
    return [root, *(root / name for name in _folder_names(kind))]


def _folder_names(kind: Kind) -> tuple[str, ...]:
    first = "facerestore_models" if kind == "generator" else "facedetection"
    return (first, *(name for name in _COMFYUI_FOLDERS if name != first))


def _comfyui_folders(kind: Kind) -> tuple[Path, ...]:
    """ComfyUI's folders for a kind: from the host if there is one, else from the location of this package."""
    models = _comfyui_models_around()
    folders: list[Path] = []
    for name in _folder_names(kind):
        if _host:
            folders += _host(name)
        elif models:
            folders.append(models / name)
    return tuple(dict.fromkeys(folders))


def _comfyui_models_around() -> Path | None:
    """`ComfyUI/models` if this package is in `ComfyUI/custom_nodes` but runs without ComfyUI."""
    package = Path(__file__).absolute().parents[1]
    models = package.parent.parent / "models"
    return models if package.parent.name == "custom_nodes" and is_folder(models) else None


def _modelscope_files(source: Source) -> Iterator[Path]:
    base = _folder_variable("MODELSCOPE_CACHE") or _home() / ".cache" / "modelscope" / "hub"
    owner, name = source.location.split("/")
    # Older versions store a model in hub/OWNER/NAME, newer ones in hub/models/OWNER/NAME, with dots in the name
    # replaced by three underscores (modelscope/hub/file_download.py).
    for root in (base / "models", base, base / "hub" / "models", base / "hub"):
        for one in _MODELSCOPE_OWNERS.get(owner, (owner,)):
            yield root / one / name.replace(".", "___") / source.path


def _huggingface_files(source: Source) -> Iterator[Path]:
    from huggingface_hub import constants

    repo_type, cache = "space" if source.space else "model", constants.HF_HUB_CACHE
    # Importing the function that searches the cache takes longer than restoring most pictures.
    if not is_folder(Path(cache) / "--".join([f"{repo_type}s", *source.location.split("/")])):
        return
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source.location, source.path, repo_type=repo_type, cache_dir=cache)
    if isinstance(found, str):
        yield Path(found)

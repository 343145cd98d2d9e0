"""Presets: named settings as files that people can send each other.

A preset is a JSON object: `format`, `version`, `name`, `description` and `settings`, whose keys are the fields of
`Settings`. Missing settings keep their defaults; unknown keys are refused. A preset goes by the name of its file.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from ..weights.files import replacing
from ..weights.places import config_folder, expand
from .errors import SettingsError
from .settings import Settings, change_settings
from .values import require_known

log = logging.getLogger(__name__)

DEFAULT_NAME = "natural"
"""The preset that is used where none is named; it holds the defaults of `Settings`."""

FORMAT = "gpen-blocks-preset"
VERSION = 1
# Far above the size of any real preset; protects the memory from hostile files.
_MAX_LENGTH = 1 << 16
_BUNDLED = Path(__file__).resolve().parents[1] / "presets"

FOLDER_VARIABLE = "GPEN_PRESETS_DIR"
_host_folder: Callable[[], Path] | None = None
# Names that are valid on every file system: no separators, no hidden files.
_FILE_NAME = re.compile(r"[^\W_][\w .-]{0,63}")
# Reserved by Windows, whatever follows the first dot.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{kind}{digit}" for kind in ("COM", "LPT") for digit in range(10))}


@dataclass(frozen=True)
class Preset:
    """A named, described set of settings.

    Attributes:
        name: of a file its name without `.json`.
        description: one sentence about its purpose.
        settings: the settings.
        notes: one sentence for each oddity of its file that the user should know.
    """

    name: str
    description: str = ""
    settings: Settings = Settings()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def to_json(self) -> str:
        """The text of the preset file."""
        body = {"format": FORMAT, "version": VERSION, "name": self.name, "description": self.description}
        return json.dumps({**body, "settings": asdict(self.settings)}, indent=2) + "\n"


def parse_preset(text: str) -> Preset:
    """Parse the text of a preset file.

    Raises:
        SettingsError: the text is not a preset, has a newer version, or contains an unknown key or an invalid value.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"This is not a preset: it is not JSON ({error}).") from None
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise SettingsError(f'This is not a preset: a preset is a JSON object with "format": "{FORMAT}".')
    if body.get("version") != VERSION:
        raise SettingsError(
            f"This preset has version {body.get('version')!r}, but this program reads version {VERSION}; update it."
        )
    require_known("entry", body, ("format", "version", "name", "description", "settings"), "in a preset")
    name, description, settings = body.get("name"), body.get("description", ""), body.get("settings", {})
    if not isinstance(name, str) or not name or not isinstance(description, str):
        raise SettingsError("A preset needs a name, and name and description must be text.")
    if not isinstance(settings, dict):
        raise SettingsError("The settings of a preset must be a JSON object.")
    return Preset(name, description, change_settings(Settings(), settings))


def bundled_presets() -> tuple[str, ...]:
    """Names of the presets that come with the package."""
    return tuple(_files_in(_BUNDLED))


def user_presets() -> tuple[str, ...]:
    """Names of the user's presets: the files in `user_folder` that can be loaded by their names.

    The log names every other preset file there once, with the reason.
    """
    faults = {name: _shadowed(path) or _fault_of(path) for name, path in _files_in(user_folder()).items()}
    for fault in filter(None, faults.values()):
        _warn_once(fault)
    return tuple(name for name, fault in faults.items() if fault is None)


def preset_names() -> tuple[str, ...]:
    """Names of all presets, the bundled ones first."""
    return bundled_presets() + user_presets()


def set_user_folder(ask: Callable[[], Path] | None) -> None:
    """Set the folder of the host program, such as ComfyUI, for the user's presets; None: no host."""
    global _host_folder
    _host_folder = ask


def user_folder() -> Path:
    """Folder of the user's presets; it need not exist.

    `GPEN_PRESETS_DIR`, else the folder set by `set_user_folder`, else the user's settings folder.
    """
    named = os.environ.get(FOLDER_VARIABLE, "").strip()
    if named:
        return expand(named).absolute()
    return _host_folder() if _host_folder else config_folder() / "presets"


def file_of(name: str) -> Path:
    """The file in the user's folder for a preset of that name, with or without `.json`; it need not exist."""
    return user_folder() / f"{_plain(name)}.json"


def _plain(name: str) -> str:
    """The name of a preset, also if it was given as that of its file."""
    return name[: -len(".json")] if name.lower().endswith(".json") else name


def load_preset(name_or_path: str | Path) -> Preset:
    """Load a preset by its name, bundled or the user's, or by the path of its file (ending in `.json`).

    Raises:
        SettingsError: there is no such preset, or the file is not one; the message names the file.
    """
    path = Path(name_or_path)
    return _load(path) if path.suffix.lower() == ".json" else load_named(str(name_or_path))


def load_named(name: str) -> Preset:
    """Load a preset by its name. Names are compared with the entries of the folders, so that none leads outside.

    Raises:
        SettingsError: there is no such preset, or its file is not one; the message names the folder or the file.
    """
    own = _files_in(user_folder())
    path = _files_in(_BUNDLED).get(name) or (None if _is_bundled(name) else own.get(name))
    if path is None:
        raise SettingsError(
            f"There is no preset {name!r} on this machine: choose from {', '.join(preset_names())}, or put its file, "
            f"{name}.json, into {user_folder()}."
        )
    shadowed = (_shadowed(one) for one in own.values() if one.stem.casefold() == name.casefold())
    preset = _load(path)
    return replace(preset, notes=(*preset.notes, *filter(None, shadowed)))


def _load(path: Path) -> Preset:
    try:
        preset = parse_preset(_read(path))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    if preset.name == path.stem:
        return preset
    note = f"{path} has the name {preset.name!r} inside; it goes by the name of its file, {path.stem!r}."
    return replace(preset, name=path.stem, notes=(note,))


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:  # editors of Windows write a mark first
            text = file.read(_MAX_LENGTH + 1)
    except OSError as error:
        raise SettingsError(f"The file cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise SettingsError("The file cannot be read: it is not UTF-8 text.") from None
    _require_short(text)
    return text


def save_preset(preset: Preset, *, overwrite: bool = False) -> Path:
    """Save a preset in the user's folder under its name; the file is written atomically.

    Args:
        preset: the preset to save; a name that ends in `.json` is taken without it.
        overwrite: whether to replace a preset of the same name.

    Returns:
        The path of the file.

    Raises:
        SettingsError: the name is that of a bundled preset, is taken, or is not a valid file name; or the folder is not
            writable.
    """
    preset = replace(preset, name=_plain(preset.name))
    name = preset.name
    device = name.split(".")[0]
    if device.upper() in _DEVICES:
        raise SettingsError(f"{device} is a reserved name on Windows, so no preset can have it; choose another name.")
    if not _FILE_NAME.fullmatch(name) or name.endswith((".", " ")):
        raise SettingsError(
            f"{name[:80]!r} cannot be the name of a preset; begin with a letter or digit, and use at most 64 letters, "
            "digits, spaces and . _ -, with no space or dot at the end."
        )
    path, text = file_of(name), preset.to_json()
    if _is_bundled(name):
        raise SettingsError(
            f"{path} is not written: {name} is a preset that comes with the package; choose another name."
        )
    try:
        _require_short(text)
        if path.exists() and not overwrite and not _holds(path, preset):
            raise SettingsError("The file holds another preset; choose another name, or allow to overwrite it.")
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None
    except OSError as error:
        raise SettingsError(f"{path}: The file cannot be written: {error.strerror or error}.") from None
    return path


def _holds(path: Path, preset: Preset) -> bool:
    """Whether a file is this preset, be it written with fewer settings or under earlier names."""
    try:
        return load_preset(path) == preset
    except SettingsError:
        return False


def _require_short(text: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise SettingsError(f"The text is larger than {_MAX_LENGTH} characters, so it is not a preset.")


def _files_in(folder: Path) -> dict[str, Path]:
    """The preset files of a folder by their names, in alphabetical order."""
    try:
        files = [path for path in folder.iterdir() if path.suffix.lower() == ".json"]
    except FileNotFoundError:
        return {}
    except OSError as error:
        _warn_once(f"The folder of presets {folder} cannot be read: {error.strerror or error}.")
        return {}
    return {path.stem: path for path in sorted(files)}


def _fault_of(path: Path) -> str | None:
    """Why a file cannot be loaded."""
    try:
        _load(path)
    except SettingsError as error:
        return str(error)
    return None


def _shadowed(path: Path) -> str | None:
    """Why a file of the user is not used; None if no bundled preset has its name."""
    if not _is_bundled(path.stem):
        return None
    return f"{path} is not used: {path.stem} is a preset that comes with the package; give the file another name."


def _is_bundled(name: str) -> bool:
    # Some file systems do not distinguish Natural from natural.
    return name.casefold() in (bundled.casefold() for bundled in bundled_presets())


@cache
def _warn_once(sentence: str) -> None:
    log.warning(sentence)

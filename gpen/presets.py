"""Presets: named settings as files that people can send each other.

A preset is a JSON object: `format`, `version`, `name`, `description` and `settings`, whose keys are the fields of
`Settings`. Missing settings keep their defaults; unknown keys are refused.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..weights.files import replacing
from ..weights.places import config_folder, expand
from .errors import SettingsError
from .settings import Settings, change_settings
from .values import require_known

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
    """A named, described set of settings."""

    name: str
    description: str = ""
    settings: Settings = Settings()

    def to_json(self) -> str:
        """The text of the preset file."""
        body = {"format": FORMAT, "version": VERSION, "name": self.name, "description": self.description}
        return json.dumps({**body, "settings": asdict(self.settings)}, indent=2) + "\n"


DEFAULT = Preset("default")
"""What is used where no preset is named."""


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
    return _names_in(_BUNDLED)


def user_presets() -> tuple[str, ...]:
    """Names of the user's presets: the files in `user_folder`. A file is checked when it is loaded."""
    return tuple(name for name in _names_in(user_folder()) if not _is_bundled(name))


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


def load_preset(name_or_path: str | Path) -> Preset:
    """Load a preset by its name, bundled or the user's, or by the path of its file (ending in `.json`).

    Raises:
        SettingsError: there is no such preset, or the file is not one.
    """
    path = Path(name_or_path)
    if path.suffix.lower() != ".json":
        path = _file_of(str(name_or_path))
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MAX_LENGTH + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The preset {path} cannot be read: {error}.") from None
    _require_short(text, f"The preset {path}")
    try:
        return parse_preset(text)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def save_preset(preset: Preset, *, overwrite: bool = False) -> Path:
    """Save a preset in the user's folder under its name; the file is written atomically.

    Args:
        preset: the preset to save.
        overwrite: whether to replace a preset of the same name.

    Returns:
        The path of the file.

    Raises:
        SettingsError: the name is that of a bundled preset, is taken, or is not a valid file name; or the folder is not
            writable.
    """
    name = preset.name
    if not _FILE_NAME.fullmatch(name) or name.endswith((".", " ")) or name.split(".")[0].upper() in _DEVICES:
        raise SettingsError(
            f"{name[:80]!r} cannot be the name of a preset; begin with a letter or digit, and use at most 64 letters, "
            "digits, spaces and . _ -, with no space or dot at the end."
        )
    if _is_bundled(name):
        raise SettingsError(f"{name} is a preset that comes with the package; choose another name.")
    folder = user_folder()
    path, text = folder / f"{name}.json", preset.to_json()
    _require_short(text, f"The preset {name}")
    try:
        if path.exists() and not overwrite and not _holds(path, preset):
            raise SettingsError(f"You have another preset {name!r} in {folder}; choose another name or overwrite it.")
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The preset {path} cannot be written: {error}.") from None
    return path


def _holds(path: Path, preset: Preset) -> bool:
    """Whether a file is this preset, be it written with fewer settings or under earlier names."""
    try:
        return load_preset(path) == preset
    except SettingsError:
        return False


def _require_short(text: str, what: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise SettingsError(f"{what} is larger than {_MAX_LENGTH} characters, so it is not a preset.")


def _names_in(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(path.stem for path in folder.iterdir() if path.suffix == ".json"))
    except OSError:
        return ()


def _is_bundled(name: str) -> bool:
    # Some file systems do not distinguish Natural from natural.
    return name.casefold() in (bundled.casefold() for bundled in bundled_presets())


def _file_of(name: str) -> Path:
    """The file of a preset; names are compared with the entries of the folders, so that none leads outside."""
    for folder, names in ((_BUNDLED, bundled_presets()), (user_folder(), user_presets())):
        if name in names:
            return folder / f"{name}.json"
    raise SettingsError(f"There is no preset {name!r}; there are {', '.join(preset_names())}, and any .json file.")

"""Versions of this package and of installed packages."""

from functools import cache
from importlib import metadata
from pathlib import Path

_DISTRIBUTION = "gpen-blocks"
_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


@cache
def package_version() -> str:
    """The version of this package; it is defined only in `pyproject.toml`.

    A checkout, such as the folder that ComfyUI loads, reads it from that file, since the distribution may be missing or
    older.
    """
    if _PROJECT.is_file():
        from ..weights.toml import tomllib

        return tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["version"]
    return installed_version(_DISTRIBUTION) or "unknown"


def installed_version(name: str) -> str | None:
    """The version of a distribution, or None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

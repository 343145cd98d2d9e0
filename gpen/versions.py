"""Versions of this package and of installed packages."""

from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_DISTRIBUTION = "gpen-blocks"
_PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


@cache
def package_version() -> str:
    """The version of this package; it is defined only in `pyproject.toml`.

    A checkout, such as the folder that ComfyUI loads, reads it from that file, since the distribution may be missing or
    older.
    """
    return _project()["version"] if _PROJECT.is_file() else installed_version(_DISTRIBUTION) or "unknown"


def required_distributions() -> list[str]:
    """Requirements of this package from `pyproject.toml` (PEP 508); for a wheel, also those of extras."""
    return _project()["dependencies"] if _PROJECT.is_file() else metadata.requires(_DISTRIBUTION) or []


def _project() -> dict[str, Any]:
    from ..weights.toml import tomllib

    return tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]


def installed_version(name: str) -> str | None:
    """The version of a distribution, or None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

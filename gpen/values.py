"""What settings, presets and configurations ask of single values. Imports nothing that takes time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .errors import SettingsError


def require_type(name: str, value: Any, kind: type) -> Any:
    """Check the type of a value: exactly `kind`, but a whole number may stand for a float.

    Returns:
        The value, as a float where `kind` is float.

    Raises:
        SettingsError: it is of another type; a bool is no number.
    """
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise SettingsError(f"{name} is {value!r}, and must be of type {kind.__name__}.")
    return value


def require_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Check that a value is one of the choices, and return it.

    Raises:
        SettingsError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(f"{name} is {value!r}; choose from {', '.join(choices)}.")
    return value


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Check a number against its range, both ends included; NaN lies in none.

    Raises:
        SettingsError: it lies outside.
    """
    if not low <= value <= high:
        raise SettingsError(f"{name} is {value}, and must lie between {low:g} and {high:g}.")


def require_known(what: str, names: Iterable[str], known: Iterable[str], where: str = "") -> None:
    """Check that all names are known ones.

    Args:
        what: what they are names of.
        names, known: what is there, and what may be.
        where: what holds them, as `in a.toml`.

    Raises:
        SettingsError: one is not known; the first in alphabetical order is named.
    """
    choices = sorted(known)
    unknown = sorted(set(names).difference(choices))
    if unknown:
        place = f" {where}" if where else ""
        raise SettingsError(f"There is no {what} {unknown[0]!r}{place}; there are {', '.join(choices)}.")

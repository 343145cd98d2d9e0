"""Checks of single values in settings, presets and configurations. Imports nothing that takes time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .errors import SettingsError


def require_type(name: str, value: Any, kind: type) -> Any:
    """Check the type of a value: exactly `kind`, or an int for a float.

    Returns:
        The value, converted to float if `kind` is float.

    Raises:
        SettingsError: it has another type; a bool is not a number.
    """
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise SettingsError(f"{name} is {value!r}, and must be of type {kind.__name__}.")
    return value


def require_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Check that a value is one of the choices, and return it.

    Raises:
        SettingsError: it is not one of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(f"{name} is {value!r}; choose from {', '.join(choices)}.")
    return value


def require_between(name: str, value: float, low: float, high: float) -> None:
    """Check that a number is in its range, both ends included; NaN never is.

    Raises:
        SettingsError: it is outside.
    """
    if not low <= value <= high:
        raise SettingsError(f"{name} is {value}, and must lie between {low:g} and {high:g}.")


def require_known(what: str, names: Iterable[str], known: Iterable[str], where: str = "") -> None:
    """Check that all names are known.

    Args:
        what: kind of the names, for the message.
        names, known: the names to check, and the allowed ones.
        where: where they were found, such as `in a.toml`.

    Raises:
        SettingsError: a name is unknown; the message names the first in alphabetical order.
    """
    choices = sorted(known)
    unknown = sorted(set(names).difference(choices))
    if unknown:
        place = f" {where}" if where else ""
        raise SettingsError(f"There is no {what} {unknown[0]!r}{place}; there are {', '.join(choices)}.")

"""Words that agree with their number."""

from __future__ import annotations


def count(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: `1 face`, `2 faces`. By default, the plural is the singular plus s."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def agree(number: int, singular: str, plural: str) -> str:
    """The verb form for a number: `has` for 1, `have` for 2."""
    return singular if number == 1 else plural

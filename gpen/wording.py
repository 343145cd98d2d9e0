"""Words that agree with their number."""

from __future__ import annotations


def count(number: int, singular: str, plural: str | None = None) -> str:
    """A number and what there are of it: `1 face`, `2 faces`; the plural ends in s unless given."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"

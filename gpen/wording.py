"""Words that agree with their number, commands to type, and tables of words."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

# Of more numbers, a sentence names the first ones.
_NAMED = 5


def count(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: `1 face`, `2 faces`. By default, the plural is the singular plus s."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def agree(number: int, singular: str, plural: str) -> str:
    """The verb form for a number: `has` for 1, `have` for 2."""
    return singular if number == 1 else plural


def named(numbers: Sequence[int]) -> str:
    """Numbers in a sentence; of many, the first ones."""
    return ", ".join(map(str, numbers[:_NAMED])) + (", ..." if len(numbers) > _NAMED else "")


def pip_install(*packages: str) -> str:
    """The command that installs packages for the Python that runs this, such as that inside ComfyUI."""
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    return f"`{python} -m pip install {' '.join(packages)}`"


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are aligned to the right, as numbers are."""
    lines = [titles, ["---", *("---:" for _ in titles[1:])], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)

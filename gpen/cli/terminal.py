"""Terminal output. Tables and bars use rich, which is imported only when one is shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from ..wording import printable

if TYPE_CHECKING:
    from rich.console import Console


class Styled(str):
    """Text with colours, which a terminal may show as it is. What is added to it becomes `printable` first."""

    __slots__ = ()

    def __add__(self, other: str) -> Styled:
        return Styled(super().__add__(_shown(other)))


def say(text: str) -> None:
    """Print a line, in colour if the output supports it."""
    typer.echo(_shown(text), color=_colour())


def say_error(text: str) -> None:
    """Print a line to standard error, as `say` does."""
    typer.echo(_shown(text), err=True, color=_colour())


def alarming(text: str) -> Styled:
    """Text in the colour of errors."""
    return Styled(typer.style(_shown(text), fg="red", bold=True))


def noted(text: str) -> Styled:
    """Text in the colour of notes."""
    return Styled(typer.style(_shown(text), fg="yellow"))


def fine(text: str) -> Styled:
    """Text in the colour of success."""
    return Styled(typer.style(_shown(text), fg="green"))


def bold(text: str) -> Styled:
    """Text in bold."""
    return Styled(typer.style(_shown(text), bold=True))


def rich_console(stderr: bool = False) -> Console:
    """A console for tables and bars."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def _shown(text: str) -> str:
    return str(text) if isinstance(text, Styled) else printable(text)


def _colour() -> bool | None:
    """None lets typer detect a terminal (see https://no-color.org for the variable)."""
    return False if os.environ.get("NO_COLOR") else None

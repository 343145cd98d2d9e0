"""Terminal output. Tables and bars use rich, which is imported only when one is shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str) -> None:
    """Print a line, in colour if the output supports it."""
    typer.echo(_printable(text), color=_colour())


def say_error(text: str) -> None:
    """Print a line to standard error, as `say` does."""
    typer.echo(_printable(text), err=True, color=_colour())


def alarming(text: str) -> str:
    """Text in the colour of errors."""
    return typer.style(text, fg="red", bold=True)


def noted(text: str) -> str:
    """Text in the colour of notes."""
    return typer.style(text, fg="yellow")


def fine(text: str) -> str:
    """Text in the colour of success."""
    return typer.style(text, fg="green")


def bold(text: str) -> str:
    """Text in bold."""
    return typer.style(text, bold=True)


def rich_console(stderr: bool = False) -> Console:
    """A console for tables and bars."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def _printable(text: str) -> str:
    """Names of files need not be UTF-8: such bytes are shown as escapes, or the terminal would refuse the line."""
    return text.encode(errors="backslashreplace").decode()


def _colour() -> bool | None:
    """None lets typer detect a terminal (see https://no-color.org for the variable)."""
    return False if os.environ.get("NO_COLOR") else None

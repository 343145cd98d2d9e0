"""Lines for the user. Tables and bars are rich's, which is imported only where one is shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str) -> None:
    """Print a line; its colours are left out where nobody sees them."""
    typer.echo(text, color=_colour())


def say_error(text: str) -> None:
    """Print a line to standard error, as `say` does."""
    typer.echo(text, err=True, color=_colour())


def alarming(text: str) -> str:
    """Text in the colour of errors."""
    return typer.style(text, fg="red", bold=True)


def noted(text: str) -> str:
    """Text in the colour of notes."""
    return typer.style(text, fg="yellow")


def fine(text: str) -> str:
    """Text in the colour of what is as it should be."""
    return typer.style(text, fg="green")


def bold(text: str) -> str:
    """Text in bold."""
    return typer.style(text, bold=True)


def rich_console(stderr: bool = False) -> Console:
    """For tables and bars."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def _colour() -> bool | None:
    """None leaves it to typer, which asks whether a terminal is there (https://no-color.org for the variable)."""
    return False if os.environ.get("NO_COLOR") else None

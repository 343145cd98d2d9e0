"""The command `gpen`. Little is imported before it listens to Ctrl-C; `commands` has the rest."""

from __future__ import annotations

from .interrupts import ending_in_one_line


def main() -> None:
    """Run the command line; Ctrl-C and SIGTERM end it with one line, and exit code 130 or 143."""
    with ending_in_one_line():
        from .commands import run_app

        run_app()

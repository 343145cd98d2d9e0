"""`gpen contact-sheet`: a job as a page to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, get_args

import typer

from ..progress import Steps, no_steps
from ..wording import count
from . import options


def contact_sheet(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="The folder with the results of a job, or its URL.", parser=options.path_or_place
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The page. Default: contact-sheet.html in OUT, or in the current folder if OUT is a URL.",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(help="Order in which the page opens: change, sharpness, identity (if the job has it) or name."),
    ] = "change",
    limit: Annotated[
        int,
        typer.Option(
            min=0, help="Show only so many finished pictures, the first in this order, and all that failed; 0: all."
        ),
    ] = 0,
    embed: Annotated[
        bool,
        typer.Option("--embed", help="Put the thumbnails into the page, so that it is one file (70 kB a picture)."),
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Threads that make thumbnails; 0: one for each core.")] = 0,
) -> None:
    """Write a page that shows before and after of each picture and face of a job, to look at in a browser.

    It opens from disk and needs no network. Thumbnails lie in a folder beside it and are made once: called again, also
    while the job runs, the command makes only those that are new.
    """
    from ..jobs.contact_sheet import write_contact_sheet
    from ..jobs.sheet_order import Sort
    from ..values import require_choice
    from .terminal import noted, say

    with _bar() as progress:
        sheet = write_contact_sheet(
            folder,
            output or (folder if isinstance(folder, Path) else Path()) / "contact-sheet.html",
            sort=require_choice("sort", sort, get_args(Sort)),
            limit=limit,
            embed=embed,
            workers=workers,
            progress=progress,
        )
    say(f"{sheet.page}: {count(sheet.pictures, 'picture')}.")
    for note in sheet.notes:
        say(noted(f"  {note}"))


@contextmanager
def _bar() -> Iterator[Steps]:
    """Yield a function that shows the progress, where there is a terminal."""
    from .bars import terminal_bar

    with terminal_bar("text", "bar", "share") as bar:
        if not bar:
            yield no_steps
            return
        task = bar.add_task("thumbnails", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)

"""`gpen job`: how far a job is, what failed, and a table of everything."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..wording import FAILED, LEFT_ALONE, RESTORED, WITHOUT_FACE, agree, came_of, count
from . import options

if TYPE_CHECKING:
    from ..jobs.entries import Entry
    from ..jobs.journal import Journal

# More failures are in the exported table.
_MOST_SHOWN = 50


def job(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="The folder with the results of a job, or its URL.", parser=options.path_or_place
        ),
    ],
    export: Annotated[
        Path | None,
        typer.Option(help="Write all pictures with their faces to this .csv or .parquet file.", show_default=False),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show how far a job of `gpen restore` is: counts, failures with their reasons, pace, and what is left."""
    from ..jobs.kept import journal_to_read
    from ..jobs.table import check_table, write_table
    from .terminal import say

    if export:
        check_table(export, overwrite=overwrite)
    with journal_to_read(folder) as journal:
        entries = list(journal.entries().values())
        for line in _state(folder, journal, entries):
            say(line)
        if export:
            write_table(journal, export)
            say(f"→ {export}")


def _state(folder: Path, journal: Journal, entries: list[Entry]) -> list[str]:
    from ..jobs.since import changes_since
    from ..jobs.storage import path_of
    from .bars import duration, pace_in_words

    states = Counter(entry.state for entry in entries)
    done = [entry for entry in entries if entry.state == "done"]
    left = states["waiting"] + states["working"]
    number, failed = count(len(entries), "picture"), states["failed"]
    lines = [f"{folder}: {states['done']} of {number} done, {failed} {FAILED}, {left} left."]
    if done:
        came = Counter(came_of(entry.faces or 0, entry.restored or 0) for entry in done)
        kinds = ", ".join(f"{came[kind]} {kind}" for kind in (RESTORED, LEFT_ALONE, WITHOUT_FACE))
        faces, restored = sum(entry.faces or 0 for entry in done), sum(entry.restored or 0 for entry in done)
        lines.append(f"Of those done, {kinds}; {restored} of {count(faces, 'face')} {RESTORED}.")
    pictures, restored, seconds = journal.pace()
    if pictures and seconds:
        pace = pace_in_words(pictures, restored, seconds)
        rest = f"; about {duration(left * seconds / pictures)} for what is left, in one process" if left else ""
        lines.append(f"{pace}{rest}.")
    if states["working"]:
        taken = states["working"]
        lines.append(
            f"{taken} of those left {agree(taken, 'was', 'were')} taken up by a process that is at work, or that was "
            "killed: then the next call does what of them is not finished."
        )
    lines += changes_since(entries)
    troubled = [entry for entry in entries if entry.why]
    for entry in troubled[:_MOST_SHOWN]:
        why = entry.why if path_of(entry.source).exists() else "The file is gone."
        lines.append(f"{entry.state}: {entry.source}: {why}")
    if len(troubled) > _MOST_SHOWN:
        lines.append(f"and {len(troubled) - _MOST_SHOWN} more; --export writes all of them to a table.")
    if left:
        lines.append("The command that began the job goes on with it.")
    elif failed:
        lines.append("The command that began the job tries failed pictures again.")
    return lines

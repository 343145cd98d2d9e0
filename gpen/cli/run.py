"""The loop the commands share: many pictures, one progress bar, and no failure that stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import GPENError
from .files import Job

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def run_jobs(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[str, int, int], None]], tuple[str, dict[str, Any]]],
    said_once: Iterable[str] = (),
) -> tuple[list[dict[str, Any]], int]:
    """Do `work` for every job and tell how it went.

    Args:
        jobs: the pictures.
        work: does one job; given the job and a progress callback, returns a line for the user and the job's report,
            whose `notes` are shown below the line.
        said_once: notes the command shows by itself at its end.

    Returns:
        One report a job (`{"file", "error"}` where it failed), and the number of failures.
    """
    reports: list[dict[str, Any]] = []
    told = set(said_once)
    failures = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        overall = bar.add_task("pictures", total=len(jobs), visible=len(jobs) > 1)
        for job in jobs:
            stage = bar.add_task(escape(job.source.name), total=None)

            def show(name: str, done: int, total: int, stage: Any = stage, job: Job = job) -> None:
                bar.update(stage, description=f"{escape(job.source.name)}: {name}", completed=done, total=total)

            try:
                line, report = work(job, show)
            except KeyboardInterrupt:
                errors.print(f"Interrupted at {escape(str(job.source))}; what was written before is whole.")
                raise typer.Exit(130) from None
            except GPENError as error:
                failures += 1
                errors.print(f"[bold red]{escape(str(job.source))}:[/] {escape(str(error))}")
                reports.append({"file": str(job.source), "error": str(error)})
            else:
                console.print(escape(line))
                for note in report["notes"]:
                    if note not in told:
                        console.print(f"  [yellow]{escape(note)}[/]")
                reports.append({"file": str(job.source), **report})
            bar.remove_task(stage)
            bar.advance(overall)
    return reports, failures

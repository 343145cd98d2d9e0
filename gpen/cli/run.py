"""The loop the commands share: many pictures, one progress bar, and no failure that stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import GPENError
from .files import Job

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def run_jobs(
    jobs: Sequence[Job], work: Callable[[Job, Callable[[str, int, int], None]], tuple[str, dict[str, Any]]]
) -> tuple[list[dict[str, Any]], int]:
    """Do `work` for every job and tell how it went.

    Args:
        jobs: the pictures.
        work: does one job; given the job and a progress callback, returns a line for the user and the job's report.

    Returns:
        One report a job (`{"file", "error"}` where it failed), and the number of failures.
    """
    reports: list[dict[str, Any]] = []
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
            except GPENError as error:
                failures += 1
                errors.print(f"[bold red]{escape(str(job.source))}:[/] {escape(str(error))}")
                reports.append({"file": str(job.source), "error": str(error)})
            else:
                console.print(escape(line))
                reports.append({"file": str(job.source), **report})
            bar.remove_task(stage)
            bar.advance(overall)
    return reports, failures

"""The loop the commands share: many pictures, one progress bar, and no failure that stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import GPENError
from .files import Job

Outcome = tuple[str, dict[str, Any]]
"""A line for the user, and a job's report, whose `notes` are shown below the line."""

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Interrupted(typer.Exit):
    """The user has stopped the work.

    Attributes:
        reports: of the jobs that were done before.
    """

    def __init__(self, reports: list[dict[str, Any]]) -> None:
        super().__init__(130)
        self.reports = reports


def run_jobs(
    jobs: Sequence[Job],
    work: Callable[[Job, Callable[[str, int, int], None]], Outcome | Future[Outcome]],
    said_once: Iterable[str] = (),
) -> tuple[list[dict[str, Any]], int]:
    """Do `work` for every job and tell how it went.

    Args:
        jobs: the pictures.
        work: does one job, given a progress callback. What it leaves to another thread it returns as a future, which
            goes on beside the next job.
        said_once: notes the command shows by itself at its end.

    Returns:
        One report a job (`{"file", "error"}` where it failed), and the number of failures.
    """
    reports: list[dict[str, Any]] = []
    told = set(said_once)
    failures = 0

    def tell(job: Job, outcome: Callable[[], Outcome]) -> None:
        nonlocal failures
        try:
            line, report = outcome()
        except GPENError as error:
            failures += 1
            errors.print(f"[bold red]{escape(str(job.source))}:[/] {escape(str(error))}")
            reports.append({"file": str(job.source), "error": str(error)})
            return
        console.print(escape(line))
        for note in report["notes"]:
            if note not in told:
                console.print(f"  [yellow]{escape(note)}[/]")
        reports.append({"file": str(job.source), **report})

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    behind: list[tuple[Job, Callable[[], Outcome]]] = []  # at most one job, whose result is still being written
    with Progress(*columns, console=errors, transient=True) as bar:
        overall = bar.add_task("pictures", total=len(jobs), visible=len(jobs) > 1)
        for job in jobs:
            stage = bar.add_task(escape(job.source.name), total=None)

            def show(name: str, done: int, total: int, stage: Any = stage, job: Job = job) -> None:
                bar.update(stage, description=f"{escape(job.source.name)}: {name}", completed=done, total=total)

            outcome = None
            with suppress(KeyboardInterrupt):  # what is being written is written to its end
                outcome = _attempt(work, job, show)
            while behind:
                tell(*behind.pop())
            if outcome is None:
                errors.print(f"Interrupted at {escape(str(job.source))}; what was written before is whole.")
                raise Interrupted(reports)
            behind.append((job, outcome))
            bar.remove_task(stage)
            bar.advance(overall)
        while behind:
            tell(*behind.pop())
    return reports, failures


def _attempt(
    work: Callable[[Job, Callable[[str, int, int], None]], Outcome | Future[Outcome]],
    job: Job,
    show: Callable[[str, int, int], None],
) -> Callable[[], Outcome]:
    """Do the work of a job; what came of it, or of what it left to another thread, is there when it is called for."""
    try:
        done = work(job, show)
    except GPENError as error:
        failed: Future[Outcome] = Future()
        failed.set_exception(error)
        return failed.result
    return done.result if isinstance(done, Future) else lambda: done

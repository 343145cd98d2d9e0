"""What the commands share: many pictures, one progress bar, a report, and failures that do not stop the rest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ...weights.errors import GPENError
from ..errors import ImageError, JobError, reason_of
from ..jobs.collect import REASONS, Job, PassedOver
from ..wording import FAILED, LEFT_ALONE, RESTORED, WITHOUT_FACE, came_of, count, printable
from .bars import PaceBar, Show, pace_bar, stage_bar
from .files import write_json
from .interrupts import STOPS, exit_code, stopped
from .terminal import alarming, noted, say, say_error

if TYPE_CHECKING:
    from ..jobs import tasks

log = logging.getLogger(__name__)

Outcome = tuple[str, dict[str, Any]]
"""A line for the user, and the report of a job; its `notes` are shown below the line."""

# From this number of pictures on, a note that several have is not repeated for each.
_MANY = 5


class Run:
    """Runs the jobs of a command, prints the result of each, and always writes a report.

    Args:
        jobs: the pictures.
        passed_over: skipped files and folders.
        report: path of the JSON report.
        done: word for pictures with a result in the closing line.
        keep: whether to keep the reports; without them, memory does not grow with the number of pictures.

    Attributes:
        failures: number of pictures without a result.
        resume: a sentence on how to go on after an interruption.
    """

    def __init__(
        self,
        jobs: Sequence[Job] = (),
        passed_over: Sequence[PassedOver] = (),
        *,
        report: Path | None = None,
        done: str = RESTORED,
        keep: bool = True,
    ) -> None:
        self._jobs = dict.fromkeys(jobs)
        self._passed_over = list(passed_over)
        self._report = report
        self._done = done
        self._told = set[str]()
        self._repeated = Counter[str]()
        self._keep = keep
        self._unexpected = 0
        self._kinds: dict[Job, str] = {}
        self._entries: dict[Job, dict[str, Any]] = {}
        self._earlier: dict[Job, dict[str, Any]] = {}
        # Hides the bar while lines are printed.
        self._aside: Callable[[], AbstractContextManager] = nullcontext
        self._bar: PaceBar | None = None
        self._place = ""
        self.failures = 0
        self.resume = ""

    @property
    def results(self) -> int:
        """Number of pictures with a result."""
        return len(self._kinds) - self.failures

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The reports of all finished jobs, in order; `file`, `error` and `error_type` if a job failed."""
        known = {**self._earlier, **self._entries}
        return [known[job] for job in self._jobs if job in known]

    def add(self, jobs: Iterable[Job], passed_over: Iterable[PassedOver] = ()) -> None:
        """Add pictures that were found after the run has begun."""
        self._jobs |= dict.fromkeys(jobs)
        self._passed_over += passed_over

    def add_earlier(self, job: Job, report: Mapping[str, Any]) -> None:
        """Add the report of a picture that an earlier call has done, for the report of this one."""
        self._earlier[job] = {"file": str(job.source), **report}

    def say_once(self, *notes: str) -> None:
        """Say these notes now, and not again for each picture."""
        with self._aside():
            for note in notes:
                say(noted(note))
        self.leave_out(*notes)

    def leave_out(self, *notes: str) -> None:
        """Do not say these notes."""
        self._told |= set(notes)

    @contextmanager
    def recorded(self, *, closing: bool = True) -> Iterator[None]:
        """Say at the end what came of all pictures, and write the report, whatever happens inside.

        Args:
            closing: whether a summary is printed at the end.

        Raises:
            typer.Exit: with 130 if the user interrupted the work, 143 if the system did, 1 if a job failed.
        """
        write = True
        try:
            yield
            self._say_repeated_notes()
            if closing and self._kinds and (len(self._jobs) > 1 or self._passed_over):
                say(self._closing_line())
            self._tell_of_log()
        except STOPS as stop:
            say_error(f"{stopped(stop)}{self._place}; all written files are complete.{self.resume}")
            raise typer.Exit(exit_code(stop)) from None
        except JobError:
            self._tell_of_log()
            raise
        except GPENError:
            write = bool(self._kinds)  # a wrong command line replaces no report
            raise
        finally:
            if write:
                self._write_report()
        if self.failures:
            raise typer.Exit(1)

    def work(
        self, work: Callable[[Job, Show], Outcome | Future[Outcome]], faults: Mapping[Job, GPENError] | None = None
    ) -> None:
        """Run all jobs.

        Args:
            work: runs one job with a progress callback. It may return a future, which continues in another thread
                during the next job.
            faults: jobs that cannot be run, which are reported first.

        Raises:
            typer.Exit: as for `recorded`.
        """
        with self.recorded():
            for job, fault in (faults or {}).items():
                self.fail(job, fault)
            self.work_on([job for job in self._jobs if job not in self._kinds], work)

    def work_on(
        self,
        jobs: Sequence[Job],
        work: Callable[[Job, Show], Outcome | Future[Outcome]],
    ) -> None:
        """Run some of the jobs, within `recorded`; otherwise as `work`."""
        behind: list[tuple[Job, Callable[[], Outcome]]] = []  # at most one job whose result is still being written

        def settle() -> None:
            while behind:
                self._tell(*behind[0])
                del behind[0]

        try:
            with stage_bar(len(jobs)) as (begin, self._aside):
                for job in jobs:
                    self._place = f" at {job.source}"
                    with begin(job) as show:
                        outcome = _attempt(work, job, show)
                        settle()
                        behind.append((job, outcome))
                settle()
        except BaseException:
            self._aside = nullcontext  # the bar is gone
            settle()  # finish writing the current result
            raise
        self._aside = nullcontext

    def follow(
        self,
        outcomes: Iterator[tasks.Outcome],
        jobs: Iterable[Job],
        line: Callable[[Path, Mapping[str, Any]], str],
        *,
        enlarging: Mapping[str, Any],
    ) -> None:
        """Tell what comes of jobs that others work on; within `recorded`.

        Args:
            outcomes: a generator, which is closed at the end.
            jobs: the jobs behind them.
            line: a line for the user from a picture and its report.
            enlarging: as for `pipeline.shares_of`.
        """
        by_source = {job.source: job for job in jobs}
        try:
            with pace_bar(len(by_source), enlarging) as self._bar:
                self._aside = self._bar.aside
                for outcome in outcomes:
                    job, report = by_source[outcome.task.source], outcome.report
                    if report is None:
                        self.fail(job, outcome.error or ImageError("It has neither a result nor an error."))
                    else:
                        self.tell(job, line(job.source, report), dict(report))
                    faces = sum(face["restored"] for face in report["faces"]) if report else 0
                    self._bar.count(job.source, faces)
        finally:
            self._bar, self._aside = None, nullcontext
            close = getattr(outcomes, "close", None)
            if close:
                close()

    def show_within(self, task: tasks.Task, stage: str, done: int, total: int) -> None:
        """Show how far a picture is that `follow` waits for; called in any thread, see `restore_files`."""
        if bar := self._bar:
            bar.show_within(task.source, stage, done, total)

    @contextmanager
    def trying(self, job: Job) -> Iterator[None]:
        """Work on a job within `recorded`; an error is told and counted, and does not end the run."""
        try:
            yield
        except Exception as error:  # decoders raise anything
            self.fail(job, error)

    def _tell(self, job: Job, outcome: Callable[[], Outcome]) -> None:
        try:
            line, report = outcome()
        # Decoders and drivers may raise anything, and a thousand other pictures are waiting.
        except Exception as error:
            self.fail(job, error)
            return
        self.tell(job, line, report)

    def tell(self, job: Job, line: str, report: dict[str, Any]) -> None:
        """Print the line of a job that is done and its notes, and keep its report.

        Of many pictures, only the first one with a note has it below its line; the end tells how many have it.
        """
        notes = [note for note in dict.fromkeys(report["notes"]) if note not in self._told]
        self._repeated.update(notes)
        with self._aside():
            say(line)
            for note in notes:
                if self._repeated[note] == 1 or not self._is_long:
                    say(noted(f"  {note}"))
        self._note(job, report)

    @property
    def _is_long(self) -> bool:
        return len(self._jobs) >= _MANY

    def _say_repeated_notes(self) -> None:
        for note, pictures in self._repeated.items():
            if pictures > 1 and self._is_long:
                say(noted(f"{count(pictures, 'picture')}: {note}"))

    def fail(self, job: Job, error: Exception) -> None:
        """Print why a job has no result, and keep that for the report."""
        self.failures += 1
        if not isinstance(error, GPENError):
            self._unexpected += 1
        reason = reason_of(error)
        log.info("%s: %s", printable(str(job.source)), printable(reason), exc_info=error)
        with self._aside():
            say_error(alarming(f"{job.source}:") + f" {reason}")
        self._note(job, {"error": reason, "error_type": type(error).__name__})

    def _note(self, job: Job, report: Mapping[str, Any]) -> None:
        self._kinds[job] = self._kind(report)
        if self._keep:
            self._entries[job] = {"file": str(job.source), **report}

    def _tell_of_log(self) -> None:
        if self._unexpected and not log.isEnabledFor(logging.INFO):
            say(f"--log FILE keeps the traceback of {'the error' if self._unexpected == 1 else 'each error'}.")

    def _counts(self, all_kinds: Iterable[str]) -> dict[str, int]:
        """Number of pictures by result."""
        kinds = Counter(all_kinds)
        return {kind: kinds[kind] for kind in (self._done, LEFT_ALONE, WITHOUT_FACE, FAILED)}

    def _kind(self, entry: Mapping[str, Any]) -> str:
        if "error" in entry:
            return FAILED
        faces = entry.get("faces", ())
        kind = came_of(len(faces), sum(face.get("restored", True) for face in faces))
        return self._done if kind == RESTORED else kind

    def _closing_line(self) -> str:
        counts = self._counts(self._kinds.values())
        if not counts[LEFT_ALONE]:
            del counts[LEFT_ALONE]
        line = ", ".join(f"{number} {kind}" for kind, number in counts.items())
        reasons = Counter(one.reason for one in self._passed_over)
        if not reasons:
            return f"{line}."
        return f"{line}; skipped: {', '.join(count(number, *REASONS[reason]) for reason, number in reasons.items())}."

    def _write_report(self) -> None:
        if self._report is None:
            return
        reports = self.reports
        summary = {kind.replace(" ", "_"): number for kind, number in self._counts(map(self._kind, reports)).items()}
        passed_over = [{"file": str(one.path), "reason": REASONS[one.reason][0]} for one in self._passed_over]
        try:
            write_json(self._report, {"pictures": reports, "summary": summary, "passed_over": passed_over})
        except ImageError as error:  # the disk may be full; the pictures themselves are written
            self.failures += 1
            say_error(alarming("gpen:") + f" {error}")


def _attempt(work: Callable[[Job, Show], Outcome | Future[Outcome]], job: Job, show: Show) -> Callable[[], Outcome]:
    """Run a job; returns a function that gives its result or raises its error, after waiting for another thread."""
    try:
        done = work(job, show)
    except Exception as error:
        failed: Future[Outcome] = Future()
        failed.set_exception(error)
        return failed.result
    return done.result if isinstance(done, Future) else lambda: done

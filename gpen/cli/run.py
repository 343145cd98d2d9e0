"""The loop the commands share: many pictures, one progress bar, and no failure that stops the rest."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import typer

from ...weights.errors import GPENError
from ..errors import ImageError
from ..jobs.plan import REASONS, Job, PassedOver
from ..wording import count
from .files import write_json
from .terminal import alarming, noted, rich_console, say, say_error

log = logging.getLogger(__name__)

Outcome = tuple[str, dict[str, Any]]
"""A line for the user, and a job's report, whose `notes` are shown below the line."""
Show = Callable[[str, int, int], None]
"""Called with the stage of a picture, and what of it is done, of what."""

# The most of an unexpected error's own words that is shown.
_REASON = 300


class Run:
    """Does the jobs of a command, tells how each went, and writes what it told as a report, whatever happens.

    Args:
        jobs: the pictures.
        passed_over: what was found beside them.
        report: JSON file to write.
        done: what a picture with a result is, for the closing line.
        said_once: notes the command shows by itself at its end.

    Attributes:
        failures: number of pictures of which nothing came.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        passed_over: Sequence[PassedOver] = (),
        *,
        report: Path | None = None,
        done: str = "restored",
        said_once: Iterable[str] = (),
    ) -> None:
        self._jobs = jobs
        self._passed_over = passed_over
        self._report = report
        self._done = done
        self._told = set(said_once)
        self._unexpected = 0
        self._entries: dict[Job, dict[str, Any]] = {}
        # Takes the bar away while lines are printed.
        self._aside: Callable[[], AbstractContextManager] = nullcontext
        self.failures = 0

    @property
    def reports(self) -> list[dict[str, Any]]:
        """One of each job that is done, in the order of the jobs; `file`, `error` and `error_type` where it failed."""
        return [self._entries[job] for job in self._jobs if job in self._entries]

    def work(
        self, work: Callable[[Job, Show], Outcome | Future[Outcome]], faults: Mapping[Job, GPENError] | None = None
    ) -> None:
        """Do every job.

        Args:
            work: does one, given a progress callback. What it leaves to another thread it returns as a future, which
                goes on beside the next job.
            faults: jobs that cannot be done, which are told before any work.

        Raises:
            typer.Exit: with 130 where the user has stopped the work, with 1 where a job failed.
        """
        try:
            for job, fault in (faults or {}).items():
                self._fail(job, fault)
            self._work_all([job for job in self._jobs if job not in self._entries], work)
            if len(self._jobs) > 1 or self._passed_over:
                say(self._closing_line())
            if self._unexpected and not log.isEnabledFor(logging.INFO):
                say(f"--log FILE keeps the traceback of {'the error' if self._unexpected == 1 else 'each error'}.")
        finally:
            self._write_report()
        if self.failures:
            raise typer.Exit(1)

    def _work_all(self, jobs: Sequence[Job], work: Callable[[Job, Show], Outcome | Future[Outcome]]) -> None:
        behind: list[tuple[Job, Callable[[], Outcome]]] = []  # at most one job, whose result is still being written

        def settle() -> None:
            while behind:
                self._tell(*behind[0])
                del behind[0]

        current = None
        try:
            with _progress_bar(len(jobs)) as (begin, self._aside):
                for job in jobs:
                    current = job
                    with begin(job) as show:
                        outcome = _attempt(work, job, show)
                        settle()
                        behind.append((job, outcome))
                settle()
        except BaseException as stop:
            self._aside = nullcontext  # the bar is gone
            settle()  # what is being written is written to its end
            if not isinstance(stop, KeyboardInterrupt):
                raise
            say_error(f"Interrupted at {current.source if current else 'the start'}; what was written before is whole.")
            raise typer.Exit(130) from None

    def _tell(self, job: Job, outcome: Callable[[], Outcome]) -> None:
        try:
            line, report = outcome()
        # Decoders and drivers raise what they like, and a thousand other pictures are waiting.
        except Exception as error:
            self._fail(job, error)
            return
        with self._aside():
            say(line)
            for note in report["notes"]:
                if note not in self._told:
                    say(noted(f"  {note}"))
        self._entries[job] = {"file": str(job.source), **report}

    def _fail(self, job: Job, error: Exception) -> None:
        self.failures += 1
        reason = str(error)
        if not isinstance(error, GPENError):
            self._unexpected += 1
            reason = " ".join(f"{type(error).__name__}: {reason}".removesuffix(": ").split())
            reason = reason if len(reason) <= _REASON else f"{reason[:_REASON]} …"
        log.info("%s: %s", job.source, reason, exc_info=error)
        with self._aside():
            say_error(f"{alarming(f'{job.source}:')} {reason}")
        self._entries[job] = {"file": str(job.source), "error": reason, "error_type": type(error).__name__}

    def _counts(self) -> dict[str, int]:
        """How many pictures went which way."""
        kinds = Counter(self._kind(entry) for entry in self._entries.values())
        return {kind: kinds[kind] for kind in (self._done, "left as they were", "without a face", "failed")}

    def _kind(self, entry: dict[str, Any]) -> str:
        if "error" in entry:
            return "failed"
        if not entry.get("faces"):
            return "without a face"
        return self._done if any(face.get("restored", True) for face in entry["faces"]) else "left as they were"

    def _closing_line(self) -> str:
        counts = self._counts()
        left = counts.pop("left as they were")
        if left:
            counts["left as it was" if left == 1 else "left as they were"] = left
        line = ", ".join(f"{number} {kind}" for kind, number in counts.items())
        reasons = Counter(one.reason for one in self._passed_over)
        if not reasons:
            return f"{line}."
        return (
            f"{line}; passed over: {', '.join(count(number, *REASONS[reason]) for reason, number in reasons.items())}."
        )

    def _write_report(self) -> None:
        if self._report is None:
            return
        summary = {kind.replace(" ", "_"): number for kind, number in self._counts().items()}
        passed_over = [{"file": str(one.path), "reason": REASONS[one.reason][0]} for one in self._passed_over]
        try:
            write_json(self._report, {"pictures": self.reports, "summary": summary, "passed_over": passed_over})
        except ImageError as error:  # the disk may have filled up; the pictures are written
            self.failures += 1
            say_error(f"{alarming('gpen:')} {error}")


def _attempt(work: Callable[[Job, Show], Outcome | Future[Outcome]], job: Job, show: Show) -> Callable[[], Outcome]:
    """Do the work of a job; what came of it, or of what it left to another thread, is there when it is called for."""
    try:
        done = work(job, show)
    except Exception as error:
        failed: Future[Outcome] = Future()
        failed.set_exception(error)
        return failed.result
    return done.result if isinstance(done, Future) else lambda: done


@contextmanager
def _progress_bar(total: int) -> Iterator[tuple[Callable[[Job], Any], Callable[[], AbstractContextManager]]]:
    """Gives what shows the progress of one job, and what takes the bar away for a moment.

    Nothing is shown, and rich not imported, where no terminal is there.
    """
    errors = typer.get_text_stream("stderr")
    if not errors.isatty():
        yield _unseen, nullcontext
        return
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(
        *columns, console=rich_console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with bar:
        overall = bar.add_task("pictures", total=total, visible=total > 1)

        @contextmanager
        def begin(job: Job) -> Iterator[Show]:
            name = escape(job.source.name)
            stage = bar.add_task(name, total=None)
            yield lambda what, done, of: bar.update(stage, description=f"{name}: {what}", completed=done, total=of)
            bar.remove_task(stage)
            bar.advance(overall)

        @contextmanager
        def aside() -> Iterator[None]:
            bar.stop()
            yield
            bar.start()

        yield begin, aside


@contextmanager
def _unseen(job: Job) -> Iterator[Show]:
    yield lambda what, done, of: None


@contextmanager
def logging_to(path: Path | None) -> Iterator[None]:
    """Keep what the package logs, tracebacks of failures included, in a file, behind what is in it.

    Raises:
        ImageError: it is not called .log or .txt (so that no photograph is written into), or cannot be written to.
    """
    if path is None:
        yield
        return
    if path.suffix.lower() not in (".log", ".txt"):
        raise ImageError(f"The log {path} must be called something.log or something.txt; name another --log.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ImageError(f"The log {path} cannot be written: {error.strerror or error}.") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    package = logging.getLogger(__name__.rpartition(".gpen.")[0])
    before = package.level
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.setLevel(before)
        package.removeHandler(handler)
        handler.close()

"""The loop shared by the commands: many pictures, one progress bar, and failures that do not stop the rest."""

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
from ..progress import Overall
from ..wording import count
from .files import write_json
from .terminal import alarming, noted, rich_console, say, say_error

log = logging.getLogger(__name__)

Outcome = tuple[str, dict[str, Any]]
"""A line for the user, and the report of a job; its `notes` are shown below the line."""
Show = Callable[[str, int, int], None]
"""Called with the stage, the number of finished steps and the total."""

# Maximum length of the message shown for an unexpected error.
_REASON = 300


class Run:
    """Runs the jobs of a command, prints the result of each, and always writes a report.

    Args:
        jobs: the pictures.
        passed_over: skipped files and folders.
        shares: for the progress bar, see `progress.Overall`.
        report: path of the JSON report.
        done: word for pictures with a result in the closing line.
        said_once: notes that the command itself shows at its end.

    Attributes:
        failures: number of pictures without a result.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        passed_over: Sequence[PassedOver] = (),
        *,
        shares: Mapping[str, float] | None = None,
        report: Path | None = None,
        done: str = "restored",
        said_once: Iterable[str] = (),
    ) -> None:
        self._jobs = jobs
        self._passed_over = passed_over
        self._shares = shares
        self._report = report
        self._done = done
        self._told = set(said_once)
        self._unexpected = 0
        self._entries: dict[Job, dict[str, Any]] = {}
        # Hides the bar while lines are printed.
        self._aside: Callable[[], AbstractContextManager] = nullcontext
        self.failures = 0

    @property
    def reports(self) -> list[dict[str, Any]]:
        """The reports of all finished jobs, in order; `file`, `error` and `error_type` if a job failed."""
        return [self._entries[job] for job in self._jobs if job in self._entries]

    def work(
        self, work: Callable[[Job, Show], Outcome | Future[Outcome]], faults: Mapping[Job, GPENError] | None = None
    ) -> None:
        """Run all jobs.

        Args:
            work: runs one job with a progress callback. It may return a future, which continues in another thread
                during the next job.
            faults: jobs that cannot be run, which are reported first.

        Raises:
            typer.Exit: with 130 if the user interrupted the work, with 1 if a job failed.
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
        behind: list[tuple[Job, Callable[[], Outcome]]] = []  # at most one job whose result is still being written

        def settle() -> None:
            while behind:
                self._tell(*behind[0])
                del behind[0]

        current = None
        try:
            with _progress_bar(len(jobs), self._shares) as (begin, self._aside):
                for job in jobs:
                    current = job
                    with begin(job) as show:
                        outcome = _attempt(work, job, show)
                        settle()
                        behind.append((job, outcome))
                settle()
        except BaseException as stop:
            self._aside = nullcontext  # the bar is gone
            settle()  # finish writing the current result
            if not isinstance(stop, KeyboardInterrupt):
                raise
            say_error(f"Interrupted at {current.source if current else 'the start'}; all written files are complete.")
            raise typer.Exit(130) from None

    def _tell(self, job: Job, outcome: Callable[[], Outcome]) -> None:
        try:
            line, report = outcome()
        # Decoders and drivers may raise anything, and a thousand other pictures are waiting.
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
        """Number of pictures by result."""
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
        return f"{line}; skipped: {', '.join(count(number, *REASONS[reason]) for reason, number in reasons.items())}."

    def _write_report(self) -> None:
        if self._report is None:
            return
        summary = {kind.replace(" ", "_"): number for kind, number in self._counts().items()}
        passed_over = [{"file": str(one.path), "reason": REASONS[one.reason][0]} for one in self._passed_over]
        try:
            write_json(self._report, {"pictures": self.reports, "summary": summary, "passed_over": passed_over})
        except ImageError as error:  # the disk may be full; the pictures themselves are written
            self.failures += 1
            say_error(f"{alarming('gpen:')} {error}")


def _attempt(work: Callable[[Job, Show], Outcome | Future[Outcome]], job: Job, show: Show) -> Callable[[], Outcome]:
    """Run a job; returns a function that gives its result or raises its error, after waiting for another thread."""
    try:
        done = work(job, show)
    except Exception as error:
        failed: Future[Outcome] = Future()
        failed.set_exception(error)
        return failed.result
    return done.result if isinstance(done, Future) else lambda: done


@contextmanager
def _progress_bar(
    total: int, shares: Mapping[str, float] | None
) -> Iterator[tuple[Callable[[Job], Any], Callable[[], AbstractContextManager]]]:
    """Yield a function that shows the progress of one job over all its stages, and one that hides the bar for a moment.

    Without a terminal, nothing is shown, and rich is not imported.
    """
    errors = typer.get_text_stream("stderr")
    if not errors.isatty():
        yield _unseen, nullcontext
        return
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    bar = Progress(
        *columns, console=rich_console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with bar:
        pictures = bar.add_task(f"picture 1 of {total}", total=total, visible=total > 1)

        @contextmanager
        def begin(job: Job) -> Iterator[Show]:
            name = escape(job.source.name)
            picture, overall = bar.add_task(name, total=1), Overall(shares)

            def show(stage: str, done: int, of: int) -> None:
                bar.update(picture, description=f"{name}: {stage}", completed=overall(stage, done, of))

            yield show
            bar.remove_task(picture)
            bar.advance(pictures)
            following = min(round(bar.tasks[0].completed) + 1, total)
            bar.update(pictures, description=f"picture {following} of {total}")

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
    """Append the log of the package, including tracebacks of failures, to a file.

    Raises:
        ImageError: the suffix is not .log or .txt (so that no photograph is damaged), or the file is not writable.
    """
    if path is None:
        yield
        return
    if path.suffix.lower() not in (".log", ".txt"):
        raise ImageError(f"The log {path} must have the suffix .log or .txt; choose another --log.")
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

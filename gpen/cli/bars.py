"""Progress of a command on the terminal, and plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import typer

from ..jobs.collect import Job
from ..progress import Overall
from ..wording import count
from .terminal import rich_console, say_error

Show = Callable[[str, int, int], None]
"""Called with the stage, the number of finished steps and the total."""

# Without a terminal, progress is told this often, in seconds.
_EVERY = 30


class Pace:
    """How fast a run is.

    Args:
        total: number of pictures.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = self._faces = 0
        self._began = time.monotonic()

    def count(self, faces: int) -> None:
        """Note that a picture with this number of faces is done."""
        self.done += 1
        self._faces += faces

    @property
    def words(self) -> str:
        """Such as `20 of 500 pictures, 3.2 faces a second, 2 min left`."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        told = f"{self.done} of {count(self.total, 'picture')}"
        if not self.done:
            return told
        left = (self.total - self.done) * seconds / self.done
        return f"{told}, {self._faces / seconds:.1f} faces a second, {duration(left)} left"


def duration(seconds: float) -> str:
    """A duration in the two largest units, such as `3 min 20 s`."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours >= 48:
        return f"{hours // 24} days {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


@contextmanager
def pace_bar(total: int) -> Iterator[tuple[Callable[[int], None], Callable[[], AbstractContextManager]]]:
    """Yield a function that counts a picture with its faces, and one that hides the bar for a moment.

    Without a terminal, a line is printed to standard error now and then, and rich is not imported.
    """
    pace = Pace(total)
    if not typer.get_text_stream("stderr").isatty():
        said = time.monotonic()

        def count_plainly(faces: int) -> None:
            nonlocal said
            pace.count(faces)
            if time.monotonic() - said >= _EVERY and pace.done < total:
                say_error(pace.words)
                said = time.monotonic()

        yield count_plainly, nullcontext
        return
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        BarColumn(),
        TextColumn("{task.description}"),
        console=rich_console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with bar:
        task = bar.add_task(pace.words, total=total)

        def count_on_bar(faces: int) -> None:
            pace.count(faces)
            bar.update(task, completed=pace.done, description=pace.words)

        yield count_on_bar, _aside(bar)


@contextmanager
def stage_bar(
    total: int, shares: Mapping[str, float] | None
) -> Iterator[tuple[Callable[[Job], Any], Callable[[], AbstractContextManager]]]:
    """Yield a function that shows the progress of one job over all its stages, and one that hides the bar for a moment.

    Without a terminal, nothing is shown, and rich is not imported.
    """
    if not typer.get_text_stream("stderr").isatty():
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

        yield begin, _aside(bar)


def _aside(bar: Any) -> Callable[[], AbstractContextManager]:
    @contextmanager
    def aside() -> Iterator[None]:
        bar.stop()
        yield
        bar.start()

    return aside


@contextmanager
def _unseen(job: Job) -> Iterator[Show]:
    yield lambda what, done, of: None

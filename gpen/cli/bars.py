"""Progress of a command on the terminal, and plain lines where there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import typer

from ..jobs.collect import Job
from ..progress import Overall, Progress
from ..wording import count, printable
from .terminal import rich_console, say_error

Show = Callable[[str, int, int], None]
"""Called with the stage, the number of finished steps and the total."""

# Without a terminal, progress is told this often, in seconds.
_EVERY = 30
# Below this number of faces in a second, the time of a picture says more.
_SLOW = 0.1


class Pace:
    """How fast a run is.

    Args:
        total: number of pictures.
        enlarging: as for `shares_of`.
    """

    def __init__(self, total: int, enlarging: Mapping[str, Any] | None = None) -> None:
        self.total = total
        self._enlarging = enlarging or {}
        self.done = self._faces = 0
        self._within: dict[Path, tuple[Overall, float]] = {}
        self._began = time.monotonic()

    def count(self, source: Path, faces: int) -> None:
        """Note that a picture with this number of restored faces is done."""
        self._within.pop(source, None)
        self.done += 1
        self._faces += faces

    def count_within(self, source: Path, stage: str, done: int, total: int) -> None:
        """Note how far a picture is that is not done; the stages are those of `pipeline.SHARES`."""
        from ..pipeline import shares_of

        if not self.done and not self._within:
            self._began = time.monotonic()  # before that, models were loaded
        overall, _ = self._within.get(source) or (Overall(shares_of(**self._enlarging)), 0.0)
        self._within[source] = overall, overall(stage, done, total)

    @property
    def reached(self) -> float:
        """Number of pictures that are done, with the shares of those that are not."""
        return self.done + sum(share for _, share in self._within.values())

    @property
    def words(self) -> str:
        """Such as `20 of 500 pictures, 3.2 faces a second, 2 min left`."""
        seconds = max(time.monotonic() - self._began, 1e-3)
        told = f"{self.done} of {count(self.total, 'picture')}"
        if not self.done:
            return told
        left = duration((self.total - self.reached) * seconds / self.reached)
        return f"{told}, {pace_in_words(self.done, self._faces, seconds)}, {left} left"


def pace_in_words(pictures: int, faces: int, seconds: float) -> str:
    """How fast pictures were done, such as `3.2 faces a second`, or what a picture takes if that is slow or has none.

    Args:
        pictures: number of pictures done, at least 1.
        faces: number of faces restored in them.
        seconds: how long that took.
    """
    if faces / seconds >= _SLOW:
        return f"{faces / seconds:.1f} faces a second"
    if pictures >= seconds:
        return f"{pictures / seconds:.1f} pictures a second"
    return f"{seconds / pictures:.1f} s a picture"


def duration(seconds: float) -> str:
    """A duration in the two largest units, such as `3 min 20 s`."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours >= 48:
        return f"{hours // 24} days {hours % 24} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


class FramePace:
    """How fast the frames of a video go through the passes over it.

    Args:
        passes: names of the passes, in their order, and what they do in words.
    """

    def __init__(self, passes: Mapping[str, str]) -> None:
        self._passes = passes
        self._began: dict[str, tuple[float, int]] = {}

    def words(self, name: str, done: int, total: int) -> str:
        """Such as `pass 2 of 2, restoring: frame 50 of 600, 8.1 fps, 1 min 8 s left`.

        Args:
            name: of the pass.
            done: number of frames that are done; at the first call, of those that an earlier program did.
            total: number of frames, at most `done` if it is not known.
        """
        began, first = self._began.setdefault(name, (time.monotonic(), done))
        number, seconds = list(self._passes).index(name) + 1, time.monotonic() - began
        of = f" of {total}" if total > done else ""
        told = f"pass {number} of {len(self._passes)}, {self._passes[name]}: frame {done}{of}"
        if done <= first or seconds < 1:
            return told
        pace = (done - first) / seconds
        left = f", {duration((total - done) / pace)} left" if total > done else ""
        return f"{told}, {pace:.1f} fps{left}"


class _Lines:
    """Tells how far the work is, now and then."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def tell(self, words: str) -> None:
        """Print the words, if the last ones were some time ago."""
        if time.monotonic() - self._said >= _EVERY:
            say_error(words)
            self._said = time.monotonic()


class PaceBar:
    """Shows the pace of a run on a bar, or in lines now and then.

    Args:
        total: number of pictures.
        enlarging: as for `Pace`.
        bar: a bar of rich; None: there is no terminal.
    """

    def __init__(self, total: int, enlarging: Mapping[str, Any] | None = None, bar: Any = None) -> None:
        self._pace, self._bar = Pace(total, enlarging), bar
        self._lines, self._guard = _Lines(), threading.Lock()
        self._task = bar.add_task(self._pace.words, total=total) if bar else None
        self.aside = _aside(bar) if bar else nullcontext

    def count(self, source: Path, faces: int) -> None:
        """Count a picture that is done, with its restored faces."""
        with self._guard:
            self._pace.count(source, faces)
            reached, words = self._pace.reached, self._pace.words
        if self._bar:
            self._bar.update(self._task, completed=reached, description=words)
        elif self._pace.done < self._pace.total:
            self._lines.tell(words)

    def show_within(self, source: Path, stage: str, done: int, total: int) -> None:
        """Let the bar move within a picture; may be called in any thread, otherwise as `Pace.count_within`."""
        if not self._bar:
            return
        with self._guard:
            self._pace.count_within(source, stage, done, total)
            reached, words = self._pace.reached, self._pace.words
        if self._pace.total == 1:
            words = f"{printable(source.name)}: {stage}"
        self._bar.update(self._task, completed=reached, description=words)


@contextmanager
def terminal_bar(*columns: str) -> Iterator[Any]:
    """Yield a bar of rich on standard error; without a terminal, None, and rich is not imported.

    Args:
        columns: `text` (the description), `bar`, `share` and `time`, in their order.
    """
    if not typer.get_text_stream("stderr").isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    kinds = {
        "text": lambda: TextColumn("{task.description}", markup=False),
        "bar": BarColumn,
        "share": TaskProgressColumn,
        "time": TimeElapsedColumn,
    }
    with Progress(
        *(kinds[column]() for column in columns),
        console=rich_console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        yield bar


@contextmanager
def pace_bar(total: int, enlarging: Mapping[str, Any] | None = None) -> Iterator[PaceBar]:
    """Yield what shows the pace of a run, see `Pace`; without a terminal, in a line now and then."""
    with terminal_bar("bar", "text") as bar:
        yield PaceBar(total, enlarging, bar)


@contextmanager
def frame_bar(passes: Mapping[str, str]) -> Iterator[Progress]:
    """Yield a function that shows the progress of a video; without a terminal, in a line now and then.

    Args:
        passes: as for `FramePace`.
    """
    pace, lines = FramePace(passes), _Lines()
    with terminal_bar("bar", "text") as bar:
        task = bar.add_task("", total=None) if bar else None

        def show(name: str, done: int, total: int) -> None:
            words = pace.words(name, done, total)
            if bar:
                bar.update(task, description=words, completed=done, total=total if total > done else None)
            else:
                lines.tell(words)

        yield show


@contextmanager
def stage_bar(total: int) -> Iterator[tuple[Callable[[Job], Any], Callable[[], AbstractContextManager]]]:
    """Yield a function that shows the progress of one job, and one that hides the bar for a moment.

    Without a terminal, nothing is shown.
    """
    with terminal_bar("text", "bar", "share", "time") as bar:
        if not bar:
            yield _unseen, nullcontext
            return
        pictures = bar.add_task(f"picture 1 of {total}", total=total, visible=total > 1)

        @contextmanager
        def begin(job: Job) -> Iterator[Show]:
            name = printable(job.source.name)
            picture, overall = bar.add_task(name, total=1), Overall()

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

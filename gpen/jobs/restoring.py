"""Restore files: the chain as stages of a pipeline, from a list of tasks to files in place, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from operator import length_hint
from time import perf_counter
from typing import Any

import torch

from ..backends import expect, settle
from ..devices import free_memory, usable_cores
from ..images import Picture, read_picture
from ..images.extent import pixels_of
from ..progress import Progress, part_of
from ..restored import GatheredWindows
from ..restorer import Restoration, Restorer
from ..stages import FoundFaces
from ..steps import CutWindow, cut_window, find_chosen, finish_window, restore_window_crops, timed
from .flow import Check, Stage, flow
from .pages import has_pages
from .tasks import Outcome, Task
from .writing import Writing

TaskProgress = Callable[[Task, str, int, int], None]
"""As `progress.Progress`, after the task; called in several threads. An exception it raises is that task's error."""

# Faces of one pass of the network on a GPU. On a CPU, a pass of several costs as much for each.
_GPU_PASS = 8
# Bytes that the chain holds for a pixel of a picture at its peak: 33 to 52 were measured with the defaults, and the
# preparation of pictures takes more.
_BYTES_PER_PIXEL = 80
# Largest number of runs of a stage at the same time on a GPU: one computes while the next is launched.
_GPU_RUNS = 2


def silent(task: Task, stage: str, done: int, total: int) -> None:
    """A progress callback that does nothing."""


def restore_files(
    tasks: Iterable[Task],
    restorer: Restorer,
    *,
    indices: str = "",
    batch_size: int = 0,
    quality: int | None = None,
    compare: bool = False,
    save_faces: bool = False,
    allow_damaged: bool = False,
    pictures: int = 0,
    workers: int = 0,
    memory: int = 0,
    progress: TaskProgress = silent,
) -> Iterator[Outcome]:
    """Restore the faces of many files and write the results, several at once.

    A result depends neither on the number of workers nor on the other pictures, nor on time. On a CPU, it has the
    bytes of `Restorer.restore(...).save(...)`, unless passes of several faces are asked for.

    Args:
        tasks: the pictures, asked for in the caller's thread, shortly before they are begun.
        restorer: the models and settings. Its backend `auto` is settled, see `backends.settle`.
        indices: as for `Restorer.restore`.
        batch_size: faces per forward pass, of several pictures; 0: on a GPU 8, on a CPU those of one picture. The
            rounding of a pass depends on its number of faces, so the last one is filled up with empty crops.
        quality: as for `Restoration.save`.
        compare: also write a before-and-after sheet: the first of the targets' `beside`.
        save_faces: also write all crops, before and after: to the folder that is the next of `beside`.
        allow_damaged: read as much as possible of damaged files.
        pictures: how many there are in all, those of earlier calls included, for which the backend `auto` chooses; 0:
            as many as `tasks` tell.
        workers: threads that work at once; 0: as many as there are cores. On a CPU each has one thread of torch, or
            if there are fewer pictures than workers, its share of them.
        memory: bytes that pictures and the work on them may take; 0: half of what is free. A picture that takes more is
            worked on alone. Pictures also wait while less than they take is free.
        progress: called regularly, in several threads.

    Yields:
        The outcome of each task, in the order of the tasks. The error of one picture is its outcome and does not affect
        the others. Closing the iterator, or an exception in the caller's thread such as KeyboardInterrupt, ends the
        work within seconds; files are written whole or not at all.
    """
    cores = workers or usable_cores()
    pictures = pictures or length_hint(tasks)
    source = iter(tasks)
    first = list(islice(source, cores))
    if not first:
        return
    chained = _Chain(restorer, Writing(quality, compare, save_faces, allow_damaged), indices, batch_size, progress)
    threads = cores // len(first) if restorer.device.type == "cpu" else 1
    with _torch_threads(threads):
        settle(restorer.generator.module, faces=max(pictures, len(first)))
        results = flow(
            chain(first, source),
            chained.stages(),
            workers=len(first),
            cost=chained.cost,
            fits=_Room(memory),
            begin=partial(torch.set_num_threads, threads),
        )
        try:
            for done in results:
                yield Outcome(done.item, done.value, done.error, done.seconds)
        finally:
            results.close()


@contextmanager
def _torch_threads(number: int) -> Iterator[None]:
    """Let torch and the engines that are started use so many threads.

    Several pictures side by side use cores better than several threads for one: they never wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Room:
    """Whether another picture fits into memory; called with the bytes of those on their way and of the next."""

    def __init__(self, memory: int) -> None:
        self._cpu = torch.device("cpu")
        self._most = memory or (free_memory(self._cpu) or 1 << 62) // 2

    def __call__(self, held: int, more: int) -> bool:
        free = free_memory(self._cpu)
        return held + more <= self._most and (free is None or more <= free)


@dataclass(eq=False)
class _Work:
    """A picture on its way; each stage adds to it and drops what no later one needs."""

    task: Task
    picture: Picture
    progress: Progress
    seconds: dict[str, float]
    paged: bool = False
    shown: torch.Tensor | None = None
    found: FoundFaces | None = None
    cut: CutWindow | None = None
    answer: torch.Tensor | None = None
    running: str = ""
    result: Restoration | None = None

    @property
    def faces(self) -> int:
        """Number of faces that wait for the network."""
        return len(self.cut.before) if self.cut else 0


class _Chain:
    """The stages for one restorer and its options."""

    def __init__(
        self,
        restorer: Restorer,
        writing: Writing,
        indices: str,
        batch_size: int,
        progress: TaskProgress,
    ) -> None:
        self._restorer, self._writing, self._indices, self._progress = restorer, writing, indices, progress
        self._networks, self._settings = restorer.networks, restorer.settings
        self._networks.require(self._settings)
        self._on_gpu = restorer.device.type != "cpu"
        self._pass = batch_size or (_GPU_PASS if self._on_gpu else 0)

    def stages(self) -> list[Stage]:
        """The stages, each with the largest number of its runs."""
        runs = _GPU_RUNS if self._on_gpu else 0
        if self._pass:
            network = Stage("restore", self._restore_together, int(self._on_gpu), self._pass, lambda work: work.faces)
        else:
            network = self._alone("restore", self._restore)
        return [
            Stage("read", self._read),
            self._alone("find", self._find, runs),
            self._alone("cut", self._cut, runs),
            network,
            self._alone("finish", self._finish, runs),
            Stage("write", self._write),
        ]

    def cost(self, task: Task) -> int:
        """Bytes that a picture takes on its way."""
        return _BYTES_PER_PIXEL * pixels_of(task.source) + self._restorer.generator.module.activation_bytes()

    @staticmethod
    def _alone(name: str, run: Callable[[_Work], None], at_once: int = 0) -> Stage:
        """A stage that works on one picture at a time; the pages of a TIFF are for the last stage."""

        def work(values: Sequence[_Work], check: Check) -> Sequence[_Work]:
            for value in values:
                if not value.paged:
                    run(value)
            return values

        return Stage(name, work, at_once)

    def _read(self, tasks: Sequence[Task], check: Check) -> list[_Work]:
        (task,) = tasks

        def progress(stage: str, done: int, total: int) -> None:
            check()
            self._progress(task, stage, done, total)

        began = perf_counter()
        picture = read_picture(task.source, allow_damaged=self._writing.allow_damaged)
        seconds = {"read": perf_counter() - began}
        return [_Work(task, picture, progress, seconds, paged=has_pages(picture, task.targets.main))]

    def _find(self, work: _Work) -> None:
        work.shown, work.found = find_chosen(
            work.picture.pixels,
            self._networks,
            self._settings,
            indices=self._indices,
            progress=work.progress,
            seconds=work.seconds,
        )

    def _cut(self, work: _Work) -> None:
        assert work.shown is not None and work.found is not None
        if len(work.found.selected):
            work.cut = cut_window(
                work.shown,
                work.found.selected,
                self._networks,
                self._settings,
                jpeg_tables=[work.picture.info.jpeg_tables],
                progress=work.progress,
                seconds=work.seconds,
            )

    def _restore(self, work: _Work) -> None:
        expect(self._networks.generator.module, faces=work.faces)
        if work.cut:
            work.answer = restore_window_crops(
                work.cut.before,
                self._networks,
                announced=True,
                progress=work.progress,
                seconds=work.seconds,
            )
        work.running = self._networks.generator.running

    def _restore_together(self, works: Sequence[_Work], check: Check) -> Sequence[_Work]:
        """Restore the faces of several pictures in passes that are all of the same size."""
        module, seconds = self._networks.generator.module, dict[str, float]()
        cuts = [work.cut.before for work in works if work.cut]
        faces = sum(map(len, cuts))
        expect(module, faces=faces)
        if faces:
            device = self._networks.place(module)
            empty = cuts[0].new_zeros((-faces % self._pass, *cuts[0].shape[1:])).to(device)
            answers = restore_window_crops(
                torch.cat([*(crops.to(device) for crops in cuts), empty]),
                self._networks,
                batch_size=self._pass,
                announced=True,
                progress=lambda stage, done, total: check(),
                seconds=seconds,
            ).split([*map(len, cuts), len(empty)])
        else:
            answers = ()
        answered = iter(answers)
        for work in works:
            work.running = self._networks.generator.running
            if work.cut:
                work.answer = next(answered).to(work.cut.before.device)
                work.seconds["restore"] = seconds["restore"] * work.faces / faces
                work.progress("restore", work.faces, work.faces)
        return works

    def _finish(self, work: _Work) -> None:
        assert work.found is not None
        pixels = work.picture.pixels
        with timed(work.seconds, "gather"):
            gathered = GatheredWindows(pixels, work.found.selected, self._networks.generator.module.config.size)
        if work.cut and work.answer is not None:
            window = finish_window(
                work.cut,
                work.answer,
                self._networks,
                self._settings,
                progress=work.progress,
                seconds=work.seconds,
            )
            gathered.add(window, 0, changed=window.images is not work.shown)
        read_seconds = work.seconds.pop("read")
        work.result = self._restorer.complete(
            work.task.source,
            work.picture,
            pixels,
            gathered.batch(work.found, work.seconds, running=work.running),
            indices=self._indices,
            read_seconds=read_seconds,
        )
        work.shown = work.found = work.cut = work.answer = None

    def _write(self, works: Sequence[_Work], check: Check) -> list[dict[str, Any]]:
        (work,) = works
        if work.paged:
            return [self._writing.write_pages(work.task, work.picture, partial(self._restore_page, work))]
        assert work.result is not None
        return [self._writing.write(work.task, work.result)]

    def _restore_page(self, work: _Work, page: Picture, number: int) -> Restoration:
        progress = part_of(work.progress, number, number + 1, page.n_frames)
        return self._restorer.restore(page, indices=self._indices, batch_size=self._pass, progress=progress)

"""The chain as stages of a pipeline: read, find, cut, restore, finish, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import torch

from ..backends import expect
from ..enlarging import BYTES_PER_PIXEL as ENLARGED_BYTES_PER_PIXEL
from ..images import Picture, read_picture
from ..images.extent import pixels_of
from ..progress import Progress, part_of
from ..restored import GatheredWindows
from ..restorer import Restoration, Restorer
from ..stages import FoundFaces
from ..steps import (
    GPU_PASS,
    CutWindow,
    cut_window,
    enlarge_image,
    find_chosen,
    finish_window,
    restore_together,
    restore_window_crops,
    timed,
)
from .areas import AreaFiles
from .flow import Check, Limit, Stage
from .pages import has_pages
from .tasks import Task
from .writing import Writing

TaskProgress = Callable[[Task, str, int, int], None]
"""As `progress.Progress`, after the task; called in several threads. An exception it raises is that task's error."""

BYTES_PER_PIXEL = 80
"""Bytes that the chain holds for a pixel of a picture at its peak: 33 to 52 were measured with the defaults, and the
preparation of pictures takes more."""


@dataclass(eq=False)
class _Work:
    """A picture on its way; each stage adds to it and drops what no later one needs."""

    task: Task
    picture: Picture
    progress: Progress
    seconds: dict[str, float]
    paged: bool = False
    area: torch.Tensor | None = None
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


class PictureStages:
    """The stages for one restorer and its options.

    Args:
        restorer, indices, areas, batch_size, progress: as for `restore_files`.
        writing: how results are written.
    """

    def __init__(
        self,
        restorer: Restorer,
        writing: Writing,
        indices: str,
        areas: AreaFiles,
        batch_size: int,
        progress: TaskProgress,
    ) -> None:
        self._restorer, self._writing, self._progress = restorer, writing, progress
        self._indices, self._areas = indices, areas
        self._networks, self._settings, self._enlargement = restorer.networks, restorer.settings, restorer.enlargement
        self._networks.require(self._settings)
        self._on_gpu = restorer.device.type != "cpu"
        self._pass = batch_size or (GPU_PASS if self._on_gpu else 0)

    def stages(self) -> list[Stage]:
        """The stages. One thread at a time drives a GPU."""
        limit = Limit(1 if self._on_gpu else 0)
        if self._pass:
            network = Stage("restore", self._restore_together, limit, self._pass, lambda work: work.faces)
        else:
            network = self._alone("restore", self._restore, limit)
        return [
            Stage("read", self._read),
            self._alone("find", self._find, limit),
            self._alone("cut", self._cut, limit),
            network,
            self._alone("finish", self._finish, limit),
            Stage("write", self._write),
        ]

    def cost(self, task: Task) -> int:
        """Bytes that a picture takes on its way."""
        per_pixel = BYTES_PER_PIXEL
        if self._enlargement is not None:
            per_pixel += ENLARGED_BYTES_PER_PIXEL * self._enlargement.factor**2
        return per_pixel * pixels_of(task.source) + self._restorer.generator.module.activation_bytes()

    @staticmethod
    def _alone(name: str, run: Callable[[_Work], None], limit: Limit) -> Stage:
        """A stage that works on one picture at a time; the pages of a TIFF are for the last stage."""

        def work(values: Sequence[_Work], check: Check) -> Sequence[_Work]:
            for value in values:
                if not value.paged:
                    run(value)
            return values

        return Stage(name, work, limit)

    def _read(self, tasks: Sequence[Task], check: Check) -> list[_Work]:
        (task,) = tasks

        def progress(stage: str, done: int, total: int) -> None:
            check()
            self._progress(task, stage, done, total)

        began = perf_counter()
        picture = read_picture(task.source, allow_damaged=self._writing.allow_damaged)
        if self._enlargement is not None:
            self._enlargement.check(picture.size)
        seconds = {"read": perf_counter() - began}
        paged = has_pages(picture, task.targets.main)
        area = None if paged else self._area(task, picture)
        return [_Work(task, picture, progress, seconds, paged=paged, area=area)]

    def _area(self, task: Task, picture: Picture) -> torch.Tensor | None:
        height, width = picture.pixels.shape[-2:]
        return self._areas.of(task.source, (height, width))

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
                area=work.area,
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
        answers = restore_together(
            cuts,
            self._networks,
            batch_size=self._pass,
            progress=lambda stage, done, total: check(),
            seconds=seconds,
        )
        answered = iter(answers)
        for work in works:
            work.running = self._networks.generator.running
            if work.cut:
                work.answer = next(answered)
                work.seconds["restore"] = seconds["restore"] * work.faces / faces
                work.progress("restore", work.faces, work.faces)
        return works

    def _finish(self, work: _Work) -> None:
        assert work.found is not None
        pixels, found, side = work.picture.pixels, work.found, self._networks.generator.module.config.size
        enlargement = self._enlargement
        if enlargement is not None:
            found = found.enlarged(enlargement.factor)
        with timed(work.seconds, "gather"):
            if enlargement is None:
                gathered = GatheredWindows(pixels, found.selected, side)
            else:
                gathered = GatheredWindows.enlarged(pixels, found.selected, side, enlargement.factor)
        following: dict[str, Any] = {"progress": work.progress, "seconds": work.seconds}
        if work.cut and work.answer is not None:
            window = finish_window(
                work.cut, work.answer, self._networks, self._settings, enlarger=enlargement, **following
            )
            gathered.add(window, 0, changed=enlargement is not None or window.images is not work.shown)
        elif enlargement is not None:
            gathered.add(enlarge_image(pixels, enlargement, crop_side=side, **following), 0, changed=True)
        read_seconds = work.seconds.pop("read")
        work.result = self._restorer.complete(
            work.task.source,
            work.picture,
            pixels,
            gathered.batch(found, work.seconds, running=work.running, enlarger=enlargement),
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
        area = self._area(work.task, page)
        return self._restorer.restore(
            page,
            indices=self._indices,
            only_here=None if area is None else area[0, 0].numpy(),
            batch_size=self._pass,
            progress=progress,
        )

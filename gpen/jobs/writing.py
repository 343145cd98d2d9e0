"""Write what came of a picture: the result, and on request a before-and-after sheet and the crops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..files import save_png
from ..images import Picture
from ..restorer import Restoration
from ..sheets import restoration_sheet, to_pil
from .ownership import write_files
from .pages import left_pages, stacked, work_on_pages
from .tasks import Announce, Task


@dataclass(frozen=True)
class Writing:
    """How results are written.

    Attributes:
        quality: as for `Restoration.save`.
        compare: also write a before-and-after sheet: the first of the targets' `beside`.
        save_faces: also write all crops, before and after: to the folder that is the next of `beside`.
        allow_damaged: read as much as possible of damaged pages.
        announce: called before the files of a picture get their names.
    """

    quality: int | None = None
    compare: bool = False
    save_faces: bool = False
    allow_damaged: bool = False
    announce: Announce | None = None

    def write(self, task: Task, result: Restoration) -> dict[str, Any]:
        """Write the results of a picture; returns its report.

        Raises:
            ImageError: a file cannot be written.
        """
        return write_files(task, partial(self._write, task, result), self.announce)

    def _write(self, task: Task, result: Restoration) -> dict[str, Any]:
        target, sheet, folder = self._places(task)
        notes = (*left_pages(result.picture, target), *result.save(target, quality=self.quality))
        report = {"output": str(target), **result.report, "notes": [*result.report["notes"], *notes]}
        if sheet:
            save_png(restoration_sheet(result), sheet)
            report["compare"] = str(sheet)
        if folder:
            report["face_files"] = _write_faces(result, folder)
        return report

    def write_pages(self, task: Task, first: Picture, restore: Callable[[Picture, int], Restoration]) -> dict[str, Any]:
        """Restore and write the pages of a TIFF one after another; returns one report.

        Args:
            task: the file.
            first: its first page.
            restore: called with each page and its number, from 0.

        Raises:
            ImageError: a page cannot be read, or a file cannot be written.
        """
        return write_files(task, partial(self._write_pages, task, first, restore), self.announce)

    def _write_pages(
        self, task: Task, first: Picture, restore: Callable[[Picture, int], Restoration]
    ) -> dict[str, Any]:
        target, sheet, folder = self._places(task)
        sheets, faces = [], []

        def work(page: Picture, number: int) -> tuple[Picture, dict[str, Any]]:
            result = restore(page, number)
            if sheet:
                sheets.append(restoration_sheet(result))
            if folder:
                faces.extend(_write_faces(result, folder, len(faces) // 2))
            return result.picture or page, result.report

        merged = work_on_pages(task.source, first, target, work, allow_damaged=self.allow_damaged)
        report = {"output": str(target), **merged}
        if sheet:
            save_png(stacked(sheets), sheet)
            report["compare"] = str(sheet)
        if folder:
            report["face_files"] = faces
        return report

    def _places(self, task: Task) -> tuple[Path, Path | None, Path | None]:
        """The result, the sheet and the folder for crops."""
        beside = iter(task.targets.beside)
        return task.targets.main, next(beside) if self.compare else None, next(beside) if self.save_faces else None


def _write_faces(result: Restoration, folder: Path, first: int = 0) -> list[str]:
    written = []
    for name, crops in (("before", result.before), ("after", result.after)):
        for index in range(len(crops)):
            path = folder / f"face{first + index:02d}-{name}.png"
            save_png(to_pil(crops[index : index + 1]), path)
            written.append(str(path))
    return written

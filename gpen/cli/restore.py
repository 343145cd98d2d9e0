"""`gpen restore`: restore the faces of many photographs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ..wording import count
from . import options
from .setting_options import set_options, takes_settings

if TYPE_CHECKING:
    from ..images import Picture
    from ..jobs.plan import Job, Targets
    from ..jobs.read_ahead import ReadAhead
    from ..restorer import Restoration, Restorer
    from .run import Outcome


@takes_settings()
def restore(
    inputs: options.Inputs,
    output: options.Output = None,
    model: Annotated[str, typer.Option(help="Registry name or file of the GPEN model; auto: the best here.")] = "auto",
    detector: options.Detector = "auto",
    preset: options.Preset = None,
    indices: options.Indices = "",
    compare: Annotated[bool, typer.Option("--compare", help="Also write a before-and-after sheet.")] = False,
    save_faces: Annotated[bool, typer.Option("--save-faces", help="Also write all crops, before and after.")] = False,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Quality of JPEG and lossy WebP. Default: that of a high-quality source, otherwise 95.",
            show_default=False,
        ),
    ] = None,
    report: options.Report = None,
    overwrite: options.Overwrite = False,
    recursive: options.Recursive = False,
    device: options.Device = "auto",
    backend: Annotated[
        str,
        typer.Option(
            help="auto (the fastest installed one, or for few faces one that starts at once), eager, compile, "
            "openvino, onnxruntime, cudagraph or tensorrt."
        ),
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16 or fp16; fp32 is used instead of one that changes the picture.")
    ] = "fp32",
    batch_size: Annotated[int, typer.Option(min=0, help="Faces per forward pass; 0: as many as fit.")] = 0,
    log: options.Log = None,
    allow_damaged: options.AllowDamaged = False,
    **settings: Any,
) -> None:
    """Restore the faces of photographs; the rest of each picture stays unchanged.

    Only levels, white balance, deblocking and exposure, which are off by default, change more than the faces.

    Exit code 0: all pictures were written; 1: some were not; 2: the command line is wrong; 130: interrupted.
    """
    from ..backends import Backend, Precision
    from ..faces.select import parse_indices
    from ..jobs.plan import collect, plan
    from ..jobs.read_ahead import ReadAhead
    from ..pipeline import SHARES
    from ..report import PREVIEW_NOTE
    from ..restorer import Restorer
    from ..values import require_choice
    from .files import open_report
    from .run import Run, logging_to
    from .terminal import noted, say

    parse_indices(indices)  # before any work
    jobs, passed_over = collect(inputs, recursive, output)
    open_report(report)
    endings = [end for end, wanted in (("-compare.png", compare), ("-faces", save_faces)) if wanted]
    planned, faults = plan(jobs, output, "-restored", endings, overwrite=overwrite)
    restorer = Restorer(
        model,
        detector,
        preset=preset,
        device=device,
        backend=require_choice("backend", backend, get_args(Backend)),
        precision=require_choice("precision", precision, get_args(Precision)),
        **set_options(settings),
    )
    preview = PREVIEW_NOTE.format(model=restorer.generator.name)
    for note in restorer.notes:
        say(noted(note))
    run = Run(jobs, passed_over, shares=SHARES, report=report, said_once=(preview, *restorer.notes))
    with logging_to(log), ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        work = _Work(
            restorer,
            indices,
            batch_size,
            quality,
            compare,
            save_faces,
            planned,
            ReadAhead(list(planned), reader, allow_damaged),
            writer,
        )
        try:
            run.work(work.restore, faults)
        finally:
            if restorer.generator.preview and run.failures < len(jobs):
                say(noted(preview))


@dataclass
class _Work:
    """Restores one picture while the next is read and the previous one is written."""

    restorer: Restorer
    indices: str
    batch_size: int
    quality: int | None
    compare: bool
    save_faces: bool
    planned: dict[Job, Targets]
    sources: ReadAhead
    writer: ThreadPoolExecutor

    def __post_init__(self) -> None:
        self.left = len(self.planned)

    def restore(self, job: Job, progress: Callable[[str, int, int], None]) -> Future[Outcome]:
        from ..jobs.pages import has_pages

        source = self.sources.read(job)
        self.left -= 1
        picture, target = source.result(), self.planned[job].main
        beside = iter(self.planned[job].beside)
        sheet = next(beside) if self.compare else None
        folder = next(beside) if self.save_faces else None
        if has_pages(picture, target):
            written: Future[Outcome] = Future()
            written.set_result(self._restore_pages(job, picture, target, sheet, folder, progress))
            return written
        result = self._restore(picture, progress)
        return self.writer.submit(self._write, job, result, target, sheet, folder)

    def _restore(self, picture: Picture, progress: Callable[[str, int, int], None]) -> Restoration:
        return self.restorer.restore(
            picture,
            indices=self.indices,
            batch_size=self.batch_size,
            pictures_left=self.left,
            progress=progress,
        )

    def _restore_pages(
        self,
        job: Job,
        first: Picture,
        target: Path,
        sheet: Path | None,
        folder: Path | None,
        progress: Callable[[str, int, int], None],
    ) -> Outcome:
        from ..jobs.pages import stacked, work_on_pages
        from ..progress import part_of

        sheets, faces = [], []

        def work(page: Picture, number: int) -> tuple[Picture, dict[str, Any]]:
            result = self._restore(page, part_of(progress, number, number + 1, first.n_frames))
            if sheet:
                from ..sheets import restoration_sheet

                sheets.append(restoration_sheet(result))
            if folder:
                faces.extend(_write_faces(result, folder, len(faces) // 2))
            return result.picture or page, result.report

        words, report = work_on_pages(job.source, first, target, work, allow_damaged=self.sources.allow_damaged)
        if sheet:
            from ..files import save_png

            save_png(stacked(sheets), sheet)
            report["compare"] = str(sheet)
        if folder:
            report["face_files"] = faces
        return f"{job.source} → {target}: {words}", {"output": str(target), **report}

    def _write(self, job: Job, result: Restoration, target: Path, sheet: Path | None, folder: Path | None) -> Outcome:
        from ..files import save_png
        from ..jobs.pages import left_pages

        notes = (*left_pages(result.picture, target), *result.save(target, quality=self.quality))
        report = {"output": str(target), **result.report, "notes": [*result.report["notes"], *notes]}
        if sheet:
            from ..sheets import restoration_sheet

            save_png(restoration_sheet(result), sheet)
            report["compare"] = str(sheet)
        if folder:
            report["face_files"] = _write_faces(result, folder)
        return f"{job.source} → {target}: {_summary(result)}", report


def _write_faces(result: Restoration, folder: Path, first: int = 0) -> list[str]:
    from ..files import save_png
    from ..sheets import to_pil

    written = []
    for name, crops in (("before", result.before), ("after", result.after)):
        for index in range(len(crops)):
            path = folder / f"face{first + index:02d}-{name}.png"
            save_png(to_pil(crops[index : index + 1]), path)
            written.append(str(path))
    return written


def _summary(result: Restoration) -> str:
    restored = sum(face["restored"] for face in result.report["faces"])
    found = len(result.report["faces"])
    left = f", {found - restored} left alone" if found > restored else ""
    if not restored:
        kept = "; the picture is as it was" if result.restored is result.original else ""
        return f"no face restored{left}{kept}"
    return f"{count(restored, 'face')} restored{left} in {sum(result.report['seconds'].values()):.1f} s"

"""`gpen restore`: the faces of many photographs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options

if TYPE_CHECKING:
    from ..restorer import Restoration, Restorer
    from .files import Job, ReadAhead
    from .run import Outcome


def restore(
    inputs: options.Inputs,
    output: options.Output = None,
    model: Annotated[
        str, typer.Option(help="Registry name or file of the GPEN model; auto: the best one here.")
    ] = "auto",
    strength: Annotated[
        float | None, typer.Option(help="0: as it is .. 1: the network's answer.", show_default=False)
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Name or .json file of a preset.", show_default=False)] = None,
    frequency_blend: Annotated[
        float | None,
        typer.Option(
            help="1: the photograph keeps its own detail, and GPEN adds finer; 0: all of GPEN.", show_default=False
        ),
    ] = None,
    local_enhance: Annotated[
        float | None, typer.Option(help="0..2: how much weak detail is raised.", show_default=False)
    ] = None,
    white_balance: Annotated[
        str | None, typer.Option(help="none, shades_of_grey or lab, for the whole picture.", show_default=False)
    ] = None,
    deblock: Annotated[
        float | None, typer.Option(help="0..1: how much JPEG's blocks are softened.", show_default=False)
    ] = None,
    levels: Annotated[
        float | None, typer.Option(help="0..1: how far a faded picture gets its contrast back.", show_default=False)
    ] = None,
    exposure: Annotated[
        float | None, typer.Option(help="0..1: how much faces against the light are lifted.", show_default=False)
    ] = None,
    denoise: Annotated[
        float | None, typer.Option(help="0..1: how much noise is taken out; 0 keeps all grain.", show_default=False)
    ] = None,
    faces: options.Faces = "",
    order: options.Order = None,
    max_faces: options.MaxFaces = None,
    min_face_size: options.MinFaceSize = None,
    threshold: options.Threshold = None,
    rotated: options.Rotated = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also write a before-and-after sheet.")] = False,
    save_faces: Annotated[bool, typer.Option("--save-faces", help="Also write each crop, before and after.")] = False,
    report: options.Report = None,
    overwrite: options.Overwrite = False,
    recursive: options.Recursive = False,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16 or fp16; one that changes the picture gives way to fp32.")
    ] = "fp32",
    backend: Annotated[
        str,
        typer.Option(
            help="auto (the fastest that is installed and true), eager, compile, openvino, onnxruntime, cudagraph or "
            "tensorrt."
        ),
    ] = "auto",
    batch_size: Annotated[int, typer.Option(min=0, help="Faces per forward pass; 0: as many as fit.")] = 0,
) -> None:
    """Restore the faces of photographs; everything outside the faces stays as it is, bit for bit.

    Levels, white balance and deblocking are for the whole picture (of one with a face), and off unless asked for.

    Exit code 0: all pictures were written; 1: some were not; 2: the command line is wrong; 130: interrupted.
    """
    from ..report import PREVIEW_NOTE
    from ..restorer import Restorer
    from .files import ReadAhead, collect, open_report, write_json
    from .run import Interrupted, console, run_jobs

    jobs = collect(inputs, recursive)
    open_report(report)
    restorer = Restorer(
        model,
        detector,
        preset,
        device,
        backend,  # type: ignore[arg-type]  # checked by the loader, which names the choices
        precision,  # type: ignore[arg-type]
        **options.given(
            strength=strength,
            frequency_blend=frequency_blend,
            local_enhance=local_enhance,
            white_balance=white_balance,
            deblock=deblock,
            exposure=exposure,
            levels=levels,
            denoise=denoise,
            order=order,
            max_faces=max_faces,
            min_face_size=min_face_size,
            score_threshold=threshold,
            rotated=rotated,
        ),
    )
    preview = PREVIEW_NOTE.format(model=restorer.generator.name)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        work = _Work(
            restorer, output, overwrite, faces, batch_size, compare, save_faces, ReadAhead(jobs, reader), writer
        )
        try:
            reports, failures = run_jobs(jobs, work.restore, said_once=(preview,))
        except Interrupted as stop:
            if report:
                write_json(report, {"pictures": stop.reports})
            raise
    if report:
        write_json(report, {"pictures": reports})
    if restorer.generator.preview and failures < len(jobs):
        console.print(f"[yellow]{preview}[/]")
    if failures:
        raise typer.Exit(1)


@dataclass
class _Work:
    """One picture is restored while the next is read and the one before is written."""

    restorer: Restorer
    output: Path | None
    overwrite: bool
    indices: str
    batch_size: int
    compare: bool
    save_faces: bool
    sources: ReadAhead
    writer: ThreadPoolExecutor
    taken: dict[Path, Path] = field(default_factory=dict)

    def restore(self, job: Job, progress: Callable[[str, int, int], None]) -> Future[Outcome]:
        from .files import claim, target_of

        source = self.sources.read(job)
        target = target_of(job, self.output, "-restored", self.sources.alone)
        sheet = self._beside(target, "-compare.png") if self.compare else None
        folder = self._beside(target, "-faces") if self.save_faces else None
        for path in filter(None, (target, sheet, folder)):
            claim(path, job.source, self.taken, self.overwrite)
        result = self.restorer.restore(
            source.result(), indices=self.indices, batch_size=self.batch_size, progress=progress
        )
        return self.writer.submit(self._write, job, result, target, sheet, folder)

    def _write(self, job: Job, result: Restoration, target: Path, sheet: Path | None, folder: Path | None) -> Outcome:
        from ..sheets import restoration_sheet
        from .files import save_png

        notes = result.save(target)
        report = {"output": str(target), **result.report, "notes": [*result.report["notes"], *notes]}
        if sheet:
            save_png(restoration_sheet(result), sheet)
            report["compare"] = str(sheet)
        if folder:
            report["face_files"] = _write_faces(result, folder)
        return f"{job.source} → {target}: {_summary(result)}", report

    def _beside(self, target: Path, ending: str) -> Path:
        """A name beside a result: of a.jpg and a.png the second keeps its suffix in it."""
        usual = target.with_name(target.stem + ending)
        return target.with_name(target.name + ending) if usual.absolute() in self.taken else usual


def _write_faces(result: Restoration, folder: Path) -> list[str]:
    from ..sheets import to_pil
    from .files import save_png

    written = []
    for name, crops in (("before", result.before), ("after", result.after)):
        for index in range(len(crops)):
            path = folder / f"face{index:02d}-{name}.png"
            save_png(to_pil(crops[index : index + 1]), path)
            written.append(str(path))
    return written


def _summary(result: Restoration) -> str:
    count = sum(face["restored"] for face in result.report["faces"])
    skipped = len(result.report["faces"]) - count
    faces = "1 face" if count == 1 else f"{count} faces"
    seconds = sum(result.report["seconds"].values())
    if not count:
        left = f", {skipped} left alone" if skipped else ""
        return f"no face restored{left}; the picture is as it was"
    return f"{faces} restored{f', {skipped} left alone' if skipped else ''} in {seconds:.1f} s"

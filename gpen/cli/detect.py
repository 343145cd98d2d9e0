"""`gpen detect`: find faces, number them, and write them down."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options

if TYPE_CHECKING:
    from .files import Job


def detect(
    inputs: options.Inputs,
    output: options.Output = None,
    preset: options.Preset = None,
    threshold: options.Threshold = None,
    min_face_size: options.MinFaceSize = None,
    order: options.Order = None,
    max_faces: options.MaxFaces = None,
    rotated: options.Rotated = None,
    focus: options.Focus = None,
    report: options.Report = None,
    overlay: Annotated[bool, typer.Option(help="Write the picture with its faces numbered.")] = True,
    overwrite: options.Overwrite = False,
    recursive: options.Recursive = False,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
) -> None:
    """Find faces: a numbered overlay beside each picture, and boxes and landmarks as JSON with --report.

    The numbers are those that `gpen restore --faces` takes, given the same preset and options. Faces that it would
    leave alone are drawn in red.
    """
    from ..devices import on_device, select_device
    from ..find import find_faces
    from ..images import read_picture, write_picture
    from ..models import load_detector
    from ..presets import Settings, load_preset
    from ..report import describe_face
    from ..restorer import change_settings
    from ..sheets import draw_faces
    from .files import claim, collect, open_report, target_of, write_json
    from .run import run_jobs

    settings = change_settings(
        load_preset(preset).settings if preset else Settings(),
        options.given(
            score_threshold=threshold,
            min_face_size=min_face_size,
            max_faces=max_faces,
            order=order,
            rotated=rotated,
            focus=focus,
        ),
    )
    jobs = collect(inputs, recursive)
    open_report(report)
    model = load_detector(detector)
    on_device(select_device(device))(model.module)
    taken: dict = {}

    def work(job: Job, progress: Callable[[str, int, int], None]) -> tuple[str, dict[str, Any]]:
        target = target_of(job, output, "-faces", len(jobs) == 1)
        if overlay:
            claim(target, job.source, taken, overwrite)
        picture = read_picture(job.source)
        found = find_faces(picture.pixels, model.module, settings, progress=partial(progress, "detect"))
        told = [
            *({**describe_face(face), "number": found.numbers[face]} for face in found.selected),
            *(
                {**describe_face(face), "number": found.numbers.get(face), "skipped": reason}
                for face, reason in zip(found.rejected, found.reasons, strict=True)
            ),
        ]
        notes = picture.notes
        if overlay:
            notes += write_picture(
                picture.with_pixels(draw_faces(picture.pixels, found.selected, found.rejected, found.numbers)), target
            )
        faces = len(found.selected)
        count = "1 face" if faces == 1 else f"{faces} faces"
        if found.rejected:
            count += f", {len(found.rejected)} that would be left alone"
        height, width = picture.pixels.shape[-2:]
        return (
            f"{job.source}{f' → {target}' if overlay else ''}: {count}",
            {
                "output": str(target) if overlay else None,
                "size": {"width": width, "height": height},
                "detector": model.name,
                "faces": told,
                "notes": list(notes),
            },
        )

    reports, failures = run_jobs(jobs, work)
    if report:
        write_json(report, {"pictures": reports})
    if failures:
        raise typer.Exit(1)

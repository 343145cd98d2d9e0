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
    threshold: options.Threshold = None,
    min_face_size: options.MinFaceSize = None,
    order: options.Order = None,
    rotated: options.Rotated = None,
    report: options.Report = None,
    overlay: Annotated[bool, typer.Option(help="Write the picture with its faces numbered.")] = True,
    overwrite: options.Overwrite = False,
    recursive: options.Recursive = False,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
) -> None:
    """Find faces: a numbered overlay beside each picture, and boxes and landmarks as JSON with --report.

    The numbers are those that `gpen restore --faces` takes, given the same --order.
    """
    from ..devices import on_device, select_device
    from ..faces.detect import detect as detect_faces
    from ..faces.select import select_faces
    from ..images import read_picture, write_picture
    from ..models import load_detector
    from ..presets import Settings
    from ..report import describe_face
    from ..restorer import change_settings
    from ..sheets import draw_faces
    from .files import claim, collect, open_report, target_of, write_json
    from .run import run_jobs

    settings = change_settings(
        Settings(),
        options.given(score_threshold=threshold, min_face_size=min_face_size, order=order, rotated=rotated),
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
        found = detect_faces(
            picture.pixels,
            model.module,
            score_threshold=settings.score_threshold,
            min_face_size=settings.min_face_size,
            rotated=settings.rotated,
            progress=partial(progress, "detect"),
        )
        faces, _ = select_faces(found, order=settings.order)
        notes = picture.notes
        if overlay:
            notes += write_picture(picture.with_pixels(draw_faces(picture.pixels, faces)), target)
        count = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
        height, width = picture.pixels.shape[-2:]
        return (
            f"{job.source}{f' → {target}' if overlay else ''}: {count}",
            {
                "output": str(target) if overlay else None,
                "size": {"width": width, "height": height},
                "detector": model.name,
                "faces": [describe_face(face) for face in faces],
                "notes": list(notes),
            },
        )

    reports, failures = run_jobs(jobs, work)
    if report:
        write_json(report, {"pictures": reports})
    if failures:
        raise typer.Exit(1)

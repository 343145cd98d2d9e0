"""`gpen detect`: find faces, number them, and write them down."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options

if TYPE_CHECKING:
    from ..images import Picture
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
    log: options.Log = None,
    allow_damaged: options.AllowDamaged = False,
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
    from ..wording import count
    from .files import Targets, collect, open_report, plan
    from .pages import has_pages, left_pages, work_on_pages
    from .run import Run, logging_to

    settings = change_settings(
        Settings(),
        options.given(score_threshold=threshold, min_face_size=min_face_size, order=order, rotated=rotated),
    )
    jobs, passed_over = collect(inputs, recursive, output)
    open_report(report)
    planned: dict[Job, Targets] = {}
    faults = {}
    if overlay:
        planned, faults = plan(jobs, output, "-faces", overwrite=overwrite)
    model = load_detector(detector)
    on_device(select_device(device))(model.module)

    def work(job: Job, progress: Callable[[str, int, int], None]) -> tuple[str, dict[str, Any]]:
        target = planned[job].main if overlay else None
        first = read_picture(job.source, allow_damaged=allow_damaged)
        show = partial(progress, "detect")
        head = {"output": str(target) if target else None}
        if has_pages(first, target):
            words, told = work_on_pages(
                job.source, first, target, partial(look_at, show=show), allow_damaged=allow_damaged
            )
        else:
            drawn, told = look_at(first, show=show)
            words = count(len(told["faces"]), "face")
            if target:
                told["notes"] += [*left_pages(first, target), *write_picture(drawn, target)]
        return f"{job.source}{f' → {target}' if target else ''}: {words}", {**head, **told}

    def look_at(picture: Picture, show: Callable[[int, int], None]) -> tuple[Picture, dict[str, Any]]:
        found = detect_faces(
            picture.pixels,
            model.module,
            score_threshold=settings.score_threshold,
            min_face_size=settings.min_face_size,
            rotated=settings.rotated,
            progress=show,
        )
        faces, _ = select_faces(found, order=settings.order)
        height, width = picture.pixels.shape[-2:]
        return picture.with_pixels(draw_faces(picture.pixels, faces)) if overlay else picture, {
            "size": {"width": width, "height": height},
            "detector": model.name,
            "faces": [describe_face(face) for face in faces],
            "notes": list(picture.notes),
        }

    with logging_to(log):
        Run(jobs, passed_over, report=report, done="with faces").work(work, faults)

"""`gpen detect`: find and number faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..wording import count
from . import options
from .setting_options import set_options, takes_settings

if TYPE_CHECKING:
    from ..images import Picture
    from ..jobs.collect import Job


@takes_settings("find")
def detect(
    inputs: options.Inputs,
    output: options.Output = None,
    preset: options.Preset = None,
    report: options.Report = None,
    overlay: Annotated[bool, typer.Option(help="Write the picture with numbered faces.")] = True,
    overwrite: options.Overwrite = False,
    recursive: options.Recursive = False,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
    log: options.Log = None,
    allow_damaged: options.AllowDamaged = False,
    **settings: Any,
) -> None:
    """Find faces. Writes a picture with numbered faces next to each picture, and boxes and landmarks with --report.

    `gpen restore --indices` uses the same numbers if preset and options are the same. Faces that it would skip because
    of their size, position or focus are drawn in red. Whether a face is already sharp is only known after its
    restoration.
    """
    from ..devices import on_device, select_device
    from ..images import read_picture, write_picture
    from ..jobs.collect import collect
    from ..jobs.pages import has_pages, left_pages, work_on_pages
    from ..jobs.plan import Targets, plan
    from ..models import load_detector
    from ..presets import DEFAULT_NAME, load_preset
    from ..progress import part_of
    from ..report import describe_face
    from ..settings import change_settings
    from ..sheets import draw_faces
    from ..stages import find_faces
    from .files import open_report
    from .logs import logging_to
    from .run import Run
    from .terminal import noted, say

    named = load_preset(preset or DEFAULT_NAME)
    for note in named.notes:
        say(noted(note))
    wanted = change_settings(named.settings, set_options(settings))
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
        head = {"output": str(target) if target else None}
        if has_pages(first, target):
            told = work_on_pages(
                job.source,
                first,
                target,
                lambda page, number: look_at(
                    page, partial(part_of(progress, number, number + 1, first.n_frames), "detect")
                ),
                allow_damaged=allow_damaged,
            )
        else:
            drawn, told = look_at(first, partial(progress, "detect"))
            if target:
                told["notes"] += [*left_pages(first, target), *write_picture(drawn, target)]
        pages = f"{count(told['pages'], 'page')}, " if "pages" in told else ""
        words = f"{pages}{_in_words(told['faces'])}"
        return f"{job.source}{f' → {target}' if target else ''}: {words}", {**head, **told}

    def look_at(picture: Picture, show: Callable[[int, int], None]) -> tuple[Picture, dict[str, Any]]:
        found = find_faces(picture.pixels, model.module, wanted, progress=show)
        told = [
            *({**describe_face(face), "number": found.numbers[face]} for face in found.selected),
            *(
                {**describe_face(face), "number": found.numbers.get(face), "skipped": reason}
                for face, reason in zip(found.rejected, found.reasons, strict=True)
            ),
        ]
        if overlay:
            drawn = draw_faces(picture.pixels, found.selected, found.rejected, found.numbers)
            picture = picture.with_pixels(drawn)
        height, width = picture.size
        return picture, {
            "size": {"width": width, "height": height},
            "detector": model.name,
            "faces": told,
            "notes": list(picture.notes),
        }

    with logging_to(log):
        Run(jobs, passed_over, report=report, done="with faces").work(work, faults)


def _in_words(faces: list[dict[str, Any]]) -> str:
    """The number of faces, and of those that would be skipped."""
    left = sum("skipped" in face for face in faces)
    more = f", {left} to be skipped" if left else ""
    return count(len(faces) - left, "face") + more

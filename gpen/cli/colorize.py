"""`gpen colorize`: colour the faces of black-and-white photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .setting_options import set_options, takes_settings

if TYPE_CHECKING:
    from ..images import Picture
    from ..jobs.collect import Job


@takes_settings("find")
def colorize(
    inputs: options.Inputs,
    output: options.Output = None,
    model: Annotated[
        str, typer.Option(help="Registry name or file of the colouring GPEN; auto: the best here.")
    ] = "auto",
    strength: Annotated[float, typer.Option(help="0: no colour, 1: the network's colours.")] = 1.0,
    recolor: Annotated[bool, typer.Option("--recolor", help="Also colour faces that are in colour already.")] = False,
    background: Annotated[
        Path | None,
        typer.Option(
            help="The same picture coloured by another program, for the colours around the faces.", show_default=False
        ),
    ] = None,
    indices: options.Indices = "",
    report: options.Report = None,
    overwrite: options.Overwrite = False,
    recursive: options.Recursive = False,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
    log: options.Log = None,
    allow_damaged: options.AllowDamaged = False,
    **settings: Any,
) -> None:
    """Colour the faces of black-and-white photographs, and keep their light and shade.

    Only colours are taken from the network; what is in colour already is left alone, and told. Whole pictures beyond
    the faces are not its work: --background takes the colours around them from a picture that another program made.
    """
    from ..errors import SettingsError
    from ..faces.select import parse_indices
    from ..images import read_picture, write_picture
    from ..jobs.collect import collect
    from ..jobs.pages import has_pages, left_pages, work_on_pages
    from ..jobs.plan import plan
    from ..redraw import colorize as colour
    from ..settings import Settings, change_settings
    from ..values import require_between
    from ..wording import count
    from .files import open_report
    from .logs import logging_to
    from .run import Run

    parse_indices(indices)  # all checks before any work
    require_between("--strength", strength, 0, 1)
    wanted = change_settings(Settings(), set_options(settings))
    jobs, passed_over = collect(inputs, recursive, output)
    if background is not None and len(jobs) != 1:
        raise SettingsError(f"--background is that of one picture, and there are {len(jobs)}.")
    open_report(report)
    planned, faults = plan(jobs, output, "-coloured", overwrite=overwrite)

    def work(job: Job, progress: Callable[[str, int, int], None]) -> tuple[str, dict[str, Any]]:
        target = planned[job].main
        first = read_picture(job.source, allow_damaged=allow_damaged)
        if has_pages(first, target):
            told = work_on_pages(
                job.source, first, target, lambda page, _: on_page(page, progress), allow_damaged=allow_damaged
            )
        else:
            made, told = on_page(first, progress)
            told["notes"] += [*left_pages(first, target), *write_picture(made, target)]
        coloured = sum(face["coloured"] for face in told["faces"])
        words = f"{coloured} of {count(len(told['faces']), 'face')} coloured"
        return f"{job.source} → {target}: {words}", {"output": str(target), **told}

    def on_page(picture: Picture, progress: Callable[[str, int, int], None]) -> tuple[Picture, dict[str, Any]]:
        done = colour(
            picture,
            model=model,
            detector=detector,
            strength=strength,
            recolor=recolor,
            background=background,
            indices=indices,
            device=device,
            settings=wanted,
            progress=progress,
        )
        assert done.picture is not None
        return done.picture, done.report

    with logging_to(log):
        Run(jobs, passed_over, report=report, done="coloured").work(work, faults)

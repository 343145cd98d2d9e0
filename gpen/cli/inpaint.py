"""`gpen inpaint`: fill in what a mask covers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from . import options
from .setting_options import set_options, takes_settings


@takes_settings("find")
def inpaint(
    picture: Annotated[Path, typer.Argument(help="The picture.", metavar="PICTURE")],
    mask: Annotated[
        Path | None,
        typer.Option(help="A picture of the same size, white where to fill in.", metavar="PICTURE", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The result. Default: next to the picture.")
    ] = None,
    propose: Annotated[
        Path | None,
        typer.Option(
            help="Only propose the scratches of an old print, as a mask in this PNG file to look at and correct.",
            metavar="MASK",
            show_default=False,
        ),
    ] = None,
    sensitivity: Annotated[float, typer.Option(help="Of --propose: 0: plain scratches only, 1: faint ones too.")] = 0.5,
    model: Annotated[
        str, typer.Option(help="Registry name or file of the filling GPEN; auto: the best here.")
    ] = "auto",
    elsewhere: Annotated[
        str, typer.Option(help="Covered places outside of faces: diffuse (fill smoothly) or leave.")
    ] = "diffuse",
    indices: options.Indices = "",
    report: options.Report = None,
    overwrite: options.Overwrite = False,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
    log: options.Log = None,
    allow_damaged: options.AllowDamaged = False,
    **settings: Any,
) -> None:
    """Fill in what a mask covers: faces by the network, the rest smoothly. Every other pixel stays.

    For an old print, --propose writes a mask of its scratches. Correct it, then give it as --mask.
    """
    from PIL import Image

    from ..choices import Elsewhere
    from ..errors import ImageError, SettingsError
    from ..faces.select import parse_indices
    from ..files import save_png
    from ..images import read_picture, write_picture
    from ..jobs.collect import Job
    from ..jobs.plan import claim, plan
    from ..redraw import inpaint as fill_in
    from ..redraw import propose_scratches
    from ..settings import Settings, change_settings
    from ..values import require_between, require_choice
    from ..wording import count
    from .files import open_report
    from .logs import logging_to
    from .run import Run

    parse_indices(indices)  # all checks before any work
    require_choice("--elsewhere", elsewhere, get_args(Elsewhere))
    require_between("--sensitivity", sensitivity, 0, 1)
    wanted = change_settings(Settings(), set_options(settings))
    if (mask is None) == (propose is None):
        raise SettingsError("Give either --mask, to fill in, or --propose, to get a mask of the scratches.")
    if propose is not None and propose.suffix.lower() != ".png":
        raise ImageError(f"The mask {propose} must have the suffix .png; choose another file name.")
    if propose is not None:
        claim(propose, picture, {}, overwrite)
    open_report(report)
    job = Job(picture, Path(picture.name))
    planned, faults = plan([job], output, "-filled", overwrite=overwrite) if mask else ({}, {})

    def work(job: Job, progress: Any) -> tuple[str, dict[str, Any]]:
        read = read_picture(job.source, allow_damaged=allow_damaged)
        if propose is not None:
            found = propose_scratches(read, sensitivity=sensitivity, detector=detector)
            save_png(Image.fromarray(found), propose)
            share = float((found > 0).mean())
            told = {"output": str(propose), "covered": round(share, 5), "notes": list(read.notes)}
            return f"{job.source} → {propose}: {share:.2%} of the pixels proposed", told
        done = fill_in(
            read,
            mask,
            model=model,
            detector=detector,
            elsewhere=elsewhere,  # type: ignore[arg-type]
            indices=indices,
            device=device,
            settings=wanted,
            progress=progress,
        )
        target = planned[job].main
        assert done.picture is not None
        told = done.report
        told["notes"] += write_picture(done.picture, target)
        filled = sum(face["filled"] for face in told["faces"])
        return f"{job.source} → {target}: filled in {count(filled, 'face')}", {"output": str(target), **told}

    with logging_to(log):
        Run([job], report=report, done="filled in").work(work, faults)

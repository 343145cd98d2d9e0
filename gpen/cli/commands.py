"""All commands, one file per group; heavy imports are delayed until a command runs."""

from __future__ import annotations

import os
import sys
import warnings

import typer

from ..errors import GPENError, NoPictureError, SettingsError
from . import (
    colorize,
    contact_sheet,
    degrade,
    demo,
    detect,
    doctor,
    draw,
    evaluate,
    inpaint,
    job,
    models,
    restore,
    spectrum,
    teach,
    train,
    video,
)
from .setting_options import GroupedCommand
from .terminal import alarming, say_error

app = typer.Typer(
    name="gpen",
    help="Restore, colour, fill in, draw, find and measure faces with GPEN.",
    no_args_is_help=True,
    add_completion=False,
    # Importing rich for help and tracebacks in boxes would take longer than all other work before a command starts.
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
    pretty_exceptions_enable=False,
)
app.command("restore", cls=GroupedCommand)(restore.restore)
app.command("video", cls=GroupedCommand)(video.video)
app.command("job")(job.job)
app.command("contact-sheet")(contact_sheet.contact_sheet)
app.command("detect", cls=GroupedCommand)(detect.detect)
app.command("colorize", cls=GroupedCommand)(colorize.colorize)
app.command("inpaint", cls=GroupedCommand)(inpaint.inpaint)
app.command("draw", cls=GroupedCommand)(draw.draw)
app.command("spectrum")(spectrum.spectrum)
app.command("degrade")(degrade.degrade)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(teach.app, name="teach", help="Train the small networks that find faces and landmarks.")
app.add_typer(models.app, name="models", help="List, download, verify and convert model files.")


def run_app() -> None:
    """Run a command; errors that a user can correct give one sentence and exit code 1 or 2, not a traceback."""
    # torch's threads spin while they wait for each other. If another program uses the cores, each wait lasts until
    # the system schedules both threads: 27 faces took 134 s beside such a program, and 6 s with threads that soon
    # sleep, which costs a few percent on an idle machine. The number is GNU OpenMP's default for more threads than
    # cores.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Our own messages report damaged files, so the decoder's warnings are silenced.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        app()
    except GPENError as error:
        say_error(alarming("gpen:") + f" {error}")
        sys.exit(2 if isinstance(error, NoPictureError | SettingsError) else 1)

"""The command `gpen`. One file a command group; the heavy imports wait until a command runs."""

from __future__ import annotations

import os
import sys
import warnings

import typer

from ..errors import GPENError, NoPictureError
from . import degrade, demo, detect, doctor, evaluate, models, restore, spectrum, teach, train
from .setting_options import GroupedCommand
from .terminal import alarming, say_error

app = typer.Typer(
    name="gpen",
    help="Restore, find and measure faces in photographs with GPEN.",
    no_args_is_help=True,
    add_completion=False,
    # Help and tracebacks in boxes would take longer to import than all else that a command does before its work.
    rich_markup_mode=None,
    context_settings={"max_content_width": 120},
    pretty_exceptions_enable=False,
)
app.command("restore", cls=GroupedCommand)(restore.restore)
app.command("detect", cls=GroupedCommand)(detect.detect)
app.command("spectrum")(spectrum.spectrum)
app.command("degrade")(degrade.degrade)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(teach.app, name="teach", help="Teach the small networks that find faces and landmarks.")
app.add_typer(models.app, name="models", help="List, fetch, verify and convert model files.")


def main() -> None:
    """Run the command line: what a user can mend is one sentence and exit code 1 or 2, never a traceback."""
    # torch's threads spin while they wait for each other. Where another program wants the cores, each wait then lasts
    # until the system lets both threads run: 27 faces took 134 s beside one, and 6 s with threads that soon sleep,
    # which costs a few percent on an idle machine. The number is GNU OpenMP's own for more threads than cores.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # What is wrong with a file is told in a sentence, not by the decoder's own warnings.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        app()
    except GPENError as error:
        say_error(f"{alarming('gpen:')} {error}")
        sys.exit(2 if isinstance(error, NoPictureError) else 1)
    except KeyboardInterrupt:
        say_error("gpen: interrupted.")
        sys.exit(130)

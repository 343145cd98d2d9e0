"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Inputs = Annotated[list[str], typer.Argument(help="Pictures, folders of pictures, or globs.", metavar="INPUT...")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Also look into folders inside folders.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File (for one picture) or folder; left out: beside each picture."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that exist already.")]
AllowDamaged = Annotated[
    bool,
    typer.Option("--allow-damaged", help="Of files that are cut off or damaged, take what can be read."),
]
Detector = Annotated[str, typer.Option(help="Registry name or file of the face detector; auto: the best one here.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps or xpu.")]
Report = Annotated[Path | None, typer.Option(help="Write what was found and done to this JSON file.")]
Log = Annotated[
    Path | None,
    typer.Option(
        help="Keep the log, with the traceback of each failure, in this .log or .txt file.", show_default=False
    ),
]
Indices = Annotated[
    str,
    typer.Option(
        "--indices",
        "--faces",
        help="Which of the ordered faces, such as 0,2-4; empty: all. `gpen detect` shows the numbers.",
        metavar="0,2-4",
        show_default=False,
    ),
]
Preset = Annotated[str | None, typer.Option(help="Name or .json file of a preset.", show_default=False)]

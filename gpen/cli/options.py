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
Threshold = Annotated[
    float | None, typer.Option(help="Least confidence of a face, 0..1; 0: what suits the detector.", show_default=False)
]
MinFaceSize = Annotated[
    int | None,
    typer.Option(help="Least size of a face in pixels; 0: 16, or more in large pictures.", show_default=False),
]
MaxFaces = Annotated[int | None, typer.Option(help="At most so many faces a picture; 0: all.", show_default=False)]
Order = Annotated[
    str | None,
    typer.Option(help="largest, left_to_right, top_to_bottom, centre or score.", show_default=False),
]
Faces = Annotated[str, typer.Option(help="Which of the ordered faces, such as 0,2-4; empty: all.")]
Focus = Annotated[
    bool | None,
    typer.Option(
        "--focus",
        help="Leave faces alone that are much smaller or much less sharp than the main ones.",
        show_default=False,
    ),
]
Preset = Annotated[str | None, typer.Option(help="Name or .json file of a preset.", show_default=False)]
Rotated = Annotated[
    bool | None,
    typer.Option("--rotated", help="Also find heads on their side or upside down.", show_default=False),
]


def given(**settings: object) -> dict[str, object]:
    """The settings a user really gave: a preset's own values hold for the rest."""
    return {name: value for name, value in settings.items() if value is not None}

"""Options shared by several commands."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

# More would be a slip of the pen: threads, and gigabytes.
_MOST_WORKERS, _MOST_MEMORY = 1000, 100_000


def path_or_place(address: str) -> Path:
    """The file or folder of a path or URL, see `storage.path_of`."""
    from ..jobs.storage import Place, is_url, path_of

    return path_of(Place.of(address).address) if is_url(address) else Path(address)


def require_spread(workers: int, memory: float) -> dict[str, int]:
    """Threads and bytes of `--workers` and `--memory`.

    Raises:
        SettingsError: one is out of range.
    """
    from ..values import require_between

    require_between("--workers", workers, 0, _MOST_WORKERS)
    require_between("--memory", memory, 0, _MOST_MEMORY)
    return {"workers": workers, "memory": math.ceil(memory * 1e9)}


Inputs = Annotated[list[str], typer.Argument(help="Pictures, folders of pictures, or globs.", metavar="INPUT...")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Also search subfolders.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File (for one picture) or folder. Default: next to each picture."),
]
OutputOrUrl = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="File (for one picture), folder, or with --engine ray a URL. Default: next to each picture.",
        parser=path_or_place,
        metavar="PATH",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
AllowDamaged = Annotated[
    bool,
    typer.Option("--allow-damaged", help="Read as much as possible of files that are cut off or damaged."),
]
Model = Annotated[str, typer.Option(help="Registry name or file of the GPEN model; auto: the best here.")]
Precision = Annotated[
    str, typer.Option(help="fp32, bf16 or fp16; fp32 is used instead of one that changes the picture.")
]
Workers = Annotated[int, typer.Option(help="Threads that work at once; 0: one for each core.")]
Detector = Annotated[str, typer.Option(help="Registry name or file of the face detector; auto: the best here.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps or xpu.")]
Report = Annotated[Path | None, typer.Option(help="Write a report of what was found and done to this JSON file.")]
Log = Annotated[
    Path | None,
    typer.Option(
        help="Append the log, with the traceback of each failure, to this .log or .txt file.", show_default=False
    ),
]
Indices = Annotated[
    str,
    typer.Option(
        "--indices",
        "--faces",
        help="Numbers of the faces to restore, such as 0,2-4; empty: all. `gpen detect` shows the numbers.",
        metavar="0,2-4",
        show_default=False,
    ),
]
Preset = Annotated[
    str | None, typer.Option(help="Name or .json file of a preset. Default: natural.", show_default=False)
]

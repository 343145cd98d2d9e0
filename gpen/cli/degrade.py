"""`gpen degrade`: show or save the degradations used for training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..wording import count
from . import options

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ..degradation.degrade import Pair


def degrade(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FACES", help="A picture, or faces: a folder, a parquet file or a folder of the datasets library."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG file for a sheet of the results.")],
    partners: Annotated[int, typer.Option(min=1, max=50, help="Number of degraded versions of each face.")] = 5,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of faces.")] = 8,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same damage.")] = 0,
    size: Annotated[int, typer.Option(min=16, help="Resize faces of folders and tables to this size.")] = 256,
    config: Annotated[
        str | None, typer.Option(help="Training configuration that defines the damage.", show_default=False)
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Also write the pairs to subfolders degraded and truth of this folder, for gpen evaluate."),
    ] = None,
    overwrite: options.Overwrite = False,
    log: options.Log = None,
) -> None:
    """Show degraded versions of faces: one row per face, which begins with the face itself.

    The steps of each version are printed below it. The damage depends only on the picture, its number and the seed.
    """
    from PIL import Image

    from ..degradation.degrade import MIXED
    from ..degradation.degrade import degrade as damage
    from ..errors import ImageError
    from ..evaluation.sheet import contact_sheet
    from ..files import save_png
    from ..jobs.collect import Job
    from ..jobs.plan import claim
    from ..training.generator.config import find_config, read_config
    from .logs import logging_to
    from .run import Run
    from .terminal import say

    if output.suffix.lower() != ".png":
        raise ImageError(f"The sheet {output} must have the suffix .png; choose another file name.")
    if source.is_dir() and output.exists() and output.resolve().is_relative_to(source.resolve()):
        raise ImageError(f"The sheet {output} would overwrite one of the faces; choose another --output.")
    claim(output, source, {}, overwrite)
    ranges = read_config(find_config(config)).degradation if config else MIXED
    run = Run()
    with logging_to(log), run.recorded(closing=False), run.trying(Job(source, Path(source.name))):
        faces = _faces(source, limit, size)
        made = [[damage(face, index, seed, ranges) for index in range(partners)] for face in faces]
        rows = (
            (_caption(number, own), _pictures(face, own))
            for number, (face, own) in enumerate(zip(faces, made, strict=True))
        )
        save_png(contact_sheet(rows, len(made)), output)
        say(f"→ {output}")
        for number, own in enumerate(made):
            for index, pair in enumerate(own):
                say(f"face {number}, version {index}: {', '.join(pair.steps) or 'undamaged'}")
                for name, picture in (("degraded", pair.degraded), ("truth", pair.truth)):
                    if pairs:
                        target = pairs / name / f"{number:05d}-{index}.png"
                        claim(target, source, {}, overwrite)
                        save_png(Image.fromarray(picture), target)


def _faces(source: Path, limit: int, size: int) -> list[np.ndarray]:
    import numpy as np

    from ..degradation.faces import read_faces
    from ..images import READABLE, read_picture
    from ..images.samples import integer_array

    if source.is_file() and source.suffix.lower() in READABLE:
        return [integer_array(read_picture(source).pixels, np.dtype(np.uint8))]
    return list(read_faces(source, limit, size))


def _caption(number: int, pairs: list[Pair]) -> str:
    return f"face {number}: {count(len(pairs), 'version')}"


def _pictures(face: np.ndarray, pairs: list[Pair]) -> list[tuple[str, torch.Tensor]]:
    from ..images import from_array

    named = [("face", face), *((f"partner {index}", pair.degraded) for index, pair in enumerate(pairs))]
    return [(title, from_array(picture)) for title, picture in named]

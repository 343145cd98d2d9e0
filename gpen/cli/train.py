"""`gpen train`: train a GPEN."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from .interrupts import STOPS, exit_code, stopped
from .terminal import say_error


def train(
    config: Annotated[
        str,
        typer.Argument(
            help="A TOML file or a bundled configuration: smoke, lite, lite-finer, colorize, inpaint, draw."
        ),
    ],
    faces: Annotated[
        Path,
        typer.Option(help="Square aligned faces: a folder, a parquet file or a folder of the datasets library."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run; an existing run is continued.")],
    task: Annotated[
        str,
        typer.Option(
            help="What to teach: restoration, colorization, inpainting or seg2face (drawing from a map). Default: that "
            "of the configuration.",
            show_default=False,
        ),
    ] = "",
    maps: Annotated[
        Path | None,
        typer.Option(
            help="For seg2face: coloured maps of the faces, as many and in the same order. Default: drawn from the "
            "landmarks and colours of each face.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Read only this many faces.", show_default=False)] = None,
    stop_after: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many steps; run again to continue.", show_default=False)
    ] = None,
) -> None:
    """Train a GPEN of any size, from scratch or from a checkpoint.

    The folder receives the state (the run can be stopped at any time and continued with the same command), a log,
    curves, samples, TensorBoard files, g_ema.pth for this package and the authors' code, and gpen.safetensors with a
    model card. On several GPUs or machines: accelerate launch -m gpen_blocks.gpen.cli train ...
    """
    import logging

    from ..degradation.faces import read_faces
    from ..training.generator.config import find_config, read_config
    from ..training.generator.maps import maps_of, read_maps
    from ..training.generator.train import Trainer, face_size

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    settings = read_config(find_config(config))
    if task:
        settings = replace(settings, model=replace(settings.model, task=task))  # type: ignore[arg-type]
    pictures = read_faces(faces, limit, face_size(settings))
    labels = None
    if settings.model.task == "seg2face":
        labels = read_maps(maps, len(pictures), pictures.shape[1]) if maps else maps_of(pictures, output)
    trainer = Trainer(settings, pictures, output, labels)
    try:
        trainer.run(stop_after)
    except STOPS as stop:
        say_error(f"{stopped(stop)} at step {trainer.step}; run it again to resume from the last interval.")
        raise typer.Exit(exit_code(stop)) from None

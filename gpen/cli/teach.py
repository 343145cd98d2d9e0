"""`gpen teach`: train the small networks that find faces and their landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

Faces = Annotated[Path, typer.Option(help="Parquet file of FFHQ-aligned faces; every tenth is held out.")]
Backgrounds = Annotated[
    list[Path], typer.Option(help="Parquet file of pictures without faces; may be repeated.", show_default=False)
]
Scenery = Annotated[
    Path | None, typer.Option(help="Folder of large pictures without faces, cut into backgrounds.", show_default=False)
]
Teacher = Annotated[Path, typer.Option(help="RetinaFace mobile0.25 weights.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Safetensors file to write.", show_default=False)]
Evaluate = Annotated[Path | None, typer.Option(help="Measure this network instead.", show_default=False)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps or xpu.")]
Seed = Annotated[int, typer.Option(help="Random seed.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Read only this many faces.", show_default=False)]


@app.command("detector")
def teach_detector(
    faces: Faces,
    backgrounds: Backgrounds,
    teacher: Teacher,
    output: Output = None,
    evaluate: Evaluate = None,
    scenery: Scenery = None,
    start: Annotated[
        Path | None, typer.Option(help="Detector to start from instead of random weights.", show_default=False)
    ] = None,
    scenes: Annotated[int, typer.Option(min=1, help="Scenes to compose.")] = 5000,
    steps: Annotated[int, typer.Option(min=1, help="Batches of 12 scenes.")] = 5000,
    rate: Annotated[float, typer.Option(help="Peak learning rate of the detector.")] = 2e-3,
    crops: Annotated[int, typer.Option(min=1, help="Crops for the landmark refiner.")] = 44000,
    refiner_steps: Annotated[int, typer.Option(min=1, help="Batches of 96 crops.")] = 5000,
    photograph: Annotated[
        list[Path] | None, typer.Option(help="With --evaluate: also compare on it; may be repeated.")
    ] = None,
    boxes: Annotated[
        list[int] | None, typer.Option(help="With --evaluate: width of boxes in pixels; may be repeated.")
    ] = None,
    seed: Seed = 1,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Train the face detector and its landmark refiner, or compare a detector with its teacher."""
    from ..devices import select_device
    from ..training.detector import teach_detector as script

    _log()
    _require_one(output, evaluate)
    if evaluate is not None:
        sizes = boxes or script.BOX_SIZES
        script.measure(
            evaluate,
            faces,
            backgrounds,
            teacher,
            scenery=scenery,
            photographs=photograph or (),
            box_sizes=sizes,
            seed=seed,
            limit=limit,
        )
    elif output is not None:
        script.teach(
            faces,
            backgrounds,
            teacher,
            output,
            scenery=scenery,
            start=start,
            scenes=scenes,
            steps=steps,
            rate=rate,
            crops=crops,
            refiner_steps=refiner_steps,
            seed=seed,
            limit=limit,
            device=select_device(device),
        )


@app.command("classifier")
def teach_classifier(
    faces: Faces,
    backgrounds: Backgrounds,
    teacher: Teacher,
    output: Annotated[Path, typer.Option("--output", "-o", help="Safetensors file to write.")],
    scenery: Scenery = None,
    mined_by: Annotated[
        list[Path] | None, typer.Option(help="Detector whose errors are used for training; may be repeated.")
    ] = None,
    crops: Annotated[int, typer.Option(min=1, help="Crops to make.")] = 40000,
    held_out: Annotated[int, typer.Option(min=1, help="Crops of held-out faces to measure with.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="Batches of 96 crops.")] = 4000,
    seed: Seed = 1,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Train the classifier that checks the detections."""
    from ..devices import select_device
    from ..training.detector.teach_classifier import teach

    _log()
    teach(
        faces,
        backgrounds,
        teacher,
        output,
        scenery=scenery,
        mined_by=mined_by or (),
        crops=crops,
        held_out=held_out,
        steps=steps,
        seed=seed,
        limit=limit,
        device=select_device(device),
    )


@app.command("occlusion")
def teach_occlusion(
    faces: Faces,
    backgrounds: Backgrounds,
    output: Output = None,
    evaluate: Evaluate = None,
    crops: Annotated[int, typer.Option(min=1, help="Crops to make for each interval of 250 steps.")] = 2000,
    held_out: Annotated[int, typer.Option(min=1, help="Crops of held-out faces and tiles to measure with.")] = 600,
    steps: Annotated[int, typer.Option(min=1, help="Batches of 32 crops.")] = 4000,
    seed: Seed = 1,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Train the network for what stands before faces, or measure one. Run again to continue a stopped run."""
    from ..devices import select_device
    from ..training.occlusion import teach_occlusion as script

    _log()
    _require_one(output, evaluate)
    if evaluate is not None:
        script.evaluate(evaluate, faces, backgrounds, held_out=held_out, seed=seed, limit=limit)
    elif output is not None:
        script.teach(
            faces,
            backgrounds,
            output,
            crops=crops,
            held_out=held_out,
            steps=steps,
            seed=seed,
            limit=limit,
            device=select_device(device),
        )


@app.command("labels")
def make_labels(
    faces: Faces,
    output: Annotated[Path, typer.Option("--output", "-o", help="npz file to write.")],
    limit: Limit = None,
) -> None:
    """Label faces with MediaPipe's face mesh, for the training of the landmark network."""
    from ..training.landmarks.label_landmarks import label

    _log()
    label(faces, output, limit=limit)


@app.command("landmarks")
def teach_landmarks(
    faces: Faces,
    labels: Annotated[Path, typer.Option(help="Output of `gpen teach labels` for the same faces.")],
    backgrounds: Annotated[
        Path | None, typer.Option(help="Parquet file of pictures without faces.", show_default=False)
    ] = None,
    output: Output = None,
    evaluate: Evaluate = None,
    crops: Annotated[int, typer.Option(min=1, help="Crops to make.")] = 65000,
    steps: Annotated[int, typer.Option(min=1, help="Batches of 64 crops.")] = 6500,
    seed: Seed = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch; few are best for small batches.")] = 1,
    limit: Limit = None,
    device: Device = "auto",
) -> None:
    """Train the network for 68 landmarks, or measure one. Run again to continue a stopped run."""
    import torch

    from ..devices import select_device
    from ..training.landmarks import teach_landmarks as script

    _log()
    torch.set_num_threads(threads)
    _require_one(output, evaluate)
    if evaluate is not None:
        script.evaluate(evaluate, faces, labels, limit=limit)
    elif output is not None:
        if backgrounds is None:
            raise typer.BadParameter("teaching needs --backgrounds")
        script.teach(
            faces,
            backgrounds,
            labels,
            output,
            crops=crops,
            steps=steps,
            seed=seed,
            limit=limit,
            device=select_device(device),
        )


def _require_one(output: Path | None, evaluate: Path | None) -> None:
    if (output is None) == (evaluate is None):
        raise typer.BadParameter("give --output to teach, or --evaluate to measure a network")


def _log() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")

"""Teach the bundled face detector, or measure one.

    python -m gpen_blocks.gpen.training.detector.teach_detector --faces faces.parquet \\
        --backgrounds backgrounds.parquet negatives.parquet --scenery wallpapers/ \\
        --teacher detection_mobilenet0.25_Final.pth --output face-detector-lite.safetensors
    python -m gpen_blocks.gpen.training.detector.teach_detector --evaluate face-detector-lite.safetensors \\
        --photograph group.png --faces faces.parquet --backgrounds backgrounds.parquet \\
        --teacher detection_mobilenet0.25_Final.pth

Two networks are taught: a RetinaFace mobile0.25 by matching the teacher's on composed scenes (`distill.py`,
`scenes.py`), and the landmark refiner on single faces (`teach_refiner.py`, `refiner_data.py`). Every tenth
face is left out of both. The files of faces and backgrounds hold 256 x 256 pictures in a column `image` as
the `datasets` library stores them. The same arguments give the same scenes, crops and order of batches.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from ....weights import checkpoint
from ...degradation.faces import group_weights, read_faces, split
from ...faces.detection.detect import detect
from ...faces.detection.detector import REFINER_PREFIX, FaceDetector, build_detector
from ...faces.detection.refine import LandmarkRefiner
from ...faces.detection.retinaface import RetinaFace
from ...images.read import read_picture
from ..shared.face_crops import CropMaker, make_crops
from ..shared.scenes import compose_scenes
from .backgrounds import read_backgrounds
from .distill import PEAK_RATE, teach_detector
from .evaluate_detector import compare, evaluate
from .teach_refiner import label_landmarks, teach_refiner

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Teach a detector and write it, or measure one and log what it does."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    teacher = _read_detector(options.teacher)
    if options.evaluate:
        measure(options, teacher)
    else:
        teach(options, teacher)


def teach(options: argparse.Namespace, teacher: FaceDetector) -> None:
    """Teach both networks and write them to one file, in half precision, with the recipe in its metadata."""
    began = time.monotonic()
    faces, _ = split(read_faces(options.faces, options.limit))
    weights, _ = split(group_weights(options.faces, options.limit))
    backgrounds = read_backgrounds(options.backgrounds, options.scenery, options.seed)
    torch.manual_seed(options.seed)
    start = _read_detector(options.start) if options.start else FaceDetector(RetinaFace("mobile0.25"), None)
    start.requires_grad_(True)
    scenes = compose_scenes(faces, backgrounds, options.scenes, options.seed, weights)
    log.info("composed %d scenes", len(scenes))
    tensors = teach_detector(start.network, teacher.network, scenes, options.steps, options.seed, options.rate)
    del scenes
    landmarks, sure = label_landmarks(faces, teacher.network)
    maker = CropMaker(faces[sure], landmarks[sure], backgrounds, options.seed)
    crops, points = make_crops(maker, options.crops)
    log.info("made %d crops of %d faces", len(crops), sure.sum())
    refiner = teach_refiner(start.refiner or LandmarkRefiner(), crops, points, options.refiner_steps, options.seed)
    tensors |= {REFINER_PREFIX + key: value for key, value in refiner.items()}
    metadata = {
        "network": "retinaface_mobile0.25",
        "steps": str(options.steps),
        "refiner_steps": str(options.refiner_steps),
        "recipe": f"{options.scenes} scenes, {options.crops} crops, seed {options.seed}",
        "start": options.start.name if options.start else "random",
        "teacher": options.teacher.name,
        "minutes": f"{(time.monotonic() - began) / 60:.0f}",
    }
    half = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    save_file(half, options.output, metadata)
    log.info("wrote %s", options.output)


def measure(options: argparse.Namespace, teacher: FaceDetector) -> None:
    """Compare a detector with the teacher on the held-out faces and on photographs."""
    detector = _read_detector(options.evaluate)
    for path in options.photograph:
        image = read_picture(path).pixels
        expected = detect(image, teacher, score_threshold=0.9, refine=False)
        log.info("%s: %s", path.name, compare(detect(image, detector), expected))
    _, held_out = split(read_faces(options.faces, options.limit))
    backgrounds = read_backgrounds(options.backgrounds, options.scenery, options.seed)
    results = evaluate(detector, teacher, held_out, backgrounds, options.boxes)
    for what, result in results.items():
        log.info("held-out faces, box %s: %s", what, result)


def _read_detector(path: Path) -> FaceDetector:
    return build_detector(checkpoint.read(path).tensors)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="teach_detector", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=Path, required=True, help="parquet file of FFHQ-aligned faces")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="parquet files without faces")
    parser.add_argument("--scenery", type=Path, help="folder of large pictures without faces, cut into backgrounds")
    parser.add_argument("--teacher", type=Path, required=True, help="RetinaFace mobile0.25 weights")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--output", type=Path, help="teach, and write the detector to this safetensors file")
    task.add_argument("--evaluate", type=Path, metavar="DETECTOR", help="measure this detector instead")
    parser.add_argument("--start", type=Path, help="start from this detector instead of random weights")
    parser.add_argument("--scenes", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=5000, help="of 12 scenes")
    parser.add_argument("--rate", type=float, default=PEAK_RATE, help="peak learning rate of the detector")
    parser.add_argument("--crops", type=int, default=44000)
    parser.add_argument("--refiner-steps", type=int, default=5000, help="of 96 crops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--photograph", type=Path, nargs="*", default=[], help="also measured on")
    parser.add_argument("--boxes", type=int, nargs="*", default=[64, 100, 160, 250, 400], help="box widths measured at")
    parser.add_argument("--limit", type=int, default=None, help="read only this many faces")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()

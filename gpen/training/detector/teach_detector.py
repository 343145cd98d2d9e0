"""Train the bundled face detector, or measure one: `gpen teach detector`.

Two networks are trained: a RetinaFace mobile0.25 by distillation on composed scenes (`distill.py`, `scenes.py`), and
the landmark refiner on single faces (`teach_refiner.py`, `face_crops.py`). Every tenth face is held out of both. The
files of faces and backgrounds hold 256 x 256 pictures in a column `image` as the `datasets` library stores them. The
same arguments give the same scenes, crops and order of batches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ....weights import checkpoint
from ...degradation.faces import group_weights, read_faces, split
from ...faces.detection.detect import detect
from ...faces.detection.detector import REFINER_PREFIX, FaceDetector, build_detector
from ...faces.detection.refine import LandmarkRefiner
from ...faces.detection.retinaface import RetinaFace
from ...images.read import read_picture
from ..shared.face_crops import CropMaker, make_crops
from ..shared.scenes import compose_scenes
from ..shared.state import write_network
from .backgrounds import read_backgrounds
from .distill import teach_detector
from .evaluate_detector import compare, evaluate
from .teach_refiner import label_landmarks, teach_refiner

log = logging.getLogger(__name__)

# Widths of boxes for the measurement of a detector.
BOX_SIZES = (64, 100, 160, 250, 400)


def teach(
    faces: Path,
    backgrounds: Sequence[Path],
    teacher: Path,
    output: Path,
    *,
    scenery: Path | None = None,
    start: Path | None = None,
    scenes: int,
    steps: int,
    rate: float,
    crops: int,
    refiner_steps: int,
    seed: int,
    limit: int | None,
    device: torch.device | None = None,
) -> None:
    """Train both networks and write them to one file, in half precision, with the recipe in its metadata.

    Args:
        faces: parquet file of FFHQ-aligned faces.
        backgrounds: parquet files of pictures without faces.
        teacher: RetinaFace mobile0.25 weights.
        output: safetensors file to write.
        scenery: folder of large pictures without faces, cut into backgrounds.
        start: detector to start from instead of random weights.
        scenes: number of scenes to compose.
        steps: batches of scenes.
        rate: peak learning rate of the detector.
        crops: number of crops for the refiner.
        refiner_steps: batches of crops.
        seed: random seed.
        limit: read only this many faces.
        device: where to train; by default the best available device.
    """
    began = time.monotonic()
    pictures, _ = split(read_faces(faces, limit))
    weights, _ = split(group_weights(faces, limit))
    others = read_backgrounds(backgrounds, scenery, seed)
    torch.manual_seed(seed)
    guide = _read_detector(teacher)
    student = _read_detector(start) if start else FaceDetector(RetinaFace("mobile0.25"), None)
    student.requires_grad_(True)
    composed = compose_scenes(pictures, others, scenes, seed, weights)
    log.info("composed %d scenes", len(composed))
    tensors = teach_detector(student.network, guide.network, composed, steps, seed, rate, device=device)
    del composed
    landmarks, sure = label_landmarks(pictures, guide.network)
    maker = CropMaker(pictures[sure], landmarks[sure], others, seed)
    shown, points = make_crops(maker, crops)
    log.info("made %d crops of %d faces", len(shown), sure.sum())
    refiner = teach_refiner(student.refiner or LandmarkRefiner(), shown, points, refiner_steps, seed, device=device)
    tensors |= {REFINER_PREFIX + key: value for key, value in refiner.items()}
    metadata = {
        "network": "retinaface_mobile0.25",
        "steps": str(steps),
        "refiner_steps": str(refiner_steps),
        "recipe": f"{scenes} scenes, {crops} crops, seed {seed}",
        "start": start.name if start else "random",
        "teacher": teacher.name,
        "minutes": f"{(time.monotonic() - began) / 60:.0f}",
    }
    write_network(tensors, output, metadata)
    log.info("wrote %s", output)


def measure(
    detector: Path,
    faces: Path,
    backgrounds: Sequence[Path],
    teacher: Path,
    *,
    scenery: Path | None = None,
    photographs: Sequence[Path] = (),
    box_sizes: Sequence[int] = BOX_SIZES,
    seed: int,
    limit: int | None,
) -> None:
    """Compare a detector with the teacher on the held-out faces and on photographs, and log the results.

    Args:
        detector: its file.
        faces, backgrounds, teacher, scenery, seed, limit: as for `teach`.
        photographs: also compare on these.
        box_sizes: widths of the boxes of held-out faces in pixels.
    """
    judged, guide = _read_detector(detector), _read_detector(teacher)
    for path in photographs:
        image = read_picture(path).pixels
        expected = detect(image, guide, score_threshold=0.9, refine=False)
        log.info("%s: %s", path.name, compare(detect(image, judged), expected))
    _, held_out = split(read_faces(faces, limit))
    others = read_backgrounds(backgrounds, scenery, seed)
    for what, result in evaluate(judged, guide, held_out, others, box_sizes).items():
        log.info("held-out faces, box %s: %s", what, result)


def _read_detector(path: Path) -> FaceDetector:
    return build_detector(checkpoint.read(path).tensors)

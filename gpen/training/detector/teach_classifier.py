"""Train the bundled face classifier on heads and on what detectors mistake for heads; `gpen teach classifier`.

Every tenth face is held out. The same arguments give the same crops and order of batches.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ....weights import checkpoint
from ...degradation.faces import HELD_OUT, group_weights, read_faces, to_images
from ...faces.detection.classify import FaceClassifier
from ...faces.detection.detect import detect
from ...faces.detection.detector import FaceDetector, build_detector
from ...faces.detection.retinaface import RetinaFace, anchors, decode_boxes, to_network
from ...faces.layers import normalize
from ..shared.face_crops import make_crops
from ..shared.learner import Recipe, train
from ..shared.places import beside, in_bfloat16
from ..shared.state import write_network
from .backgrounds import read_backgrounds
from .classifier_data import NO_FACE, ClassifierCrops, MinedBoxes

log = logging.getLogger(__name__)

BATCH = 96
RECIPE = Recipe(rate=3e-3, weight_decay=1e-2, warm_steps=100, largest_gradient=5)
QUARTER_WEIGHT = 0.5
# Minimum confidence of mined boxes; in pictures without faces they are all wrong.
MINED_FROM = 0.03
MARGIN = 40  # pixels by which a face's picture is extended, so that the head has surroundings
CHUNK = 16
# Minimum confidence of the teacher for a face to be used.
SURE = 0.5


@torch.inference_mode()
def box_faces(faces: np.ndarray, teacher: RetinaFace) -> tuple[np.ndarray, np.ndarray]:
    """The most confident box of each face's picture, detected at half its size.

    Args:
        faces: N x S x S x 3 uint8, each with one face.
        teacher: detector in eval mode.

    Returns:
        N x 4 in pixels of the pictures, and N scores, 0..1.
    """
    boxes, scores = [], []
    for start in range(0, len(faces), CHUNK):
        padded = np.pad(faces[start : start + CHUNK], ((0, 0), (MARGIN,) * 2, (MARGIN,) * 2, (0, 0)), mode="edge")
        shown = F.avg_pool2d(to_images(padded), 2)
        regressions, logits, _ = teacher(to_network(shown))
        sure, best = logits.softmax(-1)[..., 1].max(1)
        at = anchors(shown.shape[2], shown.shape[3])[best]
        boxes.append(2 * decode_boxes(regressions[torch.arange(len(best)), best], at) - MARGIN)
        scores.append(sure)
    return torch.cat(boxes).numpy(), torch.cat(scores).numpy()


def mine_boxes(backgrounds: np.ndarray, detectors: Sequence[FaceDetector]) -> MinedBoxes:
    """Collect false detections, even with low confidence, in pictures without faces.

    Args:
        backgrounds: M x S x S x 3 uint8.
        detectors: the detectors to run.
    """
    found = []
    for detector in detectors:
        for start in range(0, len(backgrounds), CHUNK):
            images = to_images(backgrounds[start : start + CHUNK])
            faces = detect(images, detector, score_threshold=MINED_FROM, min_face_size=16, refine=False)
            found += [(start + face.image_index, *face.box, face.score) for face in faces]
    table = np.array(found, np.float32).reshape(-1, 6)
    return MinedBoxes(table[:, 0].astype(np.int64), table[:, 1:5], table[:, 5])


def teach_classifier(
    classifier: FaceClassifier,
    crops: Tensor,
    labels: Tensor,
    steps: int,
    seed: int,
    *,
    device: torch.device | None = None,
) -> dict[str, Tensor]:
    """Train a classifier with the cross entropy of face or not and, for faces, of the quarter turn.

    Args:
        classifier: initial network; changed in place.
        crops: N x 64 x 64 x 3 uint8.
        labels: N, 0..3 quarter turns clockwise, or NO_FACE.
        steps: batches of BATCH crops.
        seed: random seed of the choice of crops, mirroring and noise.
        device: where to train; by default the best available device.

    Returns:
        The averaged state dict.
    """
    random = torch.Generator().manual_seed(seed)

    def loss_of_batch() -> Tensor:
        images, targets = beside(classifier, *_draw(crops, labels, random))
        with in_bfloat16(classifier):
            answers = classifier(images)
        return classifier_loss(answers.float(), targets)

    return train(classifier, RECIPE, steps, loss_of_batch, device=device)


def classifier_loss(answers: Tensor, labels: Tensor) -> Tensor:
    """The loss of logits N x 5 against labels N."""
    is_face = labels != NO_FACE
    loss = F.binary_cross_entropy_with_logits(answers[:, 0], is_face.float())
    if is_face.any():
        loss = loss + QUARTER_WEIGHT * F.cross_entropy(answers[is_face, 1:], labels[is_face])
    return loss


def teach(
    faces: Path,
    backgrounds: Sequence[Path],
    teacher: Path,
    output: Path,
    *,
    scenery: Path | None = None,
    mined_by: Sequence[Path] = (),
    crops: int,
    held_out: int,
    steps: int,
    seed: int,
    limit: int | None,
    device: torch.device | None = None,
) -> None:
    """Train a classifier, write it in half precision with its recipe, and log its results on held-out faces.

    Args:
        faces: parquet file of FFHQ-aligned faces.
        backgrounds: parquet files of pictures without faces.
        teacher: RetinaFace mobile0.25 weights, to box the faces.
        output: safetensors file to write.
        scenery: folder of large pictures without faces, cut into backgrounds.
        mined_by: detectors whose errors are used.
        crops: number of crops to make.
        held_out: number of crops of held-out faces for the measurement.
        steps: batches of crops.
        seed: random seed.
        limit: read only this many faces.
        device: where to train; by default the best available device.
    """
    began = time.monotonic()
    pictures, weights = read_faces(faces, limit), group_weights(faces, limit)
    others = read_backgrounds(backgrounds, scenery, seed)
    guide = build_detector(checkpoint.read(teacher).tensors)
    boxes, scores = box_faces(pictures, guide.network)
    miners = [build_detector(checkpoint.read(path).tensors) for path in mined_by]
    mined = mine_boxes(others, [detector.freeze() for detector in (*miners, guide)])
    log.info("mined %d boxes", len(mined.boxes))
    sure, held = scores > SURE, np.arange(len(pictures)) % HELD_OUT == 0

    def make(which: np.ndarray, count: int, seed: int) -> tuple[Tensor, Tensor]:
        maker = ClassifierCrops(pictures[which], boxes[which], others, mined, seed, weights[which])
        return make_crops(maker, count)

    shown, labels = make(sure & ~held, crops, seed)
    torch.manual_seed(seed)
    classifier = FaceClassifier()
    tensors = teach_classifier(classifier, shown, labels, steps, seed, device=device)
    classifier.load_state_dict(tensors)
    log.info("held-out faces: %s", measure(classifier.eval(), *make(sure & held, held_out, seed + 1)))
    metadata = {
        "network": "face_classifier",
        "steps": str(steps),
        "recipe": f"{crops} crops, seed {seed}",
        "minutes": f"{(time.monotonic() - began) / 60:.0f}",
    }
    write_network(tensors, output, metadata)
    log.info("wrote %s", output)


@torch.inference_mode()
def measure(classifier: FaceClassifier, crops: Tensor, labels: Tensor) -> str:
    """One sentence with the number of correctly classified faces, non-faces and quarter turns."""
    images = normalize(crops.permute(0, 3, 1, 2).float() / 255)
    answers = torch.cat([classifier(chunk) for chunk in images.split(BATCH)])
    is_face, said = labels != NO_FACE, answers[:, 0] > 0
    right = answers[is_face, 1:].argmax(1) == labels[is_face]
    return (
        f"{int(said[is_face].sum())} of {int(is_face.sum())} faces and {int((~said[~is_face]).sum())} of "
        f"{int((~is_face).sum())} others told right, {int(right.sum())} faces turned right"
    )


def _draw(crops: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of normalised crops, half of them mirrored, with a little noise, and their labels."""
    index = torch.randint(len(crops), (BATCH,), generator=random)
    images, targets = normalize(crops[index].permute(0, 3, 1, 2).float() / 255), labels[index]
    mirror = torch.rand(BATCH, generator=random) < 0.5
    images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    sideways = mirror & (targets % 2 == 1) & (targets != NO_FACE)
    targets = torch.where(sideways, 4 - targets, targets)
    noise = torch.randn(images.shape, generator=random) * torch.rand(BATCH, 1, 1, 1, generator=random) * 0.1
    return (images + noise).contiguous(memory_format=torch.channels_last), targets

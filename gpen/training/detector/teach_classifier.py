"""Teach the bundled face classifier: heads, and what detectors take for heads.

    python -m gpen_blocks.gpen.training.detector.teach_classifier --faces faces.parquet \\
        --backgrounds backgrounds.parquet negatives.parquet --scenery wallpapers/ \\
        --teacher detection_mobilenet0.25_Final.pth --mined-by face-detector-lite.safetensors \\
        --output face-classifier-lite.safetensors

Every tenth face is left out. The same arguments give the same crops and order of batches.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ....weights import checkpoint
from ...degradation.faces import HELD_OUT, group_weights, read_faces, to_images
from ...faces.detection.classify import FaceClassifier, normalise
from ...faces.detection.detect import detect
from ...faces.detection.detector import FaceDetector, build_detector
from ...faces.detection.retinaface import RetinaFace, anchors, decode_boxes, to_network
from ..shared.ema import MovingAverage, warm_cosine
from .backgrounds import read_backgrounds
from .classifier_data import NO_FACE, ClassifierCrops, MinedBoxes

log = logging.getLogger(__name__)

BATCH = 96
PEAK_RATE, WEIGHT_DECAY, WARM_STEPS = 3e-3, 1e-2, 100
QUARTER_WEIGHT = 0.5
# What a detector is this little sure of is mined: in a picture without faces it is wrong.
MINED_FROM = 0.03
MARGIN = 40  # pixels by which a face's picture is drawn out, so that the head has surroundings
CHUNK = 16
# Faces that the teacher is less sure of are left out.
SURE = 0.5


@torch.inference_mode()
def box_faces(faces: np.ndarray, teacher: RetinaFace) -> tuple[np.ndarray, np.ndarray]:
    """The surest box of each face's picture, seen at half its size.

    Args:
        faces: N x S x S x 3 uint8 that each show one face.
        teacher: in eval mode; says where.

    Returns:
        N x 4 in their pixels, and its N scores, 0..1.
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
    """What detectors take for faces, however little sure, in pictures that have none.

    Args:
        backgrounds: M x S x S x 3 uint8.
        detectors: all of them are asked.
    """
    found = []
    for detector in detectors:
        for start in range(0, len(backgrounds), CHUNK):
            images = to_images(backgrounds[start : start + CHUNK])
            faces = detect(images, detector, score_threshold=MINED_FROM, min_face_size=16, refine=False)
            found += [(start + face.image_index, *face.box, face.score) for face in faces]
    table = np.array(found, np.float32).reshape(-1, 6)
    return MinedBoxes(table[:, 0].astype(np.int64), table[:, 1:5], table[:, 5])


def make_classifier_crops(maker: ClassifierCrops, count: int) -> tuple[Tensor, Tensor]:
    """Crops to teach with, N x 64 x 64 x 3 uint8, and their labels: made once, seen many times."""
    pairs = [maker.batch(min(500, count - start)) for start in range(0, count, 500)]
    crops, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return torch.from_numpy(crops), torch.from_numpy(labels)


def teach_classifier(
    classifier: FaceClassifier, crops: Tensor, labels: Tensor, steps: int, seed: int
) -> dict[str, Tensor]:
    """Teach a classifier: cross entropy of face or not, and for faces of the quarter turn.

    Args:
        classifier: what to start from; changed in place.
        crops: N x 64 x 64 x 3 uint8.
        labels: N, 0..3 quarter turns clockwise, or NO_FACE.
        steps: batches of BATCH crops.
        seed: of the choice of crops, mirroring and noise.

    Returns:
        The averaged state dict.
    """
    random = torch.Generator().manual_seed(seed)
    classifier.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.99))
    average = MovingAverage(classifier)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK_RATE * warm_cosine(step, steps, WARM_STEPS)
        images, targets = _draw(crops, labels, random)
        with torch.autocast("cpu", torch.bfloat16):
            answers = classifier(images)
        loss = classifier_loss(answers.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(classifier.parameters(), 5)
        optimizer.step()
        average.update(classifier)
        if (step + 1) % 100 == 0:
            log.info("classifier step %d: loss %.4f", step + 1, loss.item())
    return average.contiguous()


def classifier_loss(answers: Tensor, labels: Tensor) -> Tensor:
    """The loss of logits N x 5 against labels N."""
    is_face = labels != NO_FACE
    loss = F.binary_cross_entropy_with_logits(answers[:, 0], is_face.float())
    if is_face.any():
        loss = loss + QUARTER_WEIGHT * F.cross_entropy(answers[is_face, 1:], labels[is_face])
    return loss


def main(arguments: Sequence[str] | None = None) -> None:
    """Teach a classifier, write it in half precision with its recipe, and log what it makes of held-out faces."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    began = time.monotonic()
    faces, weights = read_faces(options.faces, options.limit), group_weights(options.faces, options.limit)
    backgrounds = read_backgrounds(options.backgrounds, options.scenery, options.seed)
    teacher = build_detector(checkpoint.read(options.teacher).tensors)
    boxes, scores = box_faces(faces, teacher.network)
    others = [build_detector(checkpoint.read(path).tensors) for path in options.mined_by]
    mined = mine_boxes(backgrounds, [detector.freeze() for detector in (*others, teacher)])
    log.info("mined %d boxes", len(mined.boxes))
    sure, held = scores > SURE, np.arange(len(faces)) % HELD_OUT == 0

    def make(which: np.ndarray, count: int, seed: int) -> tuple[Tensor, Tensor]:
        maker = ClassifierCrops(faces[which], boxes[which], backgrounds, mined, seed, weights[which])
        return make_classifier_crops(maker, count)

    crops, labels = make(sure & ~held, options.crops, options.seed)
    torch.manual_seed(options.seed)
    classifier = FaceClassifier()
    tensors = teach_classifier(classifier, crops, labels, options.steps, options.seed)
    classifier.load_state_dict(tensors)
    log.info("held-out faces: %s", measure(classifier.eval(), *make(sure & held, options.held_out, options.seed + 1)))
    metadata = {
        "network": "face_classifier",
        "steps": str(options.steps),
        "recipe": f"{options.crops} crops, seed {options.seed}",
        "minutes": f"{(time.monotonic() - began) / 60:.0f}",
    }
    half = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    save_file(half, options.output, metadata)
    log.info("wrote %s", options.output)


@torch.inference_mode()
def measure(classifier: FaceClassifier, crops: Tensor, labels: Tensor) -> str:
    """How many faces, non-faces and quarter turns it tells right, in a sentence."""
    images = normalise(crops.permute(0, 3, 1, 2).float() / 255)
    answers = torch.cat([classifier(chunk) for chunk in images.split(BATCH)])
    is_face, said = labels != NO_FACE, answers[:, 0] > 0
    right = answers[is_face, 1:].argmax(1) == labels[is_face]
    return (
        f"{int(said[is_face].sum())} of {int(is_face.sum())} faces and {int((~said[~is_face]).sum())} of "
        f"{int((~is_face).sum())} others told right, {int(right.sum())} faces turned right"
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="teach_classifier", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=Path, required=True, help="parquet file of FFHQ-aligned faces")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="parquet files without faces")
    parser.add_argument("--scenery", type=Path, help="folder of large pictures without faces, cut into backgrounds")
    parser.add_argument("--teacher", type=Path, required=True, help="RetinaFace mobile0.25 weights, to box the faces")
    parser.add_argument("--mined-by", type=Path, nargs="*", default=[], help="detectors whose mistakes are learnt")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--crops", type=int, default=40000)
    parser.add_argument("--held-out", type=int, default=2000, help="crops of held-out faces to measure with")
    parser.add_argument("--steps", type=int, default=4000, help="of 96 crops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None, help="read only this many faces")
    return parser.parse_args(arguments)


def _draw(crops: Tensor, labels: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of normalised crops, half of them mirrored, with a little noise, and their labels."""
    index = torch.randint(len(crops), (BATCH,), generator=random)
    images, targets = normalise(crops[index].permute(0, 3, 1, 2).float() / 255), labels[index]
    mirror = torch.rand(BATCH, generator=random) < 0.5
    images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    sideways = mirror & (targets % 2 == 1) & (targets != NO_FACE)
    targets = torch.where(sideways, 4 - targets, targets)
    noise = torch.randn(images.shape, generator=random) * torch.rand(BATCH, 1, 1, 1, generator=random) * 0.1
    return (images + noise).contiguous(memory_format=torch.channels_last), targets


if __name__ == "__main__":
    main()

"""Train the landmark refiner: the teacher labels clean faces, the refiner sees degraded ones."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from ...degradation.faces import to_images
from ...faces.detection.refine import MEAN_SHAPE, MIRRORED, LandmarkRefiner, mirror_points
from ...faces.detection.retinaface import RetinaFace, anchors, decode_landmarks, to_network
from ...faces.layers import normalize
from ..shared.learner import Recipe, train
from ..shared.places import beside, in_bfloat16

# The teacher's landmarks vary by about 3 % of the eye distance between scales, so the label is the mean of its
# results at these scales of the 256-px picture, each also for the mirror image.
LABEL_SCALES = (0.25, 0.375, 0.5, 0.75, 1.0)
LABEL_MARGIN = 40  # pixels by which the picture is extended, so that the head has surroundings
LABEL_SCORE = 0.5
LABEL_BATCH = 16
BATCH = 96
RECIPE = Recipe(rate=3e-3, weight_decay=5e-3, warm_steps=100, largest_gradient=5)
EYE_DISTANCE = MEAN_SHAPE[1][0] - MEAN_SHAPE[0][0]


@torch.inference_mode()
def label_landmarks(faces: np.ndarray, teacher: RetinaFace) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's mean landmarks of pictures with one face each.

    Args:
        faces: N x S x S x 3 uint8.
        teacher: in eval mode.

    Returns:
        N x 5 x 2 float32 in pixels of the pictures, and N bool: whether the teacher found a face in every view.
    """
    points, sure = [], []
    for start in range(0, len(faces), LABEL_BATCH):
        padded = [
            np.pad(face, ((LABEL_MARGIN, LABEL_MARGIN), (LABEL_MARGIN, LABEL_MARGIN), (0, 0)), mode="edge")
            for face in faces[start : start + LABEL_BATCH]
        ]
        views = [view for scale in LABEL_SCALES for view in _views(padded, scale, teacher)]
        points.append(torch.stack([view for view, _ in views]).mean(0) - LABEL_MARGIN)
        sure.append(torch.stack([score for _, score in views]).amin(0) > LABEL_SCORE)
    return torch.cat(points).numpy(), torch.cat(sure).numpy()


def _views(pictures: list[np.ndarray], scale: float, teacher: RetinaFace) -> list[tuple[Tensor, Tensor]]:
    """Landmarks B x 5 x 2 (in the pictures' pixels) and scores B at one scale, plain and mirrored."""
    side = round(pictures[0].shape[0] * scale)
    shown = np.stack([cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA) for picture in pictures])
    images = to_images(shown)
    answers = []
    for mirrored in (False, True):
        _, logits, regressions = teacher(to_network(images.flip(3) if mirrored else images))
        scores, best = logits.softmax(-1)[..., 1].max(1)
        chosen = regressions[torch.arange(len(images)), best]
        points = decode_landmarks(chosen, anchors(side, side)[best])
        if mirrored:
            points = side * mirror_points(points / side, MIRRORED)
        answers.append((points * (pictures[0].shape[0] / side), scores))
    return answers


def teach_refiner(
    refiner: LandmarkRefiner,
    crops: Tensor,
    points: Tensor,
    steps: int,
    seed: int,
    *,
    device: torch.device | None = None,
) -> dict[str, Tensor]:
    """Train a refiner; the loss is the mean distance of the landmarks in eye distances.

    Args:
        refiner: initial network; changed in place.
        crops: N x 64 x 64 uint8.
        points: N x 5 x 2, landmarks in units of the crop's side.
        steps: batches of BATCH crops.
        seed: random seed of the choice of crops, mirroring and noise.
        device: where to train; by default the best available device.

    Returns:
        The averaged state dict.
    """
    random = torch.Generator().manual_seed(seed)

    def loss_of_batch() -> Tensor:
        images, targets = beside(refiner, *_draw(crops, points, random))
        with in_bfloat16(refiner):
            answers = refiner(images)
        return ((answers.float() - targets).norm(dim=-1) / EYE_DISTANCE).mean()

    return train(refiner, RECIPE, steps, loss_of_batch, device=device)


def _draw(crops: Tensor, points: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of normalised crops, half of them mirrored, with a little noise, and their landmarks."""
    index = torch.randint(len(crops), (BATCH,), generator=random)
    images, targets = normalize(crops[index, None].float() / 255), points[index]
    mirror = torch.rand(BATCH, generator=random) < 0.5
    images = torch.where(mirror.view(-1, 1, 1, 1), images.flip(3), images)
    targets = torch.where(mirror.view(-1, 1, 1), mirror_points(targets, MIRRORED), targets)
    noise = torch.randn(images.shape, generator=random) * torch.rand(BATCH, 1, 1, 1, generator=random) * 0.15
    return (images + noise).contiguous(memory_format=torch.channels_last), targets

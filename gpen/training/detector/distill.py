"""Distillation of a RetinaFace: the student's feature maps and heads are trained to match the teacher's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...degradation.faces import to_images
from ...devices import select_device
from ...faces.detection.retinaface import RetinaFace, anchors, to_network
from ..shared.learner import Recipe, train
from ..shared.places import beside, in_bfloat16
from ..shared.scenes import Augmenter, Scenes

BATCH = 12
RECIPE = Recipe(rate=2e-3, weight_decay=1e-4, warm_steps=50, largest_gradient=10)
POSITIVE = 0.3  # teacher probability from which an anchor counts as a face
HARD_NEGATIVES = 7  # per positive (SSD: Liu et al. 2016, section 2.2, takes 3)
FEWEST_POSITIVES = 20  # minimum used for the number of hard negatives
BOX_WEIGHT, LANDMARK_WEIGHT, HINT_WEIGHT = 2.0, 4.0, 0.5
# Anchors farther than this many box widths from every head are never faces, regardless of the teacher.
HEAD_REACH = 1.2
NO_FACE = (8.0, -8.0)  # logits of such anchors


def teach_detector(
    student: RetinaFace,
    teacher: RetinaFace,
    scenes: Scenes,
    steps: int,
    seed: int,
    rate: float = RECIPE.rate,
    *,
    device: torch.device | None = None,
) -> dict[str, Tensor]:
    """Train `student` on scenes.

    The teacher sees each scene with a random tone and often slight degradation; the student sees it with altered heads,
    and in two of five cases with more degradation. Away from the heads nothing counts as a face. The loss is that of
    the heads plus hints: the squared difference of the feature maps after every stage of backbone, pyramid and context
    modules (Romero et al., "FitNets", ICLR 2015), which transfer the teacher's knowledge of things that no scene shows.

    Args:
        student: initial network; changed in place.
        teacher: a network of the same architecture.
        scenes: result of `compose_scenes`.
        steps: batches of BATCH scenes.
        seed: random seed of the choice and alteration of scenes.
        rate: peak learning rate; use a lower one for a student that was trained before.
        device: where to train; by default the best available device.

    Returns:
        The averaged state dict.
    """
    random, augmenter = np.random.default_rng(seed), Augmenter(seed + 1)
    place = device or select_device()
    teacher.eval().requires_grad_(False).to(place).to(memory_format=torch.channels_last)

    def loss_of_batch() -> Tensor:
        clean, shown, heads = _draw(scenes, random, augmenter)
        clean, shown = beside(student, clean, shown)
        with torch.no_grad():
            wanted_maps = teacher.maps(clean)
            wanted_boxes, logits, wanted_landmarks = teacher.heads(wanted_maps[-1])
            logits = torch.where(
                _near_heads(heads, clean.shape[-1]).to(logits.device), logits, logits.new_tensor(NO_FACE)
            )
            wanted = (wanted_boxes, logits, wanted_landmarks)
        with in_bfloat16(student):
            maps = student.maps(shown)
        answers = student.heads([level.float() for level in maps[-1]])
        hints = torch.stack([_hint_loss(ours, theirs) for ours, theirs in zip(maps, wanted_maps, strict=True)])
        return head_loss(answers, wanted) + HINT_WEIGHT * hints.sum()

    tensors = train(student, replace(RECIPE, rate=rate), steps, loss_of_batch, device=place)
    teacher.cpu()
    return tensors


def head_loss(answers: tuple[Tensor, Tensor, Tensor], wanted: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Cross entropy with the teacher's probabilities on positives and the hardest negatives, and smooth L1 with its
    boxes and landmarks on positives, weighted by its probability.

    Args:
        answers: box regressions B x N x 4, logits B x N x 2, landmark regressions B x N x 10.
        wanted: outputs of the teacher, of the same shapes.
    """
    (boxes, logits, landmarks), (wanted_boxes, wanted_logits, wanted_landmarks) = answers, wanted
    probability = wanted_logits.softmax(-1)[..., 1]
    positive = probability > POSITIVE
    count = int(positive.sum())
    entropy = -(wanted_logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)
    negatives = entropy[~positive]
    hardest = negatives.topk(min(HARD_NEGATIVES * max(count, FEWEST_POSITIVES), len(negatives))).values
    confidence = (entropy[positive].sum() + hardest.sum()) / max(count, FEWEST_POSITIVES)
    weight = probability[positive] / max(count, 1)

    def regression(ours: Tensor, theirs: Tensor, beta: float) -> Tensor:
        error = F.smooth_l1_loss(ours[positive], theirs[positive], beta=beta, reduction="none")
        return (error.mean(-1) * weight).sum()

    return (
        confidence
        + BOX_WEIGHT * regression(boxes, wanted_boxes, 0.3)
        + LANDMARK_WEIGHT * regression(landmarks, wanted_landmarks, 0.1)
    )


def _hint_loss(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """Squared difference of three feature maps in units of each channel's variance, mean over maps."""
    losses = []
    for our, their in zip(ours, theirs, strict=True):
        variance = their.var((0, 2, 3), keepdim=True)
        variance = variance.clamp(min=0.1 * float(variance.mean()))  # reduces the weight of nearly inactive channels
        losses.append(((our.float() - their).square() / variance).mean().clamp(max=20))
    return torch.stack(losses).mean()


def _near_heads(heads: Tensor, side: int) -> Tensor:
    """B x A x 1 bool: which anchors are near one of the heads B x K x 3 (centre, box width; width 0: none)."""
    centres = anchors(side, side)[:, :2]
    distance = torch.cdist(centres.expand(len(heads), -1, -1), heads[..., :2])
    return (distance < HEAD_REACH * heads[:, None, :, 2]).any(-1, keepdim=True)


def _draw(scenes: Scenes, random: np.random.Generator, augmenter: Augmenter) -> tuple[Tensor, Tensor, Tensor]:
    """A batch as seen by the teacher and by the student, and its heads."""
    clean, spoilt, heads = [], [], []
    for index in random.integers(0, len(scenes), BATCH):
        views, own = (scenes.clean[index], scenes.shown[index]), scenes.heads[index]
        if random.random() < 0.5:
            views = tuple(np.ascontiguousarray(view[:, ::-1]) for view in views)
            own = np.where(own[:, 2:] > 0, own * (-1, 1, 1) + (views[0].shape[1], 0, 0), own).astype(np.float32)
        seen, shown = augmenter.adjust_tone(*views)
        clean.append(augmenter.degrade(seen, 0.3) if random.random() < 0.5 else seen)
        spoilt.append(augmenter.degrade(shown, 1.0) if random.random() < 0.4 else shown)
        heads.append(own)
    return _to_network(clean), _to_network(spoilt), torch.from_numpy(np.stack(heads))


def _to_network(pictures: list[np.ndarray]) -> Tensor:
    return to_network(to_images(np.stack(pictures)))

"""Train the network that finds what stands before a face; `gpen teach occlusion`.

Every tenth face and every tenth tile is held out. A stopped run continues from its last state.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ....weights import checkpoint
from ...degradation.faces import group_weights, read_faces, split
from ...devices import select_device
from ...faces.layers import normalize
from ...faces.masks.occlusion import OcclusionNetwork, load_occlusion
from ...wording import count
from ..shared.face_crops import make_crops
from ..shared.learner import Learner, Recipe
from ..shared.places import beside, in_bfloat16
from ..shared.state import load_state, save_state, write_network
from .compositions import KINDS, Compositions

log = logging.getLogger(__name__)

BATCH = 32
RECIPE = Recipe(rate=2e-3, weight_decay=1e-2, warm_steps=100, largest_gradient=5)
INTERVAL = 250  # steps between checkpoints, before each of which new crops are made
POOL = 8  # intervals for which a crop is kept
# Share of the steps that see crops at half their size, which is four times as quick.
HALF_SIZE = 0.8
# Weight of what lies beside the face, where little is asked.
_BESIDE = 0.1
# Least share of the face that is covered in a composition for its overlap to be measured.
_LEAST_COVERED = 0.005
# Share of a face with nothing before it from which on it is told that it is taken for covered.
_ALARM = 0.02


class Teaching:
    """A training run that can be stopped and continued.

    Args:
        steps: total number of batches of BATCH crops, over which the learning rate decays.
        seed: random seed of the first weights and of the choice of crops.
        device: where to train; by default the best available device.
    """

    def __init__(self, steps: int, seed: int, *, device: torch.device | None = None) -> None:
        torch.manual_seed(seed)
        self.network = OcclusionNetwork().train().to(device or select_device()).to(memory_format=torch.channels_last)
        self.learner = Learner(self.network, RECIPE, steps)
        self.random = torch.Generator().manual_seed(seed)

    def advance(self, crops: Tensor, targets: Tensor, until: int) -> float:
        """Train up to a given step, and return the mean loss of these steps.

        Args:
            crops: N x CROP x CROP x 3 uint8.
            targets: N x CROP x CROP x 2 uint8, see `Compositions.batch`.
            until: the step to stop before.
        """

        def loss_of_batch() -> Tensor:
            halved = self.learner.step < HALF_SIZE * self.learner.steps
            images, wanted, face = beside(self.network, *_draw(crops, targets, self.random, halved=halved))
            with in_bfloat16(self.network):
                answers = self.network(images)
            return occlusion_loss(answers.float(), wanted, face)

        return self.learner.run(loss_of_batch, until)

    def save(self, path: Path) -> None:
        """Write the state of the run atomically."""
        save_state({**self.learner.state_dict(), "random": self.random.get_state()}, path)

    def load(self, path: Path) -> None:
        """Continue from a saved state, if there is one.

        Raises:
            TrainingError: the file is not the state of such a run.
        """
        state = load_state(path, {"step", "network", "average", "optimizer", "random"})
        if state:
            self.learner.load_state_dict(state)
            self.random.set_state(state["random"])


def occlusion_loss(logits: Tensor, covered: Tensor, face: Tensor) -> Tensor:
    """Cross entropy of each pixel, and for each covered face one minus the soft overlap (intersection over union).

    Args:
        logits: N x 1 x H x W.
        covered: N x 1 x H x W in 0..1, the truth.
        face: N x 1 x H x W, 1 where the face is, 0 beside it.
    """
    weight = _BESIDE + (1 - _BESIDE) * face
    entropy = (F.binary_cross_entropy_with_logits(logits, covered, reduction="none") * weight).sum() / weight.sum()
    said, wanted = logits.sigmoid() * face, covered * face
    both, either = (said * wanted).sum((1, 2, 3)), (said + wanted - said * wanted).sum((1, 2, 3))
    shown = (wanted.sum((1, 2, 3)) > _LEAST_COVERED * face.sum((1, 2, 3))).float()
    missed = ((1 - both / either.clamp(min=1e-3)) * shown).sum() / shown.sum().clamp(min=1)
    return entropy + 0.3 * missed


@dataclass(frozen=True)
class Overlap:
    """How well a network finds what covers faces, at a probability of 1/2, inside the face.

    Attributes:
        ious: intersection over union of each composition with something before the face.
        pooled: intersection over union of all pixels of all compositions together.
        uncovered: the same for what is not covered.
        false_alarms: of each face with nothing before it, the share that is taken for covered.
    """

    ious: np.ndarray
    pooled: float
    uncovered: float
    false_alarms: np.ndarray

    def __str__(self) -> str:
        alarms = int((self.false_alarms > _ALARM).sum())
        faces = f"{alarms} of {count(len(self.false_alarms), 'face')} with nothing before"
        told = f"{faces}, and over {_ALARM:.0%} taken for covered"
        if not len(self.ious):
            return told
        return (
            f"IoU {self.ious.mean():.3f} on average of {len(self.ious)} compositions, {self.pooled:.3f} of all pixels, "
            f"{(self.pooled + self.uncovered) / 2:.3f} on average of covered and not; {told}"
        )


@torch.inference_mode()
def measure(network: OcclusionNetwork, crops: Tensor, targets: Tensor, *, probability: float = 0.5) -> Overlap:
    """Measure a network, in eval mode, on compositions as those of `Compositions.batch`."""
    both, either, neither, beside_both, areas, alarms = [], [], [], [], [], []
    for shown, wanted in zip(crops.split(64), targets.split(64), strict=True):
        said = network(normalize(shown.permute(0, 3, 1, 2).float() / 255))[:, 0].sigmoid() > probability
        truth, face = wanted[..., 0] > 127, wanted[..., 1] > 0
        both.append((said & truth & face).sum((1, 2)))
        either.append(((said | truth) & face).sum((1, 2)))
        neither.append((~said & ~truth & face).sum((1, 2)))
        beside_both.append((~(said & truth) & face).sum((1, 2)))
        areas.append((truth & face).sum((1, 2)) / face.sum((1, 2)))
        alarms.append((said & face).sum((1, 2)) / face.sum((1, 2)))
    inside, union, outside, rest, area, alarm = (
        torch.cat(part).double().numpy() for part in (both, either, neither, beside_both, areas, alarms)
    )
    shown = area > _LEAST_COVERED
    return Overlap(
        ious=inside[shown] / union[shown],
        pooled=float(inside.sum() / max(union.sum(), 1)),
        uncovered=float(outside.sum() / max(rest.sum(), 1)),
        false_alarms=alarm[area == 0],
    )


def teach(
    faces: Path,
    tiles: Sequence[Path],
    output: Path,
    *,
    crops: int,
    held_out: int,
    steps: int,
    seed: int,
    limit: int | None,
    device: torch.device | None = None,
) -> None:
    """Train the network, and write it in half precision at every interval.

    Args:
        faces: parquet file of FFHQ-aligned faces.
        tiles: parquet files of pictures without faces.
        output: safetensors file to write; a file `.state` next to it allows continuing a stopped run.
        crops: number of crops to make before each interval of INTERVAL steps.
        held_out: number of crops of held-out faces and tiles for the measurement.
        steps: batches of crops.
        seed: random seed.
        limit: read only this many faces.
        device: where to train; by default the best available device.

    Raises:
        TrainingError: the file `.state` is not that of such a run.
    """
    taught, held = _sources(faces, tiles, limit)
    held_crops, held_targets = make_crops(Compositions(*held[:2], seed + 100, held[2]), held_out)
    teaching, state = Teaching(steps, seed, device=device), output.with_suffix(".state")
    teaching.load(state)
    network, began, pool = OcclusionNetwork().eval(), time.monotonic(), []
    # After a stop, other crops of the same kinds follow.
    maker = Compositions(*taught[:2], seed + 1000 * teaching.learner.step, taught[2])
    while teaching.learner.step < steps:
        pool = [*pool, make_crops(maker, crops)][-POOL:]
        shown, wanted = (torch.cat(part) for part in zip(*pool, strict=True))
        loss = teaching.advance(shown, wanted, min(teaching.learner.step + INTERVAL, steps))
        network.load_state_dict(teaching.learner.average.tensors)
        overlap, at = measure(network, held_crops, held_targets), teaching.learner.step
        log.info("step %d, %.0f s: loss %.4f; held out: %s", at, time.monotonic() - began, loss, overlap)
        metadata = {
            "network": "occlusion",
            "steps": f"{at} of {steps}",
            "recipe": f"{crops} crops each {INTERVAL} steps of {BATCH}, {HALF_SIZE:.0%} of them halved, seed {seed}",
        }
        write_network(teaching.learner.average.tensors, output, metadata)
        teaching.save(state)
    log.info("wrote %s", output)


def evaluate(
    network: Path, faces: Path, tiles: Sequence[Path], *, held_out: int, seed: int, limit: int | None = None
) -> dict[str, Overlap]:
    """Measure a network on held-out faces and tiles, all kinds together and each alone; arguments as for `teach`.

    Returns:
        The overlap by kind, and that of all together as `all`, which is also logged.
    """
    _, held = _sources(faces, tiles, limit)
    tested = load_occlusion(checkpoint.read(network).tensors)
    found = {}
    for kind, shares in {"all": KINDS, **{kind: {kind: 1.0} for kind in KINDS if kind != "none"}}.items():
        crops = held_out if kind == "all" else max(held_out // 5, 1)
        found[kind] = measure(tested, *make_crops(Compositions(*held[:2], seed + 200, held[2], shares), crops))
        log.info("%s: %s", kind, found[kind])
    return found


_Sources = tuple[np.ndarray, np.ndarray, np.ndarray]


def _sources(faces: Path, tiles: Sequence[Path], limit: int | None) -> tuple[_Sources, _Sources]:
    """Faces, tiles and weights of the faces: for training, and held out."""
    pictures, weights = split(read_faces(faces, limit)), split(group_weights(faces, limit))
    others = split(np.concatenate([read_faces(table) for table in tiles]))
    taught, held = zip(pictures, others, weights, strict=True)
    return taught, held


def _draw(
    crops: Tensor, targets: Tensor, random: torch.Generator, *, halved: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of normalised crops, half of them mirrored, what is covered of them, and where the faces are.

    `halved` reduces all three to half their size.
    """
    index = torch.randint(len(crops), (BATCH,), generator=random)
    images, wanted = (part[index].permute(0, 3, 1, 2).float() for part in (crops, targets))
    mirrored = (torch.rand(BATCH, generator=random) < 0.5).view(-1, 1, 1, 1)
    images, wanted = (torch.where(mirrored, part.flip(3), part) for part in (images, wanted))
    if halved:
        images, wanted = F.avg_pool2d(images, 2), F.avg_pool2d(wanted, 2)
    images = normalize(images / 255).contiguous(memory_format=torch.channels_last)
    return images, wanted[:, :1] / 255, (wanted[:, 1:] > 0.5).float()

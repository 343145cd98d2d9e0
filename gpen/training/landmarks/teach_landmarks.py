"""Train the 68-point landmark network: the labels are from clean faces, the network sees degraded ones.

`gpen teach landmarks`; the labels come from `gpen teach labels`. A stopped run continues from its last state.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ....weights import checkpoint
from ...degradation.faces import read_faces, split
from ...devices import select_device
from ...faces.landmarks.find import build_landmarker
from ...faces.landmarks.small68 import CROP, EYE_DISTANCE, Landmarker68, mirror
from ...faces.layers import normalize
from ..shared.ema import MovingAverage
from ..shared.face_crops import make_crops
from ..shared.learner import Learner, Recipe
from ..shared.places import beside, in_bfloat16
from ..shared.state import load_state, save_state, write_network
from .evaluate_landmarks import evaluate_landmarker
from .landmark_data import crop_maker, read_labels

log = logging.getLogger(__name__)

BATCH = 64
RECIPE = Recipe(rate=3e-3, weight_decay=5e-3, warm_steps=100, largest_gradient=5)
INTERVAL = 500  # steps between checkpoints
HELD_OUT_CROPS = 1500
# Every fourth crop is partly covered by a rectangle of up to this share of its side.
COVERED, COVER_SIDE = 0.25, 0.4


class Teaching:
    """A training run that can be stopped and continued.

    Args:
        steps: total number of batches of BATCH crops, over which the learning rate decays.
        seed: random seed of the choice of crops, mirroring, noise and covers.
        device: where to train; by default the best available device.
    """

    def __init__(self, steps: int, seed: int, *, device: torch.device | None = None) -> None:
        torch.manual_seed(seed)
        self.network = Landmarker68().train().to(device or select_device()).to(memory_format=torch.channels_last)
        self.learner = Learner(self.network, RECIPE, steps)
        self.random = torch.Generator().manual_seed(seed)

    @property
    def step(self) -> int:
        """Number of steps done."""
        return self.learner.step

    @property
    def average(self) -> MovingAverage:
        """The averaged weights."""
        return self.learner.average

    def advance(self, crops: Tensor, points: Tensor, until: int) -> float:
        """Train up to a given step.

        Args:
            crops: N x CROP x CROP uint8.
            points: N x 68 x 2 in units of the crop's side.
            until: the step to stop before.

        Returns:
            The mean loss of these steps: the mean distance of the landmarks in eye distances.
        """

        def loss_of_batch() -> Tensor:
            images, targets = beside(self.network, *draw(crops, points, self.random))
            with in_bfloat16(self.network):
                answers = self.network(images)
            return ((answers - targets).norm(dim=-1) / EYE_DISTANCE).mean()

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


def draw(crops: Tensor, points: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of normalised crops and their landmarks: half mirrored, some covered in part, with a little noise."""
    index = torch.randint(len(crops), (BATCH,), generator=random)
    images, targets = crops[index, None].float() / 255, points[index]
    mirrored = torch.rand(BATCH, generator=random) < 0.5
    images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)
    targets = torch.where(mirrored.view(-1, 1, 1), mirror(targets), targets)
    for covered in (torch.rand(BATCH, generator=random) < COVERED).nonzero().flatten():
        _cover(images[covered, 0], random)
    noise = torch.randn(images.shape, generator=random) * torch.rand(BATCH, 1, 1, 1, generator=random) * 0.15
    return (normalize(images) + noise).contiguous(memory_format=torch.channels_last), targets


def _cover(image: Tensor, random: torch.Generator) -> None:
    """Cover a part of a crop with a uniform grey rectangle, in place."""
    shares = torch.rand(5, generator=random).tolist()
    height, width = (max(round(CROP * COVER_SIDE * share), 1) for share in shares[:2])
    top, left = (int(share * (CROP - side)) for share, side in zip(shares[2:4], (height, width), strict=True))
    image[top : top + height, left : left + width] = shares[4]


@torch.inference_mode()
def measure(network: Landmarker68, crops: Tensor, points: Tensor) -> Tensor:
    """The mean distance of the landmarks of each crop, in eye distances: N."""
    parts = []
    for images, targets in zip(crops.split(256), points.split(256), strict=True):
        answers = network(normalize(images[:, None].float() / 255))
        parts.append((answers - targets).norm(dim=-1).mean(dim=-1) / EYE_DISTANCE)
    return torch.cat(parts)


def teach(
    faces: Path,
    backgrounds: Path,
    labels: Path,
    output: Path,
    *,
    crops: int,
    steps: int,
    seed: int,
    limit: int | None,
    device: torch.device | None = None,
) -> None:
    """Train the network, and write it in half precision whenever it improves on the held-out faces.

    Args:
        faces: parquet file of FFHQ-aligned faces.
        backgrounds: parquet file of pictures without faces.
        labels: output of `label_landmarks` for the same faces.
        output: safetensors file to write; a file `.state` next to it allows continuing a stopped run.
        crops: number of crops to make.
        steps: batches of crops.
        seed: random seed.
        limit: read only this many faces.
        device: where to train; by default the best available device.

    Raises:
        TrainingError: the file `.state` is not that of such a run.
    """
    taught, held = _read_labelled(faces, labels, limit)
    others = read_faces(backgrounds)
    shown, wanted = make_crops(crop_maker(*taught, others, seed), crops)
    held_crops, held_wanted = make_crops(crop_maker(*held, others, seed + 100), HELD_OUT_CROPS)
    log.info("made %d crops of %d faces", len(shown), len(taught[0]))
    state = output.with_suffix(".state")
    teaching = Teaching(steps, seed, device=device)
    teaching.load(state)
    best, network = np.inf, Landmarker68().eval()
    began = time.monotonic()
    while teaching.step < steps:
        loss = teaching.advance(shown, wanted, min(teaching.step + INTERVAL, steps))
        network.load_state_dict(teaching.average.tensors)
        error = measure(network, held_crops, held_wanted).mean().item()
        log.info("step %d, %.0f s: %.4f taught, %.4f held out", teaching.step, time.monotonic() - began, loss, error)
        if error < best:
            best = error
            metadata = {
                "network": "landmarks68",
                "steps": f"{teaching.step} of {steps}",
                "recipe": f"{crops} crops, batch {BATCH}, seed {seed}",
                "labels": "MediaPipe face mesh (Apache-2.0)",
            }
            write_network(teaching.average.tensors, output, metadata)
        teaching.save(state)
    log.info("wrote %s: %.4f eye distances on held-out faces", output, best)


def evaluate(network: Path, faces: Path, labels: Path, *, limit: int | None = None) -> None:
    """Log the errors of a network on the held-out faces; arguments as for `teach`."""
    _, held = _read_labelled(faces, labels, limit)
    landmarker = build_landmarker(checkpoint.read(network).tensors)
    for kind, errors in evaluate_landmarker(landmarker, *held).items():
        mean, median, most = errors.mean(), np.median(errors), np.quantile(errors, 0.95)
        log.info("%s: mean %.4f, median %.4f, 95 %% below %.4f eye distances", kind, mean, median, most)


Labelled = tuple[np.ndarray, np.ndarray]


def _read_labelled(faces: Path, labels: Path, limit: int | None) -> tuple[Labelled, Labelled]:
    """Pictures, N x S x S x 3, and their labels, N x 68 x 2: for training, and held out."""
    points, sure = read_labels(labels)
    pictures = read_faces(faces, limit)
    points, sure = points[: len(pictures)], sure[: len(pictures)]
    parts = zip(split(pictures), split(points), split(sure), strict=True)
    taught, held = ((shown[known], wanted[known]) for shown, wanted, known in parts)
    return taught, held

"""Teaching the 68-point landmark network: the labeller sees clean faces, the network sees them spoilt.

    python -m gpen_blocks.gpen.training.landmarks.teach_landmarks --faces faces.parquet \
        --backgrounds backgrounds.parquet --labels labels.npz --output face-landmarks-lite.safetensors

The labels come from `label_landmarks`. A run that was stopped goes on from its last checkpoint. `--evaluate NETWORK`
in place of `--output` measures a network instead.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ....weights import checkpoint
from ....weights.files import replacing
from ...degradation.faces import read_faces, split
from ...faces.detection.refine import normalise
from ...faces.landmarks.find import build_landmarker
from ...faces.landmarks.small68 import CROP, EYE_DISTANCE, Landmarker68, mirror
from ..shared.ema import MovingAverage, warm_cosine
from ..shared.face_crops import make_crops
from ..shared.state import save_state
from .evaluate_landmarks import evaluate_landmarker
from .landmark_data import crop_maker, read_labels

log = logging.getLogger(__name__)

BATCH = 64
PEAK_RATE, WEIGHT_DECAY, WARM_STEPS = 3e-3, 5e-3, 100
INTERVAL = 500  # steps between checkpoints
HELD_OUT_CROPS = 1500
# Every fourth crop has a rectangle of up to this share of its side covered.
COVERED, COVER_SIDE = 0.25, 0.4


class Teaching:
    """A run that can be stopped and taken up again.

    Args:
        steps: batches of BATCH crops in all; the learning rate falls over them.
        seed: of the choice of crops, mirroring, noise and covers.
    """

    def __init__(self, steps: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.steps, self.step = steps, 0
        self.network = Landmarker68().train().to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=PEAK_RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.99)
        )
        self.average = MovingAverage(self.network)
        self.random = torch.Generator().manual_seed(seed)

    def advance(self, crops: Tensor, points: Tensor, until: int) -> float:
        """Teach up to a step.

        Args:
            crops: N x CROP x CROP uint8.
            points: N x 68 x 2 in parts of the crop's side.
            until: the step to stop before.

        Returns:
            The mean loss of these steps: the mean distance of the landmarks in eye distances.
        """
        total, start = 0.0, self.step
        while self.step < until:
            for group in self.optimizer.param_groups:
                group["lr"] = PEAK_RATE * warm_cosine(self.step, self.steps, WARM_STEPS)
            images, targets = draw(crops, points, self.random)
            with torch.autocast("cpu", torch.bfloat16):
                answers = self.network(images)
            loss = ((answers - targets).norm(dim=-1) / EYE_DISTANCE).mean()
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5)
            self.optimizer.step()
            self.average.update(self.network)
            self.step += 1
            total += loss.item()
        return total / max(self.step - start, 1)

    def save(self, path: Path) -> None:
        """Write everything the run needs to go on; a kill leaves the old or the new file whole."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
        }
        save_state(state, path)

    def load(self, path: Path) -> None:
        """Go on where `save` left off."""
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
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
    return (normalise(images) + noise).contiguous(memory_format=torch.channels_last), targets


def _cover(image: Tensor, random: torch.Generator) -> None:
    """Lay a rectangle of one grey over a crop, in place."""
    shares = torch.rand(5, generator=random).tolist()
    height, width = (max(round(CROP * COVER_SIDE * share), 1) for share in shares[:2])
    top, left = (int(share * (CROP - side)) for share, side in zip(shares[2:4], (height, width), strict=True))
    image[top : top + height, left : left + width] = shares[4]


@torch.inference_mode()
def measure(network: Landmarker68, crops: Tensor, points: Tensor) -> Tensor:
    """The mean distance of the landmarks of each crop, in eye distances: N."""
    parts = []
    for images, targets in zip(crops.split(256), points.split(256), strict=True):
        answers = network(normalise(images[:, None].float() / 255))
        parts.append((answers - targets).norm(dim=-1).mean(dim=-1) / EYE_DISTANCE)
    return torch.cat(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Teach the network and write it, half precision, whenever it is better on the held-out faces than before."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    points, sure = read_labels(options.labels)
    faces = read_faces(options.faces, options.limit)
    points, sure = points[: len(faces)], sure[: len(faces)]
    (faces, held_faces), (points, held_points) = split(faces), split(points)
    sure, held_sure = split(sure)
    taught, held = (faces[sure], points[sure]), (held_faces[held_sure], held_points[held_sure])
    if options.evaluate:
        landmarker = build_landmarker(checkpoint.read(options.evaluate).tensors)
        for kind, errors in evaluate_landmarker(landmarker, *held).items():
            mean, median, most = errors.mean(), np.median(errors), np.quantile(errors, 0.95)
            log.info("%s: mean %.4f, median %.4f, 95 %% below %.4f eye distances", kind, mean, median, most)
        return
    backgrounds = read_faces(options.backgrounds)
    crops, wanted = make_crops(crop_maker(*taught, backgrounds, options.seed), options.crops)
    held_crops, held_wanted = make_crops(crop_maker(*held, backgrounds, options.seed + 100), HELD_OUT_CROPS)
    log.info("made %d crops of %d faces", len(crops), len(taught[0]))
    state = options.output.with_suffix(".state")
    teaching = Teaching(options.steps, options.seed)
    if state.is_file():
        teaching.load(state)
    best, network = np.inf, Landmarker68().eval()
    began = time.monotonic()
    while teaching.step < teaching.steps:
        loss = teaching.advance(crops, wanted, min(teaching.step + INTERVAL, teaching.steps))
        network.load_state_dict(teaching.average.tensors)
        error = measure(network, held_crops, held_wanted).mean().item()
        log.info("step %d, %.0f s: %.4f taught, %.4f held out", teaching.step, time.monotonic() - began, loss, error)
        if error < best:
            best = error
            _write(teaching, options)
        teaching.save(state)
    log.info("wrote %s: %.4f eye distances on held-out faces", options.output, best)


def _write(teaching: Teaching, options: argparse.Namespace) -> None:
    tensors = {
        key: value.half() if value.is_floating_point() else value
        for key, value in teaching.average.contiguous().items()
    }
    metadata = {
        "network": "landmarks68",
        "steps": f"{teaching.step} of {teaching.steps}",
        "recipe": f"{options.crops} crops, batch {BATCH}, seed {options.seed}",
        "labels": "MediaPipe face mesh (Apache-2.0)",
    }
    with replacing(options.output) as part:
        save_file(tensors, part, metadata)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="teach_landmarks", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faces", type=Path, required=True, help="parquet file of FFHQ-aligned faces")
    parser.add_argument("--backgrounds", type=Path, required=True, help="parquet file of pictures without faces")
    parser.add_argument("--labels", type=Path, required=True, help="what label_landmarks made of the same faces")
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--output", type=Path, help="teach, and write the network to this safetensors file")
    task.add_argument("--evaluate", type=Path, metavar="NETWORK", help="measure this network instead")
    parser.add_argument("--crops", type=int, default=65000)
    parser.add_argument("--steps", type=int, default=6500, help=f"of {BATCH} crops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, default=None, help="read only this many faces")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()

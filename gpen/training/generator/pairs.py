"""Pairs of a degraded and a true face, and the order in which they are learnt.

Which pair comes at which step follows from the seed alone: a run that was stopped at step n goes on with what it would
have seen at step n.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import torch

from ...degradation.degrade import Degradation, degrade, generator_of

# How far an aligned crop strays from its template: a detector's landmarks err by a few hundredths of the eye distance.
_TURN = 4.0  # degrees, standard deviation a third of it
_SCALE = 0.08
_SHIFT = 0.02  # of the side
# Exposure and development of every second photograph: a network that has seen only well-lit ones pulls all others
# towards them, and a dark print comes out grey.
_GAMMA = 0.4  # of its logarithm
_CONTRAST = 0.3
_CAST = 0.08


def training_pair(
    face: np.ndarray, index: int, seed: int, degradation: Degradation, *, mirror: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A pair as the network sees it: the face moved as detectors err, lit otherwise, perhaps mirrored, then degraded.

    Args:
        face: S x S x 3 uint8.
        index: which partner of the face.
        seed: of all chance.
        degradation: how hard.
        mirror: left for right.

    Returns:
        Degraded and true picture, S x S x 3 uint8.
    """
    rng = generator_of(face, index, seed)
    side = len(face)
    turn = rng.normal(0, _TURN / 3)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), turn, np.exp(rng.uniform(-_SCALE, _SCALE)))
    matrix[:, 2] += rng.uniform(-_SHIFT, _SHIFT, 2) * side
    moved = cv2.warpAffine(face, matrix, (side, side), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    if rng.random() < 0.5:
        moved = _develop(moved, rng)
    pair = degrade(np.ascontiguousarray(moved[:, ::-1]) if mirror else moved, index, seed, degradation)
    return pair.degraded, pair.truth


def _develop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with another gamma, contrast and cast: one curve for each colour."""
    gamma = np.exp(rng.uniform(-_GAMMA, _GAMMA))
    contrast = 1 + rng.uniform(-_CONTRAST, _CONTRAST)
    levels = np.linspace(0, 1, 256) ** gamma
    curve = 0.5 + (levels - 0.5) * contrast
    curves = curve[:, None] * (1 + rng.uniform(-_CAST, _CAST, 3))
    curves = (curves.clip(0, 1) * 255).round().astype(np.uint8)
    return np.stack([curves[picture[..., colour], colour] for colour in range(3)], axis=2)


class PairOrder:
    """Which pairs make which batch.

    All faces are seen once with one partner each, in an order drawn for that round, then once with the next.

    Args:
        faces: how many there are.
        partners: of each face; after the last round of partners the first comes again, mirrored where it was not.
        batch: faces a step.
        seed: of the orders.
    """

    def __init__(self, faces: int, partners: int, batch: int, seed: int) -> None:
        self.faces = faces
        self.partners = partners
        self.batch = batch
        self.seed = seed

    def at(self, step: int) -> list[tuple[int, int, bool]]:
        """Face, partner and whether mirrored, of each place in the batch of a step; any step, at once."""
        found = []
        orders: dict[int, np.ndarray] = {}
        for position in range(step * self.batch, (step + 1) * self.batch):
            round_, place = divmod(position, self.faces)
            if round_ not in orders:
                orders[round_] = np.random.default_rng((self.seed, round_)).permutation(self.faces)
            face = int(orders[round_][place])
            cycle, turn = divmod(round_, self.partners)
            partner = (face + turn) % self.partners  # a round mixes all partners
            found.append((face, partner, (face + partner + cycle) % 2 == 1))
        return found


class Batches(torch.utils.data.IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """The batches of a run from one step on, for one process of several.

    Gives degraded and true pictures, B x S x S x 3 uint8. Worker processes of a loader each make every n-th batch.

    Args:
        faces: N x S x S x 3 uint8.
        order: of the whole batch; process `rank` of `world` takes every `world`-th place of it.
        degradation: how hard.
        start, stop: steps; stop is not among them.
        rank, world: of this process.
    """

    def __init__(
        self,
        faces: np.ndarray,
        order: PairOrder,
        degradation: Degradation,
        start: int,
        stop: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.faces = faces
        self.order = order
        self.degradation = degradation
        self.steps = range(start, stop)
        self.rank = rank
        self.world = world

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        first, every = (worker.id, worker.num_workers) if worker else (0, 1)
        for step in self.steps[first::every]:
            places = self.order.at(step)[self.rank :: self.world]
            pairs = [
                training_pair(self.faces[face], partner, self.order.seed, self.degradation, mirror=mirror)
                for face, partner, mirror in places
            ]
            degraded, truth = (torch.from_numpy(np.stack(side)) for side in zip(*pairs, strict=True))
            yield degraded, truth

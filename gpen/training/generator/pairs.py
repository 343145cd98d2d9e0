"""Pairs of a degraded and an original face, and their order in training.

The order depends only on the seed: a run stopped at step n continues with the pairs that it would have used at step n.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ...degradation.degrade import Degradation, degrade, generator_of

# Random misalignment of crops: a detector's landmarks have errors of a few hundredths of the eye distance.
_TURN = 4.0  # degrees, standard deviation a third of it
_SCALE = 0.08
_SHIFT = 0.02  # of the side
# Random exposure and development of every second photograph: a network trained only on well-lit ones changes all
# others towards them, and makes dark prints grey.
_GAMMA = 0.4  # of its logarithm
_CONTRAST = 0.3
_CAST = 0.08


def training_pair(
    face: np.ndarray, index: int, seed: int, degradation: Degradation, *, mirror: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Make a training pair: misalign the face slightly, vary its exposure, mirror it on request, and degrade it.

    Args:
        face: S x S x 3 uint8.
        index: number of the degraded version.
        seed: random seed.
        degradation: strengths and probabilities.
        mirror: whether to swap left and right.

    Returns:
        Degraded and original picture, S x S x 3 uint8.
    """
    rng = generator_of(face, index, seed)
    moved = moving(len(face), rng)(face, cv2.INTER_LANCZOS4)
    if rng.random() < 0.5:
        moved = develop(moved, rng)
    pair = degrade(np.ascontiguousarray(moved[:, ::-1]) if mirror else moved, index, seed, degradation)
    return pair.degraded, pair.truth


def moving(side: int, rng: np.random.Generator) -> Callable[[np.ndarray, int], np.ndarray]:
    """A random slight misalignment, as a function of a picture of this side and OpenCV's interpolation."""
    turn = rng.normal(0, _TURN / 3)
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), turn, np.exp(rng.uniform(-_SCALE, _SCALE)))
    matrix[:, 2] += rng.uniform(-_SHIFT, _SHIFT, 2) * side

    def move(picture: np.ndarray, interpolation: int) -> np.ndarray:
        return cv2.warpAffine(picture, matrix, (side, side), flags=interpolation, borderMode=cv2.BORDER_REFLECT)

    return move


def develop(picture: np.ndarray, rng: np.random.Generator, cast: float = _CAST) -> np.ndarray:
    """Vary gamma, contrast and colour cast of a picture: one curve per colour."""
    gamma = np.exp(rng.uniform(-_GAMMA, _GAMMA))
    contrast = 1 + rng.uniform(-_CONTRAST, _CONTRAST)
    levels = np.linspace(0, 1, 256) ** gamma
    curve = 0.5 + (levels - 0.5) * contrast
    curves = curve[:, None] * (1 + rng.uniform(-cast, cast, 3))
    curves = (curves.clip(0, 1) * 255).round().astype(np.uint8)
    return np.stack([curves[picture[..., colour], colour] for colour in range(3)], axis=2)


class PairOrder:
    """Assigns pairs to batches.

    In each round, all faces are used once with one degraded version each, in a random order.

    Args:
        faces: number of faces.
        partners: number of degraded versions of each face; after the last one, the first is used again, with mirroring
            inverted.
        batch: faces per step.
        seed: random seed of the orders.
    """

    def __init__(self, faces: int, partners: int, batch: int, seed: int) -> None:
        self.faces = faces
        self.partners = partners
        self.batch = batch
        self.seed = seed

    def at(self, step: int) -> list[tuple[int, int, bool]]:
        """(face, version, mirrored) of each position in the batch of any step, in constant time."""
        found = []
        orders: dict[int, np.ndarray] = {}
        for position in range(step * self.batch, (step + 1) * self.batch):
            round_, place = divmod(position, self.faces)
            if round_ not in orders:
                orders[round_] = np.random.default_rng((self.seed, round_)).permutation(self.faces)
            face = int(orders[round_][place])
            cycle, turn = divmod(round_, self.partners)
            partner = (face + turn) % self.partners  # a round mixes all versions
            found.append((face, partner, (face + partner + cycle) % 2 == 1))
        return found

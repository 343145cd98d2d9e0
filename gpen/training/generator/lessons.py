"""What the network is shown, what it should answer, and which pixels count, for each task.

As in `pairs.py`, a lesson depends only on the face, its index and the seed.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch

from ....weights.registry import Task as TaskName
from ...degradation.degrade import Degradation, degrade, generator_of
from ...errors import SettingsError
from ...pixels.color import LUMA_601, luma_601
from ...tasks import TASKS
from ...tasks.inpainting import NARROWEST, WIDEST
from ...tasks.maps import colour_of, mirror_labels
from .pairs import develop, moving, training_pair

# Strokes as in the authors' `demo.py`, `brush_stroke_mask`: how many, how many corners, and the angle at each.
_STROKES, _CORNERS = (1, 3), (8, 28)
_ANGLE, _ANGLE_RANGE = 2 * np.pi / 5, 2 * np.pi / 15
# Share of pictures with scratches instead of strokes: long thin lines, at the least width.
_SCRATCHED = 0.3


# Around a stroke, the answer counts this far, as a share of the side and in pixels: it is compared with the photograph
# there when it is used.
_RIM, _LEAST_RIM = 1 / 32, 3


class Lesson(NamedTuple):
    """A training example.

    Attributes:
        shown: S x S x 3 uint8, the crop before the task's `feed`.
        truth: S x S x 3 uint8, the right answer.
        counts: S x S uint8, 255 where the answer is used.
    """

    shown: np.ndarray
    truth: np.ndarray
    counts: np.ndarray


def make_lesson(
    task: TaskName,
    face: np.ndarray,
    index: int,
    seed: int,
    degradation: Degradation,
    *,
    mirror: bool,
    labels: np.ndarray | None = None,
) -> Lesson:
    """Make an example for a task.

    1. Restoration: the pair of `training_pair`.
    2. Colorization: grey of the damaged face; its colours are to be found, and its luma is given.
    3. Inpainting: strokes painted white into the damaged face; what was there is to be found, and a rim around it
       kept.
    4. Drawing: the map of the face in colours.

    Args:
        task: name of the task.
        face: S x S x 3 uint8.
        index: number of the version.
        seed: random seed.
        degradation: strengths and probabilities of the damage.
        mirror: whether to swap left and right.
        labels: S x S uint8, the classes of `maps.CLASSES`; only for drawing.

    Raises:
        SettingsError: drawing without a map.
    """
    whole = np.full(face.shape[:2], 255, np.uint8)
    if task == "restoration":
        return Lesson(*training_pair(face, index, seed, degradation, mirror=mirror), whole)
    rng = generator_of(face, index, seed)
    move = moving(len(face), rng)
    moved = move(face, cv2.INTER_LANCZOS4)
    if mirror:
        moved = np.ascontiguousarray(moved[:, ::-1])
    if task == "seg2face":
        if labels is None:
            raise SettingsError("Teaching to draw needs a map of each face.")
        laid = move(labels, cv2.INTER_NEAREST)
        return Lesson(colour_of(mirror_labels(laid) if mirror else laid), moved, whole)
    moved = develop(moved, rng, cast=0)
    damaged = degrade(moved, index, seed, degradation).degraded
    if task == "colorization":
        gray = (damaged @ np.array(LUMA_601)).round().clip(0, 255)[..., None]
        colours = moved - moved @ np.array(LUMA_601)[:, None]
        return Lesson(np.repeat(gray, 3, axis=2).astype(np.uint8), _to_bytes(gray + colours), whole)
    strokes = draw_strokes(len(face), rng)
    shown = np.where(strokes[..., None] > 0, 255, damaged).astype(np.uint8)
    rim = 2 * max(_LEAST_RIM, round(len(face) * _RIM)) + 1
    return Lesson(shown, damaged, np.asarray(cv2.dilate(strokes, np.ones((rim, rim), np.uint8))))


def answered(
    task: TaskName, answer: torch.Tensor, shown: torch.Tensor, truth: torch.Tensor, counts: torch.Tensor
) -> torch.Tensor:
    """The picture that the losses look at: what the task uses of the network's answer, the rest right already.

    Args:
        task: name of the task.
        answer: output of the network, B x 3 x S x S.
        shown: what it was shown, before `feed`, in 0..1.
        truth: the right answer, in 0..1.
        counts: B x 1 x S x S in 0..1, where the answer is used.

    Returns:
        B x 3 x S x S, about 0..1; not clamped, so that every pixel has a gradient.
    """
    picture = TASKS[task].read(answer)
    if task == "colorization":
        return picture + (luma_601(shown) - luma_601(picture))
    if task == "inpainting":
        return torch.lerp(truth, picture, counts)
    return picture


def draw_strokes(side: int, rng: np.random.Generator) -> np.ndarray:
    """Random strokes of the widths in the authors' training, or scratches: side x side uint8, 255 on them."""
    drawn = np.zeros((side, side), np.uint8)
    if rng.random() < _SCRATCHED:
        for _ in range(rng.integers(1, 5)):
            ends = rng.uniform(-0.1, 1.1, (2, 2)) * side
            bend = ends.mean(axis=0) + rng.normal(0, 0.06, 2) * side
            along = np.linspace(0, 1, 24)[:, None]
            line = ends[0] * (1 - along) ** 2 + 2 * bend * along * (1 - along) + ends[1] * along**2
            width = max(1, round(side * NARROWEST * rng.uniform(1, 2)))
            cv2.polylines(drawn, [line.round().astype(np.int32)], False, 255, width)
        return drawn
    reach = np.hypot(side, side) / 8
    for _ in range(rng.integers(_STROKES[0], _STROKES[1] + 1)):
        angles = rng.uniform(_ANGLE - _ANGLE_RANGE, _ANGLE + _ANGLE_RANGE, rng.integers(*_CORNERS))
        angles[::2] = 2 * np.pi - angles[::2]
        lengths = rng.normal(reach, reach / 2, len(angles)).clip(0, 2 * reach)
        steps = lengths[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        line = np.concatenate([rng.uniform(0, side, (1, 2)), steps]).cumsum(axis=0).clip(0, side - 1)
        width = max(1, round(side * rng.uniform(NARROWEST, WIDEST)))
        cv2.polylines(drawn, [line.round().astype(np.int32)], False, 255, width)
        for point in line:
            cv2.circle(drawn, tuple(int(v) for v in point), width // 2, 255, -1)
    return drawn


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    return picture.round().clip(0, 255).astype(np.uint8)

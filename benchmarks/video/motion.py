"""Videos with known motion: a still that moves and bends smoothly, so that each pixel's way is known exactly.

Convention: points are (x, y) in pixels, the centre of the top-left pixel is (0, 0). Pictures are H x W x 3 float32 in
0..1.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

Way = Callable[[float], tuple[float, float, float, float]]
"""At a time in frames: shift (x, y) in pixels, logarithm of the scale, and angle."""

# Blur of the still, in pixels at 1.6 times the scale of the frame. A sharper frame would have aliases, which do not
# move with the face: the truth itself had a warping error of 1.8 levels with 0.5, and has 0.7 with 0.8.
_LENS = 0.8
_STEPS = 12  # iterations that invert a bend; it contracts by more than two each


def rest(time: float) -> tuple[float, float, float, float]:
    """Somebody who talks: sways by a few pixels, nods and leans."""
    return (
        4 * math.sin(time / 17) + 1.5 * math.sin(time / 7.3),
        3 * math.sin(time / 13 + 1) + 1.0 * math.sin(time / 5.9),
        0.03 * math.sin(time / 29),
        0.05 * math.sin(time / 19 + 2),
    )


def turn(time: float) -> tuple[float, float, float, float]:
    """Quick turns of the head between rests: 50 pixels and 10 degrees within ten frames."""

    def at(when: float) -> float:
        return 1 / (1 + math.exp(-(time - when) / 1.6))

    side = at(20) - at(45) + at(60) - at(72)
    return 50 * side + 0.8 * math.sin(time / 9), 6 * side * (1 - side), 0.04 * side, 0.17 * side


def shake(time: float) -> tuple[float, float, float, float]:
    """A camera in the hand, in a car."""
    x = 5 * math.sin(time / 3.1) + 3 * math.sin(time / 1.9 + 0.5) + 6 * math.sin(time / 23)
    y = 4 * math.sin(time / 2.7 + 1) + 2.5 * math.sin(time / 1.7) + 4 * math.sin(time / 31)
    return x, y, 0.01 * math.sin(time / 4.3), 0.02 * math.sin(time / 3.7)


def zoom(time: float) -> tuple[float, float, float, float]:
    """Towards the camera, from left to right."""
    return 1.2 * time - 40, 0.2 * time, 0.006 * time, 0.0


def fast(time: float) -> tuple[float, float, float, float]:
    """Nods and shakes of the head without a rest: up to 9 pixels and 3 degrees from frame to frame."""
    return (
        18 * math.sin(time / 2.1) + 6 * math.sin(time / 7.7),
        8 * math.sin(time / 1.8 + 1) + 5 * math.sin(time / 6.1),
        0.03 * math.sin(time / 4.1),
        0.12 * math.sin(time / 2.4 + 0.5),
    )


WAYS: dict[str, Way] = {"rest": rest, "talk": rest, "turn": turn, "shake": shake, "fast": fast, "zoom": zoom}
TALKING = {"talk": (3.0, 3.0)}
"""Motions with a jaw that moves by itself: factors on its way and on its speed."""


@dataclass(frozen=True)
class Scene:
    """A still that moves in a frame.

    Attributes:
        still: H x W x 3.
        way: its motion.
        size: (height, width) of the frames.
        scale: pixels of the frame per pixel of the still.
        bend: largest displacement by the thin-plate motion, such as that of an expression, in pixels of a still that is
            512 pixels wide.
        talking: factors on the way and on the speed of the jaw, which else bends like the rest.
        seed: of the bends.
    """

    still: np.ndarray
    way: Way
    size: tuple[int, int] = (360, 640)
    scale: float = 0.45
    bend: float = 4.0
    talking: tuple[float, float] = (1.0, 1.0)
    seed: int = 0

    def to_still(self, points: np.ndarray, time: float) -> np.ndarray:
        """Where points ... x 2 of a frame lie in the still."""
        linear, shift = self._similarity(time)
        straight = (points - shift) @ np.linalg.inv(linear).T
        return straight + self._bent(straight, time)

    def to_frame(self, points: np.ndarray, time: float) -> np.ndarray:
        """Where points ... x 2 of the still lie in a frame."""
        straight = points
        for _ in range(_STEPS):
            straight = points - self._bent(straight, time)
        linear, shift = self._similarity(time)
        return straight @ linear.T + shift

    def way_back(self, time: int, area: tuple[slice, slice]) -> np.ndarray:
        """Where the pixels of an area (rows, columns) of a frame were in the frame before: h x w x 2."""
        return self.to_frame(self.to_still(_grid(area), time), time - 1)

    def frame(self, time: int) -> np.ndarray:
        """The true frame, with anti-aliasing, in 32-bit floats."""
        whole = (slice(0, self.size[0]), slice(0, self.size[1]))
        places = self.to_still(_grid(whole), time)
        least = min(1.0, 1.6 * self.scale)  # reduced first, to somewhat above the scale of the frame
        still = cv2.resize(self.still, (0, 0), fx=least, fy=least, interpolation=cv2.INTER_AREA)
        factor = np.array([still.shape[1] / self.still.shape[1], still.shape[0] / self.still.shape[0]])
        places = ((places + 0.5) * factor - 0.5).astype(np.float32)
        still = cv2.GaussianBlur(still, (0, 0), _LENS)
        return cv2.remap(still, places[..., 0], places[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).clip(
            0, 1
        )

    def _similarity(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Linear part and shift from the still to a frame, with the centres on each other at rest."""
        x, y, size, angle = self.way(time)
        scale = self.scale * math.exp(size)
        linear = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        middle = np.array([self.still.shape[1] - 1, self.still.shape[0] - 1]) / 2
        return linear, np.array([self.size[1] - 1, self.size[0] - 1]) / 2 + (x, y) - linear @ middle

    def _bent(self, points: np.ndarray, time: float) -> np.ndarray:
        """Displacement of points of the still: of thin plates (r^2 log r), pulled slowly at nine places of the face."""
        random = np.random.default_rng(self.seed)
        height, width = self.still.shape[:2]
        places = np.stack(np.meshgrid([0.3, 0.5, 0.7], [0.4, 0.6, 0.75]), -1).reshape(-1, 2) * (width, height)
        speed, phase = random.uniform(0.08, 0.3, (9, 2)), random.uniform(0, 2 * math.pi, (9, 2))
        jaw = (places[:, 1] > 0.7 * height)[:, None]
        pulls = np.sin(np.where(jaw, self.talking[1], 1) * speed * time + phase) * np.where(jaw, self.talking[0], 1)
        distance = np.linalg.norm(points[..., None, :] - places, axis=-1) / (0.35 * width)
        shares = np.maximum(1 - distance**2 + distance**2 * np.log(np.maximum(distance, 1e-6)) * 2, 0) * (distance < 1)
        return self.bend * width / 512 * (shares @ pulls) / 2


def _grid(area: tuple[slice, slice]) -> np.ndarray:
    rows, columns = (np.arange(side.start, side.stop, dtype=np.float64) for side in area)
    return np.stack(np.meshgrid(columns, rows), axis=-1)


@dataclass(frozen=True)
class Damage:
    """Damage of a video: the same in every frame, with new noise in each.

    Attributes:
        blur: standard deviation in pixels.
        down: factor of down-sampling.
        noise: standard deviation in 8-bit levels.
        quality: of JPEG; 0: none.
    """

    blur: float = 0.0
    down: float = 1.0
    noise: float = 0.0
    quality: int = 0

    def apply(self, frame: np.ndarray, number: int) -> np.ndarray:
        """The damaged frame, of 8-bit levels."""
        height, width = frame.shape[:2]
        if self.blur:
            frame = cv2.GaussianBlur(frame, (0, 0), self.blur)
        if self.down > 1:
            frame = cv2.resize(frame, (0, 0), fx=1 / self.down, fy=1 / self.down, interpolation=cv2.INTER_AREA)
        frame = frame + np.random.default_rng(number).normal(0, self.noise / 255, frame.shape).astype(np.float32)
        levels = (frame.clip(0, 1) * 255).round().astype(np.uint8)
        if self.quality:
            file = io.BytesIO()
            Image.fromarray(levels).save(file, "JPEG", quality=self.quality)
            with Image.open(file) as stored:
                levels = np.asarray(stored.convert("RGB"))
        frame = levels.astype(np.float32) / 255
        if self.down > 1:
            frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
        return (frame * 255).round() / np.float32(255)


DAMAGES = {
    "soft": Damage(blur=1.0, noise=3),
    "noisy": Damage(blur=1.2, noise=10),
    "small": Damage(blur=0.6, down=2.0, noise=4, quality=60),
    "jpeg": Damage(blur=1.0, noise=4, quality=25),
}

"""Training crops of landmark networks: faces with random rotation, light and degradation."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ...faces.detection.refine import CROP, MEAN_SHAPE
from .scenes import Augmenter

# Side of stored faces; at the usual zoom, one of their pixels is about one pixel of the crop.
STORED = 128


class CropMaker:
    """Makes random (crop, landmarks) pairs; the same seed gives the same pairs.

    Args:
        faces: N x 256 x 256 x 3 uint8.
        landmarks: N x 5 x 2 in pixels of the faces, corner of the top-left pixel at (0, 0); crops are cut with these.
        backgrounds: M x 256 x 256 x 3 uint8.
        seed: random seed.
        wanted: N x K x 2, landmarks to find, as `landmarks`; by default the same.
        side: side of the crops in pixels.
        shape: 5 x 2, positions of the five landmarks of an upright face, in units of the crop's side.
    """

    def __init__(
        self,
        faces: np.ndarray,
        landmarks: np.ndarray,
        backgrounds: np.ndarray,
        seed: int,
        *,
        wanted: np.ndarray | None = None,
        side: int = CROP,
        shape: ArrayLike = MEAN_SHAPE,
    ) -> None:
        self.faces = np.stack([_small_grey(face) for face in faces])
        self.backgrounds = np.stack([_small_grey(picture) for picture in backgrounds])
        self.landmarks = landmarks.astype(np.float32) * (STORED / faces.shape[1])
        self.wanted = self.landmarks if wanted is None else wanted.astype(np.float32) * (STORED / faces.shape[1])
        self.side, self.shape = side, np.asarray(shape, np.float32)
        self.rng = np.random.default_rng(seed)
        self.augmenter = Augmenter(seed + 1)
        self._y, self._x = (np.mgrid[0:STORED, 0:STORED] + 0.5).astype(np.float32)

    def batch(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """`count` crops, N x side x side uint8, and the landmarks to find, N x K x 2 in units of the crop's side."""
        pairs = [self._pair() for _ in range(count)]
        return np.stack([crop for crop, _ in pairs]), np.stack([points for _, points in pairs])

    def _pair(self) -> tuple[np.ndarray, np.ndarray]:
        rng = self.rng
        index = rng.integers(len(self.faces))
        face, points = self.faces[index], self.landmarks[index]
        if rng.random() < 0.6:
            face = self._on_background(face, points)
        if rng.random() < 0.5:
            face = self._dressed(face, points)
        matrix = self._frame(points)
        size = (self.side, self.side)
        crop = cv2.warpAffine(face, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        # `matrix` has pixel centres at integers; the landmarks have the corner at (0, 0).
        points = ((self.wanted[index] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5) / self.side
        return self._degraded(self._lit(crop)), points.astype(np.float32)

    def _frame(self, points: np.ndarray) -> np.ndarray:
        """Matrix from face to crop with the error of a detector: mostly small, sometimes large."""
        rng = self.rng
        far = 2.2 if rng.random() < 0.15 else 1.0
        guess = points + rng.normal(0, 0.05 * far, (5, 2)) * np.linalg.norm(points[1] - points[0])
        source, target = guess - guess.mean(0), (self.shape - self.shape.mean(0)) * self.side
        energy = (source**2).sum()
        zoom = np.exp(rng.normal(0, 0.08 * far))
        angle = np.deg2rad(rng.normal(0, 6 * far))
        factor = zoom * np.exp(1j * angle)
        along = (source * target).sum() + 1j * (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()
        a = along / energy * factor
        linear = np.array([[a.real, -a.imag], [a.imag, a.real]])
        shift = (self.shape.mean(0) + rng.normal(0, 0.025 * far, 2)) * self.side - 0.5
        return np.column_stack([linear, shift - linear @ (guess.mean(0) - 0.5)])

    def _on_background(self, face: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Paste an ellipse with the head onto another picture, often a dark one."""
        rng = self.rng
        centre = points.mean(0) - [0, 4]
        distance = np.hypot((self._x - centre[0]) / rng.uniform(36, 54), (self._y - centre[1]) / rng.uniform(46, 60))
        alpha = np.clip((1 - distance) * rng.uniform(4, 16), 0, 1)
        behind = self.backgrounds[rng.integers(len(self.backgrounds))] * rng.uniform(0.2, 1.2)
        if rng.random() < 0.5:  # a dark suit
            behind[int(points[:, 1].max() + rng.uniform(8, 20)) :] = rng.uniform(0, 80)
        return np.clip(face * alpha + behind * (1 - alpha), 0, 255).astype(np.uint8)

    def _dressed(self, face: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Draw a rough moustache, beard, glasses or hat."""
        rng = self.rng
        face = face.copy()
        left_eye, right_eye, nose, left_mouth, right_mouth = points
        across = right_eye - left_eye
        eyes, angle = float(np.linalg.norm(across)), float(np.degrees(np.arctan2(across[1], across[0])))
        mouth = (left_mouth + right_mouth) / 2
        hair = float(rng.uniform(10, 230))
        what = rng.choice(["moustache", "beard", "glasses", "hat"], p=[0.3, 0.25, 0.25, 0.2])
        layer = np.zeros(face.shape, np.uint8)
        if what in ("moustache", "beard"):
            at = nose + (mouth - nose) * rng.uniform(0.5, 0.75)
            axes = (int(eyes * rng.uniform(0.3, 0.5)), max(int(eyes * rng.uniform(0.06, 0.16)), 1))
            cv2.ellipse(layer, tuple(int(v) for v in at), axes, angle, 0, 360, 255, -1)
        if what == "beard":
            at = mouth + (mouth - nose) * rng.uniform(0.9, 1.4)
            axes = (int(eyes * rng.uniform(0.45, 0.75)), int(eyes * rng.uniform(0.3, 0.55)))
            cv2.ellipse(layer, tuple(int(v) for v in at), axes, angle, 0, 360, 255, -1)
        if what == "glasses":
            hair = float(rng.uniform(0, 120))
            for eye in (left_eye, right_eye):
                radius = int(eyes * rng.uniform(0.25, 0.36))
                cv2.circle(layer, tuple(int(v) for v in eye), radius, 255, 1, cv2.LINE_AA)
        if what == "hat":
            brow = (left_eye + right_eye) / 2 - (mouth - (left_eye + right_eye) / 2) * rng.uniform(0.35, 0.7)
            cv2.ellipse(layer, tuple(int(v) for v in brow), (int(eyes * 1.2), int(eyes * 0.2)), angle, 0, 360, 255, -1)
            layer[: max(int(brow[1]), 0)] = 255
        alpha = cv2.GaussianBlur(layer.astype(np.float32), (0, 0), rng.uniform(0.6, 1.8)) / 255 * rng.uniform(0.5, 1)
        texture = hair + rng.normal(0, 12, face.shape)
        return np.clip(face * (1 - alpha) + texture * alpha, 0, 255).astype(np.uint8)

    def _lit(self, crop: np.ndarray) -> np.ndarray:
        """Vary light direction, exposure and gamma."""
        rng = self.rng
        light = cv2.resize(
            np.exp(rng.normal(0, rng.uniform(0, 0.45), (3, 3))).astype(np.float32),
            (self.side, self.side),
            interpolation=cv2.INTER_CUBIC,
        )
        value = np.clip(crop / 255 * light, 0, 1) ** np.exp(rng.normal(0, 0.35))
        value = (value - 0.5) * rng.uniform(0.35, 1.2) + 0.5 + rng.uniform(-0.15, 0.15)
        return np.clip(value * 255, 0, 255).astype(np.uint8)

    def _degraded(self, crop: np.ndarray) -> np.ndarray:
        """Degrade as for a face of 12 px up to the crop's size, with blur, grain and JPEG at that size."""
        rng = self.rng
        if rng.random() < 0.6:
            side = int(np.exp(rng.uniform(np.log(20), np.log(self.side))))
            small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
            small = self.augmenter.degrade(np.dstack([small] * 3), rng.uniform(0.1, 0.8))[..., 0]
            return cv2.resize(small, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
        return self.augmenter.degrade(np.dstack([crop] * 3), 0.8)[..., 0]


def _small_grey(picture: np.ndarray) -> np.ndarray:
    # BT.601. The landmark network is shown BT.709 when it runs: that moves its points by 0.08 % of the eye distance.
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (STORED, STORED), interpolation=cv2.INTER_AREA)


class MakesCrops(Protocol):
    """A source of crops with landmarks or labels."""

    def batch(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """`count` crops, uint8, and their landmarks or labels."""
        ...


def make_crops(maker: MakesCrops, count: int) -> tuple[Tensor, Tensor]:
    """Training crops and their landmarks or labels from a maker; made once and used many times."""
    pairs = [maker.batch(min(500, count - start)) for start in range(0, count, 500)]
    crops, targets = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return torch.from_numpy(crops), torch.from_numpy(targets)

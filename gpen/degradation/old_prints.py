"""What time does to a print. Pictures are H x W x 3 float64 in 0..1; lengths are in pixels."""

from __future__ import annotations

import cv2
import numpy as np

from ..pixels.color import LUMA


def grayscale(picture: np.ndarray) -> np.ndarray:
    """BT.709 luma in all three channels."""
    return np.repeat((picture @ np.array(LUMA))[..., None], 3, axis=2)


def tone(picture: np.ndarray, warmth: float) -> np.ndarray:
    """A black-and-white print toned brown: full in the middle tones, none in black and white.

    Args:
        picture: black and white.
        warmth: 0 none, 1 a strong sepia.
    """
    gray = picture[..., :1]
    return picture + warmth * 0.6 * gray * (1 - gray) * np.array([0.5, 0.0, -0.6])


def fade(picture: np.ndarray, black: float, white: float) -> np.ndarray:
    """Blacks rise to `black` and whites sink to `white`."""
    return black + (white - black) * picture


def halftone(picture: np.ndarray, period: float, angle: float, depth: float) -> np.ndarray:
    """A printer's screen: dots at `period` pixels, the larger the darker.

    Args:
        picture: H x W x 3.
        period: distance of the dots.
        angle: of the screen, in radians.
        depth: 1 for dots of pure ink, 0 for none.
    """
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    along = np.cos(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)
    across = np.cos(2 * np.pi * (np.cos(angle) * y - np.sin(angle) * x) / period)
    threshold = 0.5 + 0.25 * (along + across)
    ink = np.clip((picture - threshold[..., None]) * 4 + 0.5, 0, 1)  # a dot's edge is soft: paper drinks ink
    return picture + depth * (ink - picture)


def scratches(picture: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Thin bright or dark lines, mostly along the picture's height, and specks of dust."""
    height, width = picture.shape[:2]
    marks = np.zeros((height, width))
    for _ in range(count):
        strength = rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(0.3, 0.9)
        mask = np.zeros((height, width), np.uint8)
        if rng.random() < 0.6:
            x, y = rng.uniform(0, width), rng.uniform(-0.2, 1) * height
            lengths = np.linspace(0, rng.uniform(0.2, 1.2) * height, 8)
            xs = x + np.cumsum(rng.normal(0, 0.01 * width, 8)) + rng.normal(0, 0.1) * lengths
            points = np.stack([xs, y + lengths], axis=1).round().astype(np.int32)
            cv2.polylines(mask, [points[:, None]], False, 255, 1, cv2.LINE_AA)
        else:
            centre = int(rng.integers(width)), int(rng.integers(height))
            axes = int(rng.integers(1, 4)), int(rng.integers(1, 3))
            cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1, cv2.LINE_AA)
        marks = np.where(mask > 0, strength * mask / 255, marks)
    towards = (marks > 0).astype(np.float64)[..., None]
    return picture + np.abs(marks)[..., None] * (towards - picture)

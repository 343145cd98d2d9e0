"""Ageing of prints. Pictures are H x W x 3 float64 in 0..1; lengths are in pixels."""

from __future__ import annotations

import cv2
import numpy as np

from ..pixels.color import LUMA


def grayscale(picture: np.ndarray) -> np.ndarray:
    """BT.709 luma in all three channels."""
    return np.repeat((picture @ np.array(LUMA))[..., None], 3, axis=2)


def tone(picture: np.ndarray, warmth: float) -> np.ndarray:
    """Tone a black-and-white print brown: strongest in the midtones, none in black and white.

    Args:
        picture: a black-and-white picture.
        warmth: 0 (none) to 1 (strong sepia).
    """
    gray = picture[..., :1]
    return picture + warmth * 0.6 * gray * (1 - gray) * np.array([0.5, 0.0, -0.6])


def fade(picture: np.ndarray, black: float, white: float) -> np.ndarray:
    """Raise black to `black` and lower white to `white`."""
    return black + (white - black) * picture


def halftone(picture: np.ndarray, period: float, angle: float, depth: float) -> np.ndarray:
    """Simulate a halftone screen: dots every `period` pixels, larger in darker areas.

    Args:
        picture: H x W x 3.
        period: distance of the dots in pixels.
        angle: angle of the screen, in radians.
        depth: 0 (none) to 1 (dots of pure ink).
    """
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    along = np.cos(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / period)
    across = np.cos(2 * np.pi * (np.cos(angle) * y - np.sin(angle) * x) / period)
    threshold = 0.5 + 0.25 * (along + across)
    ink = np.clip((picture - threshold[..., None]) * 4 + 0.5, 0, 1)  # dots have soft edges, since paper absorbs ink
    return picture + depth * (ink - picture)


def scratches(picture: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Add thin bright or dark lines, mostly vertical, and specks of dust."""
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

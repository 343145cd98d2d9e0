"""What scenes are painted with: noise, soft shapes, layers.

Pictures are H x W x 3 float32 in 0..1, masks H x W float32 in 0..1, points (x, y) in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Colour = Sequence[float] | np.ndarray
Points = Sequence[tuple[float, float]] | np.ndarray


def noise(height: int, width: int, rng: np.random.Generator, sigma: float | tuple[float, float]) -> np.ndarray:
    """Smooth noise of mean 0 and deviation 1; `sigma` is its width, or (horizontal, vertical)."""
    x, y = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    # Wide noise is made small and enlarged.
    shrink = max(1, int(min(x, y) / 4))
    small = rng.standard_normal((-(-height // shrink) + 8, -(-width // shrink) + 8)).astype(np.float32)
    small = cv2.GaussianBlur(small, (0, 0), sigmaX=max(x / shrink, 0.3), sigmaY=max(y / shrink, 0.3))
    large = cv2.resize(small, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_CUBIC)[:height, :width]
    return (large - large.mean()) / large.std()


def fractal(height: int, width: int, rng: np.random.Generator, sigma: float, octaves: int = 4) -> np.ndarray:
    """Noise of several widths, each half of the one before; mean 0, deviation about 1."""
    layers = [noise(height, width, rng, max(sigma / 2**k, 0.5)) / 1.7**k for k in range(octaves)]
    total = np.sum(layers, axis=0)
    return total / total.std()


def polygon(shape: tuple[int, int], points: Points, soft: float = 0.7) -> np.ndarray:
    """A filled polygon with an edge of `soft` pixels."""
    mask = np.zeros(shape, np.uint8)
    fixed = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, shift=4)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), max(soft, 0.3))


def rectangle(
    shape: tuple[int, int], left: float, top: float, right: float, bottom: float, soft: float = 0.7
) -> np.ndarray:
    """A filled rectangle with an edge of `soft` pixels."""
    return polygon(shape, [(left, top), (right, top), (right, bottom), (left, bottom)], soft)


def curve(points: Points, steps: int = 12) -> np.ndarray:
    """A smooth line through points (Catmull-Rom)."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*parts, p[-2:-1]])


def stroke(shape: tuple[int, int], points: Points, width: float, soft: float) -> np.ndarray:
    """A smooth line of `width` pixels with a soft edge."""
    mask = np.zeros(shape, np.uint8)
    fixed = np.round(curve(points) * 16).astype(np.int32)
    cv2.polylines(mask, [fixed[:, None]], False, 255, max(1, round(width)), cv2.LINE_AA, shift=4)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), soft)


def lay(scene: np.ndarray, layer: Colour, mask: np.ndarray) -> np.ndarray:
    """Lay a picture or a colour over a scene where the mask is."""
    weight = mask[..., None]
    return scene * (1 - weight) + np.asarray(layer, np.float32) * weight


def shade(scene: np.ndarray, mask: np.ndarray, factor: float) -> np.ndarray:
    """Multiply a scene by `factor` where the mask is."""
    return scene * (1 + (factor - 1) * mask[..., None])


def gradient(height: int, width: int, stops: Sequence[tuple[float, Colour]]) -> np.ndarray:
    """Colours from top to bottom; a stop is its height in 0..1 and its colour."""
    at = np.linspace(0, 1, height)
    channels = [np.interp(at, [s for s, _ in stops], [c[k] for _, c in stops]) for k in range(3)]
    return np.repeat(np.stack(channels, axis=1)[:, None], width, axis=1).astype(np.float32)


def defocus(picture: np.ndarray, radius: float) -> np.ndarray:
    """Blur as a lens out of focus does, in linear light, so that lights become discs."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    blurred = cv2.filter2D(picture.clip(0, 4) ** 2.2, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return blurred ** (1 / 2.2)


def shadow(
    scene: np.ndarray, mask: np.ndarray, soft: float, amount: float, shift: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """Darken what lies around a mask by `amount` of the light, `soft` pixels wide, shifted by (x, y) pixels."""
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    thrown = cv2.warpAffine(cv2.GaussianBlur(mask, (0, 0), soft), move, mask.shape[::-1])
    return scene * (1 - amount * (thrown * (1 - mask))[..., None])

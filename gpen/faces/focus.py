"""Find the main faces of a photograph by size and sharpness."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch

from ..pixels.color import luma
from ..types import Face, Faces

# Minimum size of main faces relative to the largest one; the sharpest of them is the reference.
_MAIN = 0.5
# Below this share of the largest face, a face belongs to the background.
_MUCH_SMALLER = 1 / 3
# A face is out of focus if its blur is this many times that of the reference and at least this many pixels larger.
_MUCH_BLURRED, _LEAST_MORE = 2.0, 1.0
# Standard deviation of the blur added for the measurement, and the share of edges used.
_ADDED, _EDGES = 1.0, 0.1
# Blur of ordinary optics, which counts as sharp.
_LEAST_BLUR = 0.5
_MOST_SIDE = 1024


def focused(images: torch.Tensor, faces: Faces) -> tuple[str | None, ...]:
    """For each face, the reason to leave it unchanged, or None for the main faces of its image.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: faces found in these images.
    """
    reasons: dict[int, str | None] = {}
    for index in range(len(images)):
        own = faces.of_image(index)
        if not own:
            continue
        largest = max(face.size for face in own)
        blurs = [blur_of(images[index], face) for face in own]
        measure = min(blur for face, blur in zip(own, blurs, strict=True) if face.size >= _MAIN * largest)
        for face, blur in zip(own, blurs, strict=True):
            reasons[id(face)] = None
            if face.size < _MUCH_SMALLER * largest:
                reasons[id(face)] = "much smaller than the main faces"
            elif blur > max(_MUCH_BLURRED * measure, measure + _LEAST_MORE):
                reasons[id(face)] = "much less sharp than the main faces"
    return tuple(reasons[id(face)] for face in faces)


def blur_of(image: torch.Tensor, face: Face) -> float:
    """Standard deviation in pixels of the Gaussian blur of a face's edges.

    If an edge with blur sigma is blurred again with a known blur, its gradient decreases by the factor
    sqrt(1 + added^2 / sigma^2): Zhuo and Sim, "Defocus map estimation from a single image" (Pattern Recognition 2011).
    The result is the median over the strongest edges of the face.

    Args:
        image: 3 x H x W in 0..1.
        face: in its pixels.
    """
    height, width = image.shape[-2:]
    x0, y0, x1, y1 = face.box
    rows = slice(min(max(math.floor(y0), 0), height - 1), min(max(math.ceil(y1), 1), height))
    columns = slice(min(max(math.floor(x0), 0), width - 1), min(max(math.ceil(x1), 1), width))
    part = luma(image[None, :, rows, columns]).float().cpu().numpy()[0, 0]
    if min(part.shape) < 3:
        return _LEAST_BLUR
    step = max(1, math.ceil(max(part.shape) / _MOST_SIDE))
    if step > 1:
        part = cv2.resize(part, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    part = cv2.GaussianBlur(part, (0, 0), _ADDED)  # noise has no edges after this
    more = cv2.GaussianBlur(part, (0, 0), _ADDED)
    strength = _gradient(part)
    strong = strength >= max(float(np.quantile(strength, 1 - _EDGES)), 1e-6)
    if not strong.any():
        return _LEAST_BLUR
    ratio = float(np.median(strength[strong] / np.maximum(_gradient(more)[strong], 1e-6)))
    # The measured value includes the first of the two blurs.
    variance = _ADDED**2 / max(ratio**2 - 1, 1e-4) - _ADDED**2
    return step * math.sqrt(max(variance, _LEAST_BLUR**2))


def _gradient(plane: np.ndarray) -> np.ndarray:
    return np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1))

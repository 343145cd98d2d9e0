"""Propose where an old print is scratched, as a mask to look at and correct."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from ..checks import require_between
from ..faces.part_masks import draw_part_masks
from ..images import open_picture
from ..models import load_detector
from ..pixels.color import luma
from ..settings import Settings
from ..stages import find_faces
from ..types import Faces

# Widest scratch that is looked for, as a share of the shorter side, and in pixels at least.
_WIDEST, _LEAST_WIDTH = 0.006, 3
# A scratch has straight runs and a length of at least these shares of the shorter side.
_STRAIGHT, _LEAST_LENGTH = 0.07, 0.12
_DIRECTIONS = 36
# Contrast of the core of a scratch and of its faint ends, as multiples of what is usual in the picture.
_CORE, _ENDS = 4.0, 2.0
# Share of the strongest nearby response that still belongs to a scratch.
_OF_CORE = 0.45
# The quantile of the response that grain and the picture's own lines reach, and the least it is taken for, in 0..1.
_USUAL, _LEAST_LEVEL = 0.9, 1 / 255
# Pieces nearer than this to each other, in pixels, are one line.
_GAP = 5
# A line of which this share lies on brows, eyes or lips is one of them.
_OF_FACE = 0.5
_FEATURES = ("brows", "eyes", "lips")


def propose_scratches(image: Any, *, sensitivity: float = 0.5, detector: str = "auto") -> np.ndarray:
    """Propose the scratches of a picture: thin lines brighter or darker than both of their sides.

    1. White and black top-hat of the luma (Soille, "Morphological image analysis", 2003) keep what is thinner than the
       structuring element; a ridge measure, the difference of the curvatures across and along (eigenvalues of the
       Hessian, as in Frangi et al. 1998), keeps what is a line.
    2. Keep what is strong against the picture's own fine detail, with its fainter ends (hysteresis).
    3. Keep what runs straight for a while (an opening by lines in 36 directions) and is long. Hair, folds and edges can
       be such lines too: look at the mask before it is used.
    4. Drop the lines that lie on brows, eyes or lips of the faces that are found.

    Args:
        image: as for `Restorer.restore`.
        sensitivity: 0 proposes only the plainest scratches, 1 also faint ones.
        detector: what finds the faces: a registry name, a path, or `auto`: the best on this machine.

    Returns:
        H x W uint8, 255 where a scratch is proposed.

    Raises:
        ModelNotFoundError: the detector is not on this machine.
        ImageError: the picture cannot be read.
        SettingsError: the sensitivity is out of range.
    """
    require_between("sensitivity", sensitivity, 0, 1)
    pixels = open_picture(image)[0]
    faces = find_faces(pixels, load_detector(detector).module, Settings()).selected
    return scratches_in(pixels, faces, sensitivity=sensitivity)


def scratches_in(pixels: torch.Tensor, faces: Faces, *, sensitivity: float = 0.5) -> np.ndarray:
    """`propose_scratches` in pixels, 1 x 3 x H x W in 0..1, on the CPU, with these faces."""
    require_between("sensitivity", sensitivity, 0, 1)
    gray = luma(pixels)[0, 0].numpy()
    short = min(gray.shape)
    width = max(_LEAST_WIDTH, round(_WIDEST * short))
    side = 2 * width + 1
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    ease = 2 ** (1 - 2 * sensitivity)
    found = np.zeros(gray.shape, bool)
    for operation, sign in ((cv2.MORPH_TOPHAT, 1), (cv2.MORPH_BLACKHAT, -1)):
        strength = np.minimum(cv2.morphologyEx(gray, operation, element), _ridge(sign * gray, width))
        level = max(float(np.quantile(strength, _USUAL)), _LEAST_LEVEL)
        lines = _connected(strength > _ENDS * ease * level, strength > _CORE * ease * level)
        kept = _long(_straight(lines, round(_STRAIGHT * short)), _LEAST_LENGTH * short)
        # Without the faint halo, which grain and screens make of a line.
        found |= (kept > 0) & (strength > _OF_CORE * cv2.dilate(strength, element))
    if len(faces):
        found &= ~_features(found, draw_part_masks(pixels, faces, _FEATURES, grow=width)[0, 0].numpy() > 0)
    return np.asarray(cv2.dilate(found.astype(np.uint8) * 255, np.ones((3, 3), np.uint8)))


def _ridge(gray: np.ndarray, width: int) -> np.ndarray:
    """Height of bright lines up to this width, 0 where there is none."""
    sigma = max(width / 3, 0.8)
    smooth = cv2.GaussianBlur(gray, (0, 0), sigma)
    xx, yy, xy = (cv2.Sobel(smooth, cv2.CV_32F, *order, ksize=3) for order in ((2, 0), (0, 2), (1, 1)))
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    across, along = mean - half, mean + half
    return np.maximum(-across - abs(along), 0) * sigma**2 / 2


def _features(lines: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The pieces of lines that lie on parts of faces; one that only crosses them is not among them."""
    joined = cv2.dilate(lines.astype(np.uint8), np.ones((_GAP, _GAP), np.uint8))
    labels = np.asarray(cv2.connectedComponents(joined)[1], np.intp) * lines
    pixels, inside = np.bincount(labels.ravel()), np.bincount(labels.ravel(), weights=parts.ravel())
    own = inside >= _OF_FACE * pixels
    own[0] = False
    return own[labels]


def _connected(weak: np.ndarray, strong: np.ndarray) -> np.ndarray:
    """The pieces of `weak` that hold a pixel of `strong`."""
    _, labels = cv2.connectedComponents(weak.astype(np.uint8))
    kept = np.unique(labels[strong & weak])
    return np.isin(labels, kept[kept > 0])


def _straight(lines: np.ndarray, length: int) -> np.ndarray:
    """What lies on a straight run of this length, in any direction: an opening by lines."""
    # Runs may bend by a pixel.
    wide = cv2.dilate(lines.astype(np.uint8), np.ones((3, 3), np.uint8))
    kept = np.zeros(lines.shape, bool)
    middle = length // 2
    for angle in np.arange(0, np.pi, np.pi / _DIRECTIONS):
        step = np.array([np.cos(angle), np.sin(angle)]) * middle
        element = np.zeros((2 * middle + 1, 2 * middle + 1), np.uint8)
        ends = [tuple(int(v) for v in np.rint(middle + sign * step)) for sign in (-1, 1)]
        cv2.line(element, ends[0], ends[1], 1)
        kept |= np.asarray(cv2.morphologyEx(wide, cv2.MORPH_OPEN, element)) > 0
    return kept & lines


def _long(lines: np.ndarray, length: float) -> np.ndarray:
    """The pieces that are long, as 0 and 255."""
    joined = cv2.dilate(lines.astype(np.uint8), np.ones((_GAP, _GAP), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    reach = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    reach[0] = 0
    return ((reach >= length)[np.asarray(labels, np.intp)] & lines).astype(np.uint8) * 255

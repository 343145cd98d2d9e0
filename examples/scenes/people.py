"""Cut people out of portraits.

Pictures are H x W x 3 float32 in 0..1, masks H x W float32 in 0..1, points (x, y) in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gpen_blocks.gpen.faces.detect import detect
from gpen_blocks.gpen.faces.landmarks.find import find_landmarks68
from gpen_blocks.gpen.images import from_array
from gpen_blocks.gpen.models import load_detector, load_landmarker

SIDE = 512


@dataclass(frozen=True)
class Person:
    """Head and neck of a person, in the pixels of the portrait.

    Attributes:
        picture: S x S x 3, with the person's colours also outside the mask, so that soft edges bring no background.
        mask: S x S, head and neck without clothes.
        eyes: middle between the eyes.
        chin: lowest point of the chin.
        skin: colour of the neck.
    """

    picture: np.ndarray
    mask: np.ndarray
    eyes: np.ndarray
    chin: np.ndarray
    skin: np.ndarray

    @property
    def unit(self) -> float:
        """Distance from eyes to chin in pixels: the measure of the body."""
        return float(self.chin[1] - self.eyes[1])

    def mirrored(self) -> Person:
        side = self.mask.shape[1] - 1
        flipped = [np.array([side - x, y]) for x, y in (self.eyes, self.chin)]
        return Person(
            np.ascontiguousarray(self.picture[:, ::-1]),
            np.ascontiguousarray(self.mask[:, ::-1]),
            flipped[0],
            flipped[1],
            self.skin,
        )


def cut_out(path: Path, outline: Sequence[tuple[int, int]] = ()) -> Person:
    """Find the face of a portrait and cut head and neck out.

    Args:
        path: a portrait with one face, in FFHQ alignment.
        outline: outline of head and hair, drawn by hand in a portrait of `SIDE`, where the colours of hair and
            background are alike; by default GrabCut finds it.
    """
    with Image.open(path) as file:
        image = np.asarray(file.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    points = _landmarks(image)
    eyes, chin = points[36:48].mean(axis=0), points[8]
    jaw = float(np.ptp(points[:17, 0]) / 2)
    mask = _refine(image, _fill(outline) if outline else _grab(image, points))
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    if not outline:
        # Below the ears only jaw and neck: clothes are drawn.
        body = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillConvexPoly(body, cv2.convexHull(points[:17].astype(np.int32)), 1)
        body = cv2.dilate(body, np.ones((7, 7), np.uint8))
        neck = slice(int(chin[0] - 0.56 * jaw), int(chin[0] + 0.56 * jaw))
        body[int(chin[1] - 0.5 * (chin[1] - eyes[1])) :, neck] = 1
        above = np.clip((points[[3, 13], 1].mean() - rows) / 16 + 0.5, 0, 1)
        mask = mask * np.maximum(above, cv2.GaussianBlur(body.astype(np.float32), (0, 0), 2.0))
    # Portraits that touch the edge end there in a curve, not in a straight cut.
    edge = np.minimum(rows, SIDE - 1 - columns).clip(0)
    edge = np.minimum(edge, columns)
    mask = mask * np.clip(edge / 5, 0, 1)
    picture = _spread(image.astype(np.float32) / 255, mask)
    return Person(picture, mask, eyes, chin, _skin(picture, points))


def _skin(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The colour of the neck: that of the cheeks in shade, or what the portrait shows of it if no beard is there."""
    cheeks = points[[2, 3, 13, 14]] * 0.7 + points[33] * 0.3
    seen = [picture[int(y) - 6 : int(y) + 7, int(x) - 6 : int(x) + 7].reshape(-1, 3) for x, y in cheeks]
    cheek = np.median(np.concatenate(seen), axis=0)
    middle, reach = int(points[8, 0]), int(0.15 * np.ptp(points[:17, 0]))
    neck = np.median(picture[SIDE - 30 : SIDE - 4, middle - reach : middle + reach].reshape(-1, 3), axis=0)
    return neck if neck.sum() > 0.72 * cheek.sum() else 0.76 * cheek


def _landmarks(image: np.ndarray) -> np.ndarray:
    pixels = from_array(image)
    faces = detect(pixels, load_detector("face-detector-lite").module)
    found = find_landmarks68(load_landmarker("face-landmarks-lite").module, pixels, faces)
    face = max(found.faces, key=lambda one: one.size)
    assert face.landmarks68 is not None
    return np.asarray(face.landmarks68, dtype=np.float64)


def _fill(outline: Sequence[tuple[int, int]]) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
    return mask


def _grab(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """GrabCut (Rother et al. 2004) from the face, the neck and what lies around them."""
    marks = np.full((SIDE, SIDE), cv2.GC_PR_BGD, np.uint8)
    centre, chin = points[27:36].mean(axis=0), points[8]
    width, height = np.ptp(points[:17, 0]), chin[1] - points[36:48, 1].mean()
    middle = (int(centre[0]), int(centre[1] - 0.45 * height))
    cv2.ellipse(marks, middle, (int(0.85 * width), int(1.55 * height)), 0, 0, 360, cv2.GC_PR_FGD, -1)
    marks[int(chin[1]) :, int(chin[0] - 0.7 * width) : int(chin[0] + 0.7 * width)] = cv2.GC_PR_FGD
    marks[: int(chin[1]) - 60, :8] = cv2.GC_BGD
    face = np.concatenate([points[:17], points[26:16:-1] - [0, 0.25 * height]]).astype(np.int32)
    cv2.fillConvexPoly(marks, cv2.convexHull(face), cv2.GC_FGD)
    neck = int(0.3 * width)
    marks[int(chin[1]) - 8 :, int(chin[0]) - neck : int(chin[0]) + neck] = cv2.GC_FGD
    cv2.setRNGSeed(0)
    cv2.grabCut(
        image[..., ::-1].copy(),
        marks,
        (0, 0, SIDE, SIDE),
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        6,
        cv2.GC_INIT_WITH_MASK,
    )
    mask = ((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else 0
    mask = (labels == largest).astype(np.uint8)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return cv2.morphologyEx(closed, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))


def _refine(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Soften the edge along the picture's own edges (guided filter, He et al. 2013) so that hair stays hair."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    source = mask.astype(np.float32)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (11, 11))

    slope = (mean(gray * source) - mean(gray) * mean(source)) / (mean(gray * gray) - mean(gray) ** 2 + 1e-3)
    offset = mean(source) - slope * mean(gray)
    soft = mean(slope) * gray + mean(offset)
    inside = cv2.erode(mask, np.ones((9, 9), np.uint8))
    outside = cv2.dilate(mask, np.ones((5, 5), np.uint8))
    soft = np.where(inside > 0, 1, np.where(outside > 0, soft, 0))
    return np.clip((cv2.GaussianBlur(soft.astype(np.float32), (0, 0), 1.0) - 0.15) / 0.8, 0, 1)


def _spread(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Continue the colours of the inside beyond the edge, where the background shines through."""
    solid = cv2.erode((mask > 0.9).astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    result, known = picture * solid[..., None], solid
    for sigma in (1.5, 3, 6, 12, 24):
        weight = cv2.GaussianBlur(solid, (0, 0), sigma)
        colour = cv2.GaussianBlur(picture * solid[..., None], (0, 0), sigma) / np.maximum(weight, 1e-4)[..., None]
        new = (known == 0) & (weight > 0.02)
        result[new], known = colour[new], np.where(new, 1, known)
    result[known == 0] = picture[solid > 0].mean(axis=0)
    # Keep the own pixels a little beyond, where they hold strands of hair.
    keep = cv2.GaussianBlur(cv2.dilate(solid, np.ones((3, 3), np.uint8)), (0, 0), 1.0)[..., None]
    return picture * keep + result * (1 - keep)

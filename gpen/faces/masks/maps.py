"""Maps of facial parts for drawing: read off a photograph by a parsing network, or sketched from 68 landmarks.

A map is H x W uint8 in the classes of `tasks.maps`; l_ and r_ are the person's own left and right. Points are
(x, y) in pixels of the crop, in iBUG order.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from ...errors import ImageError
from ...progress import Steps, each, no_steps
from ...tasks.maps import CLASSES
from .contour import landmark_outline
from .parsing import PARSING_SIZE, FaceParser

# Side at which hair and background are told apart, and rounds of GrabCut.
_CUT_SIDE, _ROUNDS = 128, 3
# Half axes of the areas that may be, probably are and surely are head, in units of the face's outline.
_MAY_BE, _PROBABLY, _SURELY = (2.2, 1.9), (1.3, 1.3), (1.1, 1.18)
# Thickness of a brow in units of the eye distance.
_BROW = 0.09


def parsed_maps(parser: FaceParser, crops: torch.Tensor, *, progress: Steps = no_steps) -> np.ndarray:
    """Maps of crops by a parsing network.

    Args:
        parser: from `build_parser`, on its device.
        crops: N x 3 x H x W in 0..1, aligned.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        N x 512 x 512 uint8.
    """
    weights = next(parser.network.parameters())
    order = np.array([CLASSES.index(name) for name in parser.classes], np.uint8)
    maps = []
    for crop, _ in each([crops[n : n + 1] for n in range(len(crops))], progress):
        shown = F.interpolate(crop.to(weights), (PARSING_SIZE, PARSING_SIZE), mode="bilinear", antialias=True)
        mean, deviation = (shown.new_tensor(value).view(1, 3, 1, 1) for value in (parser.mean, parser.deviation))
        with torch.inference_mode():
            found = parser.network((shown - mean) / deviation).argmax(dim=1)[0]
        maps.append(order[found.cpu().numpy()])
    return np.stack(maps) if maps else np.zeros((0, PARSING_SIZE, PARSING_SIZE), np.uint8)


def sketch_map(crop: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Sketch the map of a face from its landmarks and colours.

    1. Separate the person from the background by colour (GrabCut, Rother et al. 2004), beginning with an ellipse.
    2. Of the person, what is above the chin and not the face is hair; below it, what has the colour of the face is
       neck, and the rest is cloth.
    3. Draw face, brows, eyes, nose and lips from the landmarks. Ears, glasses, hats and jewellery are not known.

    Args:
        crop: S x S x 3 uint8 RGB.
        landmarks: 68 x 2.

    Returns:
        S x S uint8.

    Raises:
        ImageError: the landmarks are not 68 finite points, or all of them coincide.
    """
    if landmarks.shape != (68, 2):
        raise ImageError(f"A map is sketched from 68 landmarks, got {landmarks.shape}.")
    side = len(crop)
    outline = landmark_outline(landmarks)
    small = cv2.resize(crop, (_CUT_SIDE, _CUT_SIDE), interpolation=cv2.INTER_AREA)
    around = _around((outline + 0.5) * (_CUT_SIDE / side) - 0.5, small)
    sketch = cv2.resize(around, (side, side), interpolation=cv2.INTER_NEAREST)
    _fill(sketch, outline, "skin")
    eyes = [landmarks[start : start + 6] for start in (36, 42)]
    reach = float(np.linalg.norm(eyes[0].mean(axis=0) - eyes[1].mean(axis=0)))
    for part, start in (("r_brow", 17), ("l_brow", 22)):
        line = _fixed(landmarks[start : start + 5])
        cv2.polylines(sketch, [line], False, CLASSES.index(part), max(1, round(_BROW * reach)), cv2.LINE_8, _SHIFT)
    nose = landmarks[[27, 31, 32, 33, 34, 35]].copy()
    nose[1] += (nose[1] - nose[5]) * 0.15
    nose[5] += (nose[5] - nose[1]) * 0.13
    _fill(sketch, nose, "nose")
    for part, eye in zip(("r_eye", "l_eye"), eyes, strict=True):
        _fill(sketch, eye, part)
    _fill(sketch, landmarks[[*range(48, 55), 64, 63, 62, 61, 60]], "u_lip")
    _fill(sketch, landmarks[[*range(54, 60), 48, 60, 67, 66, 65, 64]], "l_lip")
    if np.linalg.norm(landmarks[61:64] - landmarks[[67, 66, 65]], axis=1).mean() > 0.03 * reach:
        _fill(sketch, landmarks[60:68], "mouth")
    return sketch


_SHIFT = 4  # fractional bits of OpenCV's points


def _fixed(points: np.ndarray) -> np.ndarray:
    return (points * (1 << _SHIFT)).round().astype(np.int32)


def _fill(sketch: np.ndarray, points: np.ndarray, part: str) -> None:
    cv2.fillPoly(sketch, [_fixed(points)], CLASSES.index(part), cv2.LINE_8, _SHIFT)


def _around(outline: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Background, hair, neck and cloth of a small picture, whose face has this outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    centre, axes = (low + high) / 2, (high - low) / 2
    y, x = np.mgrid[: len(picture), : len(picture)]

    def within(scale: tuple[float, float]) -> np.ndarray:
        return np.hypot((x - centre[0]) / (axes[0] * scale[0]), (y - centre[1]) / (axes[1] * scale[1])) <= 1

    below = y > high[1]
    face = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(face, [_fixed(outline)], 1, cv2.LINE_8, _SHIFT)
    seeds = np.full(picture.shape[:2], cv2.GC_BGD, np.uint8)
    seeds[within(_MAY_BE) | below] = cv2.GC_PR_BGD
    seeds[within(_PROBABLY) | (below & (abs(x - centre[0]) < 1.3 * axes[0]))] = cv2.GC_PR_FGD
    # Right above a forehead is hair, even where the same hair reaches the corners.
    seeds[(face > 0) | (within(_SURELY) & (y < centre[1]))] = cv2.GC_FGD
    found = np.zeros_like(seeds)
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, seeds, (0, 0, 0, 0), np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK)
    person = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = np.median(lab[face > 0], axis=0)
    spread = np.median(abs(lab[face > 0] - skin), axis=0) * 1.5 + (30, 6, 6)
    like_skin = (abs(lab - skin) / spread).max(axis=2) < 1.5
    found[person] = CLASSES.index("hair")
    found[person & below] = CLASSES.index("cloth")
    near = abs(x - centre[0]) < axes[0]
    found[person & like_skin & near & (y > centre[1] + 0.5 * axes[1])] = CLASSES.index("neck")
    return cv2.medianBlur(found, 3)

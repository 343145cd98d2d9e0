"""Training crops of the face classifier: heads as framed by a detector, and what a detector mistakes for heads."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...faces.detection.classify import CONTEXT, CROP, QUARTERS
from ..shared.scenes import Augmenter, darken, draw_flat, draw_head_mask, hide_partly

NO_FACE = -1
# Share of each kind of crop: heads; otherwise parts of backgrounds, false detections in them, badly framed heads,
# gaps between two heads, faces on medals and prints, and round objects in place of a head.
KINDS = {
    "head": 0.48,
    "background": 0.1,
    "mined": 0.16,
    "misframed": 0.13,
    "gap": 0.04,
    "likeness": 0.03,
    "decoy": 0.06,
}
_CANVAS = 2 * CROP


@dataclass(frozen=True)
class MinedBoxes:
    """False detections in pictures without faces.

    Attributes:
        picture: N, index of the background.
        boxes: N x 4 in its pixels.
        scores: N, 0..1.
    """

    picture: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray


class ClassifierCrops:
    """Makes random (crop, label) pairs; the same seed gives the same pairs.

    Args:
        faces: N x 256 x 256 x 3 uint8, FFHQ alignment.
        boxes: N x 4, box of each face in pixels of its picture.
        backgrounds: M x 256 x 256 x 3 uint8, without faces.
        mined: false detections in these backgrounds.
        seed: random seed.
        weights: N, sampling weight of each face.
    """

    def __init__(
        self,
        faces: np.ndarray,
        boxes: np.ndarray,
        backgrounds: np.ndarray,
        mined: MinedBoxes,
        seed: int,
        weights: np.ndarray,
    ) -> None:
        self.faces, self.boxes, self.backgrounds, self.mined = faces, boxes, backgrounds, mined
        self.chances = weights / weights.sum()
        # Boxes with a higher confidence are more useful for training.
        self.mined_chances = np.sqrt(mined.scores) / np.sqrt(mined.scores).sum()
        self.rng = np.random.default_rng(seed)
        self.augmenter = Augmenter(seed + 1)

    def batch(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """`count` crops, N x CROP x CROP x 3 uint8, and N labels: quarter turns clockwise 0..3, or NO_FACE."""
        pairs = [self._pair() for _ in range(count)]
        return np.stack([crop for crop, _ in pairs]), np.array([label for _, label in pairs], np.int64)

    def _pair(self) -> tuple[np.ndarray, int]:
        rng = self.rng
        kind = rng.choice(list(KINDS), p=list(KINDS.values()))
        label = NO_FACE
        if kind == "head":
            label = int(rng.choice(QUARTERS, p=[0.55, 0.15, 0.15, 0.15]))
            canvas = self._head(label, np.exp(rng.normal(0, 0.13)), rng.normal(0, (0.06, 0.09)))
        elif kind == "background":
            canvas = self._background()
        elif kind == "mined":
            canvas = self._mined()
        elif kind == "misframed":
            canvas = self._misframed()
        elif kind == "gap":
            canvas = self._gap()
        elif kind == "likeness":
            canvas = self._likeness()
        else:
            canvas = self._decoy()
        return self._finished(canvas), label

    def _background(self) -> np.ndarray:
        rng = self.rng
        picture = self.backgrounds[rng.integers(len(self.backgrounds))]
        side = int(np.exp(rng.uniform(np.log(28), np.log(256))))
        y, x = rng.integers(0, 257 - side, 2)
        if rng.random() < 0.5:
            picture = np.rot90(picture, int(rng.integers(4)))
        part = np.ascontiguousarray(picture[y : y + side, x : x + side])
        return _resized(part).astype(np.float32)

    def _mined(self) -> np.ndarray:
        rng = self.rng
        index = rng.choice(len(self.mined.boxes), p=self.mined_chances)
        x0, y0, x1, y1 = self.mined.boxes[index]
        size = np.sqrt(max((x1 - x0) * (y1 - y0), 1))
        size *= np.exp(rng.normal(0, 0.1))
        side = CONTEXT * size
        x, y = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + rng.normal(0, 0.06, 2) * size
        matrix = np.array([[side / _CANVAS, 0, x - side / 2], [0, side / _CANVAS, y - side / 2]])
        picture = self.backgrounds[int(self.mined.picture[index])]
        if side > 2 * _CANVAS:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.4 * side / _CANVAS)
        # Keep its resolution, which is characteristic; the area outside is black, as in the picture.
        return cv2.warpAffine(
            picture.astype(np.float32), matrix, (_CANVAS, _CANVAS), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )

    def _head(self, quarter: int, zoom: float, shift: np.ndarray) -> np.ndarray:
        """A head in a box scaled by `zoom` and shifted by `shift` box sizes."""
        rng = self.rng
        canvas = self._background()
        if rng.random() < 0.25:  # other people beside or behind
            for _ in range(rng.integers(1, 3)):
                angle = rng.uniform(0, 2 * np.pi)
                away = rng.uniform(0.95, 1.6) * np.array([np.cos(angle), 0.6 * np.sin(angle)])
                self._paste(canvas, 0, 1.0, away, altered=False, square=False)
        square = rng.random() < 0.4
        self._paste(canvas, quarter, zoom, shift, altered=True, square=square)
        if rng.random() < 0.12:  # and one in front
            away = rng.choice([-1, 1]) * rng.uniform(1.0, 1.5)
            self._paste(canvas, 0, 1.0, np.array([away, rng.uniform(-0.4, 0.6)]), altered=False, square=False)
        return canvas

    def _misframed(self) -> np.ndarray:
        """A badly framed head: an ear, an eye, hair or a cheek; half a head; a head with its surroundings."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.6:  # a part framed like a head
            zoom, shift = rng.uniform(2.2, 7.0), rng.uniform(-0.8, 0.8, 2)
            shift = shift * zoom
        elif kind < 0.85:  # beside the head
            zoom = np.exp(rng.normal(0, 0.2))
            angle = rng.uniform(0, 2 * np.pi)
            shift = zoom * rng.uniform(0.65, 1.1) * np.array([np.cos(angle), np.sin(angle)])
        else:
            zoom, shift = rng.uniform(0.15, 0.45), rng.normal(0, 0.1, 2)
        canvas = self._background()
        self._paste(canvas, int(rng.integers(QUARTERS)) if rng.random() < 0.3 else 0, zoom, shift, square=zoom > 2.2)
        return canvas

    def _gap(self) -> np.ndarray:
        """The gap between two touching heads."""
        rng = self.rng
        canvas = self._background()
        apart = rng.uniform(0.85, 1.5)
        angle = rng.normal(0, 0.4)
        away = apart / 2 * np.array([np.cos(angle), np.sin(angle)])
        off = rng.normal(0, 0.08, 2)
        for side in (-1, 1):
            zoom = np.exp(rng.normal(0, 0.1)) * rng.uniform(0.8, 1.6)
            self._paste(canvas, 0, zoom, (side * away + off) * zoom, altered=rng.random() < 0.3, square=False)
        return canvas

    def _likeness(self) -> np.ndarray:
        """A head as on a medal, or printed on cloth in one colour."""
        rng = self.rng
        face = cv2.cvtColor(self._face(altered=False)[0], cv2.COLOR_RGB2GRAY)
        ground = self._background()
        if rng.random() < 0.5:
            relief = cv2.GaussianBlur(face.astype(np.float32), (0, 0), rng.uniform(1.5, 4))
            across, down = cv2.Sobel(relief, cv2.CV_32F, 1, 0), cv2.Sobel(relief, cv2.CV_32F, 0, 1)
            angle = rng.uniform(0, 2 * np.pi)
            shaded = rng.uniform(70, 170) + (np.cos(angle) * across + np.sin(angle) * down) * rng.uniform(0.8, 2.5)
            shaded = cv2.warpAffine(shaded, self._placed(0, 1.0, rng.normal(0, 0.05, 2)), (_CANVAS, _CANVAS))
            y, x = np.mgrid[0:_CANVAS, 0:_CANVAS]
            radius = _CANVAS * rng.uniform(0.28, 0.42)
            alpha = np.clip(radius - np.hypot(x - _CANVAS / 2, y - _CANVAS / 2), 0, 1)[..., None]
            tint = np.array([1, rng.uniform(0.85, 1), rng.uniform(0.6, 1)])
            return (ground * (1 - alpha) + shaded[..., None] * tint * alpha).astype(np.float32)
        blurred = cv2.GaussianBlur(face, (0, 0), 2)
        ink = (blurred < np.median(blurred)).astype(np.float32)
        matrix = self._placed(0, 1.0, rng.normal(0, 0.05, 2))
        alpha = cv2.warpAffine(ink * self._mask(False), matrix, (_CANVAS, _CANVAS))[..., None] * rng.uniform(0.5, 1)
        return (ground * (1 - alpha) + rng.uniform(0, 255, 3) * alpha).astype(np.float32)

    def _decoy(self) -> np.ndarray:
        """Part of another background, pasted like a head."""
        rng = self.rng
        canvas, thing = self._background(), self._background()
        self._box = self.boxes[rng.integers(len(self.boxes))]
        matrix = self._placed(0, np.exp(rng.normal(0, 0.15)), rng.normal(0, 0.08, 2))
        alpha = cv2.warpAffine(self._mask(False), matrix, (_CANVAS, _CANVAS))[..., None]
        canvas += (thing * rng.uniform(0.55, 1.15) - canvas) * alpha
        return canvas

    def _face(self, *, altered: bool) -> tuple[np.ndarray, np.ndarray]:
        """A face's picture and its box."""
        rng = self.rng
        index = rng.choice(len(self.faces), p=self.chances)
        face, box = self.faces[index], self.boxes[index]
        if altered:
            kind = rng.random()
            if kind < 0.25:
                face = darken(face, rng, (1.2, 2.6), 0.45)
            elif kind < 0.45:
                face = hide_partly(face, self.backgrounds[rng.integers(len(self.backgrounds))], rng)
            elif kind < 0.5:
                face = draw_flat(face, rng)
            elif kind < 0.6:
                face = squeezed(face, box, rng)
            if rng.random() < 0.5:
                face, box = reshaped(face, box, rng)
            if rng.random() < 0.5:
                face = lit(face, rng)
        self._box = box
        return face, box

    def _placed(self, quarter: int, zoom: float, shift: np.ndarray) -> np.ndarray:
        """Matrix from the picture of the current face to the canvas."""
        x0, y0, x1, y1 = self._box
        size = np.sqrt((x1 - x0) * (y1 - y0))
        scale = zoom * _CANVAS / (CONTEXT * size)
        angle = -90.0 * quarter + self.rng.normal(0, 11) + (self.rng.uniform(-30, 30) if self.rng.random() < 0.2 else 0)
        matrix = cv2.getRotationMatrix2D(((x0 + x1) / 2, (y0 + y1) / 2), angle, scale)
        target = _CANVAS * (0.5 + np.asarray(shift) / CONTEXT)
        matrix[:, 2] += target - ((x0 + x1) / 2, (y0 + y1) / 2)
        return matrix

    def _paste(
        self,
        canvas: np.ndarray,
        quarter: int,
        zoom: float,
        shift: np.ndarray,
        *,
        altered: bool = True,
        square: bool = False,
    ) -> None:
        face, _ = self._face(altered=altered)
        matrix = self._placed(quarter, zoom, shift)
        border = cv2.BORDER_REPLICATE if square else cv2.BORDER_CONSTANT
        light = self.rng.uniform(0.55, 1.15)
        size = (_CANVAS, _CANVAS)
        colour = cv2.warpAffine(face.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        alpha = cv2.warpAffine(self._mask(square), matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        canvas += (colour * light - canvas) * alpha[..., None]

    def _mask(self, square: bool) -> np.ndarray:
        return draw_head_mask(self.rng, square=square, widest=120, tallest=128)

    def _finished(self, canvas: np.ndarray) -> np.ndarray:
        """Apply tone, degradation at a small size and cropping by the picture's border, then resize to the crop."""
        rng = self.rng
        crop = np.clip(canvas, 0, 255).astype(np.uint8)
        (crop,) = self.augmenter.adjust_tone(crop)
        if rng.random() < 0.25:
            crop = cv2.convertScaleAbs(crop, alpha=rng.uniform(0.25, 0.9), beta=rng.uniform(0, 60))
        if rng.random() < 0.3:  # a cast
            crop = np.clip(crop * rng.uniform(0.7, 1.2, 3), 0, 255).astype(np.uint8)
        if rng.random() < 0.6:
            side = int(np.exp(rng.uniform(np.log(14), np.log(_CANVAS))))
            crop = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
        crop = self.augmenter.degrade(crop, rng.uniform(0.1, 0.9))
        if rng.random() < 0.1:
            crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.02, 0.08) * len(crop))
        crop = cv2.resize(crop, (CROP, CROP), interpolation=cv2.INTER_AREA if len(crop) > CROP else cv2.INTER_LINEAR)
        if rng.random() < 0.2:
            edge = int(rng.uniform(0.03, 0.36) * CROP)
            turn = int(rng.integers(4))
            crop = np.rot90(crop, turn).copy()
            crop[:edge] = 0
            crop = np.rot90(crop, -turn)
        return np.ascontiguousarray(crop)


def squeezed(face: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Approximate a turned head: one half of the face narrowed, its edge hidden by hair."""
    side = len(face)
    middle = (box[0] + box[2]) / 2
    x = np.arange(side, dtype=np.float32)
    # The far half gets a fraction of its width, the near one is slightly wider.
    far = rng.uniform(0.25, 0.7)
    offset = x - middle
    source = np.where(offset < 0, offset / far, offset / rng.uniform(1.0, 1.25)) + middle
    columns, rows = np.meshgrid(source.astype(np.float32), np.arange(side, dtype=np.float32))
    turned = cv2.remap(face, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned[:, ::-1].copy() if rng.random() < 0.5 else turned


def reshaped(face: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A head with other proportions, such as those of children and old people, and its box: wider or narrower, with a
    higher forehead or a longer chin.
    """
    side = len(face)
    middle, eyes = (box[0] + box[2]) / 2, box[1] + 0.42 * (box[3] - box[1])
    wide, above, below = np.exp(rng.normal(0, 0.12, 3))
    y = np.arange(side, dtype=np.float32) - eyes
    rows = (np.where(y < 0, y / above, y / below) + eyes).astype(np.float32)
    columns = ((np.arange(side, dtype=np.float32) - middle) / wide + middle).astype(np.float32)
    across, down = np.meshgrid(columns, rows)
    picture = cv2.remap(face, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    half = (box[2] - box[0]) / 2 * wide
    top, bottom = eyes - (eyes - box[1]) * above, eyes + (box[3] - eyes) * below
    return picture, np.array([middle - half, top, middle + half, bottom], np.float32)


def lit(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A head lit from one side, with hard shadows or a flash."""
    coarse = np.exp(rng.normal(0, rng.uniform(0.1, 0.6), (3, 3))).astype(np.float32)
    light = cv2.resize(coarse, (len(face), len(face)), interpolation=cv2.INTER_CUBIC)[..., None]
    value = (face / 255 * light).clip(0, 1)
    value = (value - 0.5) * rng.uniform(0.7, 1.9) + 0.5
    return (value * 255).clip(0, 255).astype(np.uint8)


def _resized(part: np.ndarray) -> np.ndarray:
    shrink = len(part) > _CANVAS
    return cv2.resize(part, (_CANVAS, _CANVAS), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)

"""Scenes of machine-generated faces on backgrounds, for training the face detector.

A scene is a square RGB picture, uint8: crowds in rows with dark suits and hats, scattered faces, pairs whose heads
touch, faces that fill the picture or are cut by its border, and pictures without a face. Each has two views: one for
the teacher, and one for the student with heads darkened, half hidden or drawn. The teacher's detections count only near
a head; elsewhere nothing is a face.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

SCENE = 320
# Width of the teacher's box relative to an FFHQ-aligned picture, measured on the training faces.
BOX_OF_PICTURE = 0.53
# Maximum number of stored heads per scene; crowds have fewer.
MOST_HEADS = 160
# Share of decoys among the heads.
DECOYS = 0.12
KINDS = {"crowd": 0.24, "scattered": 0.24, "pair": 0.12, "filling": 0.2, "none": 0.2}


@dataclass(frozen=True)
class Scenes:
    """Training scenes.

    Attributes:
        clean: N x SCENE x SCENE x 3 uint8, the teacher's view.
        shown: the student's view of the same scenes.
        heads: N x MOST_HEADS x 3 float32, centre and box width of every head in pixels, padded with 0.
    """

    clean: np.ndarray
    shown: np.ndarray
    heads: np.ndarray

    def __len__(self) -> int:
        return len(self.clean)


class SceneComposer:
    """Composes scenes; the same seed gives the same scenes.

    Args:
        faces: N x 256 x 256 x 3 uint8, FFHQ alignment.
        backgrounds: M x 256 x 256 x 3 uint8 without faces.
        seed: of all chance.
        weights: N, sampling weight of each face; by default all equal.
    """

    def __init__(
        self, faces: np.ndarray, backgrounds: np.ndarray, seed: int, weights: np.ndarray | None = None
    ) -> None:
        self.faces = faces
        self.backgrounds = backgrounds
        self.rng = np.random.default_rng(seed)
        self.chances = None if weights is None else weights / weights.sum()

    def compose(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One scene: SCENE x SCENE x 3 uint8 in the teacher's and the student's view, and its heads, K x 3."""
        scene = self._background()
        views = (scene, scene.copy())
        heads: list[tuple[float, float, float]] = []
        rng = self.rng
        kind = rng.choice(list(KINDS), p=list(KINDS.values()))
        if kind == "crowd":
            self._crowd(views, heads)
        elif kind == "scattered":
            for _ in range(rng.integers(1, 11)):
                size = np.exp(rng.uniform(np.log(16), np.log(150)))
                x, y = rng.uniform(0, SCENE, 2)
                self._person(views, heads, x, y, size)
        elif kind == "pair":
            self._pair(views, heads)
        elif kind == "filling":
            size = np.exp(rng.uniform(np.log(100), np.log(320)))
            room = max(SCENE - size, 0.35 * SCENE)
            x, y = SCENE / 2 + rng.uniform(-0.5, 0.5, 2) * room
            self._person(views, heads, x, y, size, square=rng.random() < 0.5)
        if heads and rng.random() < 0.12:  # out of focus, as long as the smallest head remains recognisable
            smallest = min(size for _, _, size in heads)
            views = (views[0], cv2.GaussianBlur(views[1], (0, 0), smallest * rng.uniform(0.01, 0.08)))
        clean, shown = (np.clip(view, 0, 255).astype(np.uint8) for view in views)
        return clean, shown, np.array(heads[:MOST_HEADS], np.float32).reshape(-1, 3)

    def _background(self) -> np.ndarray:
        rng = self.rng
        kind = rng.random()
        if kind < 0.85:
            picture = self.backgrounds[rng.integers(len(self.backgrounds))]
            side = int(rng.integers(64, 257))
            x, y = rng.integers(0, 257 - side, 2)
            scene = cv2.resize(picture[y : y + side, x : x + side], (SCENE, SCENE), interpolation=cv2.INTER_CUBIC)
        elif kind < 0.93:  # a coarse random texture
            side = int(rng.integers(2, 40))
            coarse = rng.uniform(0, 255, (side, side, 3)).astype(np.float32)
            scene = cv2.resize(coarse, (SCENE, SCENE), interpolation=cv2.INTER_LINEAR)
        else:
            scene = np.broadcast_to(rng.uniform(0, 255, 3), (SCENE, SCENE, 3))
        if rng.random() < 0.3:
            scene = scene[::-1]
        return np.array(scene, np.float32, order="C")

    def _crowd(self, views: Sequence[np.ndarray], heads: list) -> None:
        """Rows of people as in a group photograph; front rows cover those behind."""
        rng = self.rng
        size = np.exp(rng.uniform(np.log(15), np.log(56)))
        across, down = size * rng.uniform(1.2, 2.6), size * rng.uniform(1.5, 3.2)
        for y in np.arange(rng.uniform(0, down), SCENE, down):
            for x in np.arange(rng.uniform(-across, 0), SCENE + across, across):
                jitter = rng.normal(0, 0.15, 2) * size
                self._person(views, heads, x + jitter[0], y + jitter[1], size * rng.uniform(0.85, 1.15), crowd=True)

    def _pair(self, views: Sequence[np.ndarray], heads: list) -> None:
        """Two or three touching heads, like people who embrace or look into one camera."""
        rng = self.rng
        size = np.exp(rng.uniform(np.log(24), np.log(150)))
        x, y = rng.uniform(0.25, 0.75, 2) * SCENE
        for _ in range(rng.integers(2, 4)):
            own = size * rng.uniform(0.8, 1.25)
            self._person(views, heads, x, y, own, crowd=True, square=False)
            x += rng.choice([-1, 1]) * size * rng.uniform(0.95, 1.5)
            y += rng.normal(0, 0.35) * size

    def _person(
        self,
        views: Sequence[np.ndarray],
        heads: list,
        x: float,
        y: float,
        size: float,
        *,
        crowd: bool = False,
        square: bool = False,
    ) -> None:
        """Paste one head whose box is about `size` pixels wide at (x, y), sometimes with a suit and a hat."""
        rng = self.rng
        light = rng.uniform(0.55, 1.15)
        if rng.random() < (0.8 if crowd else 0.4) and not square:
            self._suit(views, x, y, size)
        decoy = rng.random() < DECOYS
        if decoy:  # a round object in place of a head
            face = self.backgrounds[rng.integers(len(self.backgrounds))]
        else:
            face = self.faces[rng.choice(len(self.faces), p=self.chances)]
        if rng.random() < 0.5:
            face = face[:, ::-1]
        looks = (face, face if decoy else self._altered(face))
        scale = size / (256 * BOX_OF_PICTURE)
        angle = rng.uniform(-180, 180) if rng.random() < 0.05 else rng.normal(0, 13)
        matrix = cv2.getRotationMatrix2D((128, 134), angle, scale)
        matrix[:, 2] += np.array([x - 128, y - 134])
        mask = draw_head_mask(rng, square=square, widest=115, tallest=125)
        # Reduce first, so that the warp does not alias.
        if scale < 0.5:
            small = max(round(256 * scale * 1.3), 8)
            looks = tuple(cv2.resize(look, (small, small), interpolation=cv2.INTER_AREA) for look in looks)
            matrix[:, :2] *= 256 / small
            mask = cv2.resize(mask, (small, small), interpolation=cv2.INTER_AREA)
        reach = int(size / BOX_OF_PICTURE * 0.75) + 2
        x0, x1 = max(int(x) - reach, 0), min(int(x) + reach, SCENE)
        y0, y1 = max(int(y) - reach, 0), min(int(y) + reach, SCENE)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        matrix[:, 2] -= (x0, y0)
        alpha = cv2.warpAffine(mask, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)[..., None]
        for view, look in zip(views, looks, strict=True):
            colour = cv2.warpAffine(look.astype(np.float32), matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
            region = view[y0:y1, x0:x1]
            region += (colour * light - region) * alpha
        if not decoy:
            heads.append((x, y, size))
        if rng.random() < (0.15 if crowd else 0.08):
            self._hat(views, x, y, size)

    def _altered(self, face: np.ndarray) -> np.ndarray:
        """A head in the student's view: darker skin or deep shade, half hidden, drawn, or unchanged."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.35:
            face = darken(face, rng, (1.1, 2.2), 0.5)
        elif kind < 0.55:
            face = hide_partly(face, self.backgrounds[rng.integers(len(self.backgrounds))], rng)
        elif kind < 0.6:
            face = draw_flat(face, rng)
        return face

    def _suit(self, views: Sequence[np.ndarray], x: float, y: float, size: float) -> None:
        """Draw shoulders below a head: mostly dark, with a light wedge of shirt."""
        rng = self.rng
        colour = rng.uniform(5, 70) if rng.random() < 0.7 else rng.uniform(40, 220)
        tint = (np.full(3, colour) + rng.normal(0, 6, 3)).tolist()
        centre = (int(x), int(y + size * rng.uniform(1.7, 2.1)))
        axes = (max(int(size * rng.uniform(0.9, 1.3)), 2), max(int(size * rng.uniform(1.0, 1.4)), 2))
        top, half = int(y + size * 0.6), int(size * rng.uniform(0.15, 0.35))
        wedge = np.array([[x - half, top], [x + half, top], [x, top + size]], np.int32)
        shirt = (rng.uniform(150, 250),) * 3 if rng.random() < 0.6 else None
        for view in views:
            cv2.ellipse(view, centre, axes, 0, 0, 360, tint, -1, cv2.LINE_8)
            if shirt:
                cv2.fillConvexPoly(view, wedge, shirt)

    def _hat(self, views: Sequence[np.ndarray], x: float, y: float, size: float) -> None:
        """Draw the brim and crown of a hat over the forehead."""
        rng = self.rng
        colour = (np.full(3, rng.uniform(10, 230)) + rng.normal(0, 10, 3)).tolist()
        brim = y - size * rng.uniform(0.5, 0.75)
        half = size * rng.uniform(0.55, 0.95)
        thick = max(int(size * rng.uniform(0.06, 0.18)), 1)
        crown = size * rng.uniform(0.4, 0.6)
        top = brim - size * rng.uniform(0.3, 0.6)
        for view in views:
            cv2.ellipse(view, (int(x), int(brim)), (int(half), thick), 0, 0, 360, colour, -1, cv2.LINE_8)
            cv2.rectangle(view, (int(x - crown), int(top)), (int(x + crown), int(brim)), colour, -1)


def draw_head_mask(rng: np.random.Generator, *, square: bool, widest: float, tallest: float) -> np.ndarray:
    """Mask for pasting a face's picture, 256 x 256 float32 in 0..1: all of it, or an ellipse around the head.

    Args:
        rng: of all chance.
        square: use the whole picture.
        widest, tallest: half axes of the largest ellipse, in pixels.
    """
    if square:
        return np.ones((256, 256), np.float32)
    y, x = np.mgrid[0:256, 0:256].astype(np.float32)
    width, height = rng.uniform(75, widest), rng.uniform(98, tallest)
    distance = np.hypot((x - 128) / width, (y - rng.uniform(112, 132)) / height)
    return np.clip((1.0 - distance) * rng.uniform(4, 16), 0, 1).astype(np.float32)


def darken(face: np.ndarray, rng: np.random.Generator, gamma: tuple[float, float], least: float) -> np.ndarray:
    """A face in deep shade or with darker skin: a random gamma, and light from `least` to 1."""
    levels = (np.arange(256) / 255) ** rng.uniform(*gamma) * rng.uniform(least, 1.0)
    return cv2.LUT(face, np.clip(levels * 255, 0, 255).astype(np.uint8))


def hide_partly(face: np.ndarray, cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover a part of a face's picture with another one: a side, the lower half, or a patch anywhere.

    Args:
        face: S x S x 3 uint8, FFHQ alignment.
        cover: a picture of the same size.
        rng: of all chance.
    """
    side = len(face)
    face = face.copy()
    x0, y0, x1, y1 = 0, 0, side, side
    kind = rng.integers(4)
    if kind == 0:  # from the left or the right, at most to the middle of the nose
        edge = int(rng.uniform(0.25, 0.48) * side)
        x0, x1 = (0, edge) if rng.random() < 0.5 else (side - edge, side)
    elif kind == 1:  # mouth and chin: a scarf, a mask, a glass
        y0 = int(rng.uniform(0.58, 0.75) * side)
    elif kind == 2:  # forehead: a hat, a rim
        y1 = int(rng.uniform(0.25, 0.4) * side)
    else:
        width, height = (rng.uniform(0.12, 0.35, 2) * side).astype(int)
        x0, y0 = (rng.uniform(0.2, 0.65, 2) * side).astype(int)
        x1, y1 = min(x0 + width, side), min(y0 + height, side)
    face[y0:y1, x0:x1] = cover[y0:y1, x0:x1]
    return face


def draw_flat(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A face as a flat drawing: uniform areas of few tones with dark outlines."""
    flat = cv2.bilateralFilter(face, 7, 60, 7)
    step = int(rng.integers(20, 50))
    flat = (flat // step * step + step // 2).astype(np.uint8)
    if rng.random() < 0.7:
        grey = cv2.GaussianBlur(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
        lines = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 15, 5)
        flat[lines == 0] = flat[lines == 0] // 3
    return flat


def compose_scenes(
    faces: np.ndarray, backgrounds: np.ndarray, count: int, seed: int, weights: np.ndarray | None = None
) -> Scenes:
    """Compose `count` scenes, the same for the same seed; arguments as for `SceneComposer`."""
    composer = SceneComposer(faces, backgrounds, seed, weights)
    scenes = Scenes(
        np.empty((count, SCENE, SCENE, 3), np.uint8),
        np.empty((count, SCENE, SCENE, 3), np.uint8),
        np.zeros((count, MOST_HEADS, 3), np.float32),
    )
    for index in range(count):
        scenes.clean[index], scenes.shown[index], heads = composer.compose()
        scenes.heads[index, : len(heads)] = heads
    return scenes


class Augmenter:
    """Degrades pictures like old photographs and bad copies, for the training of detectors.

    `degradation.degrade` makes the damage that the generator learns to undo, and also returns its steps and the
    original; it takes 4.5 ms for a crop of 128 pixels, compared with 0.24 ms here.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._grain = self.rng.standard_normal((2, 1024, 1024), dtype=np.float32)

    def adjust_tone(self, *pictures: np.ndarray) -> tuple[np.ndarray, ...]:
        """Vary brightness, contrast, gamma and, in two of five cases, make grey; the same for all these pictures."""
        rng = self.rng
        levels = (np.arange(256, dtype=np.float32) / 255) ** np.exp(rng.normal(0, 0.3))
        levels = (levels - 0.5) * rng.uniform(0.6, 1.15) + 0.5 + rng.uniform(-0.12, 0.12)
        curve, grey = np.clip(levels * 255, 0, 255).astype(np.uint8), rng.random() < 0.4
        toned = (cv2.LUT(picture, curve) for picture in pictures)
        if grey:
            toned = (cv2.cvtColor(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) for one in toned)
        return tuple(toned)

    def degrade(self, picture: np.ndarray, strength: float) -> np.ndarray:
        """Apply blur, loss of resolution, grain and JPEG at random; `strength` 1 is heavy."""
        rng = self.rng
        height, width = picture.shape[:2]
        if rng.random() < 0.35:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + rng.uniform(0, 1.6) * strength)
        if rng.random() < 0.2:
            factor = 1 - rng.uniform(0.1, 0.65) * strength
            small = (max(int(width * factor), 8), max(int(height * factor), 8))
            picture = cv2.resize(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), (width, height))
        if rng.random() < 0.5:
            picture = self.add_grain(picture, rng.uniform(1, 18) * strength)
        if rng.random() < 0.35:
            quality = int(95 - rng.uniform(0, 65) * strength)
            coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
        return picture

    def add_grain(self, picture: np.ndarray, sigma: float) -> np.ndarray:
        """Add grey film grain, fine or coarse, of this standard deviation in 8-bit levels."""
        rng = self.rng
        height, width = picture.shape[:2]
        y, x = rng.integers(0, 1024 - height), rng.integers(0, 1024 - width)
        grain = self._grain[rng.integers(2), y : y + height, x : x + width]
        if rng.random() < 0.5:
            blur = rng.uniform(0.5, 1.2)
            grain = cv2.GaussianBlur(grain, (0, 0), blur) * (2 * np.sqrt(np.pi) * blur)
        return np.clip(picture + grain[..., None] * sigma, 0, 255).astype(np.uint8)

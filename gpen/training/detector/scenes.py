"""Scenes of machine-generated faces on backgrounds, for teaching the face detector.

A scene is a square RGB picture, uint8: crowds in rows with dark suits and hats, scattered faces, faces that
fill the picture, and pictures without a face. What is a face in it, and where, the teacher says: a scene
carries no labels.
"""

from __future__ import annotations

import cv2
import numpy as np

SCENE = 320
# Width of the teacher's box over the width of an FFHQ-aligned picture, measured on the faces taught with.
BOX_OF_PICTURE = 0.53


class SceneComposer:
    """Composes scenes; the same seed gives the same scenes."""

    def __init__(self, faces: np.ndarray, backgrounds: np.ndarray, seed: int) -> None:
        self.faces = faces
        self.backgrounds = backgrounds
        self.rng = np.random.default_rng(seed)
        y, x = np.mgrid[0:256, 0:256].astype(np.float32)
        self._x, self._y = x, y

    def compose(self) -> np.ndarray:
        """One scene: SCENE x SCENE x 3 uint8."""
        scene = self._background()
        kind = self.rng.choice(["crowd", "scattered", "filling", "none"], p=[0.37, 0.33, 0.26, 0.04])
        if kind == "crowd":
            self._crowd(scene)
        elif kind == "scattered":
            for _ in range(self.rng.integers(1, 11)):
                size = np.exp(self.rng.uniform(np.log(16), np.log(150)))
                x, y = self.rng.uniform(0, SCENE, 2)
                self._person(scene, x, y, size)
        elif kind == "filling":
            size = np.exp(self.rng.uniform(np.log(100), np.log(320)))
            room = max(SCENE - size, 0.35 * SCENE)
            x, y = SCENE / 2 + self.rng.uniform(-0.5, 0.5, 2) * room
            self._person(scene, x, y, size, square=self.rng.random() < 0.5)
        return np.clip(scene, 0, 255).astype(np.uint8)

    def _background(self) -> np.ndarray:
        rng = self.rng
        kind = rng.random()
        if kind < 0.75:
            picture = self.backgrounds[rng.integers(len(self.backgrounds))]
            side = int(rng.integers(64, 257))
            x, y = rng.integers(0, 257 - side, 2)
            scene = cv2.resize(picture[y : y + side, x : x + side], (SCENE, SCENE), interpolation=cv2.INTER_CUBIC)
        elif kind < 0.9:  # a coarse random texture
            side = int(rng.integers(2, 40))
            coarse = rng.uniform(0, 255, (side, side, 3)).astype(np.float32)
            scene = cv2.resize(coarse, (SCENE, SCENE), interpolation=cv2.INTER_LINEAR)
        else:
            scene = np.broadcast_to(rng.uniform(0, 255, 3), (SCENE, SCENE, 3))
        if rng.random() < 0.3:
            scene = scene[::-1]
        return np.array(scene, np.float32, order="C")

    def _crowd(self, scene: np.ndarray) -> None:
        """Rows of people as in a group photograph, the front row over the ones behind it."""
        rng = self.rng
        size = np.exp(rng.uniform(np.log(15), np.log(56)))
        across, down = size * rng.uniform(1.2, 2.6), size * rng.uniform(1.5, 3.2)
        for y in np.arange(rng.uniform(0, down), SCENE, down):
            for x in np.arange(rng.uniform(-across, 0), SCENE + across, across):
                jitter = rng.normal(0, 0.15, 2) * size
                self._person(scene, x + jitter[0], y + jitter[1], size * rng.uniform(0.85, 1.15), crowd=True)

    def _person(
        self, scene: np.ndarray, x: float, y: float, size: float, *, crowd: bool = False, square: bool = False
    ) -> None:
        """Paste one head whose box is about `size` pixels wide at (x, y), sometimes with a suit and a hat."""
        rng = self.rng
        light = rng.uniform(0.55, 1.15)
        if rng.random() < (0.8 if crowd else 0.4) and not square:
            self._suit(scene, x, y, size)
        face = self.faces[rng.integers(len(self.faces))]
        if rng.random() < 0.5:
            face = face[:, ::-1]
        scale = size / (256 * BOX_OF_PICTURE)
        angle = rng.uniform(-180, 180) if rng.random() < 0.05 else rng.normal(0, 13)
        matrix = cv2.getRotationMatrix2D((128, 134), angle, scale)
        matrix[:, 2] += np.array([x - 128, y - 134])
        # Shrink first so that the warp does not alias.
        if scale < 0.5:
            small = max(round(256 * scale * 1.3), 8)
            face = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
            matrix[:, :2] *= 256 / small
            mask = cv2.resize(self._mask(square), (small, small), interpolation=cv2.INTER_AREA)
        else:
            mask = self._mask(square)
        reach = int(size / BOX_OF_PICTURE * 0.75) + 2
        x0, x1 = max(int(x) - reach, 0), min(int(x) + reach, SCENE)
        y0, y1 = max(int(y) - reach, 0), min(int(y) + reach, SCENE)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        matrix[:, 2] -= (x0, y0)
        pasted = cv2.warpAffine(
            np.dstack([face.astype(np.float32), mask]), matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR
        )
        colour, alpha = pasted[..., :3], pasted[..., 3:]
        region = scene[y0:y1, x0:x1]
        region += (colour * light - region) * alpha
        if rng.random() < (0.15 if crowd else 0.08):
            self._hat(scene, x, y, size)

    def _mask(self, square: bool) -> np.ndarray:
        """How much of a face's picture is pasted: 256 x 256 in 0..1, an ellipse about the head or all."""
        rng = self.rng
        if square:
            return np.ones((256, 256), np.float32)
        width, height = rng.uniform(75, 115), rng.uniform(98, 125)
        distance = np.hypot((self._x - 128) / width, (self._y - rng.uniform(112, 132)) / height)
        return np.clip((1.0 - distance) * rng.uniform(4, 16), 0, 1).astype(np.float32)

    def _suit(self, scene: np.ndarray, x: float, y: float, size: float) -> None:
        """Shoulders under a head: mostly dark, with a light wedge of shirt."""
        rng = self.rng
        colour = rng.uniform(5, 70) if rng.random() < 0.7 else rng.uniform(40, 220)
        tint = np.full(3, colour) + rng.normal(0, 6, 3)
        centre = (int(x), int(y + size * rng.uniform(1.7, 2.1)))
        axes = (max(int(size * rng.uniform(0.9, 1.3)), 2), max(int(size * rng.uniform(1.0, 1.4)), 2))
        cv2.ellipse(scene, centre, axes, 0, 0, 360, tint.tolist(), -1, cv2.LINE_8)
        if rng.random() < 0.6:
            top, half = int(y + size * 0.6), int(size * rng.uniform(0.15, 0.35))
            wedge = np.array([[x - half, top], [x + half, top], [x, top + size]], np.int32)
            cv2.fillConvexPoly(scene, wedge, (rng.uniform(150, 250),) * 3)

    def _hat(self, scene: np.ndarray, x: float, y: float, size: float) -> None:
        """A brim and a crown over the forehead."""
        rng = self.rng
        colour = (np.full(3, rng.uniform(10, 230)) + rng.normal(0, 10, 3)).tolist()
        brim = y - size * rng.uniform(0.5, 0.75)
        half = size * rng.uniform(0.55, 0.95)
        thick = max(int(size * rng.uniform(0.06, 0.18)), 1)
        cv2.ellipse(scene, (int(x), int(brim)), (int(half), thick), 0, 0, 360, colour, -1, cv2.LINE_8)
        crown = size * rng.uniform(0.4, 0.6)
        top = brim - size * rng.uniform(0.3, 0.6)
        cv2.rectangle(scene, (int(x - crown), int(top)), (int(x + crown), int(brim)), colour, -1)


def compose_scenes(faces: np.ndarray, backgrounds: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` scenes, N x SCENE x SCENE x 3 uint8, always the same for the same seed."""
    composer = SceneComposer(faces, backgrounds, seed)
    scenes = np.empty((count, SCENE, SCENE, 3), np.uint8)
    for scene in scenes:
        scene[:] = composer.compose()
    return scenes


class Spoiler:
    """Spoils pictures as old photographs and bad copies are."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._grain = self.rng.standard_normal((2, 1024, 1024), dtype=np.float32)

    def tone(self, picture: np.ndarray) -> np.ndarray:
        """Brightness, contrast, gamma and, in two of five, grey."""
        rng = self.rng
        levels = (np.arange(256, dtype=np.float32) / 255) ** np.exp(rng.normal(0, 0.3))
        levels = (levels - 0.5) * rng.uniform(0.6, 1.15) + 0.5 + rng.uniform(-0.12, 0.12)
        picture = cv2.LUT(picture, np.clip(levels * 255, 0, 255).astype(np.uint8))
        if rng.random() < 0.4:
            picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        return picture

    def spoil(self, picture: np.ndarray, strength: float) -> np.ndarray:
        """Blur, loss of resolution, grain and JPEG, each with a chance; `strength` 1 is heavy."""
        rng = self.rng
        height, width = picture.shape[:2]
        if rng.random() < 0.35:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.3 + rng.uniform(0, 1.6) * strength)
        if rng.random() < 0.2:
            factor = 1 - rng.uniform(0.1, 0.65) * strength
            small = (max(int(width * factor), 8), max(int(height * factor), 8))
            picture = cv2.resize(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), (width, height))
        if rng.random() < 0.5:
            picture = self.grain(picture, rng.uniform(1, 18) * strength)
        if rng.random() < 0.35:
            quality = int(95 - rng.uniform(0, 65) * strength)
            coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
        return picture

    def grain(self, picture: np.ndarray, sigma: float) -> np.ndarray:
        """Add grey film grain of this deviation (in 8-bit levels), fine or coarse."""
        rng = self.rng
        height, width = picture.shape[:2]
        y, x = rng.integers(0, 1024 - height), rng.integers(0, 1024 - width)
        grain = self._grain[rng.integers(2), y : y + height, x : x + width]
        if rng.random() < 0.5:
            blur = rng.uniform(0.5, 1.2)
            grain = cv2.GaussianBlur(grain, (0, 0), blur) * (2 * np.sqrt(np.pi) * blur)
        return np.clip(picture + grain[..., None] * sigma, 0, 255).astype(np.uint8)

"""Training crops of the occlusion network: damaged faces with and without something before them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ...degradation.degrade import Degradation, degrade
from ...faces.masks.occlusion import CROP
from .occluders import (
    Framing,
    Occluder,
    draw_glasses,
    draw_hand,
    draw_microphone,
    draw_shape,
    draw_strands,
    draw_veil,
)

# Share of each kind of crop; `none` has nothing before the face, but shadows, beards and make-up as all have.
KINDS = {
    "none": 0.3,
    "shape": 0.19,
    "hand": 0.2,
    "glasses": 0.08,
    "veil": 0.08,
    "strands": 0.06,
    "microphone": 0.09,
}
DRAW: dict[str, Callable[[Framing, np.ndarray, np.random.Generator], Occluder]] = {
    "shape": draw_shape,
    "hand": draw_hand,
    "glasses": draw_glasses,
    "veil": draw_veil,
    "strands": draw_strands,
    "microphone": draw_microphone,
}
# The damage that the generator is taught with, and hardly damaged ones among them.
DAMAGE = Degradation(light=0.5)
# Side of the stored faces and tiles, which are shown at half to all of their scale.
_STORED = 160
# The face in units of FFHQ's crop: centre and half axes. Outside it nothing is asked.
_OVAL_CENTRE, _OVAL_AXES = (0.5, 0.57), (0.31, 0.38)
# Where skin is, in units of FFHQ's crop: left, top and side of squares on forehead and cheeks.
_SKIN = ((0.42, 0.28, 0.14), (0.3, 0.57, 0.1), (0.6, 0.57, 0.1))
# Lips and lids, in the same units: centre and half axes.
_MADE_UP = (((0.5, 0.735), (0.1, 0.035)), ((0.38, 0.445), (0.06, 0.02)), ((0.62, 0.445), (0.06, 0.02)))


class Compositions:
    """Makes random (crop, target) pairs; the same seed gives the same pairs.

    Args:
        faces: N x S x S x 3 uint8, FFHQ alignment.
        tiles: M x S x S x 3 uint8, pictures without faces, for textures.
        seed: random seed.
        weights: N, sampling weight of each face.
        kinds: share of each kind of crop.
    """

    def __init__(
        self,
        faces: np.ndarray,
        tiles: np.ndarray,
        seed: int,
        weights: np.ndarray,
        kinds: dict[str, float] = KINDS,
    ) -> None:
        self.faces, self.tiles = (np.stack([_stored(picture) for picture in part]) for part in (faces, tiles))
        self.chances = weights / weights.sum()
        self.kinds = kinds
        self.seed, self.rng = seed, np.random.default_rng(seed)

    def batch(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """`count` crops, N x CROP x CROP x 3 uint8, and targets, N x CROP x CROP x 2 uint8: how much is covered,
        0..255, and where the face is, 0 or 1.
        """
        pairs = [self.compose() for _ in range(count)]
        return np.stack([crop for crop, _ in pairs]), np.stack([target for _, target in pairs])

    def compose(self) -> tuple[np.ndarray, np.ndarray]:
        """One crop and its target."""
        rng = self.rng
        framing = self._framing()
        face = self._face()
        matrix = framing.matrix * np.array([[1 / _STORED, 1 / _STORED, 1]])
        picture = cv2.warpAffine(
            face, matrix, (CROP, CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        ).astype(np.float32)
        picture = self._made_harder(picture, framing)
        extent = np.zeros((CROP, CROP), np.float32)
        kind = str(rng.choice(list(self.kinds), p=list(self.kinds.values())))
        # Glasses are worn together with other things.
        for drawn in [kind, *(["glasses"] if kind in ("hand", "microphone") and rng.random() < 0.1 else [])]:
            if drawn != "none":
                occluder = DRAW[drawn](framing, self._texture(drawn, face), rng)
                picture = _before(picture, occluder, rng)
                extent = np.maximum(extent, occluder.extent)
        picture = np.clip(picture * self._light(), 0, 255).astype(np.uint8)
        damaged = degrade(picture, 0, self.seed, DAMAGE).degraded
        return damaged, np.dstack([(extent * 255).round().astype(np.uint8), _oval(framing)])

    def _face(self) -> np.ndarray:
        face = self.faces[self.rng.choice(len(self.faces), p=self.chances)]
        return face[:, ::-1] if self.rng.random() < 0.5 else face

    def _framing(self) -> Framing:
        """How differently templates and detectors frame a face."""
        rng = self.rng
        scale, turn = CROP * np.exp(rng.normal(-0.08, 0.1)), rng.normal(0, 0.06)
        linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shift = CROP * (np.array([0.5, 0.57]) + rng.normal(0, 0.02, 2)) - linear @ np.array([0.5, 0.58])
        return Framing(np.column_stack([linear, shift]))

    def _texture(self, kind: str, face: np.ndarray) -> np.ndarray:
        """CROP x CROP x 3 float32, what an occluder is made of."""
        rng = self.rng
        if kind == "hand":
            return self._skin(face if rng.random() < 0.6 else self._face())
        if kind == "strands":
            hair = np.array([(20, 15, 12), (60, 40, 25), (120, 85, 50), (190, 160, 110), (150, 150, 150)], np.float32)
            tone = hair[rng.integers(len(hair))] * np.exp(rng.normal(0, 0.25))
            return np.broadcast_to(tone.astype(np.float32), (CROP, CROP, 3))
        if rng.random() < (0.15 if kind == "shape" else 0.6):  # plain
            tone = rng.uniform(5, 250, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(5, 250))
            grain = rng.normal(0, rng.uniform(0, 10), (CROP, CROP, 1))
            return np.clip(tone + grain, 0, 255).astype(np.float32)
        if kind == "shape" and rng.random() < 0.12:  # an arm, a shoulder, the back of a head
            return self._skin(self._face())
        return self._cut(self.tiles[rng.integers(len(self.tiles))])

    def _cut(self, tile: np.ndarray) -> np.ndarray:
        rng = self.rng
        side = int(rng.uniform(40, _STORED))
        y, x = rng.integers(0, _STORED - side + 1, 2)
        part = np.rot90(tile[y : y + side, x : x + side], int(rng.integers(4)))
        shown = cv2.resize(np.ascontiguousarray(part), (CROP, CROP), interpolation=cv2.INTER_LINEAR)
        return np.clip(shown * rng.uniform(0.6, 1.3, 3) + rng.normal(0, 12), 0, 255).astype(np.float32)

    def _skin(self, face: np.ndarray) -> np.ndarray:
        """Skin as on a face, a little lighter, darker or redder."""
        rng = self.rng
        left, top, side = (round(value * _STORED) for value in _SKIN[rng.integers(len(_SKIN))])
        patch = face[top : top + side, left : left + side].astype(np.float32)
        tone = np.median(patch, axis=(0, 1))
        grown = cv2.resize(patch, (CROP, CROP), interpolation=cv2.INTER_LINEAR)
        mottled = cv2.resize(rng.normal(0, 6, (12, 12, 1)).astype(np.float32), (CROP, CROP))[..., None]
        skin = tone + rng.uniform(0.2, 0.8) * (grown - tone) + mottled * (1.0, 0.8, 0.7)
        gain = np.exp(rng.normal(0, 0.13)) * np.array([1, np.exp(rng.normal(-0.03, 0.04)), np.exp(rng.normal(0, 0.05))])
        return np.clip(skin * gain, 0, 255).astype(np.float32)

    def _light(self) -> np.ndarray:
        """Light from one side, and exposure."""
        rng = self.rng
        coarse = np.exp(rng.normal(0, rng.uniform(0, 0.3), (3, 3))).astype(np.float32)
        return cv2.resize(coarse, (CROP, CROP), interpolation=cv2.INTER_CUBIC)[..., None]

    def _made_harder(self, picture: np.ndarray, framing: Framing) -> np.ndarray:
        """What lies on a face and is part of it: shadows, shine, make-up, stubble."""
        rng = self.rng
        if rng.random() < 0.3:  # a shadow with a soft or hard edge
            where = draw_shape(framing, picture, rng).extent
            where = cv2.GaussianBlur(where, (0, 0), rng.uniform(0.5, 6))
            picture = picture * (1 - rng.uniform(0.1, 0.65) * where)[..., None]
        if rng.random() < 0.15:  # shine
            where = cv2.GaussianBlur(draw_shape(framing, picture, rng).extent, (0, 0), rng.uniform(3, 9))
            picture = picture + (255 - picture) * (rng.uniform(0, 0.5) * where)[..., None]
        if rng.random() < 0.12:  # lips and lids with colour
            for centre, axes in _MADE_UP:
                tone, share = rng.uniform(20, 200, 3), rng.uniform(0.1, 0.6)
                picture = _tinted(picture, _ellipse(framing, centre, axes), tone, share)
        if rng.random() < 0.2:  # beard: darker, with grain
            where = _ellipse(framing, (0.5, 0.82), (rng.uniform(0.12, 0.24), rng.uniform(0.06, 0.16)))
            where = where * (1 - _ellipse(framing, (0.5, 0.735), (0.09, 0.025)))
            if rng.random() < 0.5:
                where = np.maximum(where, _ellipse(framing, (0.5, 0.675), (0.1, 0.02)))
            tone = rng.uniform(10, 70) if rng.random() < 0.7 else rng.uniform(120, 220)
            grain = rng.normal(0, 25, (CROP, CROP)).astype(np.float32)
            picture = _tinted(picture, where, (tone + grain)[..., None], rng.uniform(0.2, 0.9))
        return np.clip(picture, 0, 255)


def _before(picture: np.ndarray, occluder: Occluder, rng: np.random.Generator) -> np.ndarray:
    """Put an occluder before a picture, with its shadow."""
    if occluder.casts_shadow and rng.random() < 0.6:
        shift = np.array([[1, 0, rng.normal(0, 4)], [0, 1, rng.normal(1, 4)]], np.float32)
        shadow = cv2.warpAffine(occluder.opacity, shift, (CROP, CROP))
        shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(1, 6))
        picture = picture * (1 - rng.uniform(0, 0.6) * shadow)[..., None]
    # Its light is that of the face, more or less.
    colour = np.clip(occluder.colour * np.exp(rng.normal(0, 0.15)), 0, 255)
    return picture + (colour - picture) * occluder.opacity[..., None]


def _tinted(picture: np.ndarray, where: np.ndarray, colour: np.ndarray, share: float) -> np.ndarray:
    return picture + (colour - picture) * (share * where)[..., None]


def _ellipse(framing: Framing, centre: tuple[float, float], axes: tuple[float, float]) -> np.ndarray:
    """CROP x CROP float32, an ellipse with a soft edge, in units of FFHQ's crop."""
    inverse = cv2.invertAffineTransform(framing.matrix)
    y, x = np.mgrid[0:CROP, 0:CROP]
    u, v = (inverse[row, 0] * x + inverse[row, 1] * y + inverse[row, 2] for row in (0, 1))
    distance = np.hypot((u - centre[0]) / axes[0], (v - centre[1]) / axes[1])
    return np.clip((1.15 - distance) / 0.3, 0, 1).astype(np.float32)


def _oval(framing: Framing) -> np.ndarray:
    return (_ellipse(framing, _OVAL_CENTRE, _OVAL_AXES) >= 0.5).astype(np.uint8)


def _stored(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (_STORED, _STORED), interpolation=cv2.INTER_AREA)

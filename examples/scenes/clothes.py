"""Clothes as flat shapes with the light and the folds of cloth.

Shapes are lists of points (x, y) from the chin downwards, in units of the distance from eyes to chin.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .paint import Colour, curve, lay, noise, polygon, shade, stroke

Shape = list[tuple[float, float]]

HOOD = [(0.0, -2.56), (0.5, -2.42), (0.92, -1.95), (1.12, -1.3), (1.13, -0.6), (1.05, 0.1), (1.1, 0.7), (0.8, 1.0)]
HOOD_INSIDE = [(0.0, -2.3), (0.42, -2.18), (0.74, -1.75), (0.92, -1.2), (0.9, -0.6), (0.78, 0.0), (0.3, 0.7)]
_SHOULDERS = [
    *[(0.40, -0.02), (0.52, 0.30), (0.95, 0.58), (1.42, 0.76), (1.74, 1.0), (1.88, 1.5), (1.92, 2.4), (1.95, 12.0)],
]
_CLOAK = [
    *[
        (0.5, -0.1),
        (0.8, 0.25),
        (1.25, 0.62),
        (1.62, 1.05),
        (1.9, 1.7),
        (2.2, 3.0),
        (2.5, 5.0),
        (2.8, 8.0),
        (3.0, 12.0),
    ],
]
_OPENINGS = {
    "jumper": [(0.62, -0.6), (0.6, 0.3), (0.45, 0.52), (0.2, 0.62), (0.0, 0.64)],
    "shirt": [(0.6, -0.6), (0.52, 0.26), (0.3, 0.52), (0.0, 0.85)],
    "jacket": [(0.6, -0.6), (0.54, 0.2), (0.3, 0.36), (0.0, 0.46)],
    "cloak": [(0.86, -2.0), (0.84, -0.6), (0.7, 0.05), (0.35, 0.52), (0.0, 0.78)],
}
# Width, height and lean of folds.
_FOLDS = ((0.13, 0.5, 0.45), (0.16, 0.6, -0.45), (0.35, 0.16, 0.3))
_HANGING_FOLDS = ((0.16, 2.4, 0.0), (0.3, 3.0, 0.0), (0.5, 1.5, 0.2))
# The shapes are drawn a little higher, so that the collar begins above the chin's height.
_RAISED = 0.24


@dataclass(frozen=True)
class Clothes:
    """What a person wears.

    Attributes:
        kind: `jumper` with a round neck, `shirt` with a collar, `jacket` over a shirt, `cloak` with a hood.
        colour: of jumper, shirt, jacket or cloak.
        shirt: colour of the shirt under a jacket.
        tie: colour of the tie under a jacket.
        pattern: `stripes` across, `check`, or none.
        second: colour of the pattern.
    """

    kind: str
    colour: Colour
    shirt: Colour = (0.9, 0.9, 0.88)
    tie: Colour = (0.3, 0.3, 0.3)
    pattern: str = ""
    second: Colour = (0.9, 0.9, 0.9)


@dataclass(frozen=True)
class Figure:
    """Where a body is drawn.

    Attributes:
        shape: height and width of the picture.
        chin: position of the chin in it.
        unit: distance from eyes to chin in pixels.
        build: breadth of the shoulders; 1 is broad.
        light: factors for the colours.
        side: side the light comes from: -1 left, 1 right.
    """

    shape: tuple[int, int]
    chin: np.ndarray
    unit: float
    build: float
    light: np.ndarray
    side: float

    @property
    def edge(self) -> float:
        """Softness of edges in pixels."""
        return 0.012 * self.unit + 0.5

    def at(self, points: Shape) -> np.ndarray:
        """Points of a shape in the picture."""
        return (np.array(points) - [0, _RAISED]) * self.unit * [self.build, 1] + self.chin

    def both(self, points: Shape, soft: float = 0.0) -> np.ndarray:
        """Mask of a rounded shape whose right half is given."""
        right, left = curve(self.at(points)), curve(self.at([(-x, y) for x, y in points]))
        return polygon(self.shape, np.concatenate([right, left[::-1]]), soft or self.edge)

    def flat(self, points: Shape, side: int = 1) -> np.ndarray:
        """Mask of a shape with corners, mirrored where `side` is -1."""
        return polygon(self.shape, self.at([(side * x, y) for x, y in points]), self.edge)

    def line(self, points: Shape, width: float, soft: float) -> np.ndarray:
        """Mask of a smooth line; width and softness are in units."""
        return stroke(self.shape, self.at(points), width * self.unit, soft * self.unit)

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Position x, 1 x W, and y, H x 1, of each pixel in units of a shape."""
        x = (np.arange(self.shape[1], dtype=np.float32)[None] - self.chin[0]) / self.unit / self.build
        y = (np.arange(self.shape[0], dtype=np.float32)[:, None] - self.chin[1]) / self.unit + _RAISED
        return x, y


def outline(figure: Figure, clothes: Clothes) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the dressed body, and of the opening for the neck."""
    body = figure.both(_CLOAK if clothes.kind == "cloak" else _SHOULDERS)
    return body, figure.both(_OPENINGS[clothes.kind])


def cloth(figure: Figure, clothes: Clothes, body: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cloth over a body: round, lit from above and from one side, with folds and weave."""
    shape, unit, side = figure.shape, figure.unit, figure.side
    x, y = figure.grid()
    folds = _folds(figure, clothes, rng) * np.clip((y - 0.5) / 1.5, 0.25, 1)  # few at the shoulders
    rim = cv2.GaussianBlur(body, (0, 0), 0.15 * unit)
    level = 0.7 + 0.26 * np.clip((rim - 0.45) / 0.5, 0, 1) - 0.10 * (x / 2) ** 2 + 0.10 * side * x / 2
    level = level * (1.08 - 0.10 * np.clip(y / 2.5, 0, 1.6))
    level = level * (1 + 0.055 * folds) + 0.012 * noise(*shape, rng, 0.8)
    colour = np.broadcast_to(np.asarray(clothes.colour, np.float32), (*shape, 3))
    if clothes.pattern:
        along = np.clip((np.sin((y + 0.03 * folds + 0.05 * (x / 2) ** 2) * 2 * np.pi / 0.62) - 0.1) * 6, 0, 1)
        across = np.clip((np.sin((x + 0.03 * folds) * 2 * np.pi / 0.62) - 0.1) * 6, 0, 1)
        share = 0.45 * along + 0.45 * across if clothes.pattern == "check" else along * (y > 0.75)
        colour = lay(colour, clothes.second, share.astype(np.float32))
    result = level[..., None] * colour
    if clothes.kind != "cloak":  # between arms and chest
        fall = np.clip((y - 1.5) / 1.0, 0, 1)
        for mirror in (-1, 1):
            arm = [(mirror * px, py) for px, py in ((1.18, 1.5), (1.3, 2.0), (1.36, 2.8), (1.38, 4.0), (1.4, 9.0))]
            result = shade(result, figure.line(arm, 0.03, 0.03) * fall, 0.55)
            result = shade(result, figure.line(arm, 0.1, 0.16) * fall, 0.6)
    return result.clip(0, 1) * figure.light


def _folds(figure: Figure, clothes: Clothes, rng: np.random.Generator) -> np.ndarray:
    """Relief lit from the side: its slope is its brightness."""
    height, width = figure.shape
    folds = np.zeros(figure.shape, np.float32)
    cloak = clothes.kind == "cloak"
    for across, down, lean in _HANGING_FOLDS if cloak else _FOLDS:
        lean = lean * figure.side
        # Wide enough to be sheared.
        relief = noise(height, width + height, rng, (across * figure.unit, down * figure.unit))
        shear = np.array([[1, lean, -max(lean, 0.0) * height], [0, 1, 0]])
        relief = cv2.warpAffine(relief, shear, (width, height))
        slope = figure.side * cv2.Sobel(relief, -1, 1, 0, ksize=5) + cv2.Sobel(relief, -1, 0, 1, ksize=5)
        folds += np.tanh(slope / slope.std())
    return folds * (2.6 if cloak else 1.0)


def trim(picture: np.ndarray, figure: Figure, clothes: Clothes, front: np.ndarray) -> np.ndarray:
    """Draw collar, lapels, tie, hem and seams on the cloth, which lies where `front` is."""
    if clothes.kind == "cloak":
        return _trim_cloak(picture, figure, front)
    if clothes.kind == "jumper":
        inner = _OPENINGS["jumper"][1:]
        rib = figure.both([(0.74, 0.1), (0.72, 0.38), (0.54, 0.65), (0.24, 0.77), (0.0, 0.79)]) * front
        rib = np.clip(rib - figure.both([(0.62, 0.05), *inner]), 0, 1)
        return shade(_shadow_around(picture, figure, rib, front, 0.8), rib, 0.9)
    if clothes.kind == "jacket":
        picture = _lay_shirt(picture, figure, clothes, front)
        picture = _lay_collar(picture, figure, clothes.shirt, front, [(0.3, 0.38), (0.02, 0.46), (0.3, 0.92)])
        for side in (-1, 1):
            lapel = [(0.56, 0.36), (0.72, 0.5), (0.98, 1.35), (0.82, 1.42), (0.92, 1.62), (0.08, 2.7), (0.34, 1.3)]
            mask = figure.flat(lapel, side) * front
            picture = _shadow_around(picture, figure, mask, front, 0.55)
            picture = lay(picture, np.asarray(clothes.colour) * figure.light * (0.98 if side < 0 else 0.86), mask)
        return picture
    picture = _lay_collar(picture, figure, clothes.colour, front, [(0.3, 0.55), (0.04, 0.98), (0.5, 1.25)])
    return shade(picture, figure.line([(0.0, 1.0), (0.02, 2.5), (0.0, 6.0)], 0.03, 0.03) * front, 0.6)


def _shadow_around(
    picture: np.ndarray, figure: Figure, mask: np.ndarray, front: np.ndarray, amount: float
) -> np.ndarray:
    around = cv2.GaussianBlur(mask, (0, 0), 0.05 * figure.unit) * (1 - mask) * front
    return shade(picture, around, amount)


def _lay_collar(picture: np.ndarray, figure: Figure, colour: Colour, front: np.ndarray, tip: Shape) -> np.ndarray:
    for side in (-1, 1):
        mask = figure.flat([(0.5, 0.14), (0.52, 0.28), *tip, (0.72, 0.5)], side)
        picture = _shadow_around(picture, figure, mask, front, 0.5)
        picture = lay(picture, np.asarray(colour) * figure.light * (0.98 if side < 0 else 0.9), mask)
    return picture


def _lay_shirt(picture: np.ndarray, figure: Figure, clothes: Clothes, front: np.ndarray) -> np.ndarray:
    """Shirt and tie between the lapels of a jacket."""
    inside = figure.both([(0.56, 0.0), (0.5, 0.5), (0.3, 1.3), (0.06, 2.5), (0.0, 2.6)]) * front
    picture = lay(picture, np.asarray(clothes.shirt) * figure.light * 0.92, inside)
    depth = np.clip(1 - cv2.GaussianBlur(inside, (0, 0), 0.15 * figure.unit), 0, 1)
    picture = shade(picture, inside * depth, 0.55)
    knot = [(-0.13, 0.44), (0.13, 0.44), (0.09, 0.66), (0.2, 2.3), (0.0, 2.6), (-0.2, 2.3), (-0.09, 0.66)]
    tie = figure.flat(knot) * inside
    picture = _shadow_around(picture, figure, tie, front, 0.7)
    picture = lay(picture, np.asarray(clothes.tie) * figure.light, tie)
    return shade(picture, figure.flat([(-0.12, 0.62), (0.12, 0.62), (0.1, 0.74), (-0.1, 0.74)]) * tie, 0.7)


def _trim_cloak(picture: np.ndarray, figure: Figure, front: np.ndarray) -> np.ndarray:
    for side in (-1, 1):
        hem = [(side * x, y) for x, y in _OPENINGS["cloak"][1:]]
        picture = shade(picture, figure.line(hem, 0.1, 0.03) * front, 1.25)
    fall = figure.line([(0.0, 0.8), (0.08, 2.0), (-0.05, 4.0), (0.1, 9.0)], 0.05, 0.06)
    picture = shade(picture, fall * front, 0.35)
    turns = np.linspace(0, 6, 20)
    clasp = figure.flat([(0.13 * float(np.cos(t)), 0.86 + 0.13 * float(np.sin(t))) for t in turns])
    picture = _shadow_around(picture, figure, clasp, front, 0.5)
    return lay(picture, np.array([0.78, 0.62, 0.28]) * figure.light, clasp)

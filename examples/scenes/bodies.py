"""Dress people and put them into a scene.

The measure of a body is the distance from eyes to chin; shapes are in this unit, from the chin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .paint import Colour, curve, lay, noise, polygon, shade, stroke
from .people import Person

_SHOULDER = [
    (0.40, -0.02),
    (0.52, 0.30),
    (0.95, 0.58),
    (1.42, 0.76),
    (1.74, 1.0),
    (1.88, 1.5),
    (1.92, 2.4),
    (1.94, 4.2),
]
_DOWN = [(1.95, 6.0), (1.95, 12.0)]
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
_HOOD = [(0.0, -2.56), (0.5, -2.42), (0.92, -1.95), (1.12, -1.3), (1.13, -0.6), (1.05, 0.1), (1.1, 0.7), (0.8, 1.0)]
_HOOD_INSIDE = [(0.0, -2.3), (0.42, -2.18), (0.74, -1.75), (0.92, -1.2), (0.9, -0.6), (0.78, 0.0), (0.3, 0.7)]
# The collar begins above the chin's height.
_RAISED = 0.24


@dataclass(frozen=True)
class Clothes:
    """What a person wears.

    Attributes:
        kind: `jumper` with a round neck, `shirt` with a collar, `jacket` over a shirt, `cloak` with a hood.
        colour: of jumper, shirt or jacket.
        shirt: colour of the shirt under a jacket.
        tie: colour of a tie, if there is one.
        pattern: `stripes` across, `check`, or none.
        second: colour of the pattern.
    """

    kind: str
    colour: Colour
    shirt: Colour = (0.9, 0.9, 0.88)
    tie: Colour | None = None
    pattern: str = ""
    second: Colour = (0.9, 0.9, 0.9)


@dataclass(frozen=True)
class Place:
    """Where and how a person stands.

    Attributes:
        eyes: position of the middle between the eyes.
        unit: distance from eyes to chin in pixels.
        build: breadth of the shoulders; 1 is broad.
        light: factors for the colours of head and body.
        mirror: show the mirrored portrait.
        tilt: lean of the head in degrees.
        side: side the light comes from: -1 left, 1 right.
    """

    eyes: tuple[float, float]
    unit: float
    build: float = 1.0
    light: Colour = (1.0, 1.0, 1.0)
    mirror: bool = False
    tilt: float = 0.0
    side: float = -1.0


def put(
    scene: np.ndarray, person: Person, place: Place, clothes: Clothes, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a dressed person into a scene.

    Returns:
        The scene, and the mask of the person in it.
    """
    if place.mirror:
        person = person.mirrored()
    # Only the part of the scene that the person can reach.
    (x, y), unit = place.eyes, place.unit
    left, right = max(0, int(x - 3 * unit)), min(scene.shape[1], int(x + 3 * unit))
    top = max(0, int(y - 2 * unit))
    part, mask = _draw(scene[top:, left:right], person, replace(place, eyes=(x - left, y - top)), clothes, rng)
    result, whole = scene.copy(), np.zeros(scene.shape[:2], np.float32)
    result[top:, left:right], whole[top:, left:right] = part, mask
    return result, whole


def _draw(
    scene: np.ndarray, person: Person, place: Place, clothes: Clothes, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    shape = scene.shape[:2]
    head, mask, chin = _head(shape, person, place)
    light = np.asarray(place.light, np.float32)
    unit = place.unit

    def at(points: list[tuple[float, float]], smooth: bool = True) -> np.ndarray:
        placed = (np.array(points) - [0, _RAISED]) * unit * [place.build, 1] + chin
        return curve(placed) if smooth else placed

    def both(points: list[tuple[float, float]]) -> np.ndarray:
        return np.concatenate([at(points), at([(-x, y) for x, y in points])[::-1]])

    edge = 0.012 * unit + 0.5
    neck = polygon(shape, both([(0.46, -0.4), (0.45, 0.2), (0.5, 0.6), (0.8, 1.1)]), edge)
    skin = _skin(shape, person, chin, place)
    result, hood = scene, neck
    if clothes.kind == "cloak":
        hood = polygon(shape, both(_HOOD), edge)
        lining = polygon(shape, both(_HOOD_INSIDE), 0.05 * unit)
        result = lay(result, _cloth(shape, clothes, chin, place, hood, rng) * light, hood)
        result = shade(result, lining, 0.16)
    result = lay(result, skin * light, neck)
    result = lay(result, head * light, mask)
    # The jaw throws its shadow on the neck.
    under = polygon(shape, both([(0.5, 0.22), (0.42, 0.42), (0.0, 0.54)]), 0.08 * unit) * np.maximum(neck - mask, 0)
    result = shade(result, under, 0.72)
    torso = polygon(shape, both(_CLOAK if clothes.kind == "cloak" else [*_SHOULDER, *_DOWN]), edge)
    opening = polygon(shape, both(_opening(clothes)), edge)
    front = torso * (1 - opening)
    cloth = _cloth(shape, clothes, chin, place, torso, rng)
    # Clothes throw a little shadow on the neck.
    near = cv2.GaussianBlur(front, (0, 0), 0.07 * unit) * np.maximum(neck, mask) * (1 - front)
    result = shade(result, near, 0.6)
    result = lay(result, cloth * light, front)
    result = _details(result, clothes, at, both, front, unit, light)
    return result, np.maximum(np.maximum(mask, front), hood)


def _head(shape: tuple[int, int], person: Person, place: Place) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The head in the scene, its mask, and the position of the chin."""
    scale = place.unit / person.unit
    turn = np.deg2rad(place.tilt)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = np.asarray(place.eyes) - matrix @ person.eyes
    whole = np.concatenate([matrix, shift[:, None]], axis=1)
    # A reduction needs a filter first.
    sigma = max(0.0, 0.45 * (1 / scale - 1))
    ready = [
        cv2.GaussianBlur(layer, (0, 0), sigma) if sigma > 0.2 else layer for layer in (person.picture, person.mask)
    ]
    size = shape[::-1]
    picture = cv2.warpAffine(ready[0], whole, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    rows = np.arange(person.mask.shape[0], dtype=np.float32)[:, None]
    ends = ready[1] * np.clip((person.mask.shape[0] - 2 - rows) / 24, 0, 1)
    mask = cv2.warpAffine(ends, whole, size, flags=cv2.INTER_LINEAR)
    return picture.clip(0, 1), mask.clip(0, 1), matrix @ person.chin + shift


def _skin(shape: tuple[int, int], person: Person, chin: np.ndarray, place: Place) -> np.ndarray:
    """The neck below the portrait: rounder and darker than the cheeks."""
    x = (np.arange(shape[1], dtype=np.float32) - chin[0]) / place.unit
    y = (np.arange(shape[0], dtype=np.float32) - chin[1])[:, None] / place.unit
    round_off = 1.04 - 0.3 * (x / 0.6).clip(-1, 1) ** 2 + 0.1 * place.side * x
    level = round_off[None] * (0.96 + 0.1 * y.clip(0, 1))
    return level[..., None] * person.skin.astype(np.float32)


def _opening(clothes: Clothes) -> list[tuple[float, float]]:
    if clothes.kind == "cloak":
        return [(0.86, -2.0), (0.84, -0.6), (0.7, 0.05), (0.35, 0.52), (0.0, 0.78)]
    if clothes.kind == "jumper":
        return [(0.62, -0.6), (0.6, 0.3), (0.45, 0.52), (0.2, 0.62), (0.0, 0.64)]
    if clothes.kind == "shirt":
        return [(0.6, -0.6), (0.52, 0.26), (0.3, 0.52), (0.0, 0.85)]
    return [(0.6, -0.6), (0.54, 0.2), (0.3, 0.36), (0.0, 0.46)]


def _cloth(
    shape: tuple[int, int],
    clothes: Clothes,
    chin: np.ndarray,
    place: Place,
    torso: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Cloth over a body: round, with folds and weave."""
    unit = place.unit
    x = (np.arange(shape[1], dtype=np.float32)[None] - chin[0]) / unit / place.build
    y = (np.arange(shape[0], dtype=np.float32)[:, None] - chin[1]) / unit + _RAISED
    folds = np.zeros(shape, np.float32)
    # Relief lit from the side: its slope is its brightness.
    hanging = [(0.16, 2.4, 0.0), (0.3, 3.0, 0.0), (0.5, 1.5, 0.2)]
    for width, height, lean in (
        hanging if clothes.kind == "cloak" else ((0.13, 0.5, 0.45), (0.16, 0.6, -0.45), (0.35, 0.16, 0.3))
    ):
        relief = noise(shape[0], shape[1] + shape[0], rng, (width * unit, height * unit))
        lean *= place.side
        shear = np.array([[1, lean, -max(lean, 0.0) * shape[0]], [0, 1, 0]])
        relief = cv2.warpAffine(relief, shear, shape[::-1])
        slope = place.side * cv2.Sobel(relief, -1, 1, 0, ksize=5) + cv2.Sobel(relief, -1, 0, 1, ksize=5)
        folds += np.tanh(slope / slope.std())
    # Folds hang from the shoulders: little above, more below.
    folds *= np.clip((y - 0.5) / 1.5, 0.25, 1) * (2.6 if clothes.kind == "cloak" else 1.0)
    rim = cv2.GaussianBlur(torso, (0, 0), 0.15 * unit)
    volume = np.clip((rim - 0.45) / 0.5, 0, 1)
    level = 0.7 + 0.26 * volume - 0.10 * (x / 2) ** 2 + 0.10 * place.side * x / 2
    # From above comes more light.
    level = level * (1.08 - 0.10 * np.clip(y / 2.5, 0, 1.6))
    level = level * (1 + 0.055 * folds) + 0.012 * noise(*shape, rng, 0.8)
    colour = np.broadcast_to(np.asarray(clothes.colour, np.float32), (*shape, 3))
    if clothes.pattern:
        along = np.clip((np.sin((y + 0.03 * folds + 0.05 * (x / 2) ** 2) * 2 * np.pi / 0.62) - 0.1) * 6, 0, 1)
        across = np.clip((np.sin((x + 0.03 * folds) * 2 * np.pi / 0.62) - 0.1) * 6, 0, 1)
        share = 0.45 * along + 0.45 * across if clothes.pattern == "check" else along * (y > 0.75)
        colour = lay(colour, clothes.second, share.astype(np.float32))
    result = level[..., None] * colour
    for direction in (-1, 1) if clothes.kind != "cloak" else ():  # between arm and chest
        points = [(1.18, 1.5), (1.3, 2.0), (1.36, 2.8), (1.38, 4.0), (1.4, 9.0)]
        line = [(chin[0] + direction * px * unit * place.build, chin[1] + (py - _RAISED) * unit) for px, py in points]
        fall = np.clip((y - 1.5) / 1.0, 0, 1)
        result = shade(result, stroke(shape, line, 0.03 * unit, 0.03 * unit) * fall, 0.55)
        result = shade(result, stroke(shape, line, 0.1 * unit, 0.16 * unit) * fall, 0.6)
    return result.clip(0, 1)


def _details(result, clothes, at, both, front, unit, light):
    """Collar, lapels, tie and seams."""
    shape = result.shape[:2]
    edge = 0.012 * unit + 0.5

    def half(points: list[tuple[float, float]], side: int) -> np.ndarray:
        return polygon(shape, at([(side * x, y) for x, y in points], smooth=False), edge)

    def soft_shadow(mask: np.ndarray, amount: float = 0.62) -> np.ndarray:
        around = cv2.GaussianBlur(mask, (0, 0), 0.05 * unit) * (1 - mask) * front
        return shade(result, around, amount)

    if clothes.kind == "cloak":
        hem = stroke(shape, at([(0.86, -0.6), (0.7, 0.05), (0.35, 0.52), (0.0, 0.78)]), 0.1 * unit, 0.03 * unit)
        hem = np.maximum(
            hem, stroke(shape, at([(-0.86, -0.6), (-0.7, 0.05), (-0.35, 0.52), (0.0, 0.78)]), 0.1 * unit, 0.03 * unit)
        )
        result = shade(result, hem * front, 1.25)
        fall = stroke(shape, at([(0.0, 0.8), (0.08, 2.0), (-0.05, 4.0), (0.1, 9.0)]), 0.05 * unit, 0.06 * unit)
        result = shade(result, fall * front, 0.35)
        clasp = polygon(
            shape, at([(0.13 * np.cos(t), 0.86 + 0.13 * np.sin(t)) for t in np.linspace(0, 6, 20)], smooth=False), edge
        )
        result = soft_shadow(clasp, 0.5)
        return lay(result, np.array([0.78, 0.62, 0.28]) * light, clasp)
    if clothes.kind == "jumper":
        rib = both([(0.62, 0.05), (0.6, 0.3), (0.45, 0.52), (0.2, 0.62), (0.0, 0.64)])
        outer = both([(0.74, 0.1), (0.72, 0.38), (0.54, 0.65), (0.24, 0.77), (0.0, 0.79)])
        ring = polygon(shape, outer, edge) * front
        ring = np.clip(ring - polygon(shape, rib, edge), 0, 1)
        result = soft_shadow(ring, 0.8)
        return shade(result, ring, 0.9)
    if clothes.kind == "jacket":
        inside = polygon(shape, both([(0.56, 0.0), (0.5, 0.5), (0.3, 1.3), (0.06, 2.5), (0.0, 2.6)]), edge) * front
        result = lay(result, np.asarray(clothes.shirt) * light * 0.92, inside)
        result = shade(result, inside * np.clip(1 - cv2.GaussianBlur(inside, (0, 0), 0.15 * unit), 0, 1), 0.55)
        if clothes.tie is not None:
            knot = [(-0.13, 0.44), (0.13, 0.44), (0.09, 0.66), (0.2, 2.3), (0.0, 2.6), (-0.2, 2.3), (-0.09, 0.66)]
            tie = polygon(shape, at(knot, smooth=False), edge) * inside
            result = soft_shadow(tie, 0.7)
            result = lay(result, np.asarray(clothes.tie) * light, tie)
            below = polygon(shape, at([(-0.12, 0.62), (0.12, 0.62), (0.1, 0.74), (-0.1, 0.74)], smooth=False), edge * 2)
            result = shade(result, below * tie, 0.7)
    collar = np.asarray(clothes.shirt if clothes.kind == "jacket" else clothes.colour) * light
    tip = (0.02, 0.46, 0.3, 0.92) if clothes.kind == "jacket" else (0.04, 0.98, 0.5, 1.25)
    for side in (-1, 1):
        wing = [
            (0.5, 0.14),
            (0.52, 0.28),
            (0.3, 0.38 if clothes.kind == "jacket" else 0.55),
            tip[:2],
            tip[2:],
            (0.72, 0.5),
        ]
        mask = half(wing, side)
        result = soft_shadow(mask, 0.5)
        result = lay(result, collar * (0.98 if side < 0 else 0.9), mask)
    if clothes.kind == "jacket":
        colour = np.asarray(clothes.colour) * light
        for side in (-1, 1):
            lapel = [(0.56, 0.36), (0.72, 0.5), (0.98, 1.35), (0.82, 1.42), (0.92, 1.62), (0.08, 2.7), (0.34, 1.3)]
            mask = half(lapel, side) * front
            result = soft_shadow(mask, 0.55)
            result = lay(result, colour * (0.98 if side < 0 else 0.86), mask)
    else:
        seam = stroke(shape, at([(0.0, 1.0), (0.02, 2.5), (0.0, 6.0)]), 0.03 * unit, 0.03 * unit) * front
        result = shade(result, seam, 0.6)
    return result

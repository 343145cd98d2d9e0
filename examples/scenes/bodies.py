"""Dress people and put them into a scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .clothes import HOOD, HOOD_INSIDE, Clothes, Figure, cloth, outline, trim
from .paint import Colour, lay, shade
from .people import Person


@dataclass(frozen=True)
class Place:
    """Where and how a person stands.

    Attributes:
        eyes: position of the middle between the eyes.
        unit: distance from eyes to chin in pixels.
        build: breadth of the shoulders; 1 is broad.
        light: factors for the colours of head and body.
        mirror: show the mirrored portrait.
        tilt: lean of the head in degrees, positive to the right.
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
    # Only the part of the scene that the person can reach.
    (x, y), unit = place.eyes, place.unit
    left, right = max(0, int(x - 3 * unit)), min(scene.shape[1], int(x + 3 * unit))
    top = max(0, int(y - 2 * unit))
    own = replace(place, eyes=(x - left, y - top))
    part, mask = _draw(scene[top:, left:right], person.mirrored() if place.mirror else person, own, clothes, rng)
    result, whole = scene.copy(), np.zeros(scene.shape[:2], np.float32)
    result[top:, left:right], whole[top:, left:right] = part, mask
    return result, whole


def _draw(
    scene: np.ndarray, person: Person, place: Place, clothes: Clothes, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """From back to front: hood, neck, head, clothes, collar."""
    unit, light = place.unit, np.asarray(place.light, np.float32)
    head, mask, chin = _head(scene.shape[:2], person, place)
    figure = Figure(scene.shape[:2], chin, unit, place.build, light, place.side)
    neck = figure.both([(0.46, -0.4), (0.45, 0.2), (0.5, 0.6), (0.8, 1.1)])
    result, behind = scene, neck
    if clothes.kind == "cloak":
        behind = figure.both(HOOD)
        result = lay(result, cloth(figure, clothes, behind, rng), behind)
        result = shade(result, figure.both(HOOD_INSIDE, 0.05 * unit), 0.16)
    result = lay(result, _skin(figure, person) * light, neck)
    result = lay(result, head * light, mask)
    # The jaw's shadow on the neck.
    under = figure.both([(0.5, 0.22), (0.42, 0.42), (0.0, 0.54)], 0.08 * unit) * np.maximum(neck - mask, 0)
    result = shade(result, under, 0.72)
    body, opening = outline(figure, clothes)
    front = body * (1 - opening)
    # The collar's shadow on the neck.
    near = cv2.GaussianBlur(front, (0, 0), 0.07 * unit) * np.maximum(neck, mask) * (1 - front)
    result = shade(result, near, 0.6)
    result = trim(lay(result, cloth(figure, clothes, body, rng), front), figure, clothes, front)
    return result, np.maximum(np.maximum(mask, front), behind)


def _head(shape: tuple[int, int], person: Person, place: Place) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The head in the scene, its mask, and the position of the chin."""
    scale = place.unit / person.unit
    turn = np.deg2rad(place.tilt)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = np.asarray(place.eyes) - matrix @ person.eyes
    whole = np.concatenate([matrix, shift[:, None]], axis=1)
    # The portrait ends below the chin: it fades into the drawn neck.
    rows = np.arange(person.mask.shape[0], dtype=np.float32)[:, None]
    layers = [person.picture, person.mask * np.clip((person.mask.shape[0] - 2 - rows) / 24, 0, 1)]
    if scale < 0.7:  # a reduction needs a filter first
        layers = [cv2.GaussianBlur(layer, (0, 0), 0.45 * (1 / scale - 1)) for layer in layers]
    size = shape[::-1]
    picture = cv2.warpAffine(layers[0], whole, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(layers[1], whole, size, flags=cv2.INTER_LINEAR)
    return picture.clip(0, 1), mask.clip(0, 1), matrix @ person.chin + shift


def _skin(figure: Figure, person: Person) -> np.ndarray:
    """The neck below the portrait, round and in shade."""
    x, y = figure.grid()
    level = 1.04 - 0.3 * (x / 0.6).clip(-1, 1) ** 2 + 0.1 * figure.side * x
    return (level * (0.96 + 0.1 * y.clip(0, 1)))[..., None] * person.skin.astype(np.float32)

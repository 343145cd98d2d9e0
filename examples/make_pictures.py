"""Make the example pictures, the same way every time.

    python examples/make_pictures.py [NAME ...] [--output FOLDER]

Six faces that a network made (`faces/`, no living person) are cut out, dressed, put into painted scenes and spoilt as
old prints, snapshots and generated pictures are. Without names, all are made, into this folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scenes import ageing, backdrops
from scenes.bodies import Place, put
from scenes.cast import person
from scenes.clothes import Clothes
from scenes.paint import lay, rectangle, shadow

from gpen_blocks.gpen.degradation.old_prints import fade, grayscale, halftone, scratches, tone

HERE = Path(__file__).resolve().parent


def family(rng: np.random.Generator) -> np.ndarray:
    """Three generations before a studio's backdrop, about 1930."""
    return _people(
        backdrops.studio(900, 1040, rng),
        rng,
        ("beard", Place((375, 285), 88, light=(0.9,) * 3, tilt=2), Clothes("jacket", (0.17,) * 3, tie=(0.1,) * 3)),
        ("curls", Place((672, 312), 82, 0.84, (1.12,) * 3, mirror=True, tilt=-2), Clothes("jumper", (0.33,) * 3)),
        ("grandmother", Place((520, 500), 86, 0.9, (0.95,) * 3), Clothes("shirt", (0.22,) * 3)),
    )


def as_old_print(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A soft lens, an oval mount, a printer's screen, fading, folds and scratches."""
    height, width = scene.shape[:2]
    picture = cv2.GaussianBlur(grayscale(scene.astype(np.float64)), (0, 0), 2.1)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    oval = np.clip((1.0 - (np.abs(x / 0.92) ** 2.4 + np.abs(y / 0.93) ** 2.4)) * 3.2, 0, 1).astype(np.float32)
    picture = lay(picture, (0.86,) * 3, 1 - oval)
    picture = ageing.film_grain(picture, rng, 0.022, 0.9, gray=True)
    picture = halftone(picture, 3.4, np.deg2rad(45), 0.18)
    picture = ageing.stains(fade(picture, 0.17, 0.90), rng, 0.16)
    folds = [[(0.0, 0.70), (0.4, 0.735), (1.0, 0.72)], [(0.86, 0.0), (0.94, 0.12), (1.0, 0.15)]]
    picture = scratches(ageing.creases(picture, rng, folds), 26, rng)
    return tone(grayscale(cv2.GaussianBlur(picture, (0, 0), 0.75)), 0.35)


def friends(rng: np.random.Generator) -> np.ndarray:
    """Five people in a garden."""
    day = (0.92, 0.93, 0.90)
    return _people(
        backdrops.garden(680, 1160, rng),
        rng,
        ("glasses", Place((400, 172), 88, 1.0, (0.9, 0.92, 0.93), tilt=-2), Clothes("shirt", (0.24, 0.30, 0.42))),
        ("beard", Place((768, 160), 92, 1.0, (0.93, 0.92, 0.88), mirror=True), Clothes("jumper", (0.25, 0.30, 0.27))),
        ("grandmother", Place((945, 420), 94, 0.9, day, tilt=-3), Clothes("shirt", (0.62, 0.65, 0.74))),
        (
            "short_hair",
            Place((228, 418), 92, 0.86, (1.12, 1.1, 1.04), tilt=2),
            Clothes("jumper", (0.70, 0.68, 0.62), pattern="stripes", second=(0.20, 0.25, 0.38)),
        ),
        ("curls", Place((585, 414), 92, 0.86, (1.06, 1.06, 1.04), tilt=-2), Clothes("jumper", (0.48, 0.20, 0.20))),
    )


def as_small_camera(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Not quite in focus, and noisy."""
    picture = cv2.GaussianBlur(scene.astype(np.float32), (0, 0), 1.9)
    return ageing.film_grain(picture, rng, 0.026, 0.8, gray=False)


def window(rng: np.random.Generator) -> np.ndarray:
    """A woman at a window of a brick house, across the street."""
    height, width = 1024, 1440
    scene, windows = backdrops.house(height, width, rng)
    left, top, right, bottom = windows[1]
    place = Place(((left + right) / 2 + 8, top + 0.46 * (bottom - top)), 52, 0.9, (0.9, 0.92, 0.95))
    with_her, _ = put(scene, person("grandmother"), place, Clothes("shirt", (0.36, 0.50, 0.62)), rng)
    opening = rectangle((height, width), left + 9, top + 11, right - 9, bottom + 2)
    scene = lay(scene, with_her, opening)
    for box in windows[:3]:
        scene = backdrops.flowers(scene, box, rng)
    return scene


def as_telephone(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Enlarged too far: soft, with a little noise."""
    picture = cv2.GaussianBlur(scene.astype(np.float32), (0, 0), 1.2)
    return ageing.film_grain(picture, rng, 0.03, 0.8, gray=False)


def cloak(rng: np.random.Generator) -> np.ndarray:
    """A woman in a red cloak in a forest."""
    scene = backdrops.forest(896, 768, rng)
    place = Place((384, 350), 64, 0.92, (1.2, 1.08, 0.96))
    drawn, mask = put(scene, person("short_hair"), place, Clothes("cloak", (0.46, 0.07, 0.07)), rng)
    return shadow(drawn, mask, 26, 0.3)


def as_diffusion(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The scene is smooth and clear; the face was too small for the model."""
    height, width = scene.shape[:2]
    smooth = ageing.smear(scene.astype(np.float32), rng, 2.5)
    wrong = ageing.smear(scene.astype(np.float32), rng, 4.4, push=0.7, texture=0.03)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    near = np.exp(-((((x - 384) / 75) ** 2 + ((y - 360) / 95) ** 2) ** 2))
    return lay(smooth, wrong, near)


def living_room(rng: np.random.Generator) -> np.ndarray:
    """Two people before a papered wall, in the light of a flash."""
    height, width = 720, 1040
    scene = backdrops.room(height, width, rng)
    people = [
        (
            "short_hair",
            Place((655, 300), 112, 0.86, (1.25, 1.15, 1.08), tilt=-4, side=0.4),
            Clothes("jumper", (0.62, 0.20, 0.36), pattern="stripes", second=(0.30, 0.32, 0.52)),
        ),
        (
            "beard",
            Place((375, 262), 116, 1.0, (1.0, 0.97, 0.92), mirror=True, tilt=3, side=0.4),
            Clothes("shirt", (0.30, 0.42, 0.50), pattern="check", second=(0.62, 0.60, 0.50)),
        ),
    ]
    for name, place, clothes in people:
        drawn, mask = put(scene, person(name), place, clothes, rng)
        scene = shadow(lay(scene, drawn, mask), mask, 5, 0.55, shift=(26, 14))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return scene * (1.12 - 0.42 * (x**2 + y**2))[..., None]


def as_snapshot(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A cheap lens, the date in the corner, faded dyes, grain."""
    picture = cv2.GaussianBlur(scene.clip(0, 1).astype(np.float32), (0, 0), 2.4)
    picture = ageing.date_stamp(picture, "'94  7 23", 26)
    picture = ageing.bleach(picture, np.array([0.17, 0.09, 0.10]), np.array([0.98, 0.90, 0.80]))
    return ageing.film_grain(picture, rng, 0.032, 1.0, gray=False)


def _people(scene: np.ndarray, rng: np.random.Generator, *people: tuple[str, Place, Clothes]) -> np.ndarray:
    """Put people into a scene, from back to front; who stands in front darkens a little those behind."""
    for name, place, clothes in people:
        drawn, mask = put(scene, person(name), place, clothes, rng)
        scene = shadow(drawn, mask, 0.2 * place.unit, 0.3)
    return scene


@dataclass(frozen=True)
class Example:
    """How a picture is made and restored.

    Attributes:
        scene: paints the undamaged scene, H x W x 3 in 0..1.
        damage: damages it.
        seeds: random seeds of scene and damage.
        quality: quality of the JPEG.
        preset: the preset that suits it.
        faces: how many there are.
    """

    scene: Callable[[np.random.Generator], np.ndarray]
    damage: Callable[[np.ndarray, np.random.Generator], np.ndarray]
    seeds: tuple[int, int]
    quality: int
    preset: str
    faces: int


EXAMPLES = {
    "old-print": Example(family, as_old_print, (1931, 9), 82, "archival-black-and-white", 3),
    "group": Example(friends, as_small_camera, (2003, 1), 84, "natural", 5),
    "small-face": Example(window, as_telephone, (3, 1), 80, "natural", 1),
    "diffusion-face": Example(cloak, as_diffusion, (5, 1), 88, "after-diffusion", 1),
    "snapshot-1990s": Example(living_room, as_snapshot, (1994, 1), 84, "natural", 2),
}


def make(name: str) -> np.ndarray:
    """Make a picture, H x W x 3 uint8."""
    example = EXAMPLES[name]
    scene, damage = map(np.random.default_rng, example.seeds)
    picture = example.damage(example.scene(scene), damage)
    return np.rint(picture.clip(0, 1) * 255).astype(np.uint8)


def main() -> None:
    """Make the pictures that were asked for."""
    parser = argparse.ArgumentParser(description="Make the example pictures, the same way every time.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(EXAMPLES)}; default: all")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to; default: that of this script")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(EXAMPLES):
        parser.error(f"there is no picture {', '.join(sorted(unknown))}; there are {', '.join(EXAMPLES)}")
    for name in arguments.names or EXAMPLES:
        target = arguments.output / f"{name}.jpg"
        Image.fromarray(make(name)).save(target, "JPEG", quality=EXAMPLES[name].quality)


if __name__ == "__main__":
    main()

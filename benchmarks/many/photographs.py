"""Photographs of one face each, for jobs: the example portraits, each blurred, grainy and compressed in its own way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter, ImageOps

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PORTRAITS = (
    *(f"faces/{name}.jpg" for name in ("face1", "face2", "face3", "sharp")),
    *("portrait.png", "scenes/portraits/grandmother.jpg", "scenes/portraits/short-hair.jpg"),
)


def make(folder: Path, number: int, *, given: Path | None = None, side: int = 1024) -> list[Path]:
    """Fill a folder with photographs.

    Args:
        folder: a folder that does not exist yet.
        number: number of photographs.
        given: a folder of JPEG files to copy instead, each as often as needed.
        side: height and width in pixels.

    Returns:
        The files, in their order.
    """
    folder.mkdir(parents=True)
    files = [folder / f"p{index:05d}.jpg" for index in range(number)]
    sources = sorted(given.glob("*.jpg")) if given else []
    chance = np.random.default_rng(0)
    for index, file in enumerate(files):
        if given:
            shutil.copyfile(sources[index % len(sources)], file)
        else:
            _damaged(PORTRAITS[index % len(PORTRAITS)], side, chance).save(file, quality=int(chance.integers(60, 95)))
    return files


def _damaged(name: str, side: int, chance: np.random.Generator) -> Image.Image:
    """A portrait on its own blurred background, since faces that fill the picture need no small network."""
    with Image.open(EXAMPLES / name) as opened:
        portrait = opened.convert("RGB").resize((3 * side // 8, 3 * side // 8), Image.Resampling.LANCZOS)
    picture = portrait.filter(ImageFilter.GaussianBlur(side // 16)).resize((side, side), Image.Resampling.BICUBIC)
    picture.paste(portrait, (5 * side // 16, 5 * side // 16))
    if chance.random() < 0.5:
        picture = ImageOps.mirror(picture)
    small = side // int(chance.integers(2, 5))
    picture = picture.resize((small, small), Image.Resampling.LANCZOS).resize((side, side), Image.Resampling.BICUBIC)
    values = np.asarray(picture, dtype=np.float32) + chance.normal(0, chance.uniform(1, 8), (side, side, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))

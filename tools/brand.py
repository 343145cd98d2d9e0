"""Draws the icon and the banner that the ComfyUI registry shows, docs/icon.png and docs/banner.jpg.

    python tools/brand.py

Both are made of the example pictures, of nobody who lives or lived, and of what the bundled model makes of them.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from gpen_blocks import Restorer

ROOT = Path(__file__).resolve().parents[1]
# What the registry takes: a square of at most 400 pixels, and 21 : 9.
_ICON = 400
_BANNER = (1260, 540)
# The picture, its preset, and the heads on it: left, top, right, bottom.
_ICON_FACE = ("snapshot-1990s.jpg", "strong", (275, 150, 525, 400))
_BANNER_FACES = (
    ("snapshot-1990s.jpg", "strong", (290, 120, 486, 372)),
    ("diffusion-face.jpg", "strong", (301, 222, 469, 438)),
    ("group.jpg", "strong", (848, 350, 1044, 602)),
)


def split(name: str, preset: str, place: tuple[int, int, int, int], size: tuple[int, int]) -> Image.Image:
    """The left half of a face as it was, and the right half restored."""
    picture = Image.open(ROOT / "examples" / name).convert("RGB")
    restored = Restorer(model="gpen-lite-256", detector="face-detector-lite", preset=preset, device="cpu").restore(
        picture
    )
    before, after = (each.crop(place).resize(size, Image.Resampling.BICUBIC) for each in (picture, restored.image))
    before.paste(after.crop((size[0] // 2, 0, *size)), (size[0] // 2, 0))
    ImageDraw.Draw(before).line((size[0] // 2, 0, size[0] // 2, size[1]), fill="white", width=4)
    return before


def main() -> None:
    split(*_ICON_FACE, (_ICON, _ICON)).quantize(255).save(ROOT / "docs" / "icon.png", optimize=True)
    banner = Image.new("RGB", _BANNER)
    width = _BANNER[0] // len(_BANNER_FACES)
    for index, face in enumerate(_BANNER_FACES):
        banner.paste(split(*face, (width, _BANNER[1])), (index * width, 0))
    banner.save(ROOT / "docs" / "banner.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()

"""Restore three of the example pictures with the bundled models, and show them before and after.

    python examples/before_after.py [TARGET]

Each column has the whole picture, and a face before and after. Without an argument it makes `before-after.jpg`, which
the README shows.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from make_pictures import EXAMPLES, HERE
from PIL import Image

from gpen_blocks import Restorer

# Picture, and the middle and the width of the part that is shown, in pixels.
SHOWN = {"old-print": (368, 296, 260), "snapshot-1990s": (655, 306, 300), "group": (950, 428, 260)}
WIDTH, HEIGHT, GAP = 400, 320, 8
QUALITY = 88


def before_after(name: str) -> Image.Image:
    """A column: the whole picture restored, and a part of it before and after."""
    path = HERE / f"{name}.jpg"
    with Image.open(path) as file:
        before = file.convert("RGB")
    restorer = Restorer("gpen-lite-256", "face-detector-lite", preset=EXAMPLES[name].preset)
    after = Image.fromarray(restorer.restore(path).image)
    x, y, width = SHOWN[name]
    height = width * HEIGHT / WIDTH
    part = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    column = Image.new("RGB", (WIDTH, 3 * HEIGHT + 2 * GAP), "white")
    scale = max(WIDTH / after.width, HEIGHT / after.height)
    whole = after.resize((round(scale * after.width), round(scale * after.height)), Image.Resampling.LANCZOS)
    column.paste(whole, ((WIDTH - whole.width) // 2, (HEIGHT - whole.height) // 2))
    column.paste("white", (0, HEIGHT, WIDTH, HEIGHT + GAP))
    for row, picture in enumerate((before, after), start=1):
        face = picture.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=part)
        column.paste(face, (0, row * (HEIGHT + GAP)))
    return column


def main() -> None:
    """Put the columns side by side."""
    parser = argparse.ArgumentParser(description="Show three example pictures before and after.")
    parser.add_argument("target", nargs="?", type=Path, default=HERE / "before-after.jpg")
    arguments = parser.parse_args()
    columns = [before_after(name) for name in SHOWN]
    sheet = Image.new("RGB", (len(columns) * (WIDTH + GAP) - GAP, columns[0].height), "white")
    for number, column in enumerate(columns):
        sheet.paste(column, (number * (WIDTH + GAP), 0))
    sheet.save(arguments.target, "JPEG", quality=QUALITY)


if __name__ == "__main__":
    main()

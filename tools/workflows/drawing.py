"""Draws thumbnails: square, of one size, cut out of pictures."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

SIZE = 400
_KNOB = 16
_TEXT = 18


def filled(picture: Image.Image, size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def split(before: Image.Image, after: Image.Image) -> Image.Image:
    """The left half of one picture beside the right half of another, of the same place."""
    half = SIZE // 2
    sheet = filled(before)
    sheet.paste(filled(after).crop((half, 0, SIZE, SIZE)), (half, 0))
    ImageDraw.Draw(sheet).line((half, 0, half, SIZE), fill="white", width=3)
    return sheet


def add_knob(sheet: Image.Image) -> None:
    """The knob of a slider in the middle of a sheet."""
    draw, middle = ImageDraw.Draw(sheet), SIZE // 2
    draw.ellipse((middle - _KNOB, middle - _KNOB, middle + _KNOB, middle + _KNOB), fill="white")
    for side in (-1, 1):
        tip, base = middle + side * 10, middle + side * 3
        draw.polygon([(tip, middle), (base, middle - 6), (base, middle + 6)], fill="#333")


def grid(pictures: Sequence[Image.Image], columns: int = 2) -> Image.Image:
    """Pictures in rows and columns."""
    sheet = Image.new("RGB", (SIZE, SIZE), "#18181c")
    step = SIZE // columns
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(filled(picture, (step - 2, step - 2)), (column * step + 1, row * step + 1))
    return sheet


def stack(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Two wide pictures above each other."""
    sheet, half = Image.new("RGB", (SIZE, SIZE)), SIZE // 2
    sheet.paste(filled(upper, (SIZE, half - 1)), (0, 0))
    sheet.paste(filled(lower, (SIZE, half - 1)), (0, half + 1))
    return sheet


def columns(pictures: Sequence[Image.Image], words: Sequence[str]) -> Image.Image:
    """The middle of each picture as one upright strip, with a word at its foot."""
    sheet = Image.new("RGB", (SIZE, SIZE), "white")
    step = SIZE // len(pictures)
    left = (SIZE - step) // 2
    for index, (picture, word) in enumerate(zip(pictures, words, strict=True)):
        start = index * (step + 1)
        sheet.paste(filled(picture).crop((left, 0, left + step - 1, SIZE)), (start, 0))
        _write(sheet, word, (start + 10, SIZE - 30))
    return sheet


def _write(sheet: Image.Image, text: str, place: tuple[int, int]) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    left, top, right, bottom = draw.textbbox(place, text, font=font)
    draw.rectangle((left - 5, top - 4, right + 5, bottom + 4), fill="black")
    draw.text(place, text, font=font, fill="white")

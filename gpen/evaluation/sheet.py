"""Contact sheets: rows of pictures with a title over each column and a line about each row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from PIL import Image, ImageDraw, ImageFont

from ..errors import ImageError
from ..sheets import to_pil

_CELL = 256
_GAP = 8
_HEADING = 26
_CAPTION = 22
_BACKGROUND = (24, 24, 28)
_TEXT = (235, 235, 235)


def contact_sheet(rows: Iterable[tuple[str, Sequence[tuple[str, torch.Tensor]]]], count: int) -> Image.Image:
    """Pictures side by side, each shown 256 pixels wide.

    Args:
        rows: a caption and titled pictures, 1 x 3 x S x S in 0..1, for each; taken one at a time.
        count: how many rows there are.

    Raises:
        ImageError: there are none.
    """
    sheet: Image.Image | None = None
    for number, (caption, pictures) in enumerate(rows):
        if sheet is None:
            width = _GAP + len(pictures) * (_CELL + _GAP)
            sheet = Image.new("RGB", (width, _HEADING + count * (_CAPTION + _CELL + _GAP)), _BACKGROUND)
            for column, (title, _) in enumerate(pictures):
                _write(sheet, _left(column), 4, title, 15, _CELL)
        top = _HEADING + number * (_CAPTION + _CELL + _GAP)
        _write(sheet, _GAP, top + 3, caption, 13, sheet.width - 2 * _GAP)
        for column, (_, picture) in enumerate(pictures):
            shown = to_pil(picture.float()).resize((_CELL, _CELL), Image.Resampling.LANCZOS)
            sheet.paste(shown, (_left(column), top + _CAPTION))
    if sheet is None:
        raise ImageError("A sheet needs at least one row of pictures.")
    return sheet


def _left(column: int) -> int:
    return _GAP + column * (_CELL + _GAP)


def _write(sheet: Image.Image, x: int, y: int, text: str, size: int, room: int) -> None:
    """Text that ends in an ellipsis where it is longer than `room` pixels."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    if draw.textlength(text, font) > room:
        while text and draw.textlength(text + "...", font) > room:
            text = text[:-1]
        text += "..."
    draw.text((x, y), text, fill=_TEXT, font=font)

"""Contact sheets: rows of pictures with a title above each column and a caption for each row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from PIL import Image

from ..errors import ImageError
from ..sheets import new_sheet, to_pil, write_line

_CELL = 256
_GAP = 8
_HEADING = 26
_CAPTION = 22


def contact_sheet(rows: Iterable[tuple[str, Sequence[tuple[str, torch.Tensor]]]], count: int) -> Image.Image:
    """Draw rows of pictures, each 256 pixels wide.

    Args:
        rows: for each row a caption and titled pictures, 1 x 3 x S x S in 0..1; read one at a time.
        count: number of rows.

    Raises:
        ImageError: there are no rows.
    """
    sheet: Image.Image | None = None
    for number, (caption, pictures) in enumerate(rows):
        if sheet is None:
            width = _GAP + len(pictures) * (_CELL + _GAP)
            sheet = new_sheet(width, _HEADING + count * (_CAPTION + _CELL + _GAP))
            for column, (title, _) in enumerate(pictures):
                write_line(sheet, _left(column), 4, title, size=15, room=_CELL)
        top = _HEADING + number * (_CAPTION + _CELL + _GAP)
        write_line(sheet, _GAP, top + 3, caption, size=13, room=sheet.width - 2 * _GAP)
        for column, (_, picture) in enumerate(pictures):
            shown = to_pil(picture.float()).resize((_CELL, _CELL), Image.Resampling.LANCZOS)
            sheet.paste(shown, (_left(column), top + _CAPTION))
    if sheet is None:
        raise ImageError("A sheet needs at least one row of pictures.")
    return sheet


def _left(column: int) -> int:
    return _GAP + column * (_CELL + _GAP)

"""Overview pictures: numbered faces on an image, and before and after side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont

from .faces.align import crop_aligned
from .types import Face

if TYPE_CHECKING:
    from .restorer import Restoration

_SELECTED = (64, 224, 120)
_REJECTED = (240, 100, 80)
_BACKGROUND = (24, 24, 28)
_TEXT = (235, 235, 235)
_GAP = 12
_TITLE = 48
_WIDTH, _MAX_COLUMNS, _MOST_FACES = 1600, 4, 64


def draw_faces(
    image: torch.Tensor,
    selected: Iterable[Face],
    rejected: Iterable[Face] = (),
    numbers: Mapping[Face, int] | None = None,
) -> torch.Tensor:
    """Draw the boxes and numbers of faces on an image.

    Args:
        image: 1 x 3 x H x W in 0..1.
        selected: faces to draw in green, with their landmarks.
        rejected: faces to draw in red.
        numbers: the number of each face; a face without one is not numbered. By default, the selected faces are counted
            from 0.

    Returns:
        1 x 3 x H x W in 0..1, on the CPU.
    """
    selected = tuple(selected)
    if numbers is None:
        numbers = {face: number for number, face in enumerate(selected)}
    canvas = to_pil(image)
    draw = ImageDraw.Draw(canvas)
    for face in (*rejected, *selected):
        width, colour = _line_width(face), _SELECTED if face in selected else _REJECTED
        draw.rectangle(face.box, outline=colour, width=width)
        if face in selected:
            for x, y in face.landmarks.tolist():
                draw.ellipse((x - width, y - width, x + width, y + width), fill=colour)
        if face in numbers:
            _draw_number(draw, str(numbers[face]), face, colour)
    array = torch.from_numpy(np.array(canvas))
    return array.permute(2, 0, 1)[None].float().div_(255)


def _line_width(face: Face) -> int:
    return max(1, round(face.size / 60))


def _draw_number(draw: ImageDraw.ImageDraw, text: str, face: Face, colour: tuple[int, int, int]) -> None:
    font = ImageFont.load_default(max(11, face.size / 4))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    x, y = face.box[0], max(0.0, face.box[1] - (bottom - top) - 4)
    draw.rectangle((x, y, x + right - left + 5, y + bottom - top + 4), fill=colour)
    draw.text((x + 2 - left, y + 2 - top), text, fill=(0, 0, 0), font=font)


def restoration_sheet(result: Restoration) -> Image.Image:
    """Draw before and after side by side, 1600 pixels wide: the whole picture, and up to 64 faces below.

    Each picture takes half of the width and is enlarged at most twice.
    """
    half = (_WIDTH - 3 * _GAP) // 2
    shown = min(len(result.before), _MOST_FACES)
    columns = max(1, min(_MAX_COLUMNS, shown))
    side = result.before.shape[-1]
    cell = min((_WIDTH - _GAP * (columns + 1)) // (2 * columns), 2 * result.before.shape[-1])
    pictures = [_shrink(image, half) for image in (result.original, result.restored)]
    faces_top = _TITLE + pictures[0].height + _GAP
    rows = -(-shown // columns)
    sheet = new_sheet(_WIDTH, faces_top + rows * (cell + _GAP))
    for column, (title, picture) in enumerate(zip(("before", "after"), pictures, strict=True)):
        x = _GAP + column * (half + _GAP)
        write_line(sheet, x, _GAP, title, size=20, room=half)
        sheet.paste(picture, (x, _TITLE))
    for index in range(shown):
        row, column = divmod(index, columns)
        x, y = _GAP + column * (2 * cell + _GAP), faces_top + row * (cell + _GAP)
        # Cut from the result, since it contains a restored crop only within its mask.
        for offset, image in enumerate((result.original, result.restored)):
            alignment = result.alignment[index].resized(image.shape[-1] / result.restored.shape[-1])
            face = to_pil(crop_aligned(image, alignment, side).clamp(0, 1)).resize(
                (cell, cell), Image.Resampling.LANCZOS
            )
            sheet.paste(face, (x + offset * cell, y))
    return sheet


def _shrink(image: torch.Tensor, width: int) -> Image.Image:
    height, full_width = image.shape[-2:]
    scale = min(width / full_width, width * 1.5 / height, 2.0)
    size = (max(1, round(height * scale)), max(1, round(full_width * scale)))
    # Resize the tensor: an 8-bit copy of a large photograph would cost more than the sheet.
    return to_pil(F.interpolate(image, size, mode="bicubic", antialias=True))


def new_sheet(width: int, height: int) -> Image.Image:
    """An empty sheet to lay pictures on."""
    return Image.new("RGB", (width, height), _BACKGROUND)


def write_line(sheet: Image.Image, x: int, y: int, text: str, *, size: int, room: int) -> None:
    """Write a line of text on a sheet; it ends in an ellipsis where it is longer than `room` pixels."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    if draw.textlength(text, font) > room:
        while text and draw.textlength(text + "...", font) > room:
            text = text[:-1]
        text += "..."
    draw.text((x, y), text, fill=_TEXT, font=font)


def to_pil(image: torch.Tensor) -> Image.Image:
    """An 8-bit RGB picture of 1 x 3 x H x W in 0..1."""
    array = image[0].mul(255).add_(0.5).clamp_(0, 255).byte().permute(1, 2, 0)
    return Image.fromarray(array.cpu().contiguous().numpy())

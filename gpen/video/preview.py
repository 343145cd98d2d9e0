"""A sheet with moments of a video before and after, to look at before all of it is restored."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from ..errors import VideoError
from ..files import write_whole
from ..restorer import Restorer
from ..sheets import to_pil
from .files import EncoderSettings, read_frames, read_times
from .outputs import choose_output
from .restoring import info_of, order_of
from .trim import Trim

# Name of a text in the sheet: the SHA-256 of everything that decides about it.
_ORDER = "GPEN order"
_BACKGROUND, _TEXT = (24, 24, 28), (235, 235, 235)
_GAP, _TITLE = 12, 32
# Largest width of one of the two pictures of a moment.
_WIDTH = 800


def write_preview(
    source: str | Path,
    target: str | Path,
    restorer: Restorer,
    *,
    moments: int,
    encoding: EncoderSettings | None = None,
    trim: Trim | None = None,
    rate: Fraction | None = None,
    overwrite: bool = False,
) -> Path:
    """Restore some frames of a video, each alone, and write them before and after to one picture.

    A sheet that an earlier call with the same order made stays, so that the same command goes on after a stop.

    Args:
        source: the video.
        target: the result that there will be, as for `restore_video`; the sheet lies beside it.
        restorer: models and settings.
        moments: number of frames, evenly over the video or its part.
        encoding: codec and quality of the result.
        trim: the part.
        rate: frames a second of a sequence of pictures.
        overwrite: replace a file that is there.

    Returns:
        The path of the sheet.

    Raises:
        VideoError: the video cannot be read, the result could not be written, or another sheet is there already.
        SettingsError: the codec does not exist.
        ImageError: the folder cannot be written to.
    """
    result = Path(target)
    path = result.with_name(f"{result.stem}-preview.png")
    info, trim = info_of(Path(source), rate), trim or Trim()
    output = choose_output(info, target, encoding or EncoderSettings(), lambda _: None, overwrite=overwrite)
    order = json.dumps([order_of(info, output, restorer, trim, ""), moments], sort_keys=True)
    digest = hashlib.sha256(order.encode()).hexdigest()
    if path.exists():
        if _digest(path) == digest:
            return path
        if not overwrite:
            raise VideoError(f"{path} is there already; pass --overwrite to replace it.")
    times = read_times(info)
    first, last = trim.frames_of(info.path, times, info.time_base)
    rows = []
    for number in sorted(set(np.linspace(first, last - 1, moments + 2)[1:-1].round().astype(int).tolist())):
        frame = next(read_frames(info, start=number, stop=number + 1, times=times), None)
        if frame is None:
            continue  # the file is cut off
        before = frame.rgb()
        after = restorer.restore(before.permute(1, 2, 0).numpy()).restored
        seconds = float((times[number] - times[0]) * info.time_base)
        rows.append((f"{seconds:.2f} s, frame {number}", to_pil(before[None]), to_pil(after)))
    if not rows:
        raise VideoError(f"No frame of {info.path} can be decoded there.")
    texts = PngInfo()
    texts.add_text(_ORDER, digest)
    write_whole(path, lambda temporary: _drawn(rows).save(temporary, "PNG", pnginfo=texts))
    return path


def _digest(path: Path) -> str:
    """Of the order of a sheet; empty if the file is none."""
    try:
        with Image.open(path) as sheet:
            return str(sheet.info.get(_ORDER, ""))
    except (OSError, ValueError):
        return ""


def _drawn(rows: list[tuple[str, Image.Image, Image.Image]]) -> Image.Image:
    scale = min(_WIDTH / rows[0][1].width, 1.0)
    width, height = (max(1, round(scale * side)) for side in rows[0][1].size)
    sheet = Image.new("RGB", (2 * width + 3 * _GAP, len(rows) * (height + _TITLE + _GAP) + _GAP), _BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    for row, (title, *pair) in enumerate(rows):
        top = _GAP + row * (height + _TITLE + _GAP)
        draw.text((_GAP, top), f"{title}: before and after", fill=_TEXT, font=font)
        for column, picture in enumerate(pair):
            sheet.paste(
                picture.resize((width, height), Image.Resampling.LANCZOS),
                (_GAP + column * (width + _GAP), top + _TITLE),
            )
    return sheet

"""Sequences of pictures instead of video files: a folder, or a pattern such as `frame_%06d.png`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import torch

from ...errors import VideoError
from ...images import READABLE, WRITABLE, Picture, read_picture, write_picture
from ...wording import agree, named
from .color import BT709, FULL_RANGE, ColorTags
from .containers import FORMATS
from .frame import Frame
from .info import VideoInfo
from .orientation import Orientation
from .planes import layout_of, picture_of

_NUMBER = re.compile(r"%(0\d+)?d")
_NAME = "frame_%06d.png"
# Larger numbers in names are dates or the like.
_MOST = 10_000_000
# Transfer of sRGB: ITU-T H.273.
_SRGB = 13
USUAL_RATE = Fraction(25)
"""Frames a second of a sequence that says nothing about it."""


def is_sequence(path: str | Path) -> bool:
    """Whether a path means a sequence of pictures: a pattern with `%d`, a folder, or a new name without a suffix.

    A file that is there is none, nor is a name of a video, whatever else is in it; a text with a slash at its end is.
    """
    if names_folder(path):
        return True
    path = Path(path)
    if path.is_file() or path.suffix.lower() in FORMATS:
        return path.is_dir()
    return bool(_NUMBER.search(path.name)) or path.is_dir() or not (path.suffix or path.exists())


def names_folder(path: str | Path) -> bool:
    """Whether a path is a folder in any case: one that is there, or a text with a slash at its end."""
    return str(path).endswith(("/", os.sep)) or Path(path).is_dir()


def read_sequence_info(path: str | Path, *, rate: Fraction = USUAL_RATE) -> VideoInfo:
    """What `read_info` is for a video.

    Args:
        path: a folder, whose pictures are taken in the order of the numbers in their names, or a pattern.
        rate: frames a second.

    Raises:
        VideoError: no picture is there.
        ImageError: the first picture cannot be read.
    """
    path = Path(path)
    pictures = _pictures(path)
    if not pictures:
        raise VideoError(f"{path} has no pictures; give a folder of pictures, or a pattern such as {_NAME}.")
    first = read_picture(pictures[0])
    height, width = first.size
    layout = layout_of(("gbrp" if first.alpha is None else "gbrap") + ("" if first.bit_depth == 8 else "16le"))
    assert layout is not None
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        orientation=Orientation(),
        time_base=1 / Fraction(rate),
        rate=Fraction(rate),
        frame_count=len(pictures),
        duration=float(len(pictures) / Fraction(rate)),
        end=len(pictures),
        pixel_format=layout.name,
        layout=layout,
        color=ColorTags(FULL_RANGE, BT709, _SRGB, 0),
        interlaced=False,
        codec=first.info.format,
        container="pictures",
        pixel_aspect=None,
        streams=(),
        stream=0,
        notes=_gaps(pictures),
        pictures=pictures,
    )


def picture_frames(info: VideoInfo, start: int, stop: int | None) -> Iterator[Frame]:
    """The frames of a sequence.

    Raises:
        VideoError: a picture is of another size than the first.
        ImageError: a picture cannot be read.
    """
    color = info.color_model()
    for number, path in list(enumerate(info.pictures))[start:stop]:
        source = read_picture(path)
        if source.size != (info.height, info.width):
            height, width = source.size
            raise VideoError(
                f"{path} has {width} x {height} pixels and the first picture {info.width} x {info.height}; "
                "all must have one size."
            )
        alpha = None if source.alpha is None else source.alpha[0, 0].numpy()
        picture = picture_of(source.pixels[0].numpy(), alpha, info.layout)
        picture.pts = number
        yield Frame(number, number, True, picture, color, info.orientation, source)


class PictureWriter:
    """Writes frames as picture files, each whole or not there.

    Frames of a sequence keep their depth, colour profile and other metadata; with a folder as target, also their
    names where such files are written.

    Args:
        target: a folder or a pattern.
        info: of the source.
    """

    def __init__(self, target: str | Path, info: VideoInfo) -> None:
        target = Path(target)
        self._folder, self._name = (target.parent, target.name) if _NUMBER.search(target.name) else (target, "")
        self._info = info

    def path_of(self, number: int) -> Path:
        """Where a frame is written."""
        if not self._name and self._info.pictures:
            name = Path(self._info.pictures[number].name)
            return self._folder / (name if name.suffix.lower() in WRITABLE else name.with_suffix(".png"))
        # Names count from 1, as those of other programs do.
        return self._folder / _NUMBER.sub(lambda found: f"{number + 1:{found[1] or ''}d}", self._name or _NAME)

    def write(self, frame: Frame) -> tuple[str, ...]:
        """Write a frame; returns notes on what its file does not hold.

        Raises:
            ImageError: the file cannot be written.
        """
        pixels = frame.rgb()[None]
        if frame.source is not None:
            return write_picture(frame.source.with_pixels(pixels), self.path_of(frame.number))
        alpha = frame.alpha()
        picture = Picture(
            pixels, None if alpha is None else torch.as_tensor(alpha)[None, None], 8 if frame.color.depth == 8 else 16
        )
        return write_picture(picture, self.path_of(frame.number))


def _pictures(path: Path) -> tuple[Path, ...]:
    if _NUMBER.search(path.name):
        before, after = _NUMBER.split(path.name, maxsplit=1)[::2]
        pattern = re.compile(f"{re.escape(before)}(\\d+){re.escape(after)}")
        folder = path.parent
    else:
        pattern, folder = re.compile(r".*"), path
    if not folder.is_dir():
        return ()
    found = [file for file in folder.iterdir() if pattern.fullmatch(file.name) and not file.name.startswith(".")]
    return tuple(sorted((file for file in found if file.suffix.lower() in READABLE), key=_in_order))


def _gaps(pictures: tuple[Path, ...]) -> tuple[str, ...]:
    """A note if the numbers in the names leave some out."""
    found = [re.findall(r"\d+", path.stem) for path in pictures]
    numbers = [int(each[-1]) for each in found if each]
    if len(numbers) < len(pictures) or len({re.sub(r"\d+$", "", path.stem) for path in pictures}) > 1:
        return ()
    missing = sorted(set(range(min(numbers), max(numbers))).difference(numbers)) if max(numbers) < _MOST else []
    if not missing or len(missing) >= len(numbers):  # they count by tens, or mean something else
        return ()
    are = agree(len(missing), "is", "are")
    return (f"Of the pictures, {named(missing)} {are} not there; those around follow each other at once.",)


def _in_order(path: Path) -> list[tuple[int, str]]:
    """Names with numbers in their order: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", path.name)]

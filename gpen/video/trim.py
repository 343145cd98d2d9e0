"""Read which part of a video is wanted, and how many frames a second there are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..errors import SettingsError, VideoError

_TIME = r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)"
_PART = re.compile(rf"(?:{_TIME})?-(?:{_TIME})?")


@dataclass(frozen=True)
class Trim:
    """A part of a video, in seconds from its first frame.

    Attributes:
        start: where it begins.
        stop: where it ends; None: with the video.
    """

    start: float = 0.0
    stop: float | None = None

    def __post_init__(self) -> None:
        if not (self.start >= 0 and (self.stop is None or self.stop > self.start)):
            end = "" if self.stop is None else f"{self.stop:g}"
            raise SettingsError(f"The part {self.start:g}-{end} of a video has no length; give start-end in seconds.")

    @classmethod
    def parse(cls, text: str) -> Trim:
        """Read a part such as `10-25.5`, `1:30-2:00`, `90-` or `-20`; empty: all.

        Raises:
            SettingsError: it is no such part.

        Example:
            >>> from gpen_blocks.gpen.video.trim import Trim
            >>> Trim.parse("1:30-1:02:00.5")
            Trim(start=90.0, stop=3720.5)
        """
        if not text:
            return cls()
        found = _PART.fullmatch(text.strip())
        if not found or text.strip() == "-":
            raise SettingsError(f"The part {text!r} is none; give start-end, such as 10-25.5 or 1:30-2:00.")
        start, stop = _seconds(found.groups()[:3]), _seconds(found.groups()[3:])
        return cls(start or 0.0, stop)

    def numbers(self, times: np.ndarray, time_base: Fraction) -> tuple[int, int]:
        """Numbers of the first frame, and of the one after the last, of the part; `times` are those of all frames."""
        seconds = (times - times[0]) * float(time_base)
        half = 0.5 * float(time_base)  # of rounding
        first = int(np.searchsorted(seconds, self.start - half))
        last = len(times) if self.stop is None else int(np.searchsorted(seconds, self.stop - half))
        return first, last

    def frames_of(self, path: Path, times: np.ndarray, time_base: Fraction) -> tuple[int, int]:
        """As `numbers`, of a video that has frames there.

        Raises:
            VideoError: it has none.
        """
        if not len(times):
            raise VideoError(f"{path} holds no frame that can be read.")
        first, last = self.numbers(times, time_base)
        if first == len(times):
            length = float((times[-1] - times[0]) * time_base)
            raise VideoError(f"{path} has no frame from {self.start:g} s on; its last one begins at {length:g} s.")
        if first >= last:
            after = float((times[first] - times[0]) * time_base)
            raise VideoError(
                f"No frame of {path} begins in the part from {self.start:g} to {self.stop:g} s; "
                f"the next one begins at {after:g} s."
            )
        return first, last


def _seconds(parts: tuple[str | None, ...]) -> float | None:
    hours, minutes, seconds = parts
    return None if seconds is None else 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


def parse_rate(text: str) -> Fraction:
    """Read frames a second such as `24`, `29.97` or `30000/1001`.

    Raises:
        SettingsError: it is no such number, or not between 0.001 and 1000.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, 1000) <= rate <= 1000:
        raise SettingsError(f"rate is {text!r}; give frames a second, such as 24 or 30000/1001.")
    return rate

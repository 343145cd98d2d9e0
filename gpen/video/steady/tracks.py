"""The faces of a video, and which of one frame are which of the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ImageError
from ...types import Face, Faces, Size
from .arrays import load_arrays, save_arrays

# Raised when the meaning of a field changes, so that older files are refused.
_VERSION = 4


@dataclass(frozen=True, eq=False)
class Tracks:
    """The faces of consecutive frames; N rows, by frame and then by track.

    Convention: points are (x, y) in pixels of the frame, and the centre of the top-left pixel is (0, 0).

    Attributes:
        size: (height, width) of the frames.
        start: number of the first frame.
        stop: number after the last frame.
        cuts: numbers of the frames that begin a shot, rising; the first frame is one of them.
        frame: N int64, number of the frame.
        track: N int64, number of the track; a track never crosses a cut.
        landmarks: N x 5 x 2 float32, as in `types.Face`.
        landmarks68: N x 68 x 2 float32.
        box: N x 4 float32.
        score: N float32, confidence of the last detection, 0..1.
        detected: N x 5 x 2 float32, the landmarks of the detector; NaN in frames that were not searched.
        step: N x 2 x 3 float64, from points of the face in the frame before to those in this one; NaN if not known.
        aside: N bool, whether the detection in this frame found it much smaller or less sharp than the main faces.
        bridged: N bool, whether the face was not seen in this frame, but before and after.
        share: N float32 in 0..1, share of the strength: below 1 where a track begins or ends inside a shot, and where
            it was not seen for long.
    """

    size: Size
    start: int
    stop: int
    cuts: np.ndarray
    frame: np.ndarray
    track: np.ndarray
    landmarks: np.ndarray
    landmarks68: np.ndarray
    box: np.ndarray
    score: np.ndarray
    detected: np.ndarray
    step: np.ndarray
    aside: np.ndarray
    bridged: np.ndarray
    share: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the tracks, rising."""
        return tuple(map(int, np.unique(self.track)))

    def rows_of(self, track: int) -> np.ndarray:
        """The rows of a track, frame by frame."""
        return np.flatnonzero(self.track == track)

    def shot_of(self, frame: int) -> tuple[int, int]:
        """First frame of the shot that a frame belongs to, and the one after its last."""
        after = int(np.searchsorted(self.cuts, frame, side="right"))
        return int(self.cuts[after - 1]), int(self.cuts[after]) if after < len(self.cuts) else self.stop

    def take(self, rows: np.ndarray, **changes: np.ndarray) -> Tracks:
        """Some of the rows, with other values in some fields."""
        own = {field.name: getattr(self, field.name)[rows] for field in _ROWS}
        return replace(self, **{**own, **changes})

    def faces_of(self, frames: Sequence[int]) -> tuple[Faces, np.ndarray]:
        """The faces of some frames, as the faces of a batch of images.

        Args:
            frames: their numbers, rising.

        Returns:
            The faces, whose `image_index` is the position in `frames`, and the row of each.
        """
        rows = np.concatenate(
            [np.arange(*np.searchsorted(self.frame, [number, number + 1])) for number in frames] or [np.zeros(0, int)]
        ).astype(int)
        positions = {number: index for index, number in enumerate(frames)}
        faces = tuple(
            Face(
                tuple(self.box[row]),
                float(self.score[row]),
                self.landmarks[row],
                positions[int(self.frame[row])],
                self.landmarks68[row],
            )
            for row in rows
        )
        return Faces(faces, (self.size,) * len(frames)), rows

    def save(self, path: Path) -> None:
        """Write a `.npz` file, whole or not at all.

        Raises:
            ImageError: the folder cannot be written to.
        """
        values = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        save_arrays(path, {"version": np.array(_VERSION), **values})

    @classmethod
    def load(cls, path: Path) -> Tracks:
        """Read a file of `save`.

        Raises:
            ImageError: it cannot be read, or is no such file.
        """
        stored = load_arrays(path)
        if int(stored.get("version", 0)) != _VERSION or not stored.keys() >= {field.name for field in fields(cls)}:
            raise ImageError(f"{path} was written by another version; follow the faces again.")
        values: dict[str, Any] = {field.name: stored[field.name] for field in fields(cls)}
        height, width = map(int, values["size"])
        return cls(**{**values, "size": (height, width), "start": int(values["start"]), "stop": int(values["stop"])})


# The fields with one value for each row.
_ROWS = tuple(field for field in fields(Tracks) if field.name not in ("size", "start", "stop", "cuts"))

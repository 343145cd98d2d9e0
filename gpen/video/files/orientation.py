"""How stored frames are turned for display."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Display matrices hold 16.16 fixed-point numbers.
_ONE = 1 << 16


@dataclass(frozen=True)
class Orientation:
    """The way from stored to upright frames: transposed first, then mirrored.

    Attributes:
        transpose: whether rows become columns.
        flip_x: whether left and right are exchanged afterwards.
        flip_y: whether top and bottom are exchanged afterwards.
        matrix: FFmpeg's display matrix, nine 16.16 numbers; empty if the file has none.
    """

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False
    matrix: tuple[int, ...] = ()

    @classmethod
    def from_matrix(cls, data: bytes) -> Orientation | None:
        """Read a display matrix (36 bytes); None if it turns by other than quarter turns."""
        matrix = tuple(int(value) for value in np.frombuffer(data, np.int32, 9))
        a, b, _, c, d = matrix[:5]  # x' = a x + c y, y' = b x + d y, with y downwards
        if b == c == 0 and abs(a) == abs(d) == _ONE:
            return cls(False, a < 0, d < 0, matrix)
        if a == d == 0 and abs(b) == abs(c) == _ONE:
            return cls(True, c < 0, b < 0, matrix)
        return None

    @property
    def rotation(self) -> int:
        """Degrees clockwise from stored to upright: 0, 90, 180 or 270. A mirrored frame is mirrored afterwards."""
        if self.transpose:
            return 90 if self.flip_x else 270
        return 180 if self.flip_y else 0

    def upright(self, stored: np.ndarray) -> np.ndarray:
        """A view of stored samples (... x H x W), upright."""
        turned = stored.swapaxes(-1, -2) if self.transpose else stored
        return turned[..., :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    def stored(self, upright: np.ndarray) -> np.ndarray:
        """A view of upright samples (... x H x W), as they are stored."""
        turned = upright[..., :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return turned.swapaxes(-1, -2) if self.transpose else turned

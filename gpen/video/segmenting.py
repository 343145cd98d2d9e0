"""Divide a video into segments, each of which is encoded on its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

LENGTH = 250
"""Usual number of frames of a segment: as much is lost at a crash, and as often is there one key frame more."""
# A segment may end at a cut instead, where the encoder would set a key frame anyway, if it is at most this share
# shorter or longer.
_SHARE = 0.4


def plan_segments(start: int, stop: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    """The first frame of each segment, and the one after its last.

    Args:
        start, stop: first frame, and the one after the last.
        cuts: numbers of frames that begin a shot.

    Example:
        >>> from gpen_blocks.gpen.video.segmenting import plan_segments
        >>> plan_segments(0, 700, [0, 290])
        [(0, 290), (290, 540), (540, 700)]
    """
    edges = [start]
    while stop - edges[-1] > LENGTH * (1 + _SHARE):
        near = [cut for cut in cuts if abs(cut - edges[-1] - LENGTH) <= _SHARE * LENGTH]
        edges.append(min(near, key=lambda cut: abs(cut - edges[-1] - LENGTH), default=edges[-1] + LENGTH))
    return list(pairwise([*edges, stop]))

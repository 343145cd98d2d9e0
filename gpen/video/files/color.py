"""Between the samples of a video and RGB.

Whoever changes a frame adds the change alone, so that what was not changed keeps its samples, bit for bit.

Convention: RGB is float32, 3 x H x W in 0..1, with the file's own transfer curve (gamma). High dynamic range has a
copy within the range of ordinary video, see `hdr`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ...errors import VideoError
from .hdr import ToneMap, tone_map
from .planes import Layout

# Numbers of ITU-T H.273, which FFmpeg uses too.
UNSPECIFIED = 2
FULL_RANGE = 2  # of FFmpeg; 1 is limited
BT709, BT601 = 1, 6
_YCGCO = 8
_BT2020 = 9
TRANSFERS_HDR = {16: "PQ", 18: "HLG"}
# Luma weights of red and blue by the number of the matrix.
_WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


@dataclass(frozen=True)
class ColorTags:
    """What a file says about its colours, as numbers of ITU-T H.273.

    Attributes:
        range: 1 limited, 2 full, 0 unspecified.
        primaries, transfer, matrix: 2 is unspecified.
    """

    range: int = 0
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED


class ColorModel:
    """How the samples of one video mean RGB.

    Attributes:
        tags: complete.
        depth: bits of a sample.
        alpha: whether there is alpha.

    Args:
        layout: of the planes.
        tags: of the file. Where the matrix is not given, it is BT.709 in pictures of 720 lines and more, else BT.601.
        size: (height, width) of the stored frames.
        centered: whether chroma samples lie between luma samples, as in JPEG; otherwise over the left ones, as in
            MPEG, and in BT.2020 over the top left ones.

    Raises:
        VideoError: a change cannot be put back with this matrix.
    """

    def __init__(self, layout: Layout, tags: ColorTags, size: tuple[int, int], *, centered: bool = False) -> None:
        self._layout = layout
        self.depth, self.alpha = layout.depth, layout.alpha
        self._top = (1 << layout.depth) - 1
        self.tags = _completed(tags, layout, size)
        self._from_yuv = _matrix(self.tags.matrix) if layout.kind == "yuv" else np.eye(3)
        full = self.tags.range == FULL_RANGE
        unit = 1 << (layout.depth - 8)
        self._black = 0 if full else 16 * unit
        self._luma = self._top if full else 219 * unit
        self._neutral = 128 * unit
        self._chroma = self._top if full else 224 * unit
        step_x, step_y = layout.chroma
        # Offset of the first chroma sample, in luma samples.
        self._shift = (
            (step_x - 1) / 2 if centered else 0.0,
            0.0 if self.tags.matrix == _BT2020 and not centered else (step_y - 1) / 2,
        )
        self._tone: ToneMap | None = tone_map(self.tags.transfer, self.tags.primaries)

    def to_rgb(self, planes: Sequence[np.ndarray]) -> np.ndarray:
        """RGB of stored planes, 3 x H x W."""
        rgb = self._encoded_rgb(planes)
        return rgb if self._tone is None else self._tone.to_ordinary(rgb)

    def add_change(
        self, planes: Sequence[np.ndarray], before: np.ndarray, after: np.ndarray, place: tuple[int, int]
    ) -> None:
        """Add a change to planes.

        Args:
            planes: of the frame; changed in place.
            before, after: a part of the frame's RGB, 3 x H x W. Where they are equal, samples stay; a chroma sample
                stays if all its luma samples do.
            place: (row, column) of the part; a multiple of the chroma step.
        """
        touched = (before != after).any(0)
        if self._tone is not None:
            before, after = self._tone.to_file(before), self._tone.to_file(after)
        change = after - before
        top, left = place
        height, width = touched.shape
        region = (slice(top, top + height), slice(left, left + width))
        if self._layout.kind == "rgb":
            for plane, channel in zip(planes, (1, 2, 0), strict=False):
                self._add(plane[region], change[channel] * np.float32(self._luma), touched)
            return
        weights = np.linalg.inv(self._from_yuv).astype(np.float32)
        if self._layout.kind == "gray":
            weights = np.linalg.inv(_matrix(BT601)).astype(np.float32)
        yuv = np.tensordot(weights, change, 1)
        self._add(planes[0][region], yuv[0] * np.float32(self._luma), touched)
        if self._layout.kind == "gray":
            return
        step_x, step_y = self._layout.chroma
        region = (
            slice(top // step_y, -(-(top + height) // step_y)),
            slice(left // step_x, -(-(left + width) // step_x)),
        )
        chroma_touched = np.logical_or.reduce(_blocks(touched, step_x, step_y), (1, 3))
        for plane, part in zip(planes[1:3], yuv[1:], strict=True):
            smaller = _reduced(_reduced(part, step_x, self._shift[0]).T, step_y, self._shift[1]).T
            self._add(plane[region], smaller * np.float32(self._chroma), chroma_touched)

    def _add(self, samples: np.ndarray, change: np.ndarray, touched: np.ndarray) -> None:
        total = np.rint(samples + change).clip(0, self._top)
        np.copyto(samples, total.astype(samples.dtype), where=touched)

    def _encoded_rgb(self, planes: Sequence[np.ndarray]) -> np.ndarray:
        if self._layout.kind == "gray":
            grey = (planes[0].astype(np.float32) - self._black) / self._luma
            return np.broadcast_to(grey.clip(0, 1), (3, *grey.shape)).copy()
        if self._layout.kind == "rgb":
            stacked = np.stack([planes[2], planes[0], planes[1]]).astype(np.float32)
            return ((stacked - self._black) / self._luma).clip(0, 1)
        height, width = planes[0].shape
        samples = np.empty((height, width, 3), np.float32)
        samples[..., 0] = planes[0]
        if self._layout.chroma == (1, 1):
            samples[..., 1], samples[..., 2] = planes[1], planes[2]
        else:
            step_x, step_y = self._layout.chroma
            shift_x, shift_y = self._shift
            way = np.array([[1 / step_x, 0, -shift_x / step_x], [0, 1 / step_y, -shift_y / step_y]])
            pairs = np.stack([planes[1], planes[2]], axis=-1).astype(np.float32)
            samples[..., 1:] = cv2.warpAffine(
                pairs,
                way,
                (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
        linear = self._from_yuv / np.array([self._luma, self._chroma, self._chroma])
        offset = -linear @ np.array([self._black, self._neutral, self._neutral])
        rgb = cv2.transform(samples, np.column_stack([linear, offset]))
        return np.clip(rgb, 0, 1, out=rgb).transpose(2, 0, 1)


def _completed(tags: ColorTags, layout: Layout, size: tuple[int, int]) -> ColorTags:
    matrix = tags.matrix
    if layout.kind == "yuv" and matrix == UNSPECIFIED:
        matrix = BT709 if size[0] > 576 or size[1] >= 1280 else BT601
    if layout.kind != "yuv":
        matrix = 0
    # Greys without a range come from pictures, which use all of it.
    full = layout.full or tags.range == FULL_RANGE or (layout.kind == "gray" and not tags.range)
    return replace(tags, matrix=matrix, range=FULL_RANGE if full else 1)


def _matrix(number: int) -> np.ndarray:
    """The matrix from Y, Cb, Cr (chroma in -0.5..0.5) to R, G, B."""
    if number == _YCGCO:
        return np.array([[1.0, -1, 1], [1, 1, 0], [1, -1, -1]])
    if number not in _WEIGHTS:
        raise VideoError(
            f"The colours of this video are coded in a rare way (matrix {number} of ITU-T H.273), which cannot be "
            "restored; convert it to BT.709 or BT.2020 first."
        )
    red, blue = _WEIGHTS[number]
    green = 1 - red - blue
    return np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1, 2 * (1 - blue), 0],
        ]
    )


def _blocks(values: np.ndarray, step_x: int, step_y: int) -> np.ndarray:
    """Values in blocks, rows x step_y x columns x step_x; the last ones are repeated to fill a block."""
    height, width = values.shape
    values = np.pad(values, ((0, -height % step_y), (0, -width % step_x)), mode="edge")
    return values.reshape(values.shape[0] // step_y, step_y, -1, step_x)


def _reduced(values: np.ndarray, step: int, shift: float) -> np.ndarray:
    """Every `step`-th column, averaged around where the chroma sample lies."""
    if step == 1:
        return values
    if shift:  # between the samples: the mean of a block
        return _blocks(values, step, 1).mean(3)[:, 0]
    # Over a sample: weights fall linearly to the next chroma samples.
    weights = 1 - np.abs(np.arange(1 - step, step)) / step
    padded = np.pad(values, ((0, 0), (step - 1, step)), mode="edge")
    count = -(-values.shape[1] // step)
    parts = [padded[:, k : k + step * count : step][:, :count] * np.float32(w) for k, w in enumerate(weights / step)]
    return np.sum(parts, axis=0)

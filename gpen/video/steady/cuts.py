"""Find the cuts between the shots of a video."""

from __future__ import annotations

import statistics
from collections import deque

import cv2
import numpy as np
import torch

# Size of the small picture in which frames are compared, (height, width).
_SMALL = (36, 64)
# Levels of each channel in the histogram of colours.
_LEVELS = 6
# In units of 0..1: deviation of luma below which a picture shows nothing, and mean change of the pixels that counts in
# full: between two pictures, and to or from nothing, since the last step of a fade is none.
_FLAT, _VISIBLE, _GONE = 0.015, 0.04, 0.16
# Change of two frames from which there may be a cut, and its minimum ratio to the usual change before it.
_CHANGED, _UNUSUAL = 0.42, 2.5
# Frames from which the usual change is taken.
_USUAL = 8


def shrink(frame: torch.Tensor) -> np.ndarray:
    """The small picture of a frame, 3 x H x W in 0..1: h x w x 3 float32."""
    height, width = frame.shape[-2:]
    step = max(
        1, min(height // _SMALL[0], width // _SMALL[1]) // 4
    )  # enough pixels for a mean, in a fraction of the time
    pixels = frame[:, step // 2 :: step, step // 2 :: step].float().cpu().numpy()
    return cv2.resize(np.ascontiguousarray(pixels.transpose(1, 2, 0)), _SMALL[::-1], interpolation=cv2.INTER_AREA)


class CutFinder:
    """Tells for each frame of a video whether it begins a shot.

    Two frames differ by the mean of two measures in 0..1: one minus the correlation of their small, blurred luma, which
    ignores flashes and fades, and the distance of their histograms of colours, which ignores motion. A cut is a
    difference that is large, and much larger than the ones just before.
    """

    def __init__(self) -> None:
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self._usual: deque[float] = deque(maxlen=_USUAL)

    def begins_shot(self, small: np.ndarray) -> bool:
        """Whether the next frame, given as `shrink` returns it, begins a shot; the first one does."""
        seen = _blurred_luma(small), _histogram(small)
        last, self._last = self._last, seen
        if last is None:
            return True
        change = _difference(last, seen)
        usual = statistics.median(self._usual) if self._usual else 0.0
        cut = change >= _CHANGED and change >= _UNUSUAL * usual
        if cut:
            self._usual.clear()
        else:
            self._usual.append(change)
        return cut


def _difference(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    (luma, colours), (luma_then, colours_then) = one, other
    visible = _VISIBLE if min(luma.std(), luma_then.std()) > _FLAT else _GONE
    seen = min(float(np.abs(luma - luma_then).mean()) / visible, 1.0)
    a, b = ((own - own.mean()) / max(float(own.std()), _FLAT) for own in (luma, luma_then))
    unlike = min(max(1 - float((a * b).mean()), 0.0), 1.0)
    return seen * (unlike + float(np.abs(colours - colours_then).sum()) / 2) / 2


def _blurred_luma(small: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(small @ np.array([0.2126, 0.7152, 0.0722], np.float32), (0, 0), 1.5)


def _histogram(small: np.ndarray) -> np.ndarray:
    """Shares of the colours, as light and dark do not matter: of the picture with its mean set to middle grey."""
    scaled = small * (0.5 / max(float(small.mean()), 0.05))
    levels = np.clip(scaled * _LEVELS, 0, _LEVELS - 1).astype(np.int64)
    index = (levels[..., 0] * _LEVELS + levels[..., 1]) * _LEVELS + levels[..., 2]
    return np.bincount(index.ravel(), minlength=_LEVELS**3) / index.size

"""How steady and how sharp faces of a video are, measured with known motion.

Convention: videos are T x 3 x H x W float32 in 0..1; ways are those of `motion`. Errors are in 8-bit levels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from gpen_blocks.gpen.detail.spectrum import analyze
from gpen_blocks.gpen.faces.align import crop_aligned
from gpen_blocks.gpen.types import Alignment

from .motion import Scene

# The mask is 1 inside, and between these at the rim.
_INSIDE, _RIM = 0.98, (0.02, 0.98)
# Correlation from which two pictures show the same.
_AGREES = 0.7


def jitter(points: np.ndarray, true: np.ndarray) -> float:
    """Root mean square of the second differences of points T x K x 2 beside their true ways, in pixels, without NaN."""
    return float(np.sqrt(np.nanmean((np.diff(points - true, n=2, axis=0) ** 2).sum(axis=-1))))


def lag(points: np.ndarray, true: np.ndarray) -> float:
    """Number of frames by which points T x K x 2 are behind their true ways; NaN is left out.

    Their mean distance is explained by the speed, by least squares; what they are off on average does not count.
    """
    off, speed = (points - true).mean(axis=1), np.gradient(true.mean(axis=1), axis=0)
    known = np.isfinite(off).all(axis=1)
    off, speed = off[known] - off[known].mean(axis=0), speed[known]
    return -float((off * speed).sum() / (speed**2).sum())


def misplacement(points: np.ndarray, true: np.ndarray) -> float:
    """Root mean square of the distance of points T x K x 2 to their true ways, less its mean, without NaN."""
    off = points - true
    return float(np.sqrt(np.nanmean(((off - np.nanmean(off, axis=0)) ** 2).sum(axis=-1))))


class Unsteadiness:
    """Compares each frame with the one before, moved along the known way.

    Args:
        scene: the motion.
        truth: the true frames.
        masks: T x 1 x H x W, where faces were pasted.
        start: time of the first frame.
    """

    def __init__(self, scene: Scene, truth: torch.Tensor, masks: torch.Tensor, start: int = 0) -> None:
        self._truth = _pixels(truth)
        masks_of = masks[:, 0].numpy()
        rows, columns = np.nonzero(masks_of.max(axis=0) > 0)
        self._area = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        self._ways = [scene.way_back(start + number, self._area).astype(np.float32) for number in range(1, len(truth))]
        self._inside = [mask[self._area] > _INSIDE for mask in masks_of[1:]]
        self._rim = [(mask[self._area] > _RIM[0]) & (mask[self._area] < _RIM[1]) for mask in masks_of[1:]]

    def warping_error(self, video: torch.Tensor) -> float:
        """Root mean square of the difference inside the mask."""
        return _level(self._steps(_pixels(video)), self._inside)

    def deviations(self, video: torch.Tensor) -> tuple[float, float]:
        """The same of the deviation from the truth: inside the mask, and at its rim."""
        steps = self._steps(_pixels(video) - self._truth)
        return _level(steps, self._inside), _level(steps, self._rim)

    def _steps(self, frames: np.ndarray) -> list[np.ndarray]:
        """Each frame but the first, minus the one before it moved along; h x w x 3."""
        return [
            frame[self._area]
            - cv2.remap(before, way[..., 0], way[..., 1], cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
            for before, frame, way in zip(frames, frames[1:], self._ways, strict=False)
        ]


def agreeing_resolution(video: torch.Tensor, truth: torch.Tensor, alignments: Sequence[Alignment]) -> float:
    """Resolution up to which the crops agree with the true ones, in pixels.

    Fourier ring correlation (Harauz and van Heel 1986) of all crops together, up to where it falls below 0.7. Unlike
    the effective resolution of a picture alone, neither noise nor blocks nor detail that was made up count.
    """
    side = alignments[0].crop_size
    window = np.outer(np.hanning(side), np.hanning(side))
    ours, true = (
        np.fft.fft2((crops - crops.mean(axis=(1, 2), keepdims=True)) * window)
        for crops in (crops_of(one, alignments).mean(dim=1).numpy() for one in (video, truth))
    )
    frequency = np.fft.fftfreq(side)
    rings = (np.hypot(frequency[:, None], frequency) * side).astype(int).ravel()
    shared, own, other = (
        np.bincount(rings, planes.sum(axis=0).ravel())[: side // 2]
        for planes in ((ours * true.conj()).real, np.abs(ours) ** 2, np.abs(true) ** 2)
    )
    below = np.flatnonzero(shared < _AGREES * np.sqrt(own * other))
    return 2.0 * (int(below[0]) if len(below) else side // 2)


def crops_of(video: torch.Tensor, alignments: Sequence[Alignment]) -> torch.Tensor:
    """The aligned crops, one of each frame: T x 3 x S x S."""
    return torch.cat([crop_aligned(video, alignment) for alignment in alignments])


def effective_resolution(video: torch.Tensor, alignments: Sequence[Alignment]) -> float:
    """Mean effective resolution of the aligned crops, in pixels; see `detail.spectrum.analyze`."""
    return float(analyze(crops_of(video, alignments)).effective_resolution.mean())


def fine_contrast(video: torch.Tensor, masks: torch.Tensor) -> float:
    """Root mean square of luma between two Gaussians of 0.7 and 2.5 pixels, inside the masks.

    Less prone to chance than the effective resolution, but noise counts like detail.
    """
    squares = []
    for frame, mask in zip(_pixels(video).mean(axis=-1), masks[:, 0].numpy(), strict=True):
        band = cv2.GaussianBlur(frame, (0, 0), 0.7) - cv2.GaussianBlur(frame, (0, 0), 2.5)
        squares.append((band[mask > _INSIDE] ** 2).mean())
    return float(255 * np.sqrt(np.mean(squares)))


def fidelity(video: torch.Tensor, truth: torch.Tensor, masks: torch.Tensor) -> float:
    """Peak signal-to-noise ratio inside the masks, in dB."""
    inside = (masks > _INSIDE).expand_as(video)
    return float(-10 * (video - truth)[inside].square().mean().log10())


def _pixels(video: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(video.permute(0, 2, 3, 1).numpy())


def _level(steps: list[np.ndarray], where: list[np.ndarray]) -> float:
    values = np.concatenate([step[mask] for step, mask in zip(steps, where, strict=True)])
    return float(255 * np.sqrt((values**2).mean()))

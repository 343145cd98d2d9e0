"""Carry the detail of a restored face along from frame to frame.

Arrays of crops are S x S x 3 float32 in 0..1, of luma S x S.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

# Largest share of the carried detail. The warping error of twelve videos with known motion was 0.24 to 0.64 of that of
# frames restored alone, and the contrast of fine detail 0.93 to 1.00; at 0.75 and 0.85 hardly otherwise.
_MOST = 0.8
# Standard deviation of the low band, which is not carried, as a share of the crop's side: that of `faces.paste`, which
# takes everything lower from the photograph.
_LOW_BAND = 1 / 32
# Side in pixels of the crops between which the optical flow is found, and the blur before, in pixels, against noise.
_FLOW_SIDE, _FLOW_BLUR = 256, 1.0
# Standard deviation, as a share of the crop's side, of the surroundings in which two crops are compared.
_AROUND = 1 / 40
# The crops agree up to the first multiple of their usual difference, which is noise, and not at all from the second;
# and least and largest usual difference, in units of 0..1.
_AGREE, _DIFFER, _LEAST_USUAL, _MOST_USUAL = 2.0, 5.0, 1.5 / 255, 12 / 255
# The two details agree up to the first share of their difference in their sum, by their power, and not from the second:
# 0 for the same, 1 for two that have nothing in common.
_ALIKE, _UNLIKE = 0.9, 1.4
# The inner part of a crop, where its face is.
_INNER = (0.2, 0.85)


@dataclass(frozen=True, eq=False)
class CarriedDetail:
    """What a frame leaves behind for the next: exact when saved, since it is used as it is stored.

    Attributes:
        luma: S x S uint8, of the photograph's crop.
        detail: S x S x 3 float16, what the restored crop has above the low band of the photograph's.
    """

    luma: np.ndarray
    detail: np.ndarray


def carry_detail(
    own: torch.Tensor, restored: torch.Tensor, before: CarriedDetail | None
) -> tuple[torch.Tensor, CarriedDetail]:
    """Mix the detail of the frame before into a restored crop.

    1. The detail is what the restored crop has above the low band of the photograph's own: light, shade and colour are
       always those of this frame. (Of the difference to the photograph itself, as of other methods, its noise would be
       carried as well.)
    2. Dense optical flow (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016) between the crops
       of the photograph, which are aligned already, moves the detail of the frame before.
    3. It is mixed in where the moved crops differ by no more than noise, and where the two details agree.

    Args:
        own: 3 x S x S in 0..1, the photograph's crop.
        restored: 3 x S x S in 0..1.
        before: what the frame before left behind; None if there is none.

    Returns:
        The crop with the mixed detail, 3 x S x S in 0..1, and what it leaves behind.
    """
    size = restored.shape[-1]
    photograph, made = (np.ascontiguousarray(crop.permute(1, 2, 0).float().cpu().numpy()) for crop in (own, restored))
    low = cv2.GaussianBlur(photograph, (0, 0), _LOW_BAND * size)
    detail = made - low
    luma = (_luma_of(photograph) * 255).clip(0, 255).round().astype(np.uint8)
    if before is not None:
        places = _places(luma, before.luma)
        old = cv2.remap(before.detail.astype(np.float32), *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        then = cv2.remap(before.luma, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        share = _MOST * _agreement(luma, then, _AROUND * size) * _likeness(detail, old, _AROUND * size)
        detail += share[..., None] * (old - detail)
    kept = CarriedDetail(luma, detail.astype(np.float16))
    result = (low + kept.detail).clip(0, 1)
    return torch.from_numpy(result).permute(2, 0, 1).to(restored), kept


def _places(now: np.ndarray, then: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of a crop was in the one before: x and y, S x S float32."""
    size = now.shape[0]
    side = min(size, _FLOW_SIDE)
    small = [
        cv2.GaussianBlur(cv2.resize(luma, (side, side), interpolation=cv2.INTER_AREA), (0, 0), _FLOW_BLUR)
        for luma in (now, then)
    ]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(
        small[0], small[1], np.zeros((side, side, 2), np.float32)
    )
    flow = cv2.resize(flow, (size, size), interpolation=cv2.INTER_LINEAR) * (size / side)
    across = np.arange(size, dtype=np.float32)
    return flow[..., 0] + across, flow[..., 1] + across[:, None]


def _agreement(now: np.ndarray, then: np.ndarray, sigma: float) -> np.ndarray:
    """S x S in 0..1: where two crops differ by noise alone."""
    apart = _mean_around((now.astype(np.float32) - then) ** 2, sigma) / 255**2
    inner = slice(*(round(part * len(now)) for part in _INNER))
    usual = np.clip(np.median(apart[inner, inner]), _LEAST_USUAL**2, _MOST_USUAL**2)
    return _falling(apart / usual, _AGREE, _DIFFER)


def _likeness(detail: np.ndarray, old: np.ndarray, sigma: float) -> np.ndarray:
    """S x S in 0..1: where two details show the same."""
    apart = _mean_around(_luma_of(detail - old) ** 2, sigma)
    power = _mean_around(_luma_of(detail) ** 2 + _luma_of(old) ** 2, sigma)
    return _falling(apart / np.maximum(power, (1 / 255) ** 2), _ALIKE, _UNLIKE)


def _luma_of(crop: np.ndarray) -> np.ndarray:
    """Its sum is written out: a product of matrices rounds by where they lie in memory."""
    red, green, blue = (crop[..., channel] for channel in range(3))
    return np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue


def _mean_around(plane: np.ndarray, sigma: float) -> np.ndarray:
    side = 2 * round(sigma * 1.2) + 1  # twice a box is about a Gaussian
    return cv2.blur(cv2.blur(plane, (side, side)), (side, side))


def _falling(values: np.ndarray, first: float, last: float) -> np.ndarray:
    part = np.clip((last - values) / (last - first), 0, 1)
    return part * part * (3 - 2 * part)

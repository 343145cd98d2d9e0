"""An ordinary copy of high dynamic range, and the way back.

Networks know ordinary pictures. The copy is what PQ (SMPTE ST 2084) and HLG (ARIB STD-B67) show, with BT.709 primaries,
reference white at 1, and brighter light compressed. Every step but the cut at 0 and 1 can be reversed, so that a change
of the copy is a change of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Reference white in cd/m2 of PQ, and as HLG signal: ITU-R BT.2408.
_PQ_WHITE = 203.0
_HLG_WHITE = 0.75
_PQ_PEAK = 10000.0
# Of ITU-R BT.2100.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2  # from scene to a display of 1000 cd/m2
_GAMMA = 2.4  # of ordinary displays: ITU-R BT.1886
# From here on, light is compressed; skin is darker.
_KNEE = 0.7
# Linear light of BT.2020 primaries to those of BT.709: ITU-R BT.2087.
_TO_709 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])
_BT2020_PRIMARIES = 9
_PQ, _HLG = 16, 18


@dataclass(frozen=True)
class ToneMap:
    """From RGB as in the file to an ordinary copy, and back.

    Attributes:
        to_light: from the file's signal to light, 1 being reference white.
        to_signal: its inverse.
        peak: the most light.
        wide: whether the primaries are those of BT.2020.
    """

    to_light: Callable[[np.ndarray], np.ndarray]
    to_signal: Callable[[np.ndarray], np.ndarray]
    peak: float
    wide: bool

    def to_ordinary(self, rgb: np.ndarray) -> np.ndarray:
        """3 x H x W as in the file to 3 x H x W of an ordinary picture, in 0..1."""
        light = self.to_light(rgb.astype(np.float64))
        if self.wide:
            light = np.tensordot(_TO_709, light, 1)
        slope = _slope(self.peak)
        bright = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
        shown = np.minimum(light, _KNEE) + (1 - _KNEE) * np.log1p(slope * bright) / slope
        return (shown.clip(0, 1) ** (1 / _GAMMA)).astype(np.float32)

    def to_file(self, rgb: np.ndarray) -> np.ndarray:
        """The way back."""
        shown = rgb.clip(0, 1).astype(np.float64) ** _GAMMA
        slope = _slope(self.peak)
        bright = np.expm1(np.maximum(shown - _KNEE, 0) / (1 - _KNEE) * slope) / slope
        light = np.minimum(shown, _KNEE) + (1 - _KNEE) * bright
        if self.wide:
            light = np.tensordot(np.linalg.inv(_TO_709), light, 1)
        return self.to_signal(light.clip(0, self.peak)).astype(np.float32)


def tone_map(transfer: int, primaries: int) -> ToneMap | None:
    """The tone map of a transfer curve by its number in ITU-T H.273; None for ordinary video."""
    wide = primaries == _BT2020_PRIMARIES
    if transfer == _PQ:
        return ToneMap(_pq_light, _pq_signal, _PQ_PEAK / _PQ_WHITE, wide)
    if transfer == _HLG:
        return ToneMap(_hlg_light, _hlg_signal, float(_hlg_light(np.ones(1))[0]), wide)
    return None


@lru_cache(maxsize=4)
def _slope(peak: float) -> float:
    """The s for which the compressed part, log(1 + s x) / s, reaches 1 at the peak; it begins with slope 1."""
    most = (peak - _KNEE) / (1 - _KNEE)
    low, high = 1e-6, 1e3
    for _ in range(100):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if np.log1p(middle * most) / middle > 1 else (low, middle)
    return high


def _pq_light(signal: np.ndarray) -> np.ndarray:
    power = signal.clip(0, 1) ** (1 / _M2)
    return (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1) * (_PQ_PEAK / _PQ_WHITE)


def _pq_signal(light: np.ndarray) -> np.ndarray:
    power = (light * (_PQ_WHITE / _PQ_PEAK)) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _hlg_scene(signal: np.ndarray) -> np.ndarray:
    signal = signal.clip(0, 1)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)


# What the scene sends at reference white.
_WHITE_SCENE = float(_hlg_scene(np.array([_HLG_WHITE]))[0])


def _hlg_light(signal: np.ndarray) -> np.ndarray:
    return (_hlg_scene(signal) / _WHITE_SCENE) ** _HLG_GAMMA


def _hlg_signal(light: np.ndarray) -> np.ndarray:
    scene = light ** (1 / _HLG_GAMMA) * _WHITE_SCENE
    return np.where(scene <= 1 / 12, (3 * scene) ** 0.5, _A * np.log(np.maximum(12 * scene - _B, 1e-9)) + _C)

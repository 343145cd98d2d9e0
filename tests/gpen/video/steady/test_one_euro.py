"""The One-Euro filter is strong at rest and quick in motion."""

from __future__ import annotations

import numpy as np
import pytest

from gpen_blocks.gpen.video.steady.one_euro import OneEuro

RATE = 25


def filtered(series: np.ndarray, *, gain: float = 0.0, rate: float = RATE, units: float = 1.0) -> np.ndarray:
    own = OneEuro(0.5, gain, 1.0)
    return np.array([own.add(np.array([[value, 0.0]]), 1 / rate, units)[0, 0] for value in series])


def test_noise_at_rest_goes_and_the_first_value_stays():
    noise = np.random.default_rng(0).normal(size=400)
    even = filtered(noise)
    assert even[0] == noise[0]
    assert even[50:].std() < 0.3 * noise.std()
    # What a low-pass filter of first order leaves of white noise.
    share = 1 / (1 + RATE / (2 * np.pi * 0.5))
    assert even[50:].std() == pytest.approx(np.sqrt(share / (2 - share)), rel=0.25)


def test_motion_is_followed_and_the_more_so_the_faster_it_is():
    slow, fast = 0.1 * np.arange(100) / RATE, 10.0 * np.arange(100) / RATE

    def behind(series: np.ndarray, **more: float) -> float:
        """Seconds."""
        return float(((series - filtered(series, **more))[-1]) / ((series[1] - series[0]) * RATE))

    assert behind(slow, gain=1.0) == pytest.approx(1 / (2 * np.pi * 0.6), rel=0.1)
    assert behind(fast, gain=1.0) == pytest.approx(1 / (2 * np.pi * 10.5), rel=0.1)
    assert behind(fast) == pytest.approx(1 / (2 * np.pi * 0.5), rel=0.1)


def test_a_face_twice_as_large_is_filtered_alike():
    way = np.random.default_rng(1).normal(size=60).cumsum()
    np.testing.assert_allclose(filtered(2 * way, gain=1.0, units=2.0), 2 * filtered(way, gain=1.0))


def test_the_cutoff_is_in_time_and_not_in_frames():
    step = np.ones(60)
    step[0] = 0
    often, seldom = filtered(step, rate=100), filtered(step[:16], rate=25)
    np.testing.assert_allclose(often[4:60:4][:14], seldom[1:15], atol=0.03)

"""Noise of sensors and films. Pictures are H x W x 3 float64 in 0..1, not clipped here."""

from __future__ import annotations

import cv2
import numpy as np

# Display gamma, close enough to the sRGB curve for noise.
_GAMMA = 2.2
# Kernels for bilinear demosaicing: of green (every second pixel), and of red and blue.
_GREEN = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
_RED_BLUE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


def gaussian_noise(picture: np.ndarray, sigma: float, gray: bool, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of standard deviation `sigma`, equal in all channels if `gray`."""
    return picture + sigma * rng.standard_normal((*picture.shape[:2], 1 if gray else 3))


def poisson_noise(picture: np.ndarray, photons: float, gray: bool, rng: np.random.Generator) -> np.ndarray:
    """Add photon noise: white is `photons` photons, and each count is a Poisson variable."""
    if gray:
        luma = picture.mean(axis=2, keepdims=True).clip(0, 1)
        return picture + rng.poisson(luma * photons) / photons - luma
    return rng.poisson(picture.clip(0, 1) * photons) / photons


def camera_noise(picture: np.ndarray, shot: float, read: float, rng: np.random.Generator) -> np.ndarray:
    """Add camera noise: it is created on the sensor and spread over neighbours and colours by demosaicing.

    1. Decode to linear light and keep one colour per pixel (Bayer, RGGB).
    2. Add noise of variance `shot` x light + `read`^2 (Brooks et al., "Unprocessing images", CVPR 2019).
    3. Interpolate each colour and encode again.

    Only the noise passes through the mosaic, not the detail of the picture.

    Args:
        picture: H x W x 3.
        shot: noise variance of white.
        read: standard deviation of the noise of black.
        rng: random generator.
    """
    light = picture.clip(0, 1) ** _GAMMA
    noise = np.sqrt(shot * light + read**2) * rng.standard_normal(picture.shape)
    red, green, blue = np.zeros((3, *picture.shape[:2], 1))
    red[::2, ::2] = blue[1::2, 1::2] = 1
    green[::2, 1::2] = green[1::2, ::2] = 1
    mosaic = noise * np.concatenate([red, green, blue], axis=2)
    spread = [cv2.filter2D(mosaic[..., c], -1, _GREEN if c == 1 else _RED_BLUE) for c in range(3)]
    return (light + np.stack(spread, axis=2)).clip(0, 1) ** (1 / _GAMMA)

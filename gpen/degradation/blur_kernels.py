"""Blur kernels: isotropic or anisotropic defocus, and motion.

Kernels are k x k float64 with odd k, non-negative, with sum 1.
"""

from __future__ import annotations

import numpy as np


def gaussian_kernel(sigma_x: float, sigma_y: float, angle: float = 0.0, shape: float = 1.0) -> np.ndarray:
    """Isotropic or anisotropic Gaussian, or its generalised form, as in the blur model of BSRGAN and Real-ESRGAN.

    Args:
        sigma_x, sigma_y: widths along the axes of the kernel in pixels, above 0.
        angle: angle of the first axis, in radians.
        shape: exponent of the quadratic form: 1 is the Gaussian, below it has a peak and long tails, above it a flat
            top like a lens out of focus (Liu et al., "Estimating generalized Gaussian blur kernels", 2020).
    """
    reach = max(1, int(np.ceil(3 * max(sigma_x, sigma_y) * (1.5 if shape < 1 else 1))))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    along = (np.cos(angle) * x + np.sin(angle) * y) / sigma_x
    across = (np.cos(angle) * y - np.sin(angle) * x) / sigma_y
    kernel = np.exp(-0.5 * (along**2 + across**2) ** shape)
    return kernel / kernel.sum()


def motion_kernel(length: float, angle: float, bend: float = 0.0) -> np.ndarray:
    """Path of a point during an exposure: an arc with evenly distributed light.

    Args:
        length: length of the path in pixels, above 0.
        angle: direction at its middle, in radians.
        bend: change of direction from one end to the other, in radians.
    """
    along = np.linspace(-0.5, 0.5, max(8, int(8 * length)))
    direction = angle + bend * along
    x, y = np.cumsum(np.cos(direction)), np.cumsum(np.sin(direction))
    x, y = (x - x.mean()) * length / len(along), (y - y.mean()) * length / len(along)
    reach = int(np.ceil(max(np.abs(x).max(), np.abs(y).max()))) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):  # each point contributes to the four pixels around it
        weight = np.abs(1 - row - (y - top)) * np.abs(1 - column - (x - left))
        np.add.at(kernel, (top + row + reach, left + column + reach), weight)
    return kernel / kernel.sum()

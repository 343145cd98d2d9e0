"""Convert between integers in files and floats in 0..1, one band of rows at a time.

Convention: samples are H x W x C arrays of uint8 or uint16; planes are C x H x W float32 in 0..1. In float32
`round(v / m * m)` is v for every integer v up to m = 65535, so reading and writing again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ..checks import require_images
from ..errors import ImageError
from ..pixels.filters import row_strips

# Pixels converted at once; limits temporaries to about 16 MB for pictures of any size.
_BAND_PIXELS = 1 << 20


def bands(height: int, width: int) -> Iterator[slice]:
    """Slices of rows that cover a picture."""
    return row_strips(height, width, _BAND_PIXELS)


def scale_into(planes: np.ndarray, alpha: np.ndarray | None, samples: np.ndarray) -> None:
    """Write samples, scaled to 0..1, to planes.

    Args:
        planes: 3 x H x W float32; a single grey channel fills all three.
        alpha: 1 x H x W float32 for the last channel of the samples, or None if that is not alpha.
        samples: H x W x C of uint8 or uint16.
    """
    full = np.float32(np.iinfo(samples.dtype).max)
    channels = samples.transpose(2, 0, 1)
    if alpha is not None:
        np.divide(channels[-1:], full, out=alpha, dtype=np.float32)
        channels = channels[:-1]
    np.divide(channels, full, out=planes, dtype=np.float32)


def quantize(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round floats in 0..1 to the nearest unsigned integer of `dtype`; values outside are clipped.

    Raises:
        ImageError: there are NaN or infinite values.
    """
    if not np.isfinite(values).all():
        raise ImageError("The result holds NaN or infinite values; run the model in another precision.")
    full = np.float32(np.iinfo(dtype).max)
    scaled = values * full
    return np.clip(np.rint(scaled, out=scaled), 0, full, out=scaled).astype(dtype)


def to_planes(tensor: torch.Tensor) -> np.ndarray:
    """1 x C x H x W of any float type on any device as C x H x W float32, without a copy if possible."""
    return tensor.detach()[0].to("cpu", torch.float32).numpy()


def is_grey(planes: np.ndarray, tolerance: float) -> bool:
    """Whether the second and third of 3 x H x W planes differ from the first by at most `tolerance`."""
    return all(np.abs(planes[1:, rows] - planes[:1, rows]).max() <= tolerance for rows in bands(*planes.shape[1:]))


def integer_array(pixels: torch.Tensor, dtype: np.dtype) -> np.ndarray:
    """1 x 3 x H x W in 0..1 as H x W x 3 of uint8 or uint16, rounded to the nearest."""
    planes = to_planes(pixels)
    result = np.empty((*planes.shape[1:], len(planes)), dtype)
    for rows in bands(*planes.shape[1:]):
        result[rows] = quantize(planes[:, rows], dtype).transpose(1, 2, 0)
    return result


def check_images(pixels: torch.Tensor) -> None:
    """Check that `pixels` is one RGB picture.

    Raises:
        ImageError: it is not a 1 x 3 x H x W float tensor, or has no pixels.
    """
    require_images(pixels, "A picture")
    if len(pixels) != 1:
        raise ImageError(f"A picture is one image, 1 x 3 x H x W, not {len(pixels)}.")

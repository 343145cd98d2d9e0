"""sRGB, linear light and CIELAB.

Convention: planes are B x 3 x H x W; sRGB and linear RGB in 0..1, L* in 0..100, a* and b* around 0 without offset.
The reference white is that of sRGB, D65: equal channels have a* = b* = 0.
"""

from __future__ import annotations

import torch

from .color import LUMA, luma

# IEC 61966-2-1: linear sRGB to XYZ; the row of Y is the luminance.
_TO_XYZ = torch.tensor([[0.4124, 0.3576, 0.1805], LUMA, [0.0193, 0.1192, 0.9505]], dtype=torch.float64)
_WHITE = _TO_XYZ.sum(dim=1)
_RGB_TO_RELATIVE_XYZ = _TO_XYZ / _WHITE[:, None]
_RELATIVE_XYZ_TO_RGB = torch.linalg.inv(_RGB_TO_RELATIVE_XYZ)
# CIE 15: f is the cube root above delta cubed, and the tangent line below it.
_DELTA = 6 / 29


def srgb_to_linear(images: torch.Tensor) -> torch.Tensor:
    """Encoded sRGB to linear light, any shape, by the exact curve of IEC 61966-2-1; negative values count as 0."""
    images = images.clamp_min(0)
    return torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: torch.Tensor) -> torch.Tensor:
    """Linear light to encoded sRGB, any shape; negative values count as 0."""
    linear = linear.clamp_min(0)
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def luminance(linear: torch.Tensor) -> torch.Tensor:
    """Relative luminance Y of linear RGB, B x 3 x H x W to B x 1 x H x W; luma is the same of encoded values."""
    return luma(linear)


def linear_to_lab(linear: torch.Tensor) -> torch.Tensor:
    """Linear RGB to CIELAB, B x 3 x H x W."""
    xyz = torch.einsum("ij,bjhw->bihw", _RGB_TO_RELATIVE_XYZ.to(linear), linear)
    f = torch.where(xyz > _DELTA**3, xyz.clamp_min(0) ** (1 / 3), xyz / (3 * _DELTA**2) + 4 / 29)
    fx, fy, fz = f.unbind(dim=1)
    return torch.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)], dim=1)


def lab_to_linear(lab: torch.Tensor) -> torch.Tensor:
    """CIELAB to linear RGB, B x 3 x H x W; colours outside the sRGB gamut are outside 0..1."""
    lightness, a, b = lab.unbind(dim=1)
    fy = (lightness + 16) / 116
    f = torch.stack([fy + a / 500, fy, fy - b / 200], dim=1)
    xyz = torch.where(f > _DELTA, f**3, 3 * _DELTA**2 * (f - 4 / 29))
    return torch.einsum("ij,bjhw->bihw", _RELATIVE_XYZ_TO_RGB.to(lab), xyz)

"""Colours of a restored crop brought back to the photograph's, and black-and-white photographs kept so.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1; luma is BT.709's on the encoded values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..checks import all_finite
from .filters import gaussian_blur

# ITU-R BT.709-6, item 3.2.
LUMA = (0.2126, 0.7152, 0.0722)


def luma(images: torch.Tensor) -> torch.Tensor:
    """BT.709 luma, B x 1 x H x W."""
    red, green, blue = images.unbind(dim=1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)


def luma_chroma(images: torch.Tensor) -> torch.Tensor:
    """BT.709 luma and the colour differences Cb and Cr in -0.5..0.5, B x 3 x H x W; the differences are 0 for grey."""
    gray = luma(images)
    blue, red = (images[:, 2:] - gray) / (2 * (1 - LUMA[2])), (images[:, :1] - gray) / (2 * (1 - LUMA[0]))
    return torch.cat([gray, blue, red], dim=1)


def from_luma_chroma(planes: torch.Tensor) -> torch.Tensor:
    """The images of `luma_chroma`, B x 3 x H x W; not clamped."""
    gray, blue, red = planes.split(1, dim=1)
    blue, red = gray + 2 * (1 - LUMA[2]) * blue, gray + 2 * (1 - LUMA[0]) * red
    green = (gray - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return torch.cat([red, green, blue], dim=1)


def match_low_band(crops: torch.Tensor, reference: torch.Tensor, sigma: float) -> torch.Tensor:
    """Give crops the low band of a reference: its colours, light and shade, while their detail stays.

    `crops - G(crops) + G(reference)` with a Gaussian G, the split that "wavelet colour fix" (StableSR, Wang et al.
    2023) approximates.

    Args:
        crops: B x 3 x H x W in 0..1.
        reference: the same shape.
        sigma: standard deviation of G in pixels; the photograph rules what is coarser.

    Returns:
        B x 3 x H x W; not clamped, so that its low band is the reference's exactly.
    """
    return crops + gaussian_blur(reference - crops, sigma)


def match_mean_std(crops: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Give each channel of crops the mean and standard deviation of a reference (after Reinhard et al. 2001).

    Args:
        crops: B x 3 x H x W in 0..1.
        reference: the same shape.
        mask: B x 1 x H x W weights of the pixels that count; all alike where left out.

    Returns:
        B x 3 x H x W, not clamped.
    """
    weights = torch.ones_like(crops[:, :1]) if mask is None else mask
    weights = weights / weights.sum(dim=(2, 3), keepdim=True).clamp_min(1e-12)
    mean, deviation = _moments(crops, weights)
    target_mean, target_deviation = _moments(reference, weights)
    # A flat crop has no contrast to stretch.
    gain = torch.where(deviation > 1e-6, target_deviation / deviation.clamp_min(1e-6), 1.0)
    return (crops - mean) * gain + target_mean


def _moments(images: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = (images * weights).sum(dim=(2, 3), keepdim=True)
    variance = ((images - mean) ** 2 * weights).sum(dim=(2, 3), keepdim=True)
    return mean, variance.sqrt()


# A picture is judged at this size of its longer side, in cells of this side: noise and JPEG's colour blocks average
# out, a small red thing does not.
_JUDGED_SIDE = 512
_CELL = 16
# Points of a tone curve, evenly spaced over luma.
_KNOTS = 17
# How strongly the curve is straightened where the picture has few pixels to tell.
_STRAIGHTENING = 1e-3 / _KNOTS
# Colour a cell may have beside the tone. Of 888 pictures measured, black-and-white photographs had at most 1/255, a
# sepia one 3, the palest true colours (an insect on a grey wall) 7; sepia pictures of 256 px stored as JPEG
# of quality 70 had up to 5 (95 %), of quality 30 up to 7, with film noise of 8/255 up to 7.
_COLOR_TOLERANCE = 6 / 255
# A tone weaker than this is none: three equal channels stay equal to the bit.
_NO_TONE = 0.25 / 255


@dataclass(frozen=True, eq=False)
class Tone:
    """The one colour of a black-and-white, sepia or otherwise toned picture.

    Attributes:
        offsets: K x 3 float32; what each channel has more than luma, at K luma values evenly spaced over 0..1. All 0
            for neutral grey.
    """

    offsets: torch.Tensor

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Keep the luma of images and give them this tone: B x 3 x H x W in 0..1 to the same."""
        gray = luma(images)
        index, fraction = _knot_position(gray)
        offsets = self.offsets.to(images)
        low, high = offsets[index[:, 0]], offsets[index[:, 0] + 1]
        toned = gray + torch.lerp(low, high, fraction.movedim(1, -1)).movedim(-1, 1)
        return toned.clamp(0, 1)


def monochrome_tone(image: torch.Tensor) -> Tone | None:
    """The tone of a picture that is black and white or toned in one colour.

    1. Pixels are taken from the picture reduced to 512 on its longer side.
    2. A curve is fitted that gives the tone from the luma (piecewise linear, least squares).
    3. The picture is monochrome if no cell of 16 px has an average colour further than 6/255 from the curve. A
       picture that passes thus never loses more colour than that.

    Args:
        image: 1 x 3 x H x W in 0..1.

    Returns:
        The tone, or None for a colour picture and for one that holds NaN or infinity.
    """
    if not all_finite(image):
        return None
    longest = max(image.shape[-2:])
    if longest > _JUDGED_SIDE:
        size = tuple(max(1, round(side * _JUDGED_SIDE / longest)) for side in image.shape[-2:])
        image = F.interpolate(image, size, mode="area")
    image = image.float().cpu()
    gray = luma(image)
    offsets = image - gray
    index, fraction = (values.flatten() for values in _knot_position(gray))
    rows = torch.arange(len(index))
    basis = torch.zeros(len(index), _KNOTS)
    basis[rows, index], basis[rows, index + 1] = 1 - fraction, fraction
    bend = torch.diff(torch.eye(_KNOTS), n=2, dim=0)
    normal = basis.T @ basis + len(index) * (_STRAIGHTENING * bend.T @ bend + 1e-9 * torch.eye(_KNOTS))
    curve = torch.linalg.solve(normal, basis.T @ offsets[0].flatten(1).T)
    rest = offsets - (basis @ curve).T.reshape(offsets.shape)
    rest = F.avg_pool2d(rest, _CELL, ceil_mode=True, count_include_pad=False)
    if rest.norm(dim=1).max() > _COLOR_TOLERANCE:
        return None
    return Tone(torch.where(curve.abs().max() < _NO_TONE, torch.zeros_like(curve), curve))


def _knot_position(gray: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of the knot below each luma value, and how far towards the next one it lies."""
    position = (gray * (_KNOTS - 1)).clamp(0, _KNOTS - 1)
    index = position.floor().clamp(max=_KNOTS - 2).long()
    return index, position - index

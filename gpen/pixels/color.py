"""Match the colours of a restored crop to the photograph.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1; luma is BT.709's on the encoded values.
"""

from __future__ import annotations

import torch

from .filters import gaussian_blur

# ITU-R BT.709-6, item 3.2; sRGB has the same primaries, so these are also its luminance weights.
LUMA = (0.2126, 0.7152, 0.0722)
# ITU-R BT.601-7, item 2.5.1: the luma of JPEG files and of OpenCV's grey and YUV.
LUMA_601 = (0.299, 0.587, 0.114)


def luma(images: torch.Tensor) -> torch.Tensor:
    """BT.709 luma, B x 1 x H x W."""
    red, green, blue = images.unbind(dim=1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)


def luma_601(images: torch.Tensor) -> torch.Tensor:
    """BT.601 luma, B x 1 x H x W."""
    red, green, blue = images.unbind(dim=1)
    return (LUMA_601[0] * red + LUMA_601[1] * green + LUMA_601[2] * blue).unsqueeze(1)


def add_colour(gray: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    """Give a luma its colours and keep it exactly.

    Colours that would leave 0..1 are reduced towards grey, as clipping them would change the luma.

    Args:
        gray: B x 1 x H x W in 0..1.
        colour: B x 3 x H x W, difference of each channel from the luma; the luma of the difference is 0.

    Returns:
        B x 3 x H x W in 0..1.
    """
    high, low = colour.amax(dim=1, keepdim=True), colour.amin(dim=1, keepdim=True)
    room = torch.minimum((1 - gray) / high.clamp_min(1e-6), gray / (-low).clamp_min(1e-6))
    return (gray + colour * room.clamp(max=1)).clamp(0, 1)


def luma_chroma(images: torch.Tensor) -> torch.Tensor:
    """BT.709 luma and the colour differences Cb and Cr in -0.5..0.5, B x 3 x H x W; the differences are 0 for grey."""
    gray = luma(images)
    blue, red = (images[:, 2:] - gray) / (2 * (1 - LUMA[2])), (images[:, :1] - gray) / (2 * (1 - LUMA[0]))
    return torch.cat([gray, blue, red], dim=1)


def from_luma_chroma(planes: torch.Tensor) -> torch.Tensor:
    """Inverse of `luma_chroma`, B x 3 x H x W; not clamped."""
    gray, blue, red = planes.split(1, dim=1)
    blue, red = gray + 2 * (1 - LUMA[2]) * blue, gray + 2 * (1 - LUMA[0]) * red
    green = (gray - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return torch.cat([red, green, blue], dim=1)


def match_low_band(crops: torch.Tensor, reference: torch.Tensor, sigma: float) -> torch.Tensor:
    """Replace the low band of crops by that of a reference (colours, light and shade); their detail is kept.

    `crops - G(crops) + G(reference)` with a Gaussian G, the split that "wavelet colour fix" (StableSR, Wang et al.
    2023) approximates.

    Args:
        crops: B x 3 x H x W in 0..1.
        reference: the same shape.
        sigma: standard deviation of G in pixels.

    Returns:
        B x 3 x H x W; not clamped, so that its low band equals that of the reference exactly.
    """
    return crops + gaussian_blur(reference - crops, sigma)


def match_mean_std(crops: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Give each channel of crops the mean and standard deviation of a reference (after Reinhard et al. 2001).

    Args:
        crops: B x 3 x H x W in 0..1.
        reference: the same shape.
        mask: B x 1 x H x W weights of the pixels; by default all equal.

    Returns:
        B x 3 x H x W, not clamped.
    """
    mean, gain, target_mean = _mean_std(crops, reference, mask)
    return (crops - mean) * gain + target_mean


def mean_std_line(
    crops: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Factor and summand, B x 3 x 1 x 1, by which `match_mean_std` maps the channels of crops."""
    mean, gain, target_mean = _mean_std(crops, reference, mask)
    return gain, target_mean - gain * mean


def _mean_std(
    crops: torch.Tensor, reference: torch.Tensor, mask: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Mean of the crops, factor and mean of the reference, B x 3 x 1 x 1."""
    weights = torch.ones_like(crops[:, :1]) if mask is None else mask
    weights = weights / weights.sum(dim=(2, 3), keepdim=True).clamp_min(1e-12)
    mean, deviation = _moments(crops, weights)
    target_mean, target_deviation = _moments(reference, weights)
    # A flat crop has no contrast to stretch.
    gain = torch.where(deviation > 1e-6, target_deviation / deviation.clamp_min(1e-6), 1.0)
    return mean, gain, target_mean


def _moments(images: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean = (images * weights).sum(dim=(2, 3), keepdim=True)
    variance = ((images - mean) ** 2 * weights).sum(dim=(2, 3), keepdim=True)
    return mean, variance.sqrt()

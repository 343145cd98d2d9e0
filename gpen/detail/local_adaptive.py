"""Local adaptive enhancement: more contrast where structure is weak but credible, none where it is sharp already.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1; lightness is BT.709 luma on the encoded values, which stays within
0.03 of CIE L* / 100 on grey and costs no power function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F

from ..checks import require_between
from ..errors import ImageError, SettingsError
from ..faces.align import TEMPLATES
from ..faces.masks.parts import Part, part_gains, template_landmarks
from ..pixels.color import luma
from ..pixels.filters import smoothstep
from ..wording import count

# How much of the strength each part gets.
PART_STRENGTHS: dict[Part, float] = {"eyes": 1.0, "lips": 0.8, "cheeks": 0.5, "hairline": 0.7}

# Values for a crop of this side; lengths scale with the side, gradients against it.
_SIDE = 512
# Deviations of the structure tensor's two Gaussians, and of the one that detail is what is finer than.
_GRADIENT_SIGMA, _TENSOR_SIGMA, _DETAIL_SIGMA = 1.0, 2.0, 1.5
# Coherence below the first is texture, above the second a line; texture counts by this share.
_COHERENCE, _TEXTURE_SHARE = (0.2, 0.6), 0.5
# Gradients of weak structure end here; those of edges that are to be left alone begin there.
_WEAK, _EDGE = (0.010, 0.030), (0.030, 0.048)
# Side of the window in which an edge or a highlight keeps its surroundings as they are, and of the one over which that
# ends.
_VETO_WINDOW, _VETO_END = 11, 5
_HIGHLIGHT = 0.92
# Detail beyond this amplitude is not raised further.
_DETAIL_LIMIT = 0.03
# Gradients of noise: their floor, and how much stronger structure has to be.
_NOISE_FLOOR, _NOISE_SPAN = 1.5, 3.0
_DEVIATION_PER_MEDIAN = 1.4826


def enhance(
    crops: torch.Tensor,
    strength: float = 0.6,
    landmarks: np.ndarray | None = None,
    *,
    template: str = "gpen",
    part_strengths: Mapping[Part, float] = PART_STRENGTHS,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Raise the weak detail of aligned faces.

    1. The structure tensor tells gradient strength and coherence of every place.
    2. Structure is credible where its gradient rises above that of the noise, more so where it has a direction.
    3. It is raised where it is weak, away from edges and highlights, by the strength of its part of the face.
    4. What is finer than a Gaussian is amplified, up to an amplitude, and kept within the least and the greatest of
       the 5 x 5 pixels around: nothing overshoots.

    The three channels of a pixel change alike, so that grey stays grey.

    Args:
        crops: B x 3 x H x W in 0..1, H = W.
        strength: 0 gives `crops` back, 0.6 is moderate, 1 strong; to 2.
        landmarks: B x 68 x 2 or B x 5 x 2 in pixels of the crops; left out, they are taken to lie on the template.
        template: `gpen` or `ffhq`, where there are no landmarks.
        part_strengths: how much of the strength eyes, lips, cheeks, hairline, skin and hair get, 0..1; 0 for those
            left out.

    Returns:
        The crops, and the gain, B x H x W: 0 where nothing is raised, `strength` at most.

    Raises:
        ImageError: the crops have another shape or hold NaN, or there are not as many landmarks.
        SettingsError: a strength is out of range.

    Example:
        >>> import torch
        >>> from gpen_blocks.gpen.detail.local_adaptive import enhance
        >>> crops = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
        >>> raised, gain = enhance(crops, strength=0.6)
        >>> raised.shape, gain.shape, bool(gain.max() <= 0.6)
        (torch.Size([2, 3, 128, 128]), torch.Size([2, 128, 128]), True)
    """
    _check(crops, strength, landmarks, part_strengths, template)
    if strength == 0 or len(crops) == 0:
        return crops, crops.new_zeros(crops.shape[:1] + crops.shape[-2:])
    size = crops.shape[-1]
    points = template_landmarks(len(crops), size, template) if landmarks is None else landmarks
    parts = part_gains(points, size, part_strengths, elsewhere=0.0).to(crops)
    lightness = luma(crops.float())
    gain = strength * parts * susceptibility(lightness)
    detail = lightness - _blur(lightness, _DETAIL_SIGMA * size / _SIDE)
    raised = lightness + gain * _DETAIL_LIMIT * torch.tanh(detail / _DETAIL_LIMIT)
    change = torch.minimum(torch.maximum(raised, _least(lightness, 5)), _greatest(lightness, 5)) - lightness
    # The step all channels can take alike. (Pairs of planes: a reduction over three is several times slower.)
    red, green, blue = crops.split(1, dim=1)
    darkest = torch.minimum(torch.minimum(red, green), blue)
    brightest = torch.maximum(torch.maximum(red, green), blue)
    change = torch.minimum(torch.maximum(change, -darkest), 1 - brightest)
    return crops + torch.where(gain > 0, change, 0).to(crops), gain[:, 0]


def susceptibility(lightness: torch.Tensor) -> torch.Tensor:
    """Where structure is weak, credible and away from edges and highlights.

    Args:
        lightness: B x 1 x H x W in 0..1.

    Returns:
        B x 1 x H x W in 0..1.
    """
    scale = lightness.shape[-1] / _SIDE
    strength, coherence = structure(lightness, _GRADIENT_SIGMA * scale, _TENSOR_SIGMA * scale)
    # The noise that is left in a gradient taken at this scale: sigma / (2 sqrt(pi) s^2), in the units of the crop.
    strength = strength * scale
    noise = noise_deviation(lightness) / (2 * math.sqrt(math.pi) * max(_GRADIENT_SIGMA * scale, 0.4) ** 2) * scale
    above = (strength**2 - (_NOISE_FLOOR * noise) ** 2).clamp_min(0)
    credible = 1 - torch.exp(-above / (_NOISE_SPAN * noise).clamp_min(1e-6) ** 2)
    credible = credible * torch.lerp(coherence.new_tensor(_TEXTURE_SHARE), torch.ones_like(coherence), coherence)
    edge = torch.maximum(strength, torch.where(lightness > _HIGHLIGHT, 1.0, 0.0))
    end = round(_VETO_END * scale) | 1
    edge = _greatest(edge, (max(round(_VETO_WINDOW * scale), 3) | 1) + end - 1)
    # What lies within the veto's own window is within the wider one for all pixels of this average: it stays whole.
    calm = _mean(1 - smoothstep(edge, *_EDGE), end)
    return credible * (1 - smoothstep(strength, *_WEAK)) * calm


def structure(lightness: torch.Tensor, sigma: float, rho: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient strength and credible direction by the structure tensor (Bigun and Granlund 1987; Weickert 1998).

    Args:
        lightness: B x 1 x H x W.
        sigma, rho: deviations, in pixels, of the Gaussian before the gradient and of the one over the tensor.

    Returns:
        The root of the tensor's trace, per pixel, and a smooth step over its coherence; B x 1 x H x W each.
    """
    smooth = _blur(lightness, sigma)
    padded = F.pad(smooth, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    xx, yy, xy = _blur(torch.cat([dx * dx, dy * dy, dx * dy], dim=1), rho).split(1, dim=1)
    trace = (xx + yy).clamp_min(0)
    coherence = ((xx - yy) ** 2 + 4 * xy**2).sqrt() / trace.clamp_min(1e-12)
    return trace.sqrt(), smoothstep(coherence, *_COHERENCE)


def noise_deviation(lightness: torch.Tensor) -> torch.Tensor:
    """Deviation of the noise of each picture: what a second difference along both axes leaves of it.

    After Immerkaer, "Fast noise variance estimation" (1996), with a median in place of the mean.

    Args:
        lightness: B x 1 x H x W.

    Returns:
        B x 1 x 1 x 1.
    """
    left = F.pad(lightness, (1, 1, 1, 1), mode="replicate")
    # The kernel is the product of two second differences.
    left = left[..., 2:, :] - 2 * left[..., 1:-1, :] + left[..., :-2, :]
    left = left[..., 2:] - 2 * left[..., 1:-1] + left[..., :-2]
    # A quarter of the pixels tells as much, and a median is slow.
    step = 2 if min(left.shape[-2:]) >= 64 else 1
    left = left[..., ::step, ::step].flatten(1).abs()
    return (_DEVIATION_PER_MEDIAN / 6 * left.median(dim=1).values).view(-1, 1, 1, 1)


def _blur(planes: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur for small deviations, mirrored at the borders where there is room.

    Sums of shifted planes: for a few taps far faster on a CPU than a convolution of one channel.
    """
    reach = max(1, math.ceil(3.5 * sigma))
    taps = [math.exp(-0.5 * (offset / max(sigma, 0.1)) ** 2) for offset in range(reach + 1)]
    total = taps[0] + 2 * sum(taps[1:])
    padded = F.pad(planes, (reach,) * 4, mode="reflect" if min(planes.shape[-2:]) > reach else "replicate")
    for axis in (-1, -2):
        length = padded.shape[axis] - 2 * reach
        blurred = padded.narrow(axis, reach, length) * (taps[0] / total)
        for offset in range(1, reach + 1):
            both = padded.narrow(axis, reach - offset, length) + padded.narrow(axis, reach + offset, length)
            blurred.add_(both, alpha=taps[offset] / total)
        padded = blurred
    return padded


def _greatest(planes: torch.Tensor, window: int) -> torch.Tensor:
    """Greatest value of the window around each pixel; the window is odd."""
    padded = F.pad(planes, (window // 2,) * 4, mode="replicate")
    for axis in (-1, -2):
        covered = 1
        while covered < window:
            step = min(covered, window - covered)
            length = padded.shape[axis] - step
            padded = torch.maximum(padded.narrow(axis, 0, length), padded.narrow(axis, step, length))
            covered += step
    return padded


def _mean(planes: torch.Tensor, window: int) -> torch.Tensor:
    """Mean of the window around each pixel; the window is odd."""
    padded = F.pad(planes, (window // 2,) * 4, mode="replicate")
    for axis in (-1, -2):
        length = padded.shape[axis] - window + 1
        total = padded.narrow(axis, 0, length).clone()
        for offset in range(1, window):
            total += padded.narrow(axis, offset, length)
        padded = total
    return padded / window**2


def _least(planes: torch.Tensor, window: int) -> torch.Tensor:
    return -_greatest(-planes, window)


def _check(
    crops: torch.Tensor,
    strength: float,
    landmarks: np.ndarray | None,
    part_strengths: Mapping[Part, float],
    template: str,
) -> None:
    if crops.ndim != 4 or crops.shape[1] != 3 or crops.shape[-1] != crops.shape[-2] or not crops.is_floating_point():
        raise ImageError(
            f"Crops must be B x 3 x S x S floating point in 0..1, got {tuple(crops.shape)} of {crops.dtype}; cut them "
            "with align_faces first."
        )
    if not crops.sum(dtype=torch.float32).isfinite():
        raise ImageError("The crops hold NaN or infinity, so they cannot be enhanced; mend the node before.")
    if landmarks is not None and len(landmarks) != len(crops):
        raise ImageError(f"Landmarks of {count(len(landmarks), 'crop')} came with {len(crops)}; give one set for each.")
    require_between("strength", strength, 0, 2)
    if template not in TEMPLATES:
        raise SettingsError(f"There is no landmark template {template!r}; choose from {', '.join(TEMPLATES)}.")
    for part, value in part_strengths.items():
        if part not in get_args(Part):
            raise SettingsError(f"There is no part {part!r} of a face; choose from {', '.join(get_args(Part))}.")
        require_between(f"The strength of {part}", value, 0, 1)

"""Local adaptive enhancement: more contrast where structure is weak but credible, none where it is already sharp.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1; lightness is BT.709 luma on the encoded values, which differs from
CIE L* / 100 by less than 0.03 on grey and needs no power function.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

import numpy as np
import torch
import torch.nn.functional as F

from ..checks import require_between, require_finite_images
from ..errors import ImageError, SettingsError
from ..faces.align import TEMPLATES
from ..faces.masks.parts import Part, part_gains, template_landmarks
from ..pixels.color import luma
from ..pixels.filters import box_mean, gaussian_blur, robust_deviation, smoothstep
from ..progress import Steps, each, no_steps
from ..wording import count

# Share of the strength for each part.
PART_STRENGTHS: dict[Part, float] = {"eyes": 1.0, "lips": 0.8, "cheeks": 0.5, "hairline": 0.7}

# The values are for a crop of this side; lengths are proportional to the side, gradients inversely.
_SIDE = 512
# Standard deviations of the structure tensor's two Gaussians, and of the one that separates detail.
_GRADIENT_SIGMA, _TENSOR_SIGMA, _DETAIL_SIGMA = 1.0, 2.0, 1.5
# Coherence below the first counts as texture, above the second as a line; texture has this weight.
_COHERENCE, _TEXTURE_SHARE = (0.2, 0.6), 0.5
# Upper limit of gradients of weak structure, and lower limit of gradients of edges, which are kept.
_WEAK, _EDGE = (0.010, 0.030), (0.030, 0.048)
# Side of the window in which an edge or highlight protects its surroundings, and of the one over which this fades.
_VETO_WINDOW, _VETO_END = 11, 5
_HIGHLIGHT = 0.92
# Detail above this amplitude is not enhanced further.
_DETAIL_LIMIT = 0.03
# Minimum gradient of noise, and the factor by which structure must exceed it.
_NOISE_FLOOR, _NOISE_SPAN = 1.5, 3.0


def enhance(
    crops: torch.Tensor,
    strength: float = 0.6,
    landmarks: np.ndarray | None = None,
    *,
    template: str = "gpen",
    part_strengths: Mapping[Part, float] = PART_STRENGTHS,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Enhance the weak detail of aligned faces.

    1. Compute gradient strength and coherence with the structure tensor.
    2. Treat structure as credible where its gradient exceeds that of the noise, more so where it has a direction.
    3. Enhance it where it is weak and away from edges and highlights, by the strength of its part of the face.
    4. Amplify the detail finer than a Gaussian up to an amplitude, and clip it to the range of the 5 x 5 neighbourhood
       to prevent overshoot.

    The three channels of a pixel change equally, so grey stays grey.

    Args:
        crops: B x 3 x H x W in 0..1, H = W.
        strength: 0..2; 0 returns `crops`, 0.6 is moderate, 1 is strong.
        landmarks: B x 68 x 2 or B x 5 x 2 in pixels of the crops; by default those of the template.
        template: `gpen` or `ffhq`; used without landmarks.
        part_strengths: share of the strength for eyes, lips, cheeks, hairline, skin and hair, 0..1; missing parts have
            0.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        The crops, and the gain, B x H x W: 0 where nothing is enhanced, at most `strength`.

    Raises:
        ImageError: the crops have a wrong shape or contain NaN, or the number of landmarks differs.
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
    result, gains = torch.empty_like(crops), crops.new_empty(crops.shape[:1] + crops.shape[-2:], dtype=torch.float32)
    for n, steps in each(range(len(crops)), progress):
        parts = part_gains(points[n : n + 1], size, part_strengths, elsewhere=0.0).to(crops)
        steps(1, 5)
        result[n : n + 1], gains[n : n + 1] = _enhance_one(crops[n : n + 1], strength * parts, steps)
    return result, gains


def _enhance_one(crops: torch.Tensor, parts: torch.Tensor, progress: Steps) -> tuple[torch.Tensor, torch.Tensor]:
    """Enhance 1 x 3 x H x W by 1 x 1 x H x W of strengths; also returns the gain, 1 x H x W."""
    size = crops.shape[-1]
    lightness = luma(crops.float())
    gain = parts * susceptibility(lightness)
    progress(3, 5)
    detail = lightness - gaussian_blur(lightness, _DETAIL_SIGMA * size / _SIDE)
    raised = lightness + gain * _DETAIL_LIMIT * torch.tanh(detail / _DETAIL_LIMIT)
    progress(4, 5)
    change = torch.minimum(torch.maximum(raised, _least(lightness, 5)), _greatest(lightness, 5)) - lightness
    # The step that all channels can make equally. (Pairs of planes: a reduction over three is several times slower.)
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
    # Remaining noise in a gradient at this scale: sigma / (2 sqrt(pi) s^2), in the units of the crop.
    strength = strength * scale
    noise = noise_deviation(lightness) / (2 * math.sqrt(math.pi) * max(_GRADIENT_SIGMA * scale, 0.4) ** 2) * scale
    above = (strength**2 - (_NOISE_FLOOR * noise) ** 2).clamp_min(0)
    credible = 1 - torch.exp(-above / (_NOISE_SPAN * noise).clamp_min(1e-6) ** 2)
    credible = credible * torch.lerp(coherence.new_tensor(_TEXTURE_SHARE), torch.ones_like(coherence), coherence)
    edge = torch.maximum(strength, torch.where(lightness > _HIGHLIGHT, 1.0, 0.0))
    end = round(_VETO_END * scale) | 1
    edge = _greatest(edge, (max(round(_VETO_WINDOW * scale), 3) | 1) + end - 1)
    # Pixels within the inner window of the veto are within the wider one for all pixels of this average, so the veto is
    # complete there.
    calm = box_mean(1 - smoothstep(edge, *_EDGE), end // 2)
    return credible * (1 - smoothstep(strength, *_WEAK)) * calm


def structure(lightness: torch.Tensor, sigma: float, rho: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradient strength and coherence from the structure tensor (Bigun and Granlund 1987; Weickert 1998).

    Args:
        lightness: B x 1 x H x W.
        sigma, rho: standard deviations in pixels of the Gaussians before the gradient and over the tensor.

    Returns:
        The root of the tensor's trace, per pixel, and a smooth step over its coherence; B x 1 x H x W each.
    """
    smooth = gaussian_blur(lightness, sigma)
    padded = F.pad(smooth, (1, 1, 1, 1), mode="replicate")
    dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    xx, yy, xy = gaussian_blur(torch.cat([dx * dx, dy * dy, dx * dy], dim=1), rho).split(1, dim=1)
    trace = (xx + yy).clamp_min(0)
    coherence = ((xx - yy) ** 2 + 4 * xy**2).sqrt() / trace.clamp_min(1e-12)
    return trace.sqrt(), smoothstep(coherence, *_COHERENCE)


def noise_deviation(lightness: torch.Tensor) -> torch.Tensor:
    """Standard deviation of the noise of each picture, from second differences along both axes.

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
    # A quarter of the pixels is sufficient, and a median is slow.
    step = 2 if min(left.shape[-2:]) >= 64 else 1
    left = left[..., ::step, ::step].flatten(1)
    return (robust_deviation(left, 1) / 6).view(-1, 1, 1, 1)


def _greatest(planes: torch.Tensor, window: int) -> torch.Tensor:
    """Maximum over the window around each pixel; the window is odd."""
    padded = F.pad(planes, (window // 2,) * 4, mode="replicate")
    for axis in (-1, -2):
        covered = 1
        while covered < window:
            step = min(covered, window - covered)
            length = padded.shape[axis] - step
            padded = torch.maximum(padded.narrow(axis, 0, length), padded.narrow(axis, step, length))
            covered += step
    return padded


def _least(planes: torch.Tensor, window: int) -> torch.Tensor:
    return -_greatest(-planes, window)


def _check(
    crops: torch.Tensor,
    strength: float,
    landmarks: np.ndarray | None,
    part_strengths: Mapping[Part, float],
    template: str,
) -> None:
    require_finite_images(crops, "Crops", square=True)
    if landmarks is not None and len(landmarks) != len(crops):
        raise ImageError(f"Landmarks of {count(len(landmarks), 'crop')} came with {len(crops)}; give one set for each.")
    require_between("strength", strength, 0, 2)
    if template not in TEMPLATES:
        raise SettingsError(f"There is no landmark template {template!r}; choose from {', '.join(TEMPLATES)}.")
    for part, value in part_strengths.items():
        if part not in get_args(Part):
            raise SettingsError(f"There is no part {part!r} of a face; choose from {', '.join(get_args(Part))}.")
        require_between(f"The strength of {part}", value, 0, 1)

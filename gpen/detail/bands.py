"""Frequency blend: keeps the photograph's own content and adds higher frequencies from the restored face.

Frequencies are in cycles per pixel. Images are sRGB-encoded RGB, B x 3 x H x W in 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ..checks import require_between, require_finite_images, require_same_shape
from ..choices import Colour
from ..errors import ImageError, SettingsError
from ..pixels.color import from_luma_chroma, luma_chroma
from ..pixels.filters import gaussian_blur
from ..pixels.resize import resize
from ..pixels.tone import colour_rule, judge_tone, keep_tones
from ..progress import Steps, each, no_steps, steps_within
from ..wording import count as counted
from .spectrum.crossover import SIGMA_PER_PERIOD, Crossover, find_crossover, passed_noise

# The upper band begins at this multiple of the cut-off.
_UPPER_BAND = 3.0
# Octaves below the cut-off in which noise is removed; in coarser ones it averages out.
_NOISY_OCTAVES = 4
# Values above this multiple of the noise variance are kept. Of 1, 2 and 4, 2 is within 0.3 dB of the best for each of
# 14 kinds of damage, and the smallest at which noisy skin looks smooth.
_NOISE_MARGIN = 2.0
# From this standard deviation on, in pixels, half the resolution is sufficient.
_HALVED_FROM = 3.8


def blend(
    base: torch.Tensor,
    detail: torch.Tensor,
    cutoff: float | torch.Tensor | None = None,
    *,
    middle_gain: float = 1.0,
    high_gain: float = 1.0,
    part_gain: torch.Tensor | None = None,
    deblur: float = 0.0,
    keep_grayscale: bool = True,
    colour: Colour | str = "auto",
    denoise: float = 1.0,
    jpeg_quality: Sequence[int | None] | None = None,
    crossovers: Sequence[Crossover] | None = None,
    progress: Steps = no_steps,
) -> torch.Tensor:
    """Combine the low band of one picture with the middle and high bands of another.

    `G(base) + detail - G(detail)` with a Gaussian G that passes one half at the cut-off: the split of Burt and Adelson,
    "A multiresolution spline" (1983), at a measured frequency. The photograph's noise is measured together with the
    cut-off and removed from the low band: the difference of the two pictures is split into octaves, of which only what
    exceeds the local noise is kept (local Wiener filter).

    Args:
        base: B x 3 x h x w in 0..1, the photographs' crops; resampled if their size differs from that of `detail`.
        detail: B x 3 x H x W, restored.
        cutoff: boundary of the two in cycles per pixel, one for all or one per picture (B); by default measured by
            `find_crossover`. 0 gives `detail`, 0.5 `base`.
        middle_gain: 0..4, gain of the detail from one to three times the cut-off: eyelids, lips, wrinkles.
        high_gain: 0..4, gain of finer detail: hair, pores.
        part_gain: B x 1 x H x W, additional gain of both, from `faces.masks.parts.part_gains`.
        deblur: 0..1, how much of the contrast lost to the photograph's blur below the cut-off is restored, by one step
            of van Cittert's deconvolution, which at most doubles it. At 0, the low band is that of the photograph,
            except for its noise.
        keep_grayscale: keep a base black and white, or toned in one colour, if it is.
        colour: `keep` or `grey` to skip that judgement, see `tone.Colour`.
        denoise: 0..1, how much of the measured noise is removed. At 1, only what exceeds twice the noise variance is
            kept in the low band, at 0 everything. Above the cut-off, noise is removed completely from 0.5 on, and kept
            at 0.
        jpeg_quality: quality 1..100 of each base's file, None if it is not a JPEG or unknown; a base of low quality is
            trusted less.
        crossovers: one for each picture, instead of measuring them; `cutoff` and `jpeg_quality` do not count then.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W in 0..1.

    Raises:
        ImageError: the two are not pairs of colour images, or contain NaN.
        SettingsError: a number is out of range.

    Example:
        >>> import torch
        >>> from gpen_blocks.gpen.detail.bands import blend
        >>> picture = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> same = blend(picture, picture)  # a picture with itself is itself
        >>> bool((same - picture).abs().max() < 1e-6)
        True
    """
    require_finite_images(base, "Base pictures")
    require_finite_images(detail, "Detail pictures")
    rule = colour_rule(colour, keep_grayscale)
    if len(base) != len(detail):
        require_same_shape(base, detail)
    gains = {"middle_gain": middle_gain, "high_gain": high_gain}
    for name, value in {**gains, "deblur": deblur, "denoise": denoise}.items():
        high = 4 if name in gains else 1
        require_between(name, value, 0, high)
    shape = (len(base), 1, *detail.shape[-2:])
    if part_gain is not None and (part_gain.shape != shape or not torch.isfinite(part_gain).all()):
        raise ImageError(f"The gains of parts must be finite, {shape}, got {tuple(part_gain.shape)}.")
    cutoffs = _cutoffs(cutoff, len(base))
    result = torch.empty_like(detail, dtype=base.dtype, device=base.device)
    for n, steps in each(range(len(base)), progress):
        one = slice(n, n + 1)
        own = base[one]
        if own.shape[-2:] != detail.shape[-2:]:
            own = resize(own, (detail.shape[-2], detail.shape[-1])).clamp(0, 1)
        quality = jpeg_quality and jpeg_quality[one]
        if crossovers is not None:
            crossover = crossovers[n]
        else:
            crossover = _find_crossover(own, detail[one], cutoffs[n], deblur, quality, steps_within(steps, 0, 1, 2))
        blended = _blend_one(
            own,
            detail[one],
            crossover,
            middle_gain=middle_gain,
            high_gain=high_gain,
            part_gain=None if part_gain is None else part_gain[one].to(base),
            deblur=deblur,
            denoise=denoise,
            progress=steps_within(steps, 1, 2, 2),
        )
        if rule != "keep":
            blended = keep_tones(blended, [judge_tone(own)], rule)
        result[one] = blended.clamp(0, 1)
    return result


def _blend_one(
    base: torch.Tensor,
    detail: torch.Tensor,
    crossover: Crossover,
    *,
    middle_gain: float,
    high_gain: float,
    part_gain: torch.Tensor | None,
    deblur: float,
    denoise: float,
    progress: Steps,
) -> torch.Tensor:
    """Blend 1 x 3 x H x W each."""
    own, other = luma_chroma(base), luma_chroma(detail)
    blur = float(crossover.blur[0])
    if deblur > 0 and blur > 0:
        own[:, :1] += deblur * (own[:, :1] - gaussian_blur(own[:, :1], blur))
    numbers = zip(crossover.cutoff[0].tolist(), (denoise * crossover.noise[0]).tolist(), strict=True)
    # Below 0.5, some noise above the cut-off is kept as well, where the restored face has none.
    grain = max(0.0, 1 - 2 * denoise) if float(crossover.noise[0].max()) > 0 else 0.0
    planes = [
        _scaled(b, limit, middle_gain, high_gain, part_gain)
        + _low_band(a - b, limit, noise)
        + (grain * (a - _low_pass(a, limit)) if grain else 0)
        for (a, b, (limit, noise)), _ in each(
            list(zip(own.split(1, 1), other.split(1, 1), numbers, strict=True)), progress
        )
    ]
    return from_luma_chroma(torch.cat(planes, dim=1))


def _cutoffs(cutoff: float | torch.Tensor | None, count: int) -> list[float | None]:
    """The given cut-off of each picture; None where it is measured."""
    if cutoff is None:
        return [None] * count
    values = torch.as_tensor(cutoff, dtype=torch.float32).flatten().tolist()
    if len(values) not in (1, count):
        raise SettingsError(
            f"{counted(len(values), 'cut-off')} cannot serve {counted(count, 'picture')}; give one, or one for each."
        )
    for value in values:
        require_between("cutoff", value, 0, 0.5)
    return values * count if len(values) == 1 else values


def _find_crossover(
    base: torch.Tensor,
    detail: torch.Tensor,
    cutoff: float | None,
    deblur: float,
    jpeg_quality: Sequence[int | None] | None,
    progress: Steps,
) -> Crossover:
    """Measure the crossover of one picture, or use the given cut-off without noise."""
    if cutoff is not None and deblur == 0:
        return Crossover(torch.full((1, 3), cutoff), torch.zeros(1, 3), torch.zeros(1))
    measured = find_crossover(base, detail, jpeg_quality, progress=progress)
    if cutoff is None:
        return measured
    return Crossover(torch.full((1, 3), cutoff), torch.zeros(1, 3), measured.blur)


def _low_band(difference: torch.Tensor, cutoff: float, noise: float) -> torch.Tensor:
    """Difference of two planes, 1 x 1 x H x W, below a cut-off, without noise."""
    smooth = _low_pass(difference, cutoff)
    if cutoff <= 0 or noise <= 0:
        return smooth
    if cutoff < 0.5:
        return _without_noise(smooth, SIGMA_PER_PERIOD / cutoff, noise, _NOISY_OCTAVES)
    sigma = SIGMA_PER_PERIOD / 0.25
    coarser = gaussian_blur(smooth, sigma)
    kept = _above_noise(smooth - coarser, noise * passed_noise(0, sigma), sigma)
    return kept + _without_noise(coarser, sigma, noise, _NOISY_OCTAVES - 1)


def _scaled(
    detail: torch.Tensor, cutoff: float, middle_gain: float, high_gain: float, part_gain: torch.Tensor | None
) -> torch.Tensor:
    """Apply gains to the bands of a plane above its cut-off."""
    if middle_gain == high_gain == 1 and part_gain is None:
        return detail
    low, middle = _low_pass(detail, cutoff), _low_pass(detail, min(_UPPER_BAND * cutoff, 0.5))
    above = middle_gain * (middle - low) + high_gain * (detail - middle)
    return low + (above if part_gain is None else part_gain * above)


def _low_pass(planes: torch.Tensor, cutoff: float) -> torch.Tensor:
    if cutoff <= 0:
        return torch.zeros_like(planes)
    return planes if cutoff >= 0.5 else gaussian_blur(planes, SIGMA_PER_PERIOD / cutoff)


def _without_noise(smooth: torch.Tensor, sigma: float, noise: float, octaves: int) -> torch.Tensor:
    """Keep only what exceeds the noise in each octave.

    Args:
        smooth: 1 x 1 x H x W, blurred with `sigma`.
        sigma: standard deviation in pixels.
        noise: noise power before the blur.
        octaves: number of octaves.
    """
    if octaves == 0:
        return smooth
    coarser = gaussian_blur(smooth, math.sqrt(3) * sigma)  # twice the standard deviation in total
    kept = _above_noise(smooth - coarser, noise * passed_noise(sigma, 2 * sigma), 2 * sigma)
    if 2 * sigma < _HALVED_FROM:
        return kept + _without_noise(coarser, 2 * sigma, noise, octaves - 1)
    size = coarser.shape[-2:]
    half = F.interpolate(coarser, [(side + 1) // 2 for side in size], mode="area")
    rest = _without_noise(half, sigma, noise / 4, octaves - 1)
    return kept + F.interpolate(rest, size, mode="bicubic")


def _above_noise(octave: torch.Tensor, variance: float, sigma: float) -> torch.Tensor:
    """Part of an octave, finer than `sigma`, that exceeds noise of the given variance."""
    power = gaussian_blur(octave**2, 1.5 * sigma)
    return octave * (1 - _NOISE_MARGIN * variance / power.clamp_min(1e-12)).clamp(0, 1)

"""Frequency blend: the photograph keeps what it truly contains, the restored face gives what lies above.

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
from ..pixels.tone import colour_rule, judge_tone, keep_tones
from ..wording import count as counted
from .spectrum.crossover import SIGMA_PER_PERIOD, Meeting, meeting_point, passed_noise

# The upper band begins at so many times the cut-off.
_UPPER_BAND = 3.0
# Octaves below the cut-off in which noise is looked for; coarser, so many pixels are averaged that none is left.
_NOISY_OCTAVES = 4
# What is kept is what exceeds this many times the noise's variance. Of 1, 2 and 4, 2 lies within 0.3 dB of the best in
# each of 14 kinds of damage, and is the least at which noisy skin looks calm.
_NOISE_MARGIN = 2.0
# From this deviation on, in pixels, half the resolution holds all there is.
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
) -> torch.Tensor:
    """Take the low band from one picture, and the middle and high ones from another.

    `G(base) + detail - G(detail)` with a Gaussian G that passes one half at the cut-off: the split of Burt and
    Adelson, "A multiresolution spline" (1983), at a frequency that is measured. A measured cut-off comes with a
    measure of the photograph's noise, which is taken out of the low band: the difference of the two pictures is split
    into octaves, and of each stays what exceeds the noise around it (local Wiener filter).

    Args:
        base: B x 3 x h x w in 0..1, the photographs' crops; another size than that of `detail` is resampled to it.
        detail: B x 3 x H x W, restored.
        cutoff: where the two meet, in cycles per pixel, one for all or one for each (B); `meeting_point` measures it
            where left out. 0 gives `detail`, 0.5 `base`.
        middle_gain: 0..4, on the detail from the cut-off to three times that: eyelids, lips, wrinkles.
        high_gain: 0..4, on the detail above: hair, pores.
        part_gain: B x 1 x H x W on both of them, as `faces.masks.parts.part_gains` makes it.
        deblur: 0..1, how much of the contrast that the photograph's blur takes below the cut-off is given back, by
            one step of van Cittert's deconvolution, which doubles it at most. At 0 the low band is the photograph's
            own, but for its noise.
        keep_grayscale: a base that is black and white, or toned in one colour, stays so.
        colour: `keep` or `grey` where that is not to be judged, see `tone.Colour`.
        denoise: 0..1, how much of the measured noise is taken out: at 1 what of the low band exceeds twice the noise's
            variance is kept, at 0 all; above the cut-off noise goes from 0.5 on, and stays at 0.
        jpeg_quality: 1..100 of the file that each base was cut from, None where it is no JPEG or nothing is known; at
            a low one the base is believed less.

    Returns:
        B x 3 x H x W in 0..1.

    Raises:
        ImageError: the two are not pairs of colour images, or hold NaN.
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
    if base.shape[-2:] != detail.shape[-2:]:
        base = F.interpolate(base, detail.shape[-2:], mode="bicubic", antialias=True).clamp(0, 1)
    require_same_shape(base, detail)
    rule = colour_rule(colour, keep_grayscale)
    gains = {"middle_gain": middle_gain, "high_gain": high_gain}
    for name, value in {**gains, "deblur": deblur, "denoise": denoise}.items():
        high = 4 if name in gains else 1
        require_between(name, value, 0, high)
    if part_gain is not None and (
        part_gain.shape != (len(base), 1, *base.shape[-2:]) or not torch.isfinite(part_gain).all()
    ):
        raise ImageError(
            f"The gains of parts must be finite, {(len(base), 1, *base.shape[-2:])}, got {tuple(part_gain.shape)}."
        )
    meeting = _meet(base, detail, cutoff, deblur, jpeg_quality)
    result = torch.empty_like(base)
    for index in range(len(base)):
        one = slice(index, index + 1)
        own, other = luma_chroma(base[one]), luma_chroma(detail[one])
        blur = float(meeting.blur[index])
        if deblur > 0 and blur > 0:
            own[:, :1] += deblur * (own[:, :1] - gaussian_blur(own[:, :1], blur))
        gain = None if part_gain is None else part_gain[one].to(base)
        numbers = zip(meeting.cutoff[index].tolist(), (denoise * meeting.noise[index]).tolist(), strict=True)
        # Below a half, some of the noise above the cut-off stays as well, where the restored face has none.
        grain = max(0.0, 1 - 2 * denoise) if float(meeting.noise[index].max()) > 0 else 0.0
        planes = [
            _scaled(b, limit, middle_gain, high_gain, gain)
            + _low_band(a - b, limit, noise)
            + (grain * (a - _low_pass(a, limit)) if grain else 0)
            for a, b, (limit, noise) in zip(own.split(1, 1), other.split(1, 1), numbers, strict=True)
        ]
        result[one] = from_luma_chroma(torch.cat(planes, dim=1))
    if rule != "keep":
        result = keep_tones(result, [judge_tone(base[n : n + 1]) for n in range(len(base))], rule)
    return result.clamp(0, 1)


def _meet(
    base: torch.Tensor,
    detail: torch.Tensor,
    cutoff: float | torch.Tensor | None,
    deblur: float,
    jpeg_quality: Sequence[int | None] | None,
) -> Meeting:
    """What is measured and what is given: a cut-off that is given comes without noise."""
    count = len(base)
    measured = meeting_point(base, detail, jpeg_quality) if cutoff is None or deblur > 0 else None
    if cutoff is None and measured is not None:
        return measured
    cutoffs = torch.as_tensor(cutoff, dtype=torch.float32).reshape(-1, 1)
    if len(cutoffs) not in (1, count):
        raise SettingsError(
            f"{counted(len(cutoffs), 'cut-off')} cannot serve {counted(count, 'picture')}; give one, or one for each."
        )
    for value in cutoffs.flatten().tolist():
        require_between("cutoff", value, 0, 0.5)
    blur = measured.blur if measured else torch.zeros(count)
    return Meeting(cutoffs.expand(count, 3), torch.zeros(count, 3), blur)


def _low_band(difference: torch.Tensor, cutoff: float, noise: float) -> torch.Tensor:
    """What two planes, 1 x 1 x H x W, differ by below a cut-off, and not by noise."""
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
    """A plane with the bands above its cut-off raised or lowered."""
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
    """Keep of each octave what exceeds its noise.

    Args:
        smooth: 1 x 1 x H x W, blurred with `sigma`.
        sigma: deviation in pixels.
        noise: its power before the blur.
        octaves: how many are looked at.
    """
    if octaves == 0:
        return smooth
    coarser = gaussian_blur(smooth, math.sqrt(3) * sigma)  # twice the deviation in all
    kept = _above_noise(smooth - coarser, noise * passed_noise(sigma, 2 * sigma), 2 * sigma)
    if 2 * sigma < _HALVED_FROM:
        return kept + _without_noise(coarser, 2 * sigma, noise, octaves - 1)
    size = coarser.shape[-2:]
    half = F.interpolate(coarser, [(side + 1) // 2 for side in size], mode="area")
    rest = _without_noise(half, sigma, noise / 4, octaves - 1)
    return kept + F.interpolate(rest, size, mode="bicubic")


def _above_noise(octave: torch.Tensor, variance: float, sigma: float) -> torch.Tensor:
    """What of an octave, finer than `sigma`, exceeds noise of a variance in it."""
    power = gaussian_blur(octave**2, 1.5 * sigma)
    return octave * (1 - _NOISE_MARGIN * variance / power.clamp_min(1e-12)).clamp(0, 1)

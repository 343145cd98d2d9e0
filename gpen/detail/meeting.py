"""Where a photograph ends and its restored version goes on: cut-off, blur and noise, measured from the two.

Frequencies are in cycles per pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..checks import require_finite_images, require_same_shape
from .color import luma_chroma
from .filters import gaussian_blur
from .radial import radial_power
from .spectrum import measure_cutoff

# A Gaussian of this deviation, in pixels, times its cut-off passes one half of the amplitude there.
SIGMA_PER_PERIOD = math.sqrt(2 * math.log(2)) / (2 * math.pi)

# Where less of the two pictures' power is shared, what the photograph has is noise or blocks, or what the restored
# face has is its own. Of 48 faces each in 14 kinds of damage, 0.8 lay within 0.3 dB of the best fixed cut-off wherever
# there was noise or compression; 0.5 lost up to 4 dB.
_SHARED = 0.8
# The same for each of the two colour differences: noise and chroma subsampling end them much earlier.
_SHARED_COLOR = 0.6
# For so many rings running, or it is chance.
_RUN = 3
# The photograph keeps at least what is coarser than this: its light and shade.
_LEAST_CUTOFF = 0.012
# Power of 8-bit rounding and below: there the pictures say nothing.
_NOTHING = 1e-7
# A weaker regression is none.
_LEAST_TRANSFER = 0.05
# "Just above" is between these multiples of the cut-off.
_ALONE_FROM, _ALONE_TO = 1.5, 2.0
# The calmer places: this share of them has less power. In noise it is this share of the mean that they reach.
_CALM, _CALM_POWER = 0.25, 0.75
# Half the resolution holds all there is below this frequency.
_HALVED_BELOW = 0.2
# Of the photograph's blur, more than this many times the deviation of the split is taken for a change of contrast.
_MOST_BLUR = 2.0


@dataclass(frozen=True, eq=False)
class Meeting:
    """Where photographs end and their restored faces go on. "Planes" are luma and the colour differences Cb and Cr.

    Attributes:
        cutoff: B x 3, cycles per pixel, of each plane; above it the photograph has nothing reliable, 0.5 where it has
            everything.
        noise: B x 3, power of the photograph's noise in each plane: variance in squared units of 0..1 if it went on
            like this over all frequencies.
        blur: B, deviation in pixels of the Gaussian that the photograph is blurred with beside the restored face.
    """

    cutoff: torch.Tensor
    noise: torch.Tensor
    blur: torch.Tensor


def meeting_point(base: torch.Tensor, detail: torch.Tensor) -> Meeting:
    """Measure where photographs end.

    1. The photograph's spectrum has a cut-off (`spectrum.measure_cutoff`): above it there is little.
    2. The coherence of the two pictures, ring by ring of frequency, tells where they stop showing the same: noise and
       blocks are the photograph's alone, invented detail is the restored face's alone. The cut-off is the lower of
       the two. The colour differences have cut-offs of their own, none above that of luma.
    3. What the photograph has alone just above the cut-off is noise, and goes on below it; but no more than its
       calmer places have there: detail lies here and there, noise everywhere.
    4. Below luma's cut-off the regression of the photograph on the restored face falls with frequency as far as the
       photograph is blurred: the slope of its logarithm over the squared frequency gives a Gaussian's deviation.

    Args:
        base: B x 3 x H x W in 0..1, the photographs' crops.
        detail: the same shape, restored.

    Returns:
        float32 on the CPU.

    Raises:
        ImageError: the two differ in shape or hold NaN.
    """
    require_finite_images(base, "Base pictures")
    require_finite_images(detail, "Detail pictures")
    require_same_shape(base, detail)
    own, other = luma_chroma(base.float()), luma_chroma(detail.float())
    luma_rings = _Rings.of(own[:, :1], other[:, :1])
    limit = measure_cutoff(own[:, :1]).double().cpu().clamp(_LEAST_CUTOFF, 0.5)
    cutoff = luma_rings.first_apart(_SHARED, limit)
    # Colour differences lie around 0, and what is measured around a half.
    blue, red = (_Rings.of(own[:, [plane]] + 0.5, other[:, [plane]] + 0.5) for plane in (1, 2))
    rings = (luma_rings, blue, red)
    cutoffs = torch.stack([cutoff, *(one.first_apart(_SHARED_COLOR, cutoff) for one in rings[1:])], dim=1)
    calm = [
        [_calm_power(plane[None, None], limit) for plane, limit in zip(picture, limits, strict=True)]
        for picture, limits in zip(own, cutoffs.tolist(), strict=True)
    ]
    alone = torch.stack([one.alone(limit) for one, limit in zip(rings, cutoffs.unbind(1), strict=True)], dim=1)
    noise = torch.minimum(alone, torch.tensor(calm, dtype=alone.dtype).view_as(alone)).float()
    return Meeting(cutoffs.float(), noise, luma_rings.blur(cutoff).float())


@dataclass(frozen=True, eq=False)
class _Rings:
    """Two batches of planes over rings of frequency; float64 on the CPU.

    Attributes:
        frequencies: R, cycles per pixel.
        power: B x R, of the first.
        shared: B x R in 0..1, magnitude-squared coherence.
        transfer: B x R, regression of the first on the second.
    """

    frequencies: torch.Tensor
    power: torch.Tensor
    shared: torch.Tensor
    transfer: torch.Tensor

    @classmethod
    def of(cls, a: torch.Tensor, b: torch.Tensor) -> _Rings:
        # Lifted from black, so that no border is looked for: all three have to be seen through the same window.
        curves = radial_power(torch.cat([a, b, a + b]) / 2 + 0.25, judge_noise=False)
        own, other, both = _smooth(4 * curves.power).chunk(3)
        common = (both - own - other) / 2
        shared = common.clamp_min(0) ** 2 / (own * other).clamp_min(1e-30)
        # Where one of them has nothing, there is nothing to disagree about.
        shared = torch.where(torch.minimum(own, other) > _NOTHING, shared, 1.0)
        return cls(curves.frequencies, own, shared, common / other.clamp_min(1e-30))

    def first_apart(self, least: float, limit: torch.Tensor) -> torch.Tensor:
        """The first frequency from which on too little is shared, or `limit` (B) where that is lower; B."""
        apart = (self.shared < least) & (self.frequencies >= _LEAST_CUTOFF)
        found = limit.clone()
        if apart.shape[1] < _RUN:
            return found
        for index, ring in enumerate(apart):
            runs = ring.unfold(0, _RUN, 1).all(dim=1).nonzero()
            if len(runs):
                found[index] = torch.minimum(limit[index], self.frequencies[runs[0, 0]])
        return found

    def alone(self, cutoff: torch.Tensor) -> torch.Tensor:
        """Power of what the first has alone just above the cut-offs (B), B; 0 where nothing lies above."""
        above = (self.frequencies >= _ALONE_FROM * cutoff[:, None]) & (self.frequencies <= _ALONE_TO * cutoff[:, None])
        return torch.where(above, self.power * (1 - self.shared), 0).sum(dim=1) / above.sum(dim=1).clamp_min(1)

    def blur(self, cutoff: torch.Tensor) -> torch.Tensor:
        """Deviation in pixels of the Gaussian whose transfer falls like this below the cut-offs, B."""
        used = (self.frequencies > 0) & (self.frequencies <= cutoff[:, None]) & (self.transfer > _LEAST_TRANSFER)
        weights = torch.where(used, self.shared**2, 0)
        weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-12)
        x, y = (self.frequencies**2).expand_as(self.transfer), self.transfer.clamp_min(_LEAST_TRANSFER).log()
        x = x - (weights * x).sum(dim=1, keepdim=True)
        slope = (weights * x * y).sum(dim=1) / (weights * x**2).sum(dim=1).clamp_min(1e-30)
        sigma = (-slope).clamp_min(0).sqrt() / (math.sqrt(2) * math.pi)
        return torch.minimum(sigma, _MOST_BLUR * SIGMA_PER_PERIOD / cutoff)


def _calm_power(plane: torch.Tensor, cutoff: float) -> float:
    """Power, if it were noise, of the calmer places of 1 x 1 x H x W in the octave above the cut-off; 0 if none is."""
    if 2 * cutoff > 0.5:
        return 0.0
    scale = 1.0
    while 2 * cutoff <= _HALVED_BELOW and min(plane.shape[-2:]) >= 32:
        plane, cutoff, scale = F.avg_pool2d(plane, 2), 2 * cutoff, 4 * scale
    sigma = SIGMA_PER_PERIOD / cutoff
    octave = gaussian_blur(plane, sigma / 2) - gaussian_blur(plane, sigma)
    power = gaussian_blur(octave**2, 3 * sigma).flatten()
    calm = float(power.kthvalue(max(1, int(_CALM * len(power)))).values)
    return scale * calm / (_CALM_POWER * passed_noise(sigma / 2, sigma))


def passed_noise(sigma: float, coarser: float) -> float:
    """Share of white noise's variance that the difference of two Gaussians, deviations in pixels, passes."""

    def both(a: float, b: float) -> float:
        return min(1.0, 1 / (2 * math.pi * (a * a + b * b)))

    return both(sigma, sigma) + both(coarser, coarser) - 2 * both(sigma, coarser)


def _smooth(curves: torch.Tensor) -> torch.Tensor:
    return F.avg_pool1d(F.pad(curves[:, None], (1, 1), mode="replicate"), 3, stride=1)[:, 0]

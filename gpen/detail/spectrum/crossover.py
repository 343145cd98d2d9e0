"""Crossover from a photograph to its restored version: cut-off, blur and noise, measured from both.

Frequencies are in cycles per pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ...checks import require_finite_images, require_same_shape
from ...pixels.color import luma_chroma
from ...pixels.filters import smoothstep
from ...progress import Steps, each, no_steps, steps_within
from .analysis import measure_cutoff
from .noise_limit import NoiseFloor, noise_floor
from .power import radial_power

# A Gaussian of this deviation, in pixels, times its cut-off passes one half of the amplitude there.
SIGMA_PER_PERIOD = math.sqrt(2 * math.log(2)) / (2 * math.pi)

# If the coherence of the two pictures is below this and the photograph is damaged there, it contains noise or blocks.
# For 48 faces with 14 kinds of damage each, 0.8 was within 0.3 dB of the best fixed cut-off in all cases with noise or
# compression; 0.5 lost up to 4 dB.
_SHARED = 0.8
# The same for the two colour differences, which end much earlier because of noise and chroma subsampling.
_SHARED_COLOR = 0.6
# A ring counts increasingly as damaged as its share of noise rises from the first to the second value.
_DOUBT_FROM, _DOUBT_TO = 0.02, 0.2
# A blurred or enlarged photograph is trusted less, by this much, as its cut-off falls from the first to the second
# value: below a coherence of one third it may contain JPEG blocks, which cannot be detected after enlarging. Gains up
# to 0.2 dB.
_BLURRED_DOUBT, _BLURRED_FROM, _BLURRED_TO = 0.4, 0.32, 0.22
# JPEG hides noise but leaves blocks: a file counts increasingly as damaged as its quality falls from the first to the
# second value.
SOUND_QUALITY, _BAD_QUALITY = 45, 25
# Minimum number of consecutive rings, to exclude chance.
_RUN = 3
# Below this frequency the photograph is always kept: its light and shade.
_LEAST_CUTOFF = 0.012
# Power of 8-bit rounding; nothing can be measured below it.
_NOTHING = 1e-7
# Weaker regressions are ignored.
_LEAST_TRANSFER = 0.05
# A blur above this multiple of the split's standard deviation counts as a change of contrast.
_MOST_BLUR = 2.0


@dataclass(frozen=True, eq=False)
class Crossover:
    """Crossover from photographs to their restored faces. "Planes" are luma and the colour differences Cb and Cr.

    Attributes:
        cutoff: B x 3, cut-off of each plane in cycles per pixel; above it the photograph is not reliable. 0.5: reliable
            throughout.
        noise: B x 3, power of the photograph's noise in each plane, in the octave below the cut-off: variance in
            squared units of 0..1 if it went on like this over all frequencies.
        blur: B, standard deviation in pixels of the photograph's Gaussian blur relative to the restored face.
    """

    cutoff: torch.Tensor
    noise: torch.Tensor
    blur: torch.Tensor


def find_crossover(
    base: torch.Tensor,
    detail: torch.Tensor,
    jpeg_quality: Sequence[int | None] | None = None,
    *,
    progress: Steps = no_steps,
) -> Crossover:
    """Measure the crossover.

    1. Measure the cut-off of the photograph's spectrum (`spectrum.measure_cutoff`): above it, there is little power
       because of blur, or more noise than detail.
    2. Below it, trust the photograph even where the restored face differs, since the network may have smoothed
       something away. Only if the photograph is known to be damaged by noise (`noise.noise_floor`) or JPEG, lower the
       cut-off to where the coherence of the two pictures falls. The colour differences have separate cut-offs, none
       above that of luma.
    3. Below luma's cut-off, the regression of the photograph on the restored face falls with frequency if the
       photograph is blurred: the slope of its logarithm over the squared frequency gives the standard deviation of a
       Gaussian.

    Args:
        base: B x 3 x H x W in 0..1, the photographs' crops.
        detail: the same shape, restored.
        jpeg_quality: quality 1..100 of each photograph's file; None if it is not a JPEG or unknown.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        float32 on the CPU.

    Raises:
        ImageError: the two differ in shape or hold NaN.
    """
    require_finite_images(base, "Base pictures")
    require_finite_images(detail, "Detail pictures")
    require_same_shape(base, detail)
    own, other = luma_chroma(base.float()), luma_chroma(detail.float())
    first, second, third, *colours = (steps_within(progress, part, part + 1, 5) for part in range(5))
    luma_rings = Rings.of(own[:, :1], other[:, :1], progress=first)
    blocks = torch.tensor([_doubt_of_jpeg(quality) for quality in jpeg_quality or [None] * len(base)])
    limit = measure_cutoff(own[:, :1], progress=second).double().cpu().clamp(_LEAST_CUTOFF, 0.5)
    blurred = smoothstep(_BLURRED_FROM - limit.float(), 0.0, _BLURRED_FROM - _BLURRED_TO)
    known = torch.maximum(blocks, _BLURRED_DOUBT * blurred)
    floors = [[noise_floor(plane) for plane in picture] for picture, _ in each(list(own), third)]
    cutoffs: list[torch.Tensor] = []
    for plane, least in enumerate((_SHARED, _SHARED_COLOR, _SHARED_COLOR)):
        # Colour differences are around 0, but the measurement expects values around 0.5.
        rings = luma_rings
        if plane:
            rings = Rings.of(own[:, [plane]] + 0.5, other[:, [plane]] + 0.5, progress=colours[plane - 1])
        doubt = torch.stack([_doubt(one[plane], rings.frequencies) for one in floors]) if len(base) else rings.shared
        cutoffs.append(rings.first_disagreement(least * torch.maximum(doubt, known[:, None]), limit))
        limit = cutoffs[0]
    noise = [
        [0.0 if floor is None else floor.between(end / 2, end) for floor, end in zip(planes, ends, strict=True)]
        for planes, ends in zip(floors, torch.stack(cutoffs, dim=1).tolist(), strict=True)
    ]
    return Crossover(
        torch.stack(cutoffs, dim=1).float(), torch.tensor(noise).reshape(-1, 3), luma_rings.blur(cutoffs[0]).float()
    )


def _doubt(floor: NoiseFloor | None, frequencies: torch.Tensor) -> torch.Tensor:
    """R in 0..1; how little a photograph is trusted where the restored face differs; 1 if nothing can be measured."""
    if floor is None:
        return torch.ones(len(frequencies))
    return smoothstep(floor.at(frequencies), _DOUBT_FROM, _DOUBT_TO).float()


def _doubt_of_jpeg(quality: int | None) -> float:
    if quality is None:
        return 0.0
    return float(smoothstep(torch.tensor(float(SOUND_QUALITY - quality)), 0.0, SOUND_QUALITY - _BAD_QUALITY))


@dataclass(frozen=True, eq=False)
class Rings:
    """Spectra of two batches of planes on rings of frequency; float64 on the CPU.

    Attributes:
        frequencies: R, cycles per pixel.
        power: B x R, power of the first.
        painted: B x R, power of the second.
        shared: B x R in 0..1, magnitude-squared coherence.
        transfer: B x R, regression of the first on the second.
    """

    frequencies: torch.Tensor
    power: torch.Tensor
    painted: torch.Tensor
    shared: torch.Tensor
    transfer: torch.Tensor

    @classmethod
    def of(cls, a: torch.Tensor, b: torch.Tensor, *, progress: Steps = no_steps) -> Rings:
        # Offset from black, so that no border is detected: all three must have the same window.
        curves = radial_power(torch.cat([a, b, a + b]) / 2 + 0.25, judge_noise=False, progress=progress)
        own, other, both = _smooth(4 * curves.power).chunk(3)
        common = (both - own - other) / 2
        shared = common.clamp_min(0) ** 2 / (own * other).clamp_min(1e-30)
        # If one of them has no power, there is no disagreement.
        shared = torch.where(torch.minimum(own, other) > _NOTHING, shared, 1.0)
        return cls(curves.frequencies, own, other, shared, common / other.clamp_min(1e-30))

    def agreement(self, low: float, high: float) -> torch.Tensor:
        """B in 0..1, mean coherence between two frequencies."""
        return self.shared[:, (self.frequencies >= low) & (self.frequencies < high)].mean(dim=1)

    def level(self, low: float, high: float) -> torch.Tensor:
        """B, the power of the first over that of the second between two frequencies."""
        inside = (self.frequencies >= low) & (self.frequencies < high)
        return self.power[:, inside].mean(dim=1) / self.painted[:, inside].mean(dim=1).clamp_min(1e-30)

    def first_disagreement(self, least: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        """The first frequency from which the coherence is below `least` (B x R), or `limit` (B) if that is lower; B."""
        apart = (self.shared < least) & (self.frequencies >= _LEAST_CUTOFF)
        found = limit.clone()
        if apart.shape[1] < _RUN:
            return found
        for index, ring in enumerate(apart):
            runs = ring.unfold(0, _RUN, 1).all(dim=1).nonzero()
            if len(runs):
                found[index] = torch.minimum(limit[index], self.frequencies[runs[0, 0]])
        return found

    def blur(self, cutoff: torch.Tensor) -> torch.Tensor:
        """Standard deviation in pixels of the Gaussian that fits the transfer below the cut-offs, B."""
        used = (self.frequencies > 0) & (self.frequencies <= cutoff[:, None]) & (self.transfer > _LEAST_TRANSFER)
        weights = torch.where(used, self.shared**2, 0)
        weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-12)
        x, y = (self.frequencies**2).expand_as(self.transfer), self.transfer.clamp_min(_LEAST_TRANSFER).log()
        x = x - (weights * x).sum(dim=1, keepdim=True)
        slope = (weights * x * y).sum(dim=1) / (weights * x**2).sum(dim=1).clamp_min(1e-30)
        sigma = (-slope).clamp_min(0).sqrt() / (math.sqrt(2) * math.pi)
        return torch.minimum(sigma, _MOST_BLUR * SIGMA_PER_PERIOD / cutoff)


def passed_noise(sigma: float, coarser: float) -> float:
    """Share of white noise's variance that a difference of two Gaussians (deviations in pixels) passes."""

    def both(a: float, b: float) -> float:
        spread = 2 * math.pi * (a * a + b * b)
        return 1.0 if spread <= 1 else 1 / spread

    return both(sigma, sigma) + both(coarser, coarser) - 2 * both(sigma, coarser)


def _smooth(curves: torch.Tensor) -> torch.Tensor:
    return F.avg_pool1d(F.pad(curves[:, None], (1, 1), mode="replicate"), 3, stride=1)[:, 0]

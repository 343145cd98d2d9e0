"""Training losses of the generator.

Images are B x 3 x H x W in 0..1. Every loss is a scalar, 0 at best, with a gradient for its first argument.
Frequencies are in cycles per pixel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...detail.spectrum.power import BAND_EDGES, column_counts, frequency_plane
from ...network.ops import without_autocast
from ...pixels.color import luma
from ...pixels.filters import hann_window, taper

# An 8-bit step: differences of energy below it cannot be seen, and divisions stay finite.
_STEP = 1 / 255
# Of the smooth L1 loss.
_SQUARED_BELOW = 0.05


def smooth_l1(output: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute difference, squared below 0.05 (Girshick, "Fast R-CNN", 2015), in units of the difference."""
    return F.smooth_l1_loss(output, truth, beta=_SQUARED_BELOW)


def focal_frequency(output: Tensor, truth: Tensor) -> Tensor:
    """Focal frequency loss (Jiang et al., ICCV 2021, with its alpha of 1): squared difference of spectra, the
    frequencies that are farthest off weighted most.

    Between 0 and the mean squared error of two batches, B x 3 x H x W.
    """
    with without_autocast(output.device):
        difference = torch.fft.fft2(output.float() - truth.float(), norm="ortho")
        power = torch.view_as_real(difference).square().sum(dim=-1)
        weight = power.detach().sqrt()
        largest = weight.amax(dim=(-2, -1), keepdim=True)
        return (weight / largest.clamp(min=torch.finfo(weight.dtype).tiny) * power).mean()


class BandTerms(nn.Module):
    """Two terms on frequency bands in small windows of the face: the amount of detail, and its agreement.

    The first is the frequency-aware term, weighted by facial parts: the logarithm of the output's energy in each
    band over the truth's. Energy knows neither phase nor place: over a whole face, or a whole part, it can be bought
    with a few bright ridges along lids and brows. Hence it is taken in overlapping windows, each weighted by the
    parts it covers, and beside it stands the agreement: the energy of the difference over the truth's, 0 where
    the detail is right, 1 where it is missing, 2 where as much of it is invented.

    1. Take the luma apart into windows with a hop of half their side, subtract each one's weighted mean and multiply by
       a Hann window, under which a hard edge leaks less than 1e-8 into other bands.
    2. Sum |FFT|^2 over the bands from 1/16, 1/8 and 1/4 on, over the sum of the squared window.
    3. Compare; the truth's energy counts times the gain of the parts.

    Args:
        weights: H x W, how much each place counts: one number for each facial part.
        gains: H x W, wanted energy over the truth's.
        band_weights: of the bands below 1/16, to 1/8, to 1/4 and above.
        window: side of a window in pixels.
    """

    weights: Tensor
    gains: Tensor
    taper: Tensor
    bands: Tensor
    band_weights: Tensor
    floor: Tensor

    def __init__(
        self,
        weights: Tensor,
        gains: Tensor,
        band_weights: Sequence[float] = (0.0, 0.25, 0.5, 1.0),
        window: int = 32,
    ) -> None:
        super().__init__()
        self.window = window
        hann = hann_window(window)
        frequency = frequency_plane(window, window)
        band = torch.bucketize(frequency, torch.tensor(BAND_EDGES), right=True)
        counts = column_counts(window)
        bands = torch.stack([(band == index) * counts for index in range(len(BAND_EDGES) + 1)])
        self.register_buffer("taper", hann[:, None] * hann, persistent=False)
        self.register_buffer("bands", bands.flatten(1), persistent=False)
        self.register_buffer("floor", bands.flatten(1).sum(dim=1) * _STEP**2, persistent=False)
        self.register_buffer("band_weights", torch.tensor(band_weights), persistent=False)
        self.register_buffer("weights", self._averages(weights), persistent=False)
        self.register_buffer("gains", self._averages(gains), persistent=False)

    def forward(self, output: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Energy term and agreement term of B x 3 x H x W pictures."""
        with without_autocast(output.device):
            theirs = self._spectra(truth.detach())
            ours = self._spectra(output)
            wanted, found = self._energies(theirs), self._energies(ours)  # B x windows x bands
            off = self._energies(ours - theirs)
        energy = (torch.log(found + self.floor) - torch.log(self.gains[:, None] * wanted + self.floor)).abs()
        agreement = off / (wanted + self.floor)
        weight = self.weights[:, None] * self.band_weights
        weight = weight / weight.sum()
        return (weight * energy).sum(dim=(1, 2)).mean(), (weight * agreement).sum(dim=(1, 2)).mean()

    def _spectra(self, images: Tensor) -> Tensor:
        """B x windows x window x (window // 2 + 1), complex."""
        tiles = luma(images.float())[:, 0].unfold(1, self.window, self.window // 2)
        tiles = tiles.unfold(2, self.window, self.window // 2).flatten(1, 2)
        return torch.fft.rfft2(taper(tiles, self.taper))

    def _energies(self, spectra: Tensor) -> Tensor:
        power = torch.view_as_real(spectra).square().sum(dim=-1).flatten(2)
        return power @ self.bands.T / self.taper.square().sum()

    def _averages(self, plane: Tensor) -> Tensor:
        """The mean of a plane under each window, weighted by it."""
        tiles = plane.float().unfold(0, self.window, self.window // 2).unfold(1, self.window, self.window // 2)
        return ((tiles * self.taper).sum(dim=(-2, -1)) / self.taper.sum()).flatten()


def generator_adversarial(fake_scores: Tensor) -> Tensor:
    """Non-saturating logistic loss of the generator (Goodfellow et al. 2014), from the discriminator's B x 1 scores."""
    return F.softplus(-fake_scores).mean()


def discriminator_adversarial(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Logistic loss of the discriminator, from its scores of true and of restored faces."""
    return F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean()


def r1_penalty(real_scores: Tensor, real: Tensor) -> Tensor:
    """Squared gradient of the scores at true faces (Mescheder et al., ICML 2018), mean over the batch.

    Args:
        real_scores: B x 1, computed from `real`.
        real: B x 3 x H x W with `requires_grad`.
    """
    (gradient,) = torch.autograd.grad(real_scores.sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def feature_matching(output: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """Mean absolute difference of a network's feature maps, mean over the maps (Johnson et al., ECCV 2016)."""
    return torch.stack([F.l1_loss(ours, theirs.detach()) for ours, theirs in zip(output, truth, strict=True)]).mean()


def identity(output: Tensor, truth: Tensor) -> Tensor:
    """1 - cosine of two face-recognition embeddings, B x D, mean over the batch (as GPEN's training has it)."""
    return (1 - F.cosine_similarity(output, truth.detach(), dim=1)).mean()

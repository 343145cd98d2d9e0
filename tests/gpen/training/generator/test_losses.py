"""Losses: their bounds, what they do not see, and gradients that are there and finite."""

import pytest
import torch
from torch import nn

from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.training.generator.losses import (
    BandTerms,
    discriminator_adversarial,
    feature_matching,
    focal_frequency,
    generator_adversarial,
    identity,
    r1_penalty,
    smooth_l1,
)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    truth = gaussian_blur(torch.rand(2, 3, 64, 64), 1.0)
    return gaussian_blur(truth, 1.0), truth


def band_terms(side: int = 64, gain: float = 1.0, **options) -> BandTerms:
    return BandTerms(torch.ones(side, side), torch.full((side, side), gain), **options)


def test_smooth_l1_is_the_difference_far_off_and_its_square_near_by():
    zero = torch.zeros(1, 3, 4, 4)
    assert smooth_l1(zero + 0.5, zero).item() == pytest.approx(0.5 - 0.025)
    assert smooth_l1(zero + 0.01, zero).item() == pytest.approx(0.01**2 / (2 * 0.05))


def test_focal_frequency_lies_between_zero_and_the_squared_error(pair):
    output, truth = pair
    error = (output - truth).square().mean()
    assert 0 < focal_frequency(output, truth) <= error
    torch.testing.assert_close(focal_frequency(truth + 0.1, truth), torch.tensor(0.01))
    assert focal_frequency(truth, truth).item() == 0


def test_focal_frequency_does_not_see_a_shift_of_both(pair):
    output, truth = pair
    moved = [picture.roll((5, 9), (2, 3)) for picture in (output, truth)]
    torch.testing.assert_close(focal_frequency(*moved), focal_frequency(output, truth))


def test_band_terms_are_zero_for_equal_pictures_and_finite_for_flat_ones(pair):
    _, truth = pair
    energy, agreement = band_terms()(truth, truth)
    assert energy.item() < 1e-6 and agreement.item() == 0
    flat = torch.full_like(truth, 0.5)
    for first, second in ((flat, flat), (flat, truth), (truth, flat)):
        assert all(torch.isfinite(term) for term in band_terms()(first, second))


def test_a_gain_asks_for_that_much_more_energy(pair):
    """Gain 1.15: a picture with 1.15 times the truth's energy has it."""
    _, truth = pair
    terms = band_terms(gain=1.15, band_weights=(0, 1, 1, 1))
    mean = truth.mean(dim=(2, 3), keepdim=True)
    louder = (truth - mean) * 1.15**0.5 + mean
    assert terms(louder, truth)[0] < 0.02
    assert terms(truth, truth)[0].item() == pytest.approx(torch.tensor(1.15).log().item(), abs=0.01)


def test_energy_is_blind_to_phase_and_agreement_is_not(pair):
    """Detail turned upside down in brightness has all its energy and none of its truth."""
    _, truth = pair
    wrong = 1 - truth
    energy, agreement = band_terms()(wrong, truth)
    assert energy.item() < 1e-3
    assert agreement.item() == pytest.approx(4, rel=0.05)
    missing = gaussian_blur(truth, 8.0)
    energy, agreement = band_terms()(missing, truth)
    assert energy.item() > 2 and agreement.item() == pytest.approx(1, rel=0.1)


def test_energy_in_one_place_does_not_pay_for_another(pair):
    """Over the whole picture, a few ridges would make up for detail that is missing everywhere else."""
    _, truth = pair
    soft = gaussian_blur(truth, 2.0)
    ridge = soft.clone()
    missing = ((truth - soft) ** 2).sum(dim=(2, 3), keepdim=True)
    stripe = torch.zeros_like(truth)
    stripe[..., 30:34, 30:34] = torch.tensor([1.0, -1.0]).repeat(2)
    ridge = soft + 0.12 * stripe * (missing / stripe.square().sum(dim=(2, 3), keepdim=True)).sqrt()
    whole = BandTerms(torch.ones(64, 64), torch.ones(64, 64), (0, 0, 0, 1), window=64)
    local = BandTerms(torch.ones(64, 64), torch.ones(64, 64), (0, 0, 0, 1), window=16)
    assert whole(ridge, truth)[0] < 0.5 * whole(soft, truth)[0]
    assert local(ridge, truth)[0] > 0.9 * local(soft, truth)[0]


def test_the_window_keeps_low_frequencies_out_of_the_high_band():
    """A hard edge leaks 4e-3 of a slow wave into the highest band; a window with soft ends less than 1e-6."""
    x = torch.arange(64) / 64
    wave = (0.5 + 0.4 * torch.sin(2 * torch.pi * 1.3 * x)).expand(1, 3, 64, 64)
    terms = band_terms(window=64)
    energies = terms._energies(terms._spectra(wave))[0, 0]
    assert energies[3] / energies.sum() < 1e-6
    hard = torch.fft.rfft2(luma(wave)[0, 0] - luma(wave).mean()).abs() ** 2
    assert hard[:, 16:].sum() / hard.sum() > 1e-4


def test_places_without_weight_are_not_looked_at(pair):
    output, truth = pair
    weights = torch.zeros(64, 64)
    weights[:, :8] = 1
    terms = BandTerms(weights, torch.ones(64, 64))
    elsewhere = truth.clone()
    elsewhere[..., 34:] = output[..., 34:]
    assert terms(elsewhere, truth)[0].item() < 1e-6 < 1e-3 < terms(output, truth)[0].item()


@pytest.mark.parametrize("name", ["smooth_l1", "focal_frequency", "energy", "agreement"])
def test_gradients_are_finite_and_not_zero(pair, name):
    output, truth = pair
    output = output.clone().requires_grad_()
    terms = band_terms()
    losses = {
        "smooth_l1": lambda: smooth_l1(output, truth),
        "focal_frequency": lambda: focal_frequency(output, truth),
        "energy": lambda: terms(output, truth)[0],
        "agreement": lambda: terms(output, truth)[1],
    }
    (gradient,) = torch.autograd.grad(losses[name](), output)
    assert torch.isfinite(gradient).all() and gradient.abs().max() > 0


def test_adversarial_losses():
    sure, wrong = torch.tensor([[10.0]]), torch.tensor([[-10.0]])
    assert generator_adversarial(sure) < 1e-4 < 9 < generator_adversarial(wrong)
    assert discriminator_adversarial(sure, wrong) < 1e-4 < 9 < discriminator_adversarial(wrong, sure)


def test_r1_is_the_squared_gradient_of_the_score():
    weight = torch.randn(3, 4, 4)
    real = torch.randn(5, 3, 4, 4, requires_grad=True)
    scores = (real * weight).sum(dim=(1, 2, 3))[:, None]
    torch.testing.assert_close(r1_penalty(scores, real), weight.square().sum())
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Softplus(), nn.Flatten(), nn.Linear(8, 1))
    r1_penalty(network(real), real).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network[0].parameters())


def test_feature_and_identity_terms():
    maps = [torch.rand(2, 4, 8, 8), torch.rand(2, 8, 4, 4)]
    assert feature_matching(maps, maps).item() == 0
    assert feature_matching([m + 0.5 for m in maps], maps).item() == pytest.approx(0.5)
    vectors = torch.randn(3, 16)
    assert identity(vectors * 2, vectors).item() == pytest.approx(0, abs=1e-6)
    assert identity(-vectors, vectors).item() == pytest.approx(2)

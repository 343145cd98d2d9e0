"""The benchmarks of detail: what they measure is what they say."""

import importlib
from pathlib import Path

import detail
import pytest
import torch
from detail import data, enhancers, measures
from detail.enhancers import Crop


@pytest.mark.parametrize("path", sorted(Path(detail.__path__[0]).glob("[!_]*.py")), ids=lambda path: path.stem)
def test_every_measurement_can_be_started(path):
    """Their imports are of functions that exist."""
    importlib.import_module(f"detail.{path.stem}")


@pytest.fixture(scope="module")
def crop(examples) -> Crop:
    portrait = data.read(examples / "portrait.png")[..., :256, 100:356]
    return Crop.of(portrait.contiguous(), "ffhq")


@pytest.mark.parametrize("name", enhancers.ENHANCERS)
def test_equal_gain_is_reached(crop, name):
    enhancer, everywhere = enhancers.ENHANCERS[name](crop), crop.head > 0.5
    amount = enhancers.equal_amount(enhancer, crop, everywhere, 1.15)
    assert enhancers.gain(enhancer(amount), crop.lightness, everywhere) == pytest.approx(1.15, abs=1e-4)
    assert enhancers.equal_amount(enhancer, crop, everywhere, 1.0) == 0


def test_unsharp_masking_overshoots_and_clamped_it_does_not(crop):
    low, high = enhancers.neighbourhood(crop.lightness)

    def beyond(lightness: torch.Tensor) -> float:
        return float(torch.maximum(lightness - high, low - lightness).max())

    assert beyond(enhancers.unsharp(crop)(1.0)) > 0.02
    assert beyond(enhancers.clamped_unsharp(crop)(1.0)) <= 0
    assert beyond(enhancers.local_adaptive(crop)) < 1e-6


def test_an_offset_is_measured_as_such():
    grey = torch.full((1, 3, 64, 64), 0.5)
    assert measures.low_band_change(grey + 0.1, grey, 4.0) == pytest.approx(25.5, rel=1e-3)
    assert float(measures.psnr(grey + 0.1, grey)) == pytest.approx(20, abs=1e-3)
    assert measures.residual_noise(grey + 0.1, grey) == pytest.approx([0], abs=1e-3)


def test_noise_in_flat_parts_is_measured_in_levels():
    grey = torch.full((1, 3, 128, 128), 0.5)
    plane = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(0)) * 5 / 255
    assert measures.residual_noise(grey + plane, grey) == pytest.approx([5], rel=0.03)


@pytest.mark.parametrize("kind", data.DAMAGE)
def test_every_damage_damages_the_same_way_every_time(crop, kind):
    once = data.damaged(crop.image, kind)
    assert torch.equal(once, data.damaged(crop.image, kind))
    assert 10 < float(measures.psnr(once, crop.image)) < 45


def test_a_set_of_values_is_told_by_its_quartiles():
    assert measures.quartiles([5.0, 1.0, 4.0, 2.0, 3.0], 1) == [2.0, 3.0, 4.0]

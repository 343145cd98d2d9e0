"""How much sharper a restored face is than its surroundings, on real detail that was blurred by a known amount."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.detail.softening import Softening, measure_softening
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.pixels.filters import gaussian_blur


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    return read_picture(examples / "portrait.png").pixels


def measured(around: torch.Tensor, own: torch.Tensor, restored: torch.Tensor) -> Softening:
    """The face is in the middle half of the picture."""
    inside = torch.zeros(1, 1, 256, 256)
    inside[..., 40:216, 50:206] = 1
    inside = gaussian_blur(inside, 8)
    own, restored = (picture[..., 128:384, 128:384] for picture in (own, restored))
    return measure_softening(around, 1 - F.pad(inside, (128,) * 4), own, restored, inside)


@pytest.mark.parametrize("noise", [0, 3, 8])
@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
def test_the_blur_of_the_surroundings_is_found(portrait, sigma, noise):
    soft = gaussian_blur(portrait, sigma)
    soft = soft + noise / 255 * torch.randn(soft.shape, generator=torch.Generator().manual_seed(0))
    found = measured(soft, soft, portrait)
    assert found.blur == pytest.approx(sigma, rel=0.15)
    assert found.resized(2).blur == pytest.approx(2 * found.blur)
    assert found.surroundings is not None
    assert found.resized(2).surroundings == pytest.approx(found.surroundings / 2)


def test_nothing_is_softened_in_sharp_surroundings(portrait):
    assert measured(portrait, gaussian_blur(portrait, 2), portrait) == Softening(0.0, 0.5)


def test_a_face_that_is_sharper_than_its_surroundings_in_the_photograph_stays_so(portrait):
    assert measured(gaussian_blur(portrait, 3), portrait, portrait).blur == 0
    own = gaussian_blur(portrait, 1.5)
    assert measured(gaussian_blur(portrait, 3), own, portrait).blur == pytest.approx(1.5, rel=0.15)


def test_surroundings_without_detail_say_nothing(portrait):
    light = torch.linspace(0.3, 0.7, 512).expand(1, 3, 512, 512)
    grain = 3 / 255 * torch.randn(light.shape, generator=torch.Generator().manual_seed(0))
    for flat in (light, light + grain):
        assert measured(flat, portrait, portrait) == Softening(0.0, None)

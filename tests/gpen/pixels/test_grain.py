"""Grain measured on the photograph and given to the restored face."""

import pytest
import torch

from gpen_blocks.gpen.pixels import grain as grain_module
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.pixels.grain import missing_grain

SIZE = (1, 3, 160, 160)
FACE = torch.ones(1, 1, 160, 160)


def noise(deviation: float, coarseness: float = 0.0, seed: int = 0) -> torch.Tensor:
    field = gaussian_blur(torch.randn(SIZE, generator=torch.Generator().manual_seed(seed)), coarseness)
    return deviation * field / field.std()


def neighbours(field: torch.Tensor) -> float:
    """Correlation of horizontally adjacent pixels."""
    return float((field[..., 1:] * field[..., :-1]).mean() / (field**2).mean())


@pytest.mark.parametrize("deviation", [0.01, 0.05])
@pytest.mark.parametrize("coarseness", [0.0, 0.7, 1.2])
def test_strength_and_coarseness_are_the_photographs(deviation, coarseness):
    """White noise and coarse film grain alike: deviation within 15 %, neighbours' correlation within 0.15."""
    own = noise(deviation, coarseness)
    grain = missing_grain(0.5 + own, torch.full(SIZE, 0.5), FACE, seed=1)
    assert float(grain.std()) == pytest.approx(deviation, rel=0.15)
    assert neighbours(grain) == pytest.approx(neighbours(own), abs=0.15)
    assert float(grain.mean().abs()) < 0.1 * deviation


def test_only_what_is_missing_is_added():
    """A face that kept its grain gets none; one that kept half gets the rest."""
    photograph = 0.5 + noise(0.04)
    assert missing_grain(photograph, photograph, FACE, seed=1).abs().max() == 0
    assert missing_grain(torch.full(SIZE, 0.5), photograph, FACE, seed=1).abs().max() == 0
    half = 0.5 + noise(0.02, seed=5)
    total = half - 0.5 + missing_grain(photograph, half, FACE, seed=1)
    assert float(total.std()) == pytest.approx(0.04, rel=0.15)


def test_edges_are_no_grain():
    """Structure in a clean photograph is not mistaken for noise."""
    picture = torch.full(SIZE, 0.3)
    picture[..., 40:80, :] = 0.7
    picture[..., :, 100:104] = 0.1
    assert missing_grain(picture, torch.full(SIZE, 0.5), FACE, seed=1).abs().max() < 1 / 255


def test_gray_gets_gray_and_sepia_gets_sepia_grain():
    """No colour specks on a monochrome print."""
    silver = noise(0.04)[:, :1].expand(SIZE)
    grain = missing_grain(0.5 + silver, torch.full(SIZE, 0.5), FACE, seed=1)
    assert grain.std() > 0.03
    assert torch.equal(grain[:, 0], grain[:, 1])
    assert torch.equal(grain[:, 0], grain[:, 2])
    tint = torch.tensor([1.1, 1.0, 0.7]).view(1, 3, 1, 1)
    toned = missing_grain(0.5 + silver * tint, torch.full(SIZE, 0.5), FACE, seed=1)
    torch.testing.assert_close(toned / tint, toned[:, 1:2].expand(SIZE), atol=1e-3, rtol=0)


def test_colour_noise_stays_coloured():
    """Channels with noise of their own do not get a common one."""
    grain = missing_grain(0.5 + noise(0.04), torch.full(SIZE, 0.5), FACE, seed=1)[0].flatten(1)
    assert abs(float(torch.corrcoef(grain)[0, 1])) < 0.15


def test_grain_is_repeatable_and_differs_by_seed():
    photograph, smooth = 0.5 + noise(0.04), torch.full(SIZE, 0.5)
    first, again, other = (missing_grain(photograph, smooth, FACE, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_only_the_face_is_judged():
    """Noise beside the face is somebody else's."""
    photograph = torch.full(SIZE, 0.5)
    photograph[..., :70] += noise(0.1)[..., :70]
    face = torch.zeros(1, 1, 160, 160)
    face[..., 90:] = 1
    assert missing_grain(photograph, torch.full(SIZE, 0.5), face, seed=1).abs().max() == 0


def test_a_face_too_small_to_judge_by_gets_none():
    tiny = torch.rand(1, 3, 6, 6)
    assert not missing_grain(tiny, torch.full_like(tiny, 0.5), torch.ones(1, 1, 6, 6), seed=1).any()
    assert not missing_grain(tiny, tiny, torch.zeros(1, 1, 6, 6), seed=1).any()


@pytest.mark.parametrize("size", [(97, 61), (1, 300), (300, 1)])
def test_strips_leave_no_seam(size, monkeypatch):
    """However many rows are made at a time, no bit of the grain differs."""
    photograph = 0.5 + noise(0.04)
    photograph = photograph.repeat(1, 1, 2, 2)[..., : size[0], : size[1]]
    arguments = photograph, torch.full_like(photograph, 0.5), torch.ones_like(photograph[:, :1]), 1
    whole = missing_grain(*arguments)
    assert whole.std() > 0.02
    for pixels in (1, 40 * size[1]):
        monkeypatch.setattr(grain_module, "_STRIP_PIXELS", pixels)
        assert torch.equal(missing_grain(*arguments), whole)


def test_grain_is_the_same_up_to_the_borders():
    """The outer rows and columns are as strong as the rest."""
    grain = missing_grain(0.5 + noise(0.04), torch.full(SIZE, 0.5), FACE, seed=1)
    for border in (grain[..., :2, :], grain[..., -2:, :], grain[..., :2], grain[..., -2:]):
        assert float(border.std()) == pytest.approx(0.04, rel=0.15)


@pytest.mark.slow
def test_a_large_picture_is_judged_by_tiles_from_all_over():
    """So many tiles and no more, from all quarters, and they tell the noise beside texture within 5 %."""
    side = 1500
    tiles, inside = grain_module._judged_tiles(torch.ones(side, side, dtype=torch.bool))
    assert inside.shape == (grain_module._JUDGED_TILES, grain_module._TILE, grain_module._TILE)
    assert inside.all()
    assert len({(top > side // 2, left > side // 2) for top, left in tiles}) == 4
    photograph = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(4)).mul_(0.02).add_(0.5)
    texture = 0.2 * torch.sin(torch.arange(side // 2) * 1.3)
    photograph[..., : side // 2, : side // 2] += texture
    grain = missing_grain(photograph, torch.full_like(photograph, 0.5), torch.ones(1, 1, side, side), seed=1)
    assert float(grain.std()) == pytest.approx(0.02, rel=0.05)


def test_a_small_face_in_a_large_picture_is_found():
    """Tiles lie where the face is, however little of the picture that is."""
    photograph, face = torch.full((1, 3, 900, 1100), 0.5), torch.zeros(1, 1, 900, 1100)
    face[..., 700:760, 1030:1090] = 1
    photograph[..., 690:770, 1020:1100] += noise(0.04)[..., :80, :80]
    grain = missing_grain(photograph, torch.full_like(photograph, 0.5), face, seed=1)
    assert float(grain.std()) == pytest.approx(0.04, rel=0.15)
    assert grain_module._judged_tiles(face[0, 0] > 0.5)[0] == [[640, 1024]]

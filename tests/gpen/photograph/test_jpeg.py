"""JPEG quality from tables, blockiness from pixels, and the softening of blocks."""

import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.photograph.jpeg import (
    BLOCKY,
    Blockiness,
    JpegQuality,
    blockiness,
    deblock,
    estimate_quality,
    jpeg_advice,
)


def jpeg_file(images: torch.Tensor, quality: int) -> io.BytesIO:
    pixels = (images[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    file.seek(0)
    return file


def as_jpeg(images: torch.Tensor, quality: int) -> torch.Tensor:
    decoded = np.array(Image.open(jpeg_file(images, quality)))
    return torch.from_numpy(decoded).permute(2, 0, 1)[None].float() / 255


def psnr(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(-10 * torch.log10(((one - other) ** 2).mean()))


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    return read_picture(examples / "portrait.png").pixels


@pytest.fixture(scope="module")
def scene() -> torch.Tensor:
    """Smooth light with soft and hard edges, some texture and colour."""
    generator = torch.Generator().manual_seed(3)
    light = F.interpolate(torch.rand(1, 3, 5, 6, generator=generator), (200, 232), mode="bicubic")
    light = 0.2 + 0.6 * light
    light[..., 60:110, 90:171] *= 0.6
    texture = 0.06 * torch.rand(1, 1, 200, 232, generator=generator)
    texture[..., 100:] = 0
    return (light + texture).clamp(0, 1)


@pytest.mark.parametrize("quality", [*range(1, 96), 100])
def test_the_quality_pillow_saved_at_is_found_exactly(quality):
    tables = Image.open(jpeg_file(torch.rand(1, 3, 16, 16), quality)).quantization  # pyright: ignore
    found = estimate_quality(tables)
    assert (found.quality, found.exact) == (quality, True)


def test_the_tables_of_a_read_picture_do_too(tmp_path, portrait):
    """What reading keeps of a file is all that is needed; a grey file has one table."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(jpeg_file(portrait, 63).getvalue())
    assert estimate_quality(read_picture(path).info.jpeg_tables) == JpegQuality(63, 0.0)
    grey = tmp_path / "grey.jpg"
    Image.new("L", (16, 16)).save(grey, quality=41)
    assert estimate_quality(read_picture(grey).info.jpeg_tables) == JpegQuality(41, 0.0)


def test_tables_of_another_maker_get_the_nearest_quality():
    """Quality 70 with every entry a fifth coarser lies below 70, and says how far off it is."""
    tables = Image.open(jpeg_file(torch.rand(1, 3, 16, 16), 70)).quantization  # pyright: ignore
    found = estimate_quality([[round(1.2 * v) + (n % 3) for n, v in enumerate(t)] for t in tables.values()])
    assert 60 <= found.quality < 70
    assert not found.exact
    assert 0.01 < found.residual < 0.15


@pytest.mark.parametrize("tables", [[], {}, [[1] * 63], [[0] * 64], [[70_000] * 64]])
def test_what_are_no_tables_is_refused(tables):
    with pytest.raises(ImageError, match="64 numbers"):
        estimate_quality(tables)


def test_blockiness_rises_as_quality_falls(portrait):
    """A picture that never was a JPEG has about 1.02, quality 85 about 1.1, quality 50 about 1.3."""
    values = [blockiness(portrait)[0].value] + [blockiness(as_jpeg(portrait, q))[0].value for q in (85, 50, 20)]
    assert values == sorted(values)
    assert values[0] < BLOCKY < values[1]
    assert values[0] == pytest.approx(1.03, abs=0.03)
    assert values[1] == pytest.approx(1.12, abs=0.06)
    assert values[2] == pytest.approx(1.33, abs=0.1)


@pytest.mark.parametrize(("left", "top"), [(0, 0), (3, 0), (5, 6), (7, 1)])
def test_the_grid_is_found_in_a_cropped_picture(portrait, left, top):
    found = blockiness(as_jpeg(portrait, 50)[..., top:, left:])[0]
    assert found.phase == (-left % 8, -top % 8)
    assert found.visible


def test_a_fence_is_no_jpeg():
    """Steps every 8 pixels in one direction only are the picture's own."""
    fence = torch.full((1, 3, 128, 128), 0.4) + 0.02 * torch.rand(1, 3, 128, 128)
    fence[..., 3::8] += 0.06
    assert blockiness(fence)[0].across > BLOCKY
    assert not blockiness(fence)[0].visible
    assert deblock(fence) is fence


def test_a_scaled_jpeg_has_no_grid(portrait):
    scaled = F.interpolate(as_jpeg(portrait, 30), (400, 400), mode="bicubic", antialias=True).clamp(0, 1)
    assert not blockiness(scaled)[0].visible


@pytest.mark.parametrize(("quality", "least"), [(95, 0.0), (90, 0.0), (85, 0.0), (50, 0.03), (30, 0.07), (10, 0.2)])
def test_softened_blocks_are_nearer_to_the_picture(portrait, quality, least):
    """PSNR in dB against the picture before JPEG: no loss from quality 85 up, a gain from 50 down."""
    spoilt = as_jpeg(portrait, quality)
    assert psnr(deblock(spoilt), portrait) - psnr(spoilt, portrait) >= least


@pytest.mark.parametrize("shift", [(0, 0), (3, 5)])
def test_blocks_in_smooth_light_nearly_go(scene, shift):
    """Also where the grid is offset: what remains of the blocks is less than half, and hard edges stay."""
    spoilt = as_jpeg(scene, 20)[..., shift[0] :, shift[1] :]
    before, after = blockiness(spoilt)[0], blockiness(deblock(spoilt))[0]
    assert after.value - 1 < 0.5 * (before.value - 1)
    edge = (slice(None), slice(None), slice(70 - shift[0], 100 - shift[0]), slice(86 - shift[1], 94 - shift[1]))
    contrast = [float(x[edge][..., 0].mean() - x[edge][..., -1].mean()) for x in (spoilt, deblock(spoilt))]
    assert contrast[1] == pytest.approx(contrast[0], rel=0.02)


def test_only_the_surroundings_of_block_edges_change():
    """The middle columns of a block move by the ramp's end only."""
    generator = torch.Generator().manual_seed(0)
    levels = 0.5 + 0.03 * (torch.rand(1, 1, 16, 16, generator=generator) - 0.5)
    blocks = levels.repeat_interleave(8, dim=2).repeat_interleave(8, dim=3).repeat(1, 3, 1, 1)
    # Rows in the middle of their blocks, which other rows move least.
    change = (deblock(blocks) - blocks).abs()[0, 0, 19:-16:8, 16:-16].mean(dim=0).view(-1, 8).mean(dim=0)
    assert change[0] > 3 * change[3]
    assert change[7] > 3 * change[4]


def test_clean_pictures_keep_every_bit(portrait):
    assert deblock(portrait) is portrait
    spoilt = as_jpeg(portrait, 20)
    assert deblock(spoilt, strength=0) is spoilt


def test_a_picture_that_is_not_blocky_keeps_every_bit_beside_one_that_is(portrait):
    both = torch.cat([as_jpeg(portrait, 20), as_jpeg(portrait, 15)])
    found = (Blockiness(BLOCKY, BLOCKY + 1, (0, 0)), blockiness(both)[1])
    softened = deblock(both, found=found)
    assert torch.equal(softened[:1], both[:1])
    assert torch.equal(softened[1:], deblock(both[1:]))


def test_half_strength_changes_half(portrait):
    spoilt = as_jpeg(portrait, 20)
    full, half = (deblock(spoilt, strength) - spoilt for strength in (1.0, 0.5))
    assert float(half.abs().mean() / full.abs().mean()) == pytest.approx(0.5, abs=0.05)


def test_grey_stays_grey_to_the_bit(portrait):
    grey = as_jpeg(portrait, 20)[:, 1:2].repeat(1, 3, 1, 1)
    result = deblock(grey)
    assert result is not grey
    assert torch.equal(result[:, 0], result[:, 1])
    assert torch.equal(result[:, 0], result[:, 2])


def test_a_batch_is_its_pictures(portrait):
    pictures = [as_jpeg(portrait, 20), portrait, as_jpeg(portrait.flip(3), 40)]
    batch = torch.cat(pictures)
    found, result = blockiness(batch), deblock(batch)
    for n, picture in enumerate(pictures):
        assert found[n] == blockiness(picture)[0]
        assert torch.equal(result[n : n + 1], deblock(picture))
    assert torch.equal(result[1:2], portrait)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (31, 31), (40, 33)])
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_flat_and_tiny_pictures_have_no_blocks(size, value):
    picture = torch.full((1, 3, *size), value)
    assert blockiness(picture)[0].value == 1
    assert deblock(picture) is picture


def test_a_tall_picture_is_worked_on_in_strips(scene):
    """Above the strip size the pieces join without a seam: the same as a stack of its repeats."""
    spoilt = as_jpeg(scene, 20)[..., :192, :]
    tall = spoilt.repeat(1, 1, 48, 1)
    result = deblock(tall)[..., 16:-16]
    middle = result[..., 192 * 20 : 192 * 21, :]
    for rows in (slice(192 * 30, 192 * 31), slice(192 * 44, 192 * 45)):
        torch.testing.assert_close(result[..., rows, :], middle, atol=2e-3, rtol=0)


def test_advice_names_quality_and_blocks():
    clean, blocky = Blockiness(1.02, 1.03, (0, 0)), Blockiness(1.4, 1.35, (0, 0))
    assert "No JPEG blocks" in jpeg_advice(clean)
    assert "deblock" in jpeg_advice(blocky)
    assert "quality 50, below 85" in jpeg_advice(blocky, JpegQuality(50, 0.0))
    assert "about 72" in jpeg_advice(blocky, JpegQuality(72, 0.3))
    assert "own quantisation tables" in jpeg_advice(blocky, JpegQuality(72, 0.3))
    assert "earlier" in jpeg_advice(blocky, JpegQuality(95, 0.0))
    assert "no visible harm" in jpeg_advice(clean, JpegQuality(95, 0.0))


def test_unusable_arguments_are_refused(portrait):
    with pytest.raises(SettingsError, match="strength is 2"):
        deblock(portrait, 2)
    with pytest.raises(ImageError, match="NaN"):
        blockiness(torch.full((1, 3, 64, 64), math.nan))
    with pytest.raises(ImageError, match="B x 3 x H x W"):
        deblock(portrait[0])

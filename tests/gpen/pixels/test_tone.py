"""Whether a face is black and white, toned or in colour, and that it stays so."""

import io
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.degradation.faces import to_images
from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.tone import colour_rule, is_monochrome, judge_tone, keep_tones


def colorful(side: int = 192, seed: int = 0) -> torch.Tensor:
    """A smooth, colourful picture with some texture."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 7, generator=generator)
    texture = torch.rand(1, 1, side, side, generator=generator) - 0.5
    return (F.interpolate(coarse, (side, side), mode="bicubic") + 0.1 * texture).clamp(0, 1)


def gray(images: torch.Tensor) -> torch.Tensor:
    return luma(images).expand(-1, 3, -1, -1)


def sepia(images: torch.Tensor) -> torch.Tensor:
    return torch.cat([luma(images) ** power for power in (0.8, 1.0, 1.3)], dim=1)


def tinted(images: torch.Tensor, *factors: float) -> torch.Tensor:
    return images * torch.tensor(factors).view(1, 3, 1, 1)


def noisy(images: torch.Tensor, deviation: float = 6) -> torch.Tensor:
    """Every channel with noise of its own, as from a scanner; in levels of 255."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + deviation / 255 * noise).clamp(0, 1)


def yellowed(images: torch.Tensor) -> torch.Tensor:
    """Paper that has turned yellow on the left, hardly on the right."""
    amount = torch.linspace(1, 0.3, images.shape[-1])
    return gray(images) * (1 - amount * torch.tensor([0.0, 0.07, 0.22]).view(1, 3, 1, 1))


def as_jpeg(images: torch.Tensor, quality: int) -> torch.Tensor:
    pixels = (images[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return pixels_of(file)


def pixels_of(path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    return pixels_of(examples / "portrait.png")


PRINTS = {
    "plain": gray,
    "JPEG": lambda face: as_jpeg(gray(face), 30),
    "scanned": lambda face: as_jpeg(noisy(gray(face), 8), 60),
    "out of register": lambda face: torch.cat([gray(face)[:, :1].roll(1, 3), gray(face)[:, 1:]], dim=1),
}
TONED = {
    "sepia": sepia,
    "sepia JPEG": lambda face: as_jpeg(sepia(face), 60),
    "brown and noisy": lambda face: as_jpeg(noisy(tinted(gray(face), 1, 0.85, 0.65)), 70),
    "cyanotype": lambda face: torch.cat([luma(face) ** power for power in (1.6, 1.1, 0.8)], dim=1),
    "yellowed unevenly": yellowed,
    "yellowed unevenly and noisy": lambda face: as_jpeg(noisy(yellowed(face), 3), 80),
}
COLOURED = {
    "plain": lambda face: face,
    "JPEG": lambda face: as_jpeg(face, 30),
    "pale": lambda face: gray(face) + 0.4 * (face - gray(face)),
    "in a dim room": lambda face: as_jpeg(0.35 * face, 60),
    "faded": lambda face: 0.3 + 0.45 * (gray(face) + 0.7 * (face - gray(face))),
    "under a light bulb": lambda face: tinted(face, 1, 0.72, 0.42),
    "small": lambda face: as_jpeg(F.interpolate(face, (40, 40), mode="area"), 60),
}


@pytest.mark.parametrize("name", PRINTS)
def test_a_black_and_white_face_stays_gray_to_the_bit(portrait, name):
    """Three equal channels come out equal whatever the network painted, and luma is kept."""
    tone = judge_tone(PRINTS[name](portrait))
    assert tone.kind == "black and white"
    painted = colorful(seed=3)
    toned = tone.apply(painted)
    assert torch.equal(toned[:, 0], toned[:, 1])
    assert torch.equal(toned[:, 0], toned[:, 2])
    torch.testing.assert_close(luma(toned), luma(painted))


@pytest.mark.parametrize("name", TONED)
def test_a_toned_face_keeps_its_tone(portrait, name):
    """The tone is a curve, and may change across the print: what was painted gets it within 2/255 on average."""
    print_ = TONED[name](portrait)
    tone = judge_tone(print_)
    assert tone.kind == "toned"
    lost = tone.apply(gray(print_)) - print_
    assert F.avg_pool2d(lost, 16).abs().mean() < 2 / 255


@pytest.mark.parametrize("name", COLOURED)
def test_a_face_in_colour_is_taken_for_nothing_else(portrait, name):
    assert judge_tone(COLOURED[name](portrait)).kind == "colour"


@pytest.mark.parametrize("name", ["plain", "pale", "in a dim room", "faded", "under a light bulb"])
def test_many_faces_in_colour_are_never_black_and_white(aligned_faces, name):
    """None of 40 generated faces, and at most one of them is taken for toned."""
    kinds = Counter(judge_tone(COLOURED[name](face[None])).kind for face in to_images(aligned_faces))
    assert kinds["black and white"] == 0
    assert kinds["toned"] <= 1


@pytest.mark.parametrize("make", [gray, sepia, lambda face: tinted(gray(face), 1, 0.95, 0.8)])
@pytest.mark.parametrize("reach", [1.5, 2.5])
def test_colour_around_a_print_does_not_count(portrait, make, reach):
    """An album page of green paper, and an orange date stamp in the corner of the print."""
    side, kind = 192, "black and white" if make is gray else "toned"
    page = torch.tensor([0.2, 0.45, 0.3]).view(1, 3, 1, 1).repeat(1, 1, round(reach * side), round(reach * side))
    stamped = make(F.interpolate(portrait, (side, side), mode="area")).clone()
    stamped[..., 178:190, 130:185] = torch.tensor([1.0, 0.5, 0.1]).view(1, 3, 1, 1)
    start = (page.shape[-1] - side) // 2
    page[..., start : start + side, start : start + side] = stamped
    tone = judge_tone(page, reach)
    assert tone.kind == kind
    lost = (tone.apply(gray(stamped)) - stamped)[..., :170, :]
    assert F.avg_pool2d(lost, 16).abs().mean() < 2 / 255


@pytest.mark.parametrize("reach", [1.5, 2.5])
def test_a_grey_wall_around_does_not_take_the_colour_of_a_face(portrait, reach):
    side = round(reach * 192)
    wall = noisy(torch.full((1, 3, side, side), 0.6), 4)
    start = (side - 192) // 2
    wall[..., start : start + 192, start : start + 192] = F.interpolate(portrait, (192, 192), mode="area")
    assert judge_tone(wall, reach).kind == "colour"


def test_the_rule_forces_either_way(portrait):
    """`grey` gives the tone that comes nearest to a face in colour; `keep` leaves what was painted on a print."""
    painted = torch.cat([portrait, portrait])
    tones = judge_tone(gray(portrait)), judge_tone(portrait)
    kept = keep_tones(painted, tones, "auto")
    assert torch.equal(kept[1], portrait[0]) and torch.equal(kept[0, 0], kept[0, 2])
    assert keep_tones(painted, tones, "keep") is painted
    forced = keep_tones(painted, tones, "grey")
    assert torch.equal(forced[0], kept[0])
    assert torch.equal(forced[1:], tones[1].apply(portrait))
    assert not torch.equal(forced[1], portrait[0])


def test_old_settings_are_read():
    assert [colour_rule("auto", keep) for keep in (True, False)] == ["auto", "keep"]
    assert {colour_rule(rule, keep) for rule in ("grey",) for keep in (True, False)} == {"grey"}
    with pytest.raises(SettingsError, match="auto, keep, grey"):
        colour_rule("sepia", True)


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (17, 16)])
def test_odd_sizes_are_judged_too(size):
    assert judge_tone(torch.full((1, 3, *size), 0.5)).kind == "black and white"
    assert is_monochrome(torch.full((1, 3, *size), 0.5))
    red = torch.tensor([0.9, 0.2, 0.2]).view(1, 3, 1, 1)
    striped = torch.cat([red.expand(1, 3, *size), torch.full((1, 3, *size), float(luma(red)))], dim=3)
    assert is_monochrome(striped) == (size[1] < 16)


def test_a_broken_picture_has_no_tone():
    broken = torch.full((1, 3, 32, 32), float("nan"))
    assert judge_tone(broken).kind == "colour"
    assert not is_monochrome(broken)


@pytest.mark.parametrize("quality", [None, 30, 90])
def test_whole_pictures_in_one_tone_are_known(quality):
    for picture in (gray(colorful()), sepia(colorful())):
        if quality != 30 or picture is gray:
            assert is_monochrome(picture if quality is None else as_jpeg(picture, quality))
    assert not is_monochrome(colorful() if quality is None else as_jpeg(colorful(), quality))


def test_a_noisy_scan_of_a_gray_print_is_monochrome():
    """Every channel has noise of its own, and the paper a slight cast."""
    scan = F.interpolate(gray(colorful()), scale_factor=3, mode="bilinear")
    cast = torch.tensor([0.02, 0.0, -0.03]).view(1, 3, 1, 1)
    assert is_monochrome((noisy(scan * 0.8 + 0.1) + cast).clamp(0, 1))


def test_a_small_coloured_thing_makes_a_whole_picture_one_in_colour():
    scene = gray(colorful(512)).clone()
    scene[..., 100:130, 300:330] *= torch.tensor([1.0, 0.8, 0.7]).view(1, 3, 1, 1)
    assert not is_monochrome(scene)


def test_real_photographs_are_told_apart(shared):
    folder = shared / "data" / "real"
    assert is_monochrome(pixels_of(folder / "Solvay_conference_1927.png"))
    assert not is_monochrome(pixels_of(folder / "10045.png"))
    assert not is_monochrome(pixels_of(folder / "Blake_Lively.jpg"))

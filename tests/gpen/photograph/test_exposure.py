"""Faces against the light are lifted, softly and alone."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.photograph.exposure import lift_faces
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.colorspace import linear_to_srgb, srgb_to_linear
from gpen_blocks.gpen.types import Face, Faces

SIZE = (240, 320)
BOX = (130.0, 60.0, 190.0, 140.0)
RATIO = torch.tensor([1.25, 1.0, 0.8]).view(1, 3, 1, 1)
# The detector's box in examples/portrait.png.
PORTRAIT_BOX = (181.0, 57.0, 271.0, 173.0)


def faces_of(*boxes: tuple[float, float, float, float], size=SIZE, index: int = 0, count: int = 1) -> Faces:
    return Faces(tuple(Face(box, 0.9, np.zeros((5, 2)), index) for box in boxes), (size,) * count)


def person(stops: float, tint: torch.Tensor = RATIO) -> torch.Tensor:
    """A head and shoulders of one hue before a bright wall; `stops` of light are missing on them."""
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    head = ((x - 160) / 38.0) ** 2 + ((y - 98) / 50.0) ** 2 < 1
    body = (y > 150) & ((x - 160).abs() < 40 + (y - 150) * 0.5)
    texture = F.interpolate(torch.rand(1, 1, 30, 40, generator=torch.Generator().manual_seed(1)), SIZE, mode="bicubic")
    wall = torch.full((1, 1, *SIZE), 0.7)
    skin = 0.25 + 0.3 * texture
    linear = torch.where(head | body, skin * 2.0**-stops, wall)
    return linear_to_srgb(linear * torch.where(head | body, tint, torch.ones_like(tint))).clamp(0, 1)


def face_part(images: torch.Tensor) -> torch.Tensor:
    return srgb_to_linear(images)[..., 70:130, 140:180]


def test_a_backlit_face_is_lifted_by_what_the_report_says():
    dark = person(3.0)
    lifted, (light,) = lift_faces(dark, faces_of(BOX))
    gain = float((face_part(lifted).mean() / face_part(dark).mean()).log2())
    assert light.stops == pytest.approx(math.log2(0.7 / 0.4) + 3, abs=0.4)
    assert 1 < light.lift <= 2
    assert gain == pytest.approx(light.lift, abs=0.2)
    assert light.lift == light.missing


def test_a_face_stays_a_stop_below_its_surroundings():
    """However dark it is, where the wall is little brighter it is lifted by no more."""
    dark = torch.full((1, 3, *SIZE), float(linear_to_srgb(torch.tensor(0.2))))
    dark[:, :, 50:150, 120:200] = linear_to_srgb(torch.tensor(0.075))
    lifted, (light,) = lift_faces(dark, faces_of(BOX))
    assert light.stops == pytest.approx(math.log2(0.2 / 0.075), abs=1e-3)
    assert light.lift == pytest.approx(light.stops - 1, abs=1e-6)
    gain = float((face_part(lifted).mean() / face_part(dark).mean()).log2())
    assert 0.5 * light.lift < gain <= light.lift + 1e-3


def test_the_wall_behind_stays_and_no_halo_shows():
    """Beyond two pixels from the person, the wall changes by less than 1/255; far away it keeps every bit."""
    dark = person(3.0)
    lifted, _ = lift_faces(dark, faces_of(BOX))
    wall = (luma(dark) > 0.8).float()
    inner_wall = -F.max_pool2d(-wall, 5, 1, 2) > 0.5
    assert float((lifted - dark).abs()[inner_wall.expand_as(dark)].max()) < 1 / 255
    far = person(3.0)[..., :1, :1].expand(1, 3, 240, 900)
    wide = torch.cat([dark, far], dim=3)
    result, _ = lift_faces(wide, faces_of(BOX, size=(240, 1220)))
    assert torch.equal(result[..., 400:], wide[..., 400:])


def test_colors_keep_their_ratio_and_grey_its_equality():
    dark = person(3.0)
    lifted, _ = lift_faces(dark, faces_of(BOX))
    ratio = face_part(lifted) / face_part(lifted)[:, 1:2]
    torch.testing.assert_close(ratio, RATIO.expand_as(ratio), atol=1e-3, rtol=0)
    grey, _ = lift_faces(person(3.0)[:, 1:2, :, :-3].repeat(1, 3, 1, 1), faces_of(BOX, size=(240, 317)))
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])


def test_highlights_on_a_dark_face_do_not_clip():
    """Glints keep their order below 1, whatever the lift."""
    dark = person(3.5)
    glints = torch.linspace(0.6, 0.99, 8)
    dark[..., 90, 150:158] = glints
    lifted, (light,) = lift_faces(dark, faces_of(BOX))
    assert light.lift > 1
    after = lifted[0, 0, 90, 150:158]
    assert (after.diff() > 0).all()
    assert float(after.max()) < 1


def test_more_shade_gets_more_lift_without_a_jump():
    """From a lit face to a dark one the lift begins small, and never falls."""
    lifts = [lift_faces(person(stops), faces_of(BOX))[1][0].lift for stops in np.arange(0.5, 5, 0.25)]
    assert lifts[0] == 0
    assert all(0 <= step < 0.65 for step in np.diff(lifts))
    assert lifts[-1] == 2


def test_faces_in_sufficient_light_keep_every_bit(examples):
    """Lit as the wall; at night, when the wall is dark too; and the example portrait."""
    lit = person(0.0)
    assert lift_faces(lit, faces_of(BOX))[0] is lit
    night = person(3.0) * 0.3
    assert lift_faces(night, faces_of(BOX))[0] is night
    portrait = read_picture(examples / "portrait.png").pixels
    result, (light,) = lift_faces(portrait, faces_of(PORTRAIT_BOX, size=(512, 512)))
    assert result is portrait
    assert light.missing == 0
    assert abs(light.stops) < 1


def test_dark_skin_in_good_light_is_left_alone():
    """Highlights on it tell good light from shade, though its median lies two stops and more below the wall."""
    picture = linear_to_srgb(srgb_to_linear(person(1.3)))
    picture[..., 75:85, 145:175] = 0.62
    result, (light,) = lift_faces(picture, faces_of(BOX))
    assert light.stops > 1.8
    assert result is picture


def test_strength_scales_the_lift():
    dark = person(3.0)
    result, (light,) = lift_faces(dark, faces_of(BOX), strength=0)
    assert result is dark
    assert light.lift == 0 < light.missing
    _, (half,) = lift_faces(dark, faces_of(BOX), strength=0.5)
    assert half.lift == pytest.approx(0.5 * half.missing)


def test_a_batch_is_its_pictures():
    """A face is lifted in its own image; two faces near each other are not lifted twice."""
    dark, lit = person(3.0), person(0.0)
    alone, _ = lift_faces(dark, faces_of(BOX))
    batch, lights = lift_faces(torch.cat([lit, dark]), faces_of(BOX, index=1, count=2))
    assert torch.equal(batch, torch.cat([lit, alone]))
    assert [light.image_index for light in lights] == [1]
    twice, _ = lift_faces(dark, faces_of(BOX, BOX))
    torch.testing.assert_close(twice, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("box", [(-50, -50, -10, -10), (-200, -200, 600, 600), (300, 200, 400, 300), (5, 5, 5, 5)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_boxes_beyond_the_picture_and_flat_pictures_stay(box, value):
    flat = torch.full((1, 3, *SIZE), value)
    assert lift_faces(flat, faces_of(box))[0] is flat


def test_one_pixel_is_a_picture_too():
    pixel = torch.full((1, 3, 1, 1), 0.2)
    assert lift_faces(pixel, faces_of((0, 0, 1, 1), size=(1, 1)))[0] is pixel
    assert lift_faces(pixel, Faces((), ((1, 1),)))[0] is pixel


def test_unusable_arguments_are_refused():
    with pytest.raises(ImageError, match="detect them on"):
        lift_faces(person(3.0), faces_of(BOX, size=(100, 100)))
    with pytest.raises(SettingsError, match="strength"):
        lift_faces(person(3.0), faces_of(BOX), strength=1.5)
    with pytest.raises(ImageError, match="NaN"):
        lift_faces(person(3.0) * math.nan, faces_of(BOX))

"""The preparation as a whole: order, reports and doing nothing."""

import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.photograph.exposure import lift_faces
from gpen_blocks.gpen.photograph.jpeg import deblock
from gpen_blocks.gpen.photograph.prepare import prepare
from gpen_blocks.gpen.photograph.white_balance import shades_of_grey
from gpen_blocks.gpen.pixels.colorspace import linear_to_srgb, srgb_to_linear
from gpen_blocks.gpen.types import Face, Faces

BOX = (181.0, 57.0, 271.0, 173.0)
FACES = Faces((Face(BOX, 0.9, np.zeros((5, 2))),), ((512, 512),))
HEAD = (slice(None), slice(None), slice(10, 190), slice(150, 304))


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    return read_picture(examples / "portrait.png").pixels


@pytest.fixture(scope="module")
def spoilt(portrait) -> tuple[torch.Tensor, dict]:
    """The portrait with a warm cast, three stops less on the head and JPEG of quality 30, with its tables."""
    linear = srgb_to_linear(portrait * 0.95) * torch.tensor([1.1, 1.0, 0.6]).view(1, 3, 1, 1)
    linear[HEAD] *= 2.0**-3
    file = io.BytesIO()
    Image.fromarray(
        (linear_to_srgb(linear)[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    ).save(file, "JPEG", quality=30)
    image = Image.open(file)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    return pixels, image.quantization  # pyright: ignore[reportAttributeAccessIssue]


def test_all_off_gives_the_very_tensor(portrait):
    """And so does everything on where there is nothing to do."""
    result, (report,) = prepare(portrait, faces=FACES)
    assert result is portrait
    assert "white_balance" not in report
    grey = portrait.mean(dim=1, keepdim=True).repeat(1, 3, 1, 1)
    result, (report,) = prepare(grey, white_balance="shades_of_grey", deblock=1, faces=FACES, exposure=1)
    assert result is grey
    assert report["white_balance"]["monochrome"]
    assert any("keeps its tone" in note for note in report["notes"])


def test_everything_is_done_in_order_and_told(spoilt):
    pixels, tables = spoilt
    arguments = {"white_balance": "shades_of_grey", "deblock": 1.0, "faces": FACES, "exposure": 1.0}
    result, (report,) = prepare(pixels, **arguments, jpeg_tables=[tables])
    expected, _ = lift_faces(deblock(shades_of_grey(pixels)[0]), FACES)
    assert torch.equal(result, expected)
    assert json.loads(json.dumps(report)) == report
    assert report["jpeg"]["quality"] == 30
    assert report["jpeg"]["deblocked"]
    assert report["white_balance"]["cast_b"] > 5
    assert report["faces"][0]["lift_stops"] > 0.5
    assert report["faces"][0]["share"] == pytest.approx(116 / 512, abs=1e-3)
    told = " ".join(report["notes"])
    for words in ("cast of", "quality 30, below 85", "softened", "is backlit", "brightened by", "alignment crops it"):
        assert words in told


def test_what_is_not_done_is_advised(spoilt):
    """With all off, blocks and shade are still reported, and nothing claims to be done."""
    result, (report,) = prepare(spoilt[0], faces=FACES)
    assert result is spoilt[0]
    told = " ".join(report["notes"])
    assert "deblock" in told
    assert "exposure brightens" in told
    assert "softened." not in told
    assert "brightened by" not in told
    assert report["faces"][0]["lift_stops"] == 0
    assert not report["jpeg"]["deblocked"]


@pytest.mark.parametrize(("side", "small"), [(200.0, True), (300.0, False)])
def test_a_face_below_half_of_the_frame_is_announced_as_cropped(portrait, side, small):
    faces = Faces((Face((100, 100, 100 + side, 100 + side), 0.9, np.zeros((5, 2))),), ((512, 512),))
    _, (report,) = prepare(portrait, faces=faces)
    assert any("alignment crops it" in note for note in report["notes"]) == small


def test_each_picture_of_a_batch_has_its_own_report(portrait, spoilt):
    """As if it had come alone; tables may be missing for some."""
    batch = torch.cat([portrait, spoilt[0]])
    faces = Faces((Face(BOX, 0.9, np.zeros((5, 2)), 1),), ((512, 512),) * 2)
    result, reports = prepare(
        batch, white_balance="lab", deblock=1, faces=faces, exposure=1, jpeg_tables=[None, spoilt[1]]
    )
    alone, (report,) = prepare(
        spoilt[0], white_balance="lab", deblock=1, faces=FACES, exposure=1, jpeg_tables=[spoilt[1]]
    )
    assert torch.equal(result[1:], alone)
    assert reports[1] == report
    assert reports[0]["faces"] == []
    assert "quality" not in reports[0]["jpeg"]


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (70, 50)])
def test_flat_pictures_pass(value, size):
    picture = torch.full((1, 3, *size), value)
    for method in ("shades_of_grey", "lab"):
        result, _ = prepare(picture, white_balance=method, deblock=1, faces=Faces((), (size,)), exposure=1)
        assert result is picture


def test_unusable_arguments_are_refused(portrait):
    with pytest.raises(SettingsError, match="choose from none, shades_of_grey, lab"):
        prepare(portrait, white_balance="auto")
    with pytest.raises(SettingsError, match="deblock"):
        prepare(portrait, deblock=-1)
    with pytest.raises(SettingsError, match="exposure"):
        prepare(portrait, exposure=2)
    with pytest.raises(ImageError, match="0 of 1 image"):
        prepare(portrait, jpeg_tables=[])
    with pytest.raises(ImageError, match="NaN"):
        prepare(portrait * math.nan)

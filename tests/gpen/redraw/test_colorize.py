"""Only colours are taken from the network, only where faces are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from small_networks import write_network

from gpen_blocks.gpen.errors import ImageError, ModelNotFoundError, SettingsError
from gpen_blocks.gpen.redraw import colorize

FOUND_BY = {"detector": "face-detector-lite", "device": "cpu"}


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> str:
    return write_network(tmp_path_factory.mktemp("networks"), "colorization")


@pytest.fixture
def portrait(examples) -> np.ndarray:
    return np.asarray(Image.open(examples / "portrait.png").convert("RGB"))


@pytest.fixture
def gray(portrait) -> np.ndarray:
    return np.repeat(cv2.cvtColor(portrait, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


def luma(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2YUV)[..., 0]


def test_a_face_gets_colours_and_every_pixel_keeps_its_luma(network, gray):
    done = colorize(gray, model=network, **FOUND_BY)
    outside = done.mask[0, 0].numpy() == 0
    assert 0.5 < outside.mean() < 0.98
    assert (done.image[outside] == gray[outside]).all()
    assert (luma(done.image) == luma(gray)).all()
    assert (np.ptp(done.image.astype(int), axis=2)[~outside] > 2).mean() > 0.4
    assert [face["coloured"] for face in done.report["faces"]] == [True]
    assert "Only faces are coloured" in done.report["notes"][0]


def test_half_the_strength_gives_half_the_colour(network, gray):
    picture = gray.astype(np.float32) / 255
    whole, half, none = (colorize(picture, model=network, strength=s, **FOUND_BY) for s in (1.0, 0.5, 0.0))
    middle = (picture[..., 0] > 0.3) & (picture[..., 0] < 0.7) & (whole.mask[0, 0].numpy() > 0)
    chroma, less = (done.image[middle] - picture[middle] for done in (whole, half))
    inside = abs(chroma).max(axis=1) < 0.2  # no colour was reduced to fit
    np.testing.assert_allclose(less[inside], chroma[inside] / 2, atol=2e-3)
    assert none.pixels is none.original and not none.mask.any()


def test_what_is_in_colour_is_left_and_told(network, portrait):
    done = colorize(portrait, model=network, **FOUND_BY)
    assert (done.image == portrait).all()
    assert done.report["faces"][0]["skipped"] == "it is in colour already"
    assert "1 face left as it is: in colour already" in done.report["notes"][0]
    again = colorize(portrait, model=network, recolor=True, **FOUND_BY)
    assert again.report["faces"][0]["coloured"] and (again.image != portrait).any()
    off = abs(luma(again.image).astype(int) - luma(portrait))
    assert off.max() <= 1  # of a picture in colour, the luma is no whole number


def test_a_general_colouriser_gives_the_colours_around_the_faces(network, gray):
    tinted = np.clip(gray.astype(int) + (30, 0, -30), 0, 255).astype(np.uint8)
    done = colorize(gray, model=network, background=tinted, **FOUND_BY)
    alone = colorize(gray, model=network, **FOUND_BY)
    corner = (slice(0, 40), slice(0, 40))
    assert (done.image[corner][..., 0] > done.image[corner][..., 2]).mean() > 0.9
    face = tuple(slice(round(a), round(b)) for a, b in ((120, 130), (250, 260)))
    assert abs(done.image[face].astype(int) - alone.image[face]).mean() < 12
    assert (luma(done.image) == luma(gray)).mean() > 0.999
    with pytest.raises(ImageError, match="The background has 10 x 20 pixels, and the picture 512 x 512"):
        colorize(gray, model=network, background=np.zeros((20, 10, 3), np.uint8), **FOUND_BY)


def test_a_grey_array_and_a_file_come_back_in_colour(network, gray, tmp_path):
    done = colorize(gray[..., 0], model=network, **FOUND_BY)
    assert done.image.shape == gray.shape and np.ptp(done.image, axis=2).max() > 2
    Image.fromarray(gray[..., 0]).save(tmp_path / "gray.png")
    filed = colorize(tmp_path / "gray.png", model=network, **FOUND_BY)
    filed.save(tmp_path / "out.png")
    assert (np.asarray(Image.open(tmp_path / "out.png").convert("RGB")) == done.image).all()
    drawn = colorize(Image.fromarray(gray[..., 0]), model=network, **FOUND_BY)
    assert drawn.image.mode == "RGB" and (np.asarray(drawn.image) == done.image).all()


def test_no_face_means_the_same_tensor(network):
    flat = np.full((96, 96, 3), 128, np.uint8)
    done = colorize(flat, model=network, **FOUND_BY)
    assert done.pixels is done.original and done.report["faces"] == []


def test_wrong_arguments_are_named(network, gray, tmp_path):
    with pytest.raises(SettingsError, match="strength"):
        colorize(gray, model=network, strength=1.5, **FOUND_BY)
    with pytest.raises(SettingsError, match="gpen-lite-256 is a GPEN for restoration; choose a model for colorization"):
        colorize(gray, model="gpen-lite-256", **FOUND_BY)
    with pytest.raises(ModelNotFoundError, match=r"no model file at .*missing\.pth"):
        colorize(gray, model=str(tmp_path / "missing.pth"), **FOUND_BY)


def test_the_bundled_network_gives_a_face_the_colours_of_skin(gray, portrait):
    """Near the true ones, which it has not seen; `auto` takes it where the authors' is not."""
    done = colorize(gray, model="gpen-colorize-lite", **FOUND_BY)
    face = (slice(90, 180), slice(190, 260))
    true, found, none = (picture[face].reshape(-1, 3).astype(float) for picture in (portrait, done.image, gray))
    assert abs(found - true).mean() < 0.6 * abs(none - true).mean()
    red, green, blue = found.mean(axis=0)
    assert red > green + 10 > blue + 15
    assert (luma(done.image) == luma(gray)).all()

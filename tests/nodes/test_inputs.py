"""What does not fit is told by the input's name, number, width and height, with what mends it."""

import re

import numpy as np
import pytest
import torch

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.types import Alignment, Face, Faces
from gpen_blocks.nodes import inputs

IMAGES = torch.zeros(2, 3, 480, 640)
FACE = Face((10, 10, 60, 60), 1.0, np.zeros((5, 2)), 1)
ALIGNMENT = (Alignment(np.eye(2, 3), "ffhq", 64, (480, 640), FACE),)


def fails(told: str, check, *args, **kwargs):
    with pytest.raises(ImageError, match=f"^{re.escape(told)}$"):
        check(*args, **kwargs)


def test_pixels_that_are_no_numbers_are_told_with_the_name_of_the_input():
    for value in (float("nan"), float("inf")):
        image = torch.zeros(3, 4, 6, 3)
        image[1, 2, 3, 0] = value
        fails(
            "detail holds 3 pictures of 6 x 4, but some pixels are NaN or infinity; correct the block that it comes "
            "from.",
            inputs.require_image,
            "detail",
            image,
        )
        fails_in_half = image.half()
        with pytest.raises(ImageError, match="NaN or infinity"):
            inputs.require_image("detail", fails_in_half)


def test_a_number_is_not_mended_by_resizing_and_a_size_is():
    fit = inputs.require_fit
    fit("reference", IMAGES + 1, "image", IMAGES)
    fit("mask", IMAGES[:1, 0], "image", IMAGES, one_for_all=True)
    fit("base", torch.zeros(2, 3, 8, 8), "detail", IMAGES, size=False)
    begin = "but image holds 2 pictures of 640 x 480;"
    two = f"reference holds 1 picture of 640 x 480, {begin} connect 2 pictures."
    fails(two, fit, "reference", IMAGES[:1], "image", IMAGES)
    resize = "resize reference to 640 x 480, such as with Upscale Image."
    small = torch.zeros(2, 3, 24, 32)
    fails(f"reference holds 2 pictures of 32 x 24, {begin} {resize}", fit, "reference", small, "image", IMAGES)
    both = f"reference holds 1 picture of 32 x 24, {begin} connect 2 pictures and {resize}"
    fails(both, fit, "reference", small[:1], "image", IMAGES)
    three = torch.zeros(3, 3, 24, 32)
    fails(
        "base holds 3 pictures of 32 x 24, but detail holds 2 pictures; connect 2 pictures.",
        fit,
        "base",
        three,
        "detail",
        IMAGES,
        size=False,
    )


def test_an_area_is_of_the_images():
    area = inputs.require_area
    assert area(None, None, IMAGES) is None
    one, each = torch.ones(1, 480, 640), torch.zeros(2, 480, 640)
    assert area(one, None, IMAGES).shape == (1, 1, 480, 640)  # type: ignore[union-attr]
    assert area(one[0], each, IMAGES).min() == 1 and area(one, each, IMAGES).shape == (2, 1, 480, 640)  # type: ignore[union-attr]
    wanted = "but image holds 2 pictures of 640 x 480; resize not_here to 640 x 480, such as with Convert Mask to Image"
    with pytest.raises(ImageError, match=wanted):
        area(None, torch.zeros(1, 64, 64), IMAGES)
    with pytest.raises(ImageError, match="only_here holds 3 pictures of 640 x 480"):
        area(torch.zeros(3, 480, 640), None, IMAGES)
    with pytest.raises(ImageError, match="NaN or infinity"):
        area(one * float("nan"), None, IMAGES)


def test_pictures_of_other_faces_are_told():
    faces = Faces((FACE,), ((480, 640), (480, 640)))
    inputs.require_images_of(faces, IMAGES)
    advice = "connect to image the pictures in which the faces were found."
    found = "but the faces were found in 2 pictures of 640 x 480"
    turned = torch.zeros(2, 3, 640, 480)
    fails(f"image holds 2 pictures of 480 x 640, {found}; {advice}", inputs.require_images_of, faces, turned)
    fails(f"image holds 1 picture of 640 x 480, {found}; {advice}", inputs.require_images_of, faces, IMAGES[:1])


def test_crops_must_be_square_and_as_many_as_were_cut():
    crops = torch.zeros(1, 3, 64, 64)
    inputs.require_crops_of(ALIGNMENT, crops)
    squeezed = torch.zeros(1, 3, 300, 512)
    with pytest.raises(ImageError, match=r"^crops holds 1 picture of 512 x 300, but crops of faces are square;"):
        inputs.require_crops_of(ALIGNMENT, squeezed)
    with pytest.raises(
        ImageError, match=r"^crops holds 2 pictures of 64 x 64, but alignment belongs to 1 crop; connect"
    ):
        inputs.require_crops_of(ALIGNMENT, crops.repeat(2, 1, 1, 1))


def test_pictures_from_which_no_crop_was_cut_are_told():
    inputs.require_images_of_crops(ALIGNMENT, IMAGES)
    advice = "connect to image the pictures from which the crops were cut."
    cut = "but the crops were cut from at least 2 pictures of 640 x 480"
    fails(f"image holds 1 picture of 640 x 480, {cut}; {advice}", inputs.require_images_of_crops, ALIGNMENT, IMAGES[:1])
    small = torch.zeros(2, 3, 48, 64)
    fails(f"image holds 2 pictures of 64 x 48, {cut}; {advice}", inputs.require_images_of_crops, ALIGNMENT, small)


def test_a_background_is_a_whole_multiple():
    check = inputs.require_background
    for factor in (1, 2, 4):
        check(torch.zeros(1, 3, 48 * factor, 64 * factor), torch.zeros(1, 3, 48, 64))
    advice = (
        "but a whole multiple of 64 x 48 is needed, the size of image; enlarge image with Upscale Image By or Upscale "
        "Image (using Model), to such as 128 x 96."
    )
    for height, width in ((96, 127), (72, 96), (96, 192), (24, 32)):
        told = f"background holds 1 picture of {width} x {height}, {advice}"
        fails(told, check, torch.zeros(1, 3, height, width), torch.zeros(1, 3, 48, 64))
    told = (
        "background holds 1 picture of 128 x 96, but image holds 2 pictures of 64 x 48; connect to background the same "
    )
    fails(told + "pictures, enlarged.", check, torch.zeros(1, 3, 96, 128), torch.zeros(2, 3, 48, 64))

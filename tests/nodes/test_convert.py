"""At the edge to ComfyUI pictures only change their layout."""

import json

import pytest
import torch

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.nodes.convert import (
    box_mask,
    from_mask,
    to_crops,
    to_image,
    to_images,
    to_mask,
    to_report,
    with_colours,
)


def picture(channels: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(2, 5, 7, channels, generator=torch.Generator().manual_seed(0)).to(dtype)


def test_an_image_comes_back_as_it_went():
    image = picture(3)
    images = to_images(image)
    assert images.shape == (2, 3, 5, 7) and images.dtype == torch.float32
    assert torch.equal(images[1, 2, 3, 4], image[1, 3, 4, 2])
    assert torch.equal(to_image(images), image)
    assert to_image(images).is_contiguous()


def test_nothing_is_copied_on_the_way_in():
    image = picture(3)
    assert to_images(image).data_ptr() == image.data_ptr()


def test_grey_becomes_three_equal_channels():
    image = picture(1)
    images = to_images(image)
    assert images.shape == (2, 3, 5, 7)
    assert all(torch.equal(images[:, channel], image[..., 0]) for channel in range(3))


def test_alpha_survives_new_colours():
    image = picture(4)
    before = to_images(image)
    after = with_colours(image, before, 1 - before)
    assert torch.equal(after[..., 3], image[..., 3])
    assert torch.equal(after[..., :3], 1 - image[..., :3])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_what_was_not_changed_is_the_very_tensor(channels):
    image = picture(channels)
    before = to_images(image)
    assert with_colours(image, before, before) is image


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_what_goes_out_is_float32_and_unchanged_pixels_stay(dtype, channels):
    """Core's own nodes cannot save another number format."""
    image = picture(channels, dtype)
    before = to_images(image)
    for after in (before, before.clone()):
        out = with_colours(image, before, after)
        assert before.dtype == out.dtype == torch.float32
        assert torch.equal(out, image.float().expand_as(out))


@pytest.mark.parametrize(
    "image", [torch.rand(5, 7, 3), torch.rand(1, 5, 7, 2), torch.zeros(1, 5, 7, 3, dtype=torch.uint8)]
)
def test_what_is_no_image_is_told(image):
    with pytest.raises(ImageError, match=r"^crops holds (no batch of pictures|1 picture of 7 x 5, but they have)"):
        to_images(image, "crops")


@pytest.mark.parametrize(("shape", "needed"), [((0, 5, 7, 3), "picture"), ((1, 0, 7, 3), "pixel")])
def test_an_empty_batch_is_told(shape, needed):
    with pytest.raises(ImageError, match=rf"image holds . pictures? of 7 x ., but at least one {needed} is needed"):
        to_images(torch.zeros(shape))


def test_no_crops_become_one_black_picture():
    assert torch.equal(to_crops(torch.zeros(0, 3, 9, 9), 16), torch.zeros(1, 16, 16, 3))
    crops = torch.rand(2, 3, 8, 8)
    assert torch.equal(to_images(to_crops(crops, 16)), crops)


def test_a_mask_loses_its_channel():
    mask = torch.rand(2, 1, 5, 7)
    assert torch.equal(to_mask(mask), mask[:, 0])


def test_boxes_become_a_mask_also_beyond_the_border():
    landmarks = torch.zeros(5, 2).numpy()
    boxes = [((1.2, 1.0, 3.0, 2.5), 0), ((-9, -9, 1, 1), 1), ((5, 3, 90, 90), 1), ((-9, -9, -3, -3), 0)]
    faces = Faces(tuple(Face(box, 1.0, landmarks, index) for box, index in boxes), ((5, 7),) * 2)
    mask = box_mask(faces, picture(3))
    expected = torch.zeros(2, 5, 7)
    expected[0, 1:4, 1:4] = 1
    expected[1, :2, :2] = 1
    expected[1, 3:, 5:] = 1
    assert torch.equal(mask, expected)


def test_one_mask_serves_a_batch_and_another_size_is_told():
    images, mask = torch.rand(2, 3, 5, 7), torch.rand(5, 7)
    planes = from_mask(mask, images)
    assert planes.shape == (2, 1, 5, 7) and torch.equal(planes[1, 0], mask)
    assert torch.equal(from_mask(torch.stack([mask, 1 - mask]), images)[1, 0], 1 - mask)
    with pytest.raises(ImageError, match=r"^mask holds 1 picture of 5 x 7, but image holds 2 pictures of 7 x 5; res"):
        from_mask(torch.rand(1, 7, 5), images)
    with pytest.raises(ImageError, match=r"^mask holds 3 pictures .*; connect 2 pictures, or one for all.$"):
        from_mask(torch.rand(3, 5, 7), images)


def test_a_report_is_json_with_lists_of_numbers_in_one_line():
    told = {"numbers": [0.5, -1e-05, 2], "notes": ["a face [0, 1]", "two"], "none": [], "faces": [{"box": [1, 2]}]}
    text = to_report(told)
    assert json.loads(text) == told
    assert '"numbers": [ 0.5, -1e-05, 2 ]' in text and '"box": [ 1, 2 ]' in text

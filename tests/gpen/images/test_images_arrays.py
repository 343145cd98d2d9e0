"""Arrays and PIL images to tensors and back."""

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import from_array, to_array


def every_value(dtype):
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    return values.reshape(16, -1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_survives(dtype):
    """No value of either type is lost or shifted on the way through floats."""
    grey = every_value(dtype)
    tensor = from_array(grey)
    assert tensor.shape == (1, 3, *grey.shape)
    assert tensor.dtype == torch.float32
    assert tensor.min() == 0
    assert tensor.max() == 1
    back = to_array(tensor, like=grey)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, grey)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 1, 3), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_results_are_of_the_kind_that_came_in(shape, dtype):
    """Shape, type, values and the alpha channel come back; the tensor is always three channels."""
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    image = (np.random.default_rng(0).random(shape) * top).astype(dtype)
    tensor = from_array(image)
    assert tensor.shape == (1, 3, *shape[:2])
    back = to_array(tensor, like=image)
    assert back.dtype == image.dtype
    assert back.shape == image.shape
    np.testing.assert_allclose(back, image, rtol=1e-6 if dtype == np.float64 else 0)


def test_channels_are_rgb_in_order():
    """Red stays red: no swap of channels or axes."""
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 2] = (255, 128, 0)
    tensor = from_array(image)
    assert tensor[0, :, 0, 2].tolist() == pytest.approx([1, 128 / 255, 0])
    assert tensor.sum() == tensor[0, :, 0, 2].sum()


def test_strided_arrays_are_read_as_they_look():
    """Views, reversed and transposed arrays give the same tensor as their copies."""
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    for view in (image[::2, ::-1], image[..., ::-1], image.transpose(1, 0, 2), np.asfortranarray(image)):
        assert torch.equal(from_array(view), from_array(view.copy()))


def test_out_of_range_results_are_clipped():
    """A network's overshoot does not wrap around in 8 bits."""
    like = np.zeros((1, 2, 3), np.uint8)
    tensor = torch.tensor([-0.2, 1.3]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    np.testing.assert_array_equal(to_array(tensor, like=like)[0, :, 0], [0, 255])


def test_half_precision_results_are_taken():
    """A bf16 result becomes an array all the same."""
    image = np.full((2, 2, 3), 128, np.uint8)
    assert np.abs(to_array(from_array(image).bfloat16(), like=image).astype(int) - 128).max() <= 1


def test_coloured_result_of_a_grey_array_is_its_luma():
    """A grey array gets one channel back even where the result has colour."""
    red = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert to_array(red, like=np.zeros((2, 2), np.uint8)).tolist() == [[54, 54], [54, 54]]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_pil_images_go_through(mode):
    """Each PIL mode gives a tensor, and a result of the nearest mode that can hold it."""
    source = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5)
    image = (
        Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4) * 4000) if mode == "I;16" else source.convert(mode)
    )
    tensor = from_array(image)
    assert tensor.shape == (1, 3, 4, 4)
    back = to_array(tensor, like=image)
    nearest = {"1": "L", "P": "RGB", "CMYK": "RGB"}.get(mode, mode)
    assert back.mode == nearest
    same_kind = image if mode == "I;16" else image.convert(nearest)
    np.testing.assert_array_equal(np.asarray(back), np.asarray(same_kind))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((3, 5, 7), np.uint8), "channels to the end"),
        (np.zeros((2, 5, 7, 3), np.uint8), "H x W"),
        (np.zeros((5, 7, 2), np.uint8), "H x W"),
        (np.zeros((0, 7, 3), np.uint8), "H x W"),
        (np.zeros(7, np.uint8), "H x W"),
        (np.zeros((5, 7, 3), np.int64), "int64"),
        (np.zeros((5, 7, 3), bool), "bool"),
        (np.full((5, 7, 3), np.nan), "NaN"),
        (np.full((5, 7, 3), np.inf, np.float32), "infinite"),
        (np.full((5, 7, 3), 200.0), "0..1"),
        (np.full((5, 7, 3), -0.5), "0..1"),
        ([[0, 1], [1, 0]], "list"),
        (Image.new("F", (3, 3)), "mode F"),
    ],
)
def test_wrong_images_are_refused_in_one_sentence(image, words):
    """Nothing of a wrong shape, type or range is guessed at."""
    with pytest.raises(ImageError, match=words) as caught:
        from_array(image)
    assert "\n" not in str(caught.value)


def test_results_that_do_not_fit_are_refused():
    """Another size, another shape, or NaN in the result is an error, not a picture."""
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ImageError, match="pixels"):
        to_array(torch.zeros(1, 3, 4, 5), like=image)
    with pytest.raises(ImageError, match="1 x 3 x H x W"):
        to_array(torch.zeros(3, 4, 4), like=image)
    with pytest.raises(ImageError, match="NaN"):
        to_array(torch.full((1, 3, 4, 4), float("nan")), like=image)

"""Small copies of pictures: of every kind of file, upright, in sRGB, and the square around a face at its place."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images.thumbnails import laplacian_variance, read_small, webp


def quarters(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Red, green, blue and white from the top left to the bottom right."""
    image = Image.new("RGB", (width, height))
    for number, colour in enumerate(((230, 20, 20), (20, 200, 20), (20, 20, 230), (240, 240, 240))):
        down, across = divmod(number, 2)
        image.paste(colour, (across * width // 2, down * height // 2, width, height))
    return image.convert(mode)


def corners(image: Image.Image) -> list[str]:
    """Which colour each quarter of an image has."""
    names = []
    for y in (0.25, 0.75):
        for x in (0.25, 0.75):
            red, green, blue = np.asarray(image.convert("RGB"))[int(y * image.height), int(x * image.width)].astype(int)
            bright = red > 120, green > 120, blue > 120
            names.append({(1, 0, 0): "red", (0, 1, 0): "green", (0, 0, 1): "blue", (1, 1, 1): "white"}.get(bright, "?"))
    return names


RIGHT = ["red", "green", "blue", "white"]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.jpg", "RGB"), ("a.png", "RGB"), ("a.png", "RGBA"), ("a.png", "P"), ("a.webp", "RGB"), ("a.tif", "RGB")]
    + [("a.tif", "CMYK"), ("a.jpg", "CMYK"), ("a.bmp", "RGB"), ("a.gif", "P")],
)
def test_every_kind_of_file_keeps_its_colours(name: str, mode: str, tmp_path):
    quarters(640, 320, mode).save(tmp_path / name)
    small = read_small(tmp_path / name, 64)
    whole = small.whole(64)
    assert (small.size, whole.size, whole.mode) == ((640, 320), (64, 32), "RGB")
    assert corners(whole) == RIGHT


def test_sixteen_bits_are_read_as_for_a_restoration(tmp_path):
    samples = np.asarray(quarters(300, 200)).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb")
    assert corners(read_small(tmp_path / "a.tif", 64).whole(64)) == RIGHT
    lab = np.zeros((64, 64, 3), np.uint8)
    lab[..., 0] = 128
    tifffile.imwrite(tmp_path / "lab.tif", lab, photometric="cielab")
    assert np.ptp(np.asarray(read_small(tmp_path / "lab.tif", 32).whole(32))[16, 16].astype(int)) <= 2, "a middle gray"
    gray = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None], 64, 0)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    levels = np.asarray(read_small(tmp_path / "gray.png", 256).whole(256))
    assert np.abs(levels[32, :, 0].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_upright(orientation: int, tmp_path):
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes an orientation, by Pillow's numbers
    image = quarters(800, 400)
    if orientation in turned:
        image = image.transpose(Image.Transpose(turned[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)
    small = read_small(tmp_path / "a.jpg", 80)
    assert small.size == (800, 400)
    assert corners(small.whole(80)) == RIGHT
    assert corners(small.square((0.25, 0.0, 0.75, 1.0), 40)) == RIGHT


def test_colours_go_through_their_profile(tmp_path):
    lab = ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(quarters(64, 64), ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    assert image is not None
    image.save(tmp_path / "a.tif", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    assert corners(read_small(tmp_path / "a.tif", 32).whole(32)) == RIGHT


def test_a_large_jpeg_is_decoded_small_unless_a_face_needs_more(tmp_path):
    quarters(3200, 1600).save(tmp_path / "a.jpg")
    assert read_small(tmp_path / "a.jpg", 100)._image.width == 400
    assert read_small(tmp_path / "a.jpg", 100, finest=0.4)._image.width == 3200


def test_a_square_is_where_the_face_is_and_stays_within_the_picture(tmp_path):
    quarters(400, 200).save(tmp_path / "a.png")
    small = read_small(tmp_path / "a.png", 400)
    red = small.square((0.1, 0.1, 0.3, 0.4), 50)
    assert red.size == (50, 50)
    assert corners(red) == ["red"] * 4
    outside = small.square((-0.5, 0.6, 0.1, 2.0), 50)
    assert (outside.size, corners(outside)) == ((50, 50), ["red", "red", "blue", "blue"])
    assert small.square((5, 5, 5, 5), 8).size == (8, 8)


def test_thumbnails_hold_no_metadata(tmp_path):
    """Where a photograph was taken is nothing to send along with a page."""
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    quarters(100, 100).save(tmp_path / "a.jpg", exif=exif, icc_profile=profile)
    data = webp(read_small(tmp_path / "a.jpg", 64).whole(64), 80)
    assert b"Secret" not in data
    read = Image.open(io.BytesIO(data))
    assert (read.format, "exif" in read.info, "icc_profile" in read.info) == ("WEBP", False, False)


def test_what_is_no_picture_is_an_image_error(tmp_path):
    for name, content in (("a.jpg", b"text"), ("b.png", b""), ("c.jpg", b"\xff\xd8\xff\xe0 damaged")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError):
            read_small(tmp_path / name, 64)
    with pytest.raises(ImageError):
        read_small(tmp_path / "none.jpg", 64)


def test_a_cut_off_file_shows_what_is_left_and_bytes_do_as_well_as_a_file(tmp_path):
    whole = io.BytesIO()
    quarters(400, 400).save(whole, "JPEG")
    (tmp_path / "a.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) * 2 // 3])
    assert corners(read_small(tmp_path / "a.jpg", 64).whole(64))[:2] == ["red", "green"]
    assert corners(read_small("s3://bucket/a.jpg", 64, data=whole.getvalue()).whole(64)) == RIGHT


def test_the_measure_of_sharpness_falls_with_blur(examples: Path):
    sharp = Image.open(examples / "faces" / "sharp.jpg").resize((160, 160))
    blurred = sharp.resize((80, 80)).resize((160, 160))
    assert laplacian_variance(sharp) > 2 * laplacian_variance(blurred) > 0
    assert laplacian_variance(Image.new("RGB", (16, 16), "red")) == 0


def test_it_needs_no_torch(examples: Path):
    code = (
        "import sys; from gpen_blocks.gpen.images.thumbnails import read_small, webp\n"
        "webp(read_small(sys.argv[1], 64).whole(64), 80); print('torch' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(examples / "portrait-degraded.jpg")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "False\n"

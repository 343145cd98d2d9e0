"""A picture that was not changed is its file's very bytes; one that was, or whose file was, is encoded anew."""

from dataclasses import replace

import numpy as np
import pytest
from phone_files import ultra_hdr
from PIL import Image

from gpen_blocks.gpen.images import read_picture, write_picture

Y, X = np.mgrid[:40, :56]
PIXELS = np.stack([X * 4, Y * 5, (X + Y) % 256], axis=2).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_an_unchanged_picture_is_the_very_bytes(tmp_path, suffix):
    """Whatever the file holds, its orientation too, comes out as it was; equal pixels are unchanged ones."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / f"a{suffix}", exif=exif.tobytes())
    picture = read_picture(tmp_path / f"a{suffix}")
    for result in (picture, picture.with_pixels(picture.pixels.clone())):
        assert write_picture(result, tmp_path / f"b{suffix}") == ()
        assert (tmp_path / f"b{suffix}").read_bytes() == (tmp_path / f"a{suffix}").read_bytes()


def test_nothing_is_left_out_of_the_very_bytes(tmp_path):
    """A phone's gain map stays where nothing was restored, and no note says otherwise."""
    (tmp_path / "a.jpg").write_bytes(ultra_hdr(PIXELS))
    assert write_picture(read_picture(tmp_path / "a.jpg"), tmp_path / "b.jpeg") == ()
    assert (tmp_path / "b.jpeg").read_bytes() == ultra_hdr(PIXELS)


def differently(picture):
    """The same picture with one thing changed, in every way there is."""
    darker = picture.pixels.clone()
    darker[0, 1, 20, 20] *= 0.5
    return {
        "pixels": picture.with_pixels(darker),
        "EXIF": replace(picture, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0"),
        "profile": replace(picture, icc_profile=b"another"),
        "XMP": replace(picture, info=replace(picture.info, xmp=b"<x/>")),
        "no source": replace(picture, source=None),
    }


@pytest.mark.parametrize("what", ["pixels", "EXIF", "profile", "XMP", "no source"])
def test_a_changed_picture_is_encoded(tmp_path, what):
    """One pixel, or one block of metadata, and the file is written anew."""
    (tmp_path / "a.jpg").write_bytes(ultra_hdr(PIXELS))
    picture = differently(read_picture(tmp_path / "a.jpg"))[what]
    notes = write_picture(picture, tmp_path / "b.jpg")
    assert "gain map" in notes[0]
    again = read_picture(tmp_path / "b.jpg")
    assert (again.exif, again.icc_profile, again.info.xmp) == (picture.exif, picture.icc_profile, picture.info.xmp)


def test_pixels_changed_in_place_are_seen(tmp_path):
    """The tensor that was read is the user's to change; the file is looked at again."""
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    picture.pixels.numpy()[0, 0] = 0
    write_picture(picture, tmp_path / "b.png")
    assert not read_picture(tmp_path / "b.png").to_array()[..., 0].any()


def test_another_format_and_a_quality_are_encoded(tmp_path):
    """Bytes are taken over only for the same format and no wish for a quality."""
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg")
    write_picture(picture, tmp_path / "b.png")
    assert read_picture(tmp_path / "b.png").info.format == "PNG"
    write_picture(picture, tmp_path / "b.jpg", quality=30)
    assert (tmp_path / "b.jpg").stat().st_size < (tmp_path / "a.jpg").stat().st_size


@pytest.mark.parametrize("what", ["gone", "changed", "no picture"])
def test_a_source_that_changed_meanwhile_is_not_trusted(tmp_path, what):
    """The picture that was read is written, whatever has become of its file."""
    path = tmp_path / "a.png"
    Image.fromarray(PIXELS).save(path)
    picture = read_picture(path)
    if what == "gone":
        path.unlink()
    elif what == "changed":
        Image.fromarray(255 - PIXELS).save(path)
    else:
        path.write_bytes(b"nothing")
    write_picture(picture, tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png").to_array(), PIXELS)


def test_a_restoration_without_a_face_is_the_very_bytes(tmp_path):
    """A JPEG of a landscape goes through the whole chain and comes out as it went in."""
    from gpen_blocks import Restorer

    Image.fromarray(np.kron(PIXELS, np.ones((6, 6, 1), np.uint8))).save(tmp_path / "a.jpg", quality=60)
    result = Restorer(backend="eager").restore(tmp_path / "a.jpg")
    assert not len(result.faces)
    result.save(tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()

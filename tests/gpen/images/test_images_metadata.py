"""Metadata beyond EXIF: large profiles and texts of PNG, IPTC and Photoshop's resources."""

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tifffile
from phone_files import jpeg, segment
from PIL import Image, ImageCms

from gpen_blocks.gpen.images import read_picture, write_picture
from gpen_blocks.gpen.images.photoshop import iptc_of

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# The title of a picture, as IIM 4.2 writes a data set: 0x1C, record 2, number 5, length.
IPTC = b"\x1c\x02\x05\x00\x06Solvay\x1c\x02\x50\x00\x05Couprie"[:23]


def resource(number, data, name=b""):
    pascal = bytes([len(name)]) + name
    pascal += b"\0" * (len(pascal) % 2)
    return b"8BIM" + struct.pack(">H", number) + pascal + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


PATH = resource(2000, bytes(range(52)), b"Path 1")
CAPTION = resource(0x0404, IPTC)
THUMBNAIL = resource(0x040C, b"old picture" * 9)
OLD_THUMBNAIL = resource(0x0409, b"older picture" * 9)
BLOCK = PATH + THUMBNAIL + CAPTION + OLD_THUMBNAIL + resource(1005, bytes(16))
KEPT = PATH + CAPTION + resource(1005, bytes(16))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks, deep=False):
    """A PNG with chunks of ours behind its header."""
    file = io.BytesIO()
    if deep:
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in PIXELS.astype(np.uint16) * 257)
        header = struct.pack(">IIBBBBB", 32, 24, 16, 2, 0, 0, 0)
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    else:
        Image.fromarray(PIXELS).save(file, "PNG")
        data = file.getvalue()
    return data[:33] + b"".join(chunks) + data[33:]


def changed(picture):
    return picture.with_pixels(1 - picture.pixels)


@pytest.mark.slow
@pytest.mark.parametrize("deep", [False, True])
def test_a_png_with_a_profile_over_a_megabyte(tmp_path, deep):
    """A printer's profile of 3 MB is read and written, at 8 and 16 bits; Pillow alone refuses the file."""
    profile = SRGB + np.random.default_rng(1).integers(0, 9, 3_000_000, dtype=np.uint8).tobytes()
    (tmp_path / "a.png").write_bytes(png_with(chunk(b"iCCP", b"big\0\0" + zlib.compress(profile)), deep=deep))
    picture = read_picture(tmp_path / "a.png")
    assert picture.icc_profile == profile
    assert picture.notes == ()
    for suffix in (".png", ".jpg", ".tif", ".webp"):
        write_picture(changed(picture), tmp_path / f"b{suffix}")
        assert read_picture(tmp_path / f"b{suffix}").icc_profile == profile


@pytest.mark.parametrize("body", [zlib.compress(bytes(80_000_000), 9), b"no deflate at all"])
def test_a_profile_that_is_a_bomb_is_left_out(tmp_path, body):
    """80 MB out of 80 KB, and damage, cost the profile with a word, and not the picture."""
    (tmp_path / "a.png").write_bytes(png_with(chunk(b"iCCP", b"bomb\0\0" + body)))
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.to_array(), PIXELS)
    assert picture.icc_profile is None
    assert "profile is damaged" in picture.notes[0]


def test_large_and_damaged_texts_do_not_cost_the_picture(tmp_path):
    """Texts and XMP beyond Pillow's limits go through as they are; a damaged one stays as it was."""
    text = b"workflow\0\0" + zlib.compress(b"x" * 3_000_000)
    packet = b"<x>" + b"y" * 2_000_000 + b"</x>"
    xmp = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)
    broken = b"broken\0\0no deflate"
    chunks = [(b"zTXt", text), (b"iTXt", xmp), (b"zTXt", broken)]
    (tmp_path / "a.png").write_bytes(png_with(*(chunk(*one) for one in chunks)))
    picture = read_picture(tmp_path / "a.png")
    assert picture.info.xmp == packet
    assert picture.info.png_chunks == ((b"zTXt", text), (b"zTXt", broken))
    write_picture(changed(picture), tmp_path / "b.png")
    assert read_picture(tmp_path / "b.png").info == picture.info


def test_iptc_and_paths_of_a_jpeg_are_kept(tmp_path):
    """APP13 comes back resource by resource, without the thumbnails that show the picture as it was."""
    (tmp_path / "a.jpg").write_bytes(jpeg(PIXELS, segment(0xED, b"Photoshop 3.0\0" + BLOCK)))
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.info.photoshop == KEPT
    assert write_picture(changed(picture), tmp_path / "b.jpg") == ()
    data = (tmp_path / "b.jpg").read_bytes()
    assert b"Photoshop 3.0\0" + KEPT in data
    assert b"old" not in data
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["photoshop"][0x0404] == IPTC


def test_a_long_block_goes_through_several_segments(tmp_path):
    """100 KB of resources are one block in two segments, read and written."""
    block = CAPTION + resource(2001, bytes(100_000))
    pieces = [block[:60_000], block[60_000:]]
    data = jpeg(PIXELS, *(segment(0xED, b"Photoshop 3.0\0" + piece) for piece in pieces))
    (tmp_path / "a.jpg").write_bytes(data)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.info.photoshop == block
    write_picture(changed(picture), tmp_path / "b.jpg")
    assert read_picture(tmp_path / "b.jpg").info.photoshop == block


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_iptc_crosses_formats(tmp_path, suffix):
    """From TIFF's own tags, LONG as Photoshop writes them, to each format and back."""
    padded = IPTC + b"\0" * (-len(IPTC) % 4)
    tags: list[Any] = [(34377, "B", len(PATH + THUMBNAIL), PATH + THUMBNAIL, True)]
    tags.append((33723, "I", len(padded) // 4, struct.unpack(f"<{len(padded) // 4}I", padded), True))
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, photometric="rgb", extratags=tags, metadata=None)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.info.photoshop == PATH + resource(0x0404, padded)
    assert write_picture(changed(picture), tmp_path / f"b{suffix}") == ()
    assert read_picture(tmp_path / f"b{suffix}").info.photoshop == picture.info.photoshop
    if suffix == ".tif":
        with tifffile.TiffFile(tmp_path / "b.tif") as file:
            assert bytes(file.pages[0].tags[33723].value) == padded
            assert bytes(file.pages[0].tags[34377].value) == PATH


def test_webp_says_that_it_has_no_place_for_iptc(tmp_path):
    """What a format cannot hold is told."""
    (tmp_path / "a.jpg").write_bytes(jpeg(PIXELS, segment(0xED, b"Photoshop 3.0\0" + BLOCK)))
    notes = write_picture(read_picture(tmp_path / "a.jpg"), tmp_path / "b.webp")
    assert "IPTC" in notes[0]


def test_imagemagicks_iptc_in_a_png(tmp_path):
    """The hexadecimal block of a PNG is the same data."""
    text = f"\niptc\n{len(CAPTION):8}\n{CAPTION.hex()}\n".encode()
    (tmp_path / "a.png").write_bytes(png_with(chunk(b"tEXt", b"Raw profile type iptc\0" + text)))
    picture = read_picture(tmp_path / "a.png")
    assert picture.info.photoshop == CAPTION
    assert iptc_of(picture.info.photoshop or b"") == IPTC
    write_picture(replace(picture, source=None), tmp_path / "b.png")
    assert read_picture(tmp_path / "b.png").info.photoshop == CAPTION


@pytest.mark.parametrize("cut", range(1, len(CAPTION), 5))
def test_a_block_that_is_cut_off_keeps_its_whole_resources(tmp_path, cut):
    """What cannot be followed is left out, and nothing else."""
    (tmp_path / "a.jpg").write_bytes(jpeg(PIXELS, segment(0xED, b"Photoshop 3.0\0" + PATH + CAPTION[:cut])))
    assert read_picture(tmp_path / "a.jpg").info.photoshop == PATH

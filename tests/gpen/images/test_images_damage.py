"""Bad files: each is one sentence, never half a picture."""

import io
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import Picture, from_array, read_picture, write_picture

Y, X = np.mgrid[:48, :64]
PICTURE = np.stack([X * 3, Y * 5, (X * Y) % 256], axis=2).astype(np.uint8)


def encoded(kind, **options):
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, kind, **options)
    return file.getvalue()


def encoded16(tmp_path, suffix):
    write_picture(Picture(from_array(PICTURE), bit_depth=16), tmp_path / f"deep{suffix}")
    return (tmp_path / f"deep{suffix}").read_bytes()


FILES = {
    "JPEG": lambda _: encoded("JPEG"),
    "progressive JPEG": lambda _: encoded("JPEG", progressive=True),
    "PNG": lambda _: encoded("PNG"),
    "WebP": lambda _: encoded("WEBP"),
    "lossless WebP": lambda _: encoded("WEBP", lossless=True),
    "TIFF": lambda _: encoded("TIFF"),
    "LZW TIFF": lambda _: encoded("TIFF", compression="tiff_lzw"),
    "BMP": lambda _: encoded("BMP"),
    "GIF": lambda _: encoded("GIF"),
    "16-bit PNG": lambda folder: encoded16(folder, ".png"),
    "16-bit TIFF": lambda folder: encoded16(folder, ".tif"),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_never_gives_another_picture(tmp_path, name):
    """Cut anywhere, a file is refused in one sentence; or nothing but an empty tail was lost."""
    data = FILES[name](tmp_path)
    path = tmp_path / "cut.bin"
    path.write_bytes(data)
    whole = read_picture(path)
    cuts = sorted({*range(1, 40, 3), *np.linspace(40, len(data) - 1, 25).astype(int).tolist()})
    refused = 0
    for cut in cuts:
        path.write_bytes(data[:cut])
        try:
            picture = read_picture(path)
        except ImageError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert torch.equal(picture.pixels, whole.pixels), f"cut at {cut} of {len(data)}"
    assert refused >= len(cuts) - 5


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_never_raises_anything_else(tmp_path, name):
    """Damage in the header gives a picture that can be written, or an ImageError: never another exception."""
    data = FILES[name](tmp_path)
    path = tmp_path / "flipped.bin"
    rng = np.random.default_rng(0)
    for place in rng.integers(0, min(len(data), 300), 40):
        damaged = bytearray(data)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with suppress(ImageError):
            write_picture(replace(read_picture(path), source=None), tmp_path / "out.jpg")


def test_a_jpeg_closed_off_in_the_middle_is_told(tmp_path):
    """A decoder takes half a JPEG with an end marker for whole; the grey rest is noted, and a whole one is not."""
    data = encoded("JPEG", quality=100)
    path = tmp_path / "a.jpg"
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    assert "missing data" in read_picture(path).notes[0]
    path.write_bytes(data)
    assert read_picture(path).notes == ()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "is not a known picture"),
        (b"a", "is not a known picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a known picture"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (b"BM", "cut off"),
        (b"II*\0\x08\0\0\0", "cut off"),
        (b"RIFF\x04\0\0\0WEBP", "cut off"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, content, words):
    """Empty files, web pages, other formats and bare signatures are one sentence each."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=words) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    """No such file, and a folder, are told apart."""
    with pytest.raises(ImageError, match="no file"):
        read_picture(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_picture(tmp_path)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_unreadable_files_are_refused(tmp_path):
    """A file without permission to read is one sentence."""
    path = tmp_path / "secret.png"
    Image.fromarray(PICTURE).save(path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(ImageError, match="permissions"):
        read_picture(path)


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_claimed_sizes_are_refused_before_memory_is_taken(tmp_path):
    """A small file that claims 4 gigapixels is refused by its header, whatever its format."""
    path = tmp_path / "bomb"
    path.write_bytes(png_header(65535, 65535))
    with pytest.raises(ImageError, match="65535 x 65535"):
        read_picture(path)
    bitmap = bytearray(encoded("BMP"))
    bitmap[18:26] = struct.pack("<ii", 65535, 65535)
    path.write_bytes(bitmap)
    with pytest.raises(ImageError, match="65535 x 65535"):
        read_picture(path)


def test_pillows_limit_neither_stops_nor_changes(tmp_path, monkeypatch, recwarn):
    """Photographs beyond Pillow's bomb limit are read without a warning, and its global stays as it was."""
    limit = 1_200_000
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"):
        Image.new("RGB", (1500, 1400)).save(tmp_path / kind, kind)
        assert read_picture(tmp_path / kind).size == (1400, 1500)
    assert limit == Image.MAX_IMAGE_PIXELS
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_does_not_cost_the_picture(tmp_path):
    """Unreadable EXIF, in its block or as a PNG's text, is left out with a word; the pixels are there."""
    text = PngInfo()
    text.add_text("Raw profile type exif", "\nexif\n 9\nno digits\n")
    files = {"a.jpg": encoded("JPEG", exif=b"Exif\0\0II*\0\xff\0\0\0"), "a.png": encoded("PNG", pnginfo=text)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        picture = read_picture(tmp_path / name)
        assert picture.exif is None
        assert "EXIF block is damaged" in picture.notes[0]

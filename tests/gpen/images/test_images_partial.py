"""Files that are cut off: refused with how much is there, and read in part where that is asked for."""

import io
import struct
import zlib

import numpy as np
import pytest
from damaged_files import DEEP, PICTURE, encoded, tiff
from PIL import Image

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import read_picture

Y, X = np.mgrid[:240, :320]
SMOOTH = np.stack([X // 2, Y, (X + Y) // 3], axis=2).astype(np.uint8)


def smooth(kind, **options):
    file = io.BytesIO()
    Image.fromarray(SMOOTH).save(file, kind, **options)
    return file.getvalue()


def deep_png(interlace=0):
    """A 16-bit PNG from its specification alone."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in DEEP)
    header = struct.pack(">IIBBBBB", 64, 48, 16, 2, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


def rows_there(picture, whole):
    """How many rows from the top are those of the whole picture."""
    same = (picture.to_array() == whole.to_array()).all(axis=(1, 2))
    return len(same) if same.all() else int(np.argmin(same))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_cut_jpeg_says_how_much_is_there(tmp_path, share):
    """The share of the rows in the sentence is that of the rows that are right; the part is read on request."""
    data = smooth("JPEG", quality=95)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    whole = read_picture(path)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match=r"(\d+) % of the picture can be read.*--allow-damaged") as caught:
        read_picture(path)
    told = int(str(caught.value).split(" %")[0].split()[-1]) / 100
    picture = read_picture(path, allow_damaged=True)
    assert picture.notes[0].startswith("The file is cut off or damaged")
    assert picture.source is None
    # A row of blocks is 16 pixels high with 4:2:0, its last part may be grey, and smoothing reaches a little further.
    assert abs(told - rows_there(picture, whole) / 240) <= 20 / 240
    assert told > share / 3


def test_a_cut_progressive_jpeg_is_there_coarsely(tmp_path):
    """Of a progressive file the first scans give the whole, and come close to it."""
    data = smooth("JPEG", quality=95, progressive=True)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ImageError, match="nearly all of the picture"):
        read_picture(tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg", allow_damaged=True)
    assert np.abs(picture.to_array().astype(int) - SMOOTH).mean() < 8


FILES = {
    "PNG": lambda: smooth("PNG"),
    "palette PNG": lambda: encoded("PNG", "P"),
    "16-bit PNG": deep_png,
    "BMP": lambda: smooth("BMP"),
    "GIF": lambda: smooth("GIF", interlace=False),
    "TIFF in strips": lambda: smooth("TIFF"),
    "LZW TIFF in strips": lambda: tiff(DEEP, rowsperstrip=6),
}


@pytest.mark.parametrize("name", FILES)
def test_the_upper_part_of_other_formats(tmp_path, name):
    """What comes before the cut is what it was; without leave the file is refused with how much there is."""
    data = FILES[name]()
    path = tmp_path / "a"
    path.write_bytes(data)
    whole = read_picture(path)
    path.write_bytes(data[: int(len(data) * 0.6)])
    with pytest.raises(ImageError, match="--allow-damaged"):
        read_picture(path)
    picture = read_picture(path, allow_damaged=True)
    assert picture.size == whole.size
    rows = rows_there(picture, whole)
    if name != "BMP":  # which begins with its last row
        assert 0.3 < rows / whole.size[0] < 0.9
    else:
        assert (picture.to_array()[-90:] == whole.to_array()[-90:]).all()
    assert "could be read" in picture.notes[0]


def test_pixels_of_a_png_that_were_changed_in_the_file(tmp_path):
    """The stream's own checksum tells: refused, and read where that is asked for, with all that is right in it."""
    data = bytearray(deep_png())
    at = len(data) // 2
    data[at : at + 8] = bytes(8)
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match="nearly all of the picture can be read"):
        read_picture(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", allow_damaged=True)
    assert (picture.to_array() != DEEP).any(axis=(1, 2)).sum() == 1


def test_a_wrong_checksum_of_a_png_is_told(tmp_path):
    """Pillow passes over it; the pixels are read, and the note says what it may mean."""
    data = bytearray(smooth("PNG"))
    data[-16] ^= 0x55  # the last byte but the end chunk's twelve is that of the pixels' checksum
    data[-13] ^= 0x55
    (tmp_path / "a.png").write_bytes(data)
    picture = read_picture(tmp_path / "a.png")
    assert "checksum in the file is wrong" in picture.notes[0]
    np.testing.assert_array_equal(picture.to_array(), SMOOTH)


@pytest.mark.parametrize("kind", ["WEBP", "JPEG", "PNG"])
def test_where_nothing_is_there_nothing_is_given(tmp_path, kind):
    """A file cut before its first pixel, or of a format that is all or nothing, is an error in any case."""
    data = smooth(kind)
    (tmp_path / "a").write_bytes(data[:60])
    with pytest.raises(ImageError):
        read_picture(tmp_path / "a", allow_damaged=True)


def test_a_header_that_claims_much_takes_no_memory(tmp_path):
    """A PNG of 3 KB that claims 400 megapixels is refused at once, also where damage is allowed."""
    data = bytearray(encoded("PNG"))
    data[16:24] = struct.pack(">II", 20000, 20000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError):
        read_picture(tmp_path / "a.png", allow_damaged=True)


def test_a_whole_file_is_whole(tmp_path):
    """Leave to read damaged files changes nothing for a sound one."""
    for name, data in (("a.jpg", encoded("JPEG")), ("a.png", deep_png()), ("a.tif", tiff(DEEP))):
        (tmp_path / name).write_bytes(data)
        picture = read_picture(tmp_path / name, allow_damaged=True)
        assert picture.notes == ()
        assert picture.source is not None
    assert PICTURE.shape[:2] == picture.size

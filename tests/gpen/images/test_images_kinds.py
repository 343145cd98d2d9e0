"""What a file is, by its content: AVIF and HEIC behind general brands, camera raw files, and what is no photograph."""

import struct
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
from PIL import Image, features

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import read_picture, write_picture
from gpen_blocks.gpen.images.kinds import recognise

Y, X = np.mgrid[:64, :96]
PIXELS = np.stack([X * 2, Y * 3, (X + Y) % 256], axis=2).astype(np.uint8)


def boxes(major, *compatible):
    return struct.pack(">I", 16 + 4 * len(compatible)) + b"ftyp" + major + bytes(4) + b"".join(compatible)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
@pytest.mark.parametrize("major", [b"avif", b"mif1", b"msf1"])
def test_avif_of_any_major_brand(tmp_path, major):
    """AVIF may call itself a general image file first; its compatible brands tell what it is."""
    path = tmp_path / "a.avif"
    Image.fromarray(PIXELS).save(path, quality=90)
    data = path.read_bytes()
    assert b"avif" in data[16:40]
    path.write_bytes(data[:8] + major + data[12:])
    picture = read_picture(path)
    assert picture.info.format == "AVIF"
    assert np.abs(picture.to_array().astype(int) - PIXELS).mean() < 4


@pytest.mark.skipif(not find_spec("pillow_heif"), reason="pillow-heif is not installed")
def test_a_gain_map_in_boxes_is_told(tmp_path):
    """A file that names a tone map among its brands (ISO 21496-1) has one, which no result holds."""
    import pillow_heif

    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(PIXELS)).save(path)
    data = path.read_bytes()
    assert read_picture(path).left_out == ()
    (length,) = struct.unpack(">I", data[:4])
    path.write_bytes(data[: length - 4] + b"tmap" + data[length:])
    picture = read_picture(path)
    assert "gain map" in picture.left_out[0]
    assert "gain map" in write_picture(picture, tmp_path / "b.png")[0]


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (boxes(b"mif1", b"mif1", b"avif", b"miaf"), "AVIF"),
        (boxes(b"avis", b"avis", b"msf1"), "AVIF"),
        (boxes(b"mif1", b"mif1", b"heic"), "HEIC"),
        (boxes(b"heic", b"mif1", b"heic", b"avif"), "HEIC"),
        (boxes(b"msf1", b"hevc", b"msf1"), "HEIC"),
        (boxes(b"crx ", b"crx ", b"isom"), "camera raw"),
    ],
)
def test_brands(monkeypatch, head, kind):
    """The compatible brands decide where the major one is the general one, within the box's own length."""
    monkeypatch.setitem(sys.modules, "pillow_heif", type(sys)("pillow_heif"))
    sys.modules["pillow_heif"].HeifImageFile = Image.open  # type: ignore[attr-defined]
    assert recognise(head + b"avif" * 3, "a")[0] == kind


@pytest.mark.skipif(not find_spec("pillow_heif"), reason="pillow-heif is not installed")
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_turned_heic_is_turned_once(tmp_path, orientation):
    """The decoder turns a HEIC's pixels by its boxes; EXIF must not turn them again."""
    import pillow_heif

    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(PIXELS)).save(path, exif=exif.tobytes(), quality=90)
    picture = read_picture(path)
    expected = np.rot90(PIXELS, -1) if orientation == 6 else PIXELS
    assert np.abs(picture.to_array().astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7\n", "PDF document"),
        (b"8BPS\0\1", "Photoshop document"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"v/1\x01", "OpenEXR"),
        (boxes(b"mp42", b"mp42", b"isom"), "is a video"),
        (boxes(b"abcd"), "brand is abcd"),
    ],
)
def test_what_people_take_for_pictures_is_named(tmp_path, content, words):
    """Other files of a photographer's folder are one sentence that says what they are."""
    path = tmp_path / "a.jpg"
    path.write_bytes(content + bytes(64))
    with pytest.raises(ImageError, match=words):
        read_picture(path)


def mosaic(height=64, width=96):
    """What a sensor behind red, green, green, blue sees of an orange field."""
    cells = np.full((height, width), 8000, np.uint16)
    cells[::2, ::2], cells[1::2, 1::2] = 12000, 3000
    return cells


def dng(path, preview=True):
    """A DNG 1.4 with a preview first, as cameras write it: its sensor's data lie in a sub-page, or alone."""
    matrix = [
        (3134, 1000),
        (-1617, 1000),
        (-491, 1000),
        (-979, 1000),
        (1916, 1000),
        (33, 1000),
        (72, 1000),
        (-229, 1000),
    ]
    flat = [number for pair in [*matrix, (1405, 1000)] for number in pair]
    common = [
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, "Made Camera", True),
        (50721, "2i", 9, flat, True),
        (50728, "2I", 3, [1, 1, 1, 1, 1, 1], True),
        (50778, "H", 1, 21, True),
        (271, "s", 0, "Made", True),
        (272, "s", 0, "Camera", True),
    ]
    sensor = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True), (50717, "H", 1, 16383, True)]
    with tifffile.TiffWriter(path) as file:
        if preview:
            file.write(PIXELS[::4, ::4], photometric="rgb", subfiletype=1, extratags=common, subifds=1, metadata=None)
            file.write(mosaic(), photometric="cfa", extratags=sensor, metadata=None)
        else:
            file.write(mosaic(), photometric="cfa", extratags=common + sensor, metadata=None)
    return path


def without_rawpy(monkeypatch):
    monkeypatch.setitem(sys.modules, "rawpy", None)


@pytest.mark.parametrize("preview", [True, False])
def test_a_dng_is_no_tiff(tmp_path, monkeypatch, preview):
    """The small preview of a raw file is not restored in its place: the file is named for what it is."""
    without_rawpy(monkeypatch)
    with pytest.raises(ImageError, match=r"camera raw file; develop it and save .* rawpy"):
        read_picture(dng(tmp_path / "a.tif", preview))


def test_raw_files_of_the_makers(tmp_path, monkeypatch):
    """NEF and ARW are TIFF files whose sub-page lies behind a filter; others have a signature of their own."""
    without_rawpy(monkeypatch)
    with tifffile.TiffWriter(tmp_path / "a.nef") as file:
        file.write(PIXELS, photometric="rgb", subfiletype=1, subifds=1, metadata=None)
        file.write(mosaic(), photometric="cfa", metadata=None)
    heads = [
        b"II*\0\x10\0\0\0CR\2\0",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"FUJIFILMCCD-RAW 0201",
        boxes(b"crx ", b"crx "),
    ]
    paths = [tmp_path / "a.nef"]
    for index, head in enumerate(heads):
        paths.append(tmp_path / f"{index}.jpg")
        paths[-1].write_bytes(head + bytes(300))
    for path in paths:
        with pytest.raises(ImageError, match="camera raw file; develop it and save"):
            read_picture(path)


@pytest.mark.skipif(not find_spec("rawpy"), reason="rawpy is not installed")
def test_rawpy_develops(tmp_path):
    """Where rawpy is installed a raw file is a 16-bit sRGB picture of its full size, and a note says how it came."""
    picture = read_picture(dng(tmp_path / "a.dng"))
    assert picture.size == (64, 96)
    assert picture.bit_depth == 16
    assert picture.info.format == "camera raw"
    red, green, blue = picture.to_array()[32, 48].astype(int)
    assert red > green > blue
    assert "developed" in picture.notes[0]
    (tmp_path / "b.dng").write_bytes((tmp_path / "a.dng").read_bytes()[:900])
    with pytest.raises(ImageError):
        read_picture(tmp_path / "b.dng")


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
def test_jpeg_2000(tmp_path, suffix):
    """Archives' JPEG 2000 is read, both its boxed and its bare form."""
    path = tmp_path / f"a{suffix}"
    Image.fromarray(PIXELS).save(path)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.to_array(), PIXELS)
    assert picture.info.format == "JPEG 2000"


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow has no JPEG 2000")
def test_jpeg_2000_of_16_bits(tmp_path):
    """Grey of 16 bits keeps every bit."""
    deep = (PIXELS[..., 0].astype(np.uint16) * 257) ^ 5
    Image.fromarray(deep).save(tmp_path / "a.jp2")
    picture = read_picture(tmp_path / "a.jp2")
    assert picture.bit_depth == 16
    np.testing.assert_array_equal(picture.to_array()[..., 0], deep)


@pytest.mark.slow
def test_reading_a_photograph_imports_nothing_that_others_need(tmp_path):
    """tifffile, rawpy, OpenCV and an XML parser are for the files that need them."""
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg")
    Image.fromarray(PIXELS).save(tmp_path / "a.tif")
    code = """
import sys
from gpen_blocks.gpen.images import read_picture, write_picture
for path in sys.argv[1:]:
    write_picture(read_picture(path), path)
print(sorted({"tifffile", "rawpy", "cv2", "xml.dom.minidom", "pillow_heif", "PIL.ImageCms"} & set(sys.modules)))
"""
    paths = [str(tmp_path / "a.jpg"), str(tmp_path / "a.tif")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

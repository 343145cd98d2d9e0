"""Picture files of every kind to `Picture`."""

import struct
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import read_picture

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 31, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (20, 31, 4), dtype=np.uint16)


def png16(path, samples, color_type, chunks=()):
    """A 16-bit PNG without filters, from the specification alone."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))
    return path


@pytest.mark.parametrize("kind", ["png", "tiff", "bmp", "webp"])
def test_lossless_pixels_are_the_files(tmp_path, kind):
    """Every 8-bit lossless format gives exactly its samples, RGB in order."""
    path = tmp_path / f"a.{kind}"
    options: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(RGB).save(path, **options)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.to_array(), RGB)
    assert (picture.mode, picture.bit_depth, picture.alpha, picture.notes) == ("RGB", 8, None, ())
    assert picture.info.lossless


def test_jpeg_pixels_are_pillows(tmp_path):
    """A JPEG is decoded as Pillow does, and known to be lossy, with its tables."""
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB).save(path, quality=80, subsampling=2, comment=b"hello")
    picture = read_picture(path)
    with Image.open(path) as image:
        np.testing.assert_array_equal(picture.to_array(), np.asarray(image))
        assert picture.info.jpeg_tables == tuple(tuple(t) for t in image.quantization.values())
    assert not picture.info.lossless
    assert picture.info.jpeg_subsampling == 2
    assert picture.info.comment == b"hello"


@pytest.mark.parametrize("kind", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_reset(tmp_path, kind, orientation):
    """Pixels come upright for each of the eight orientations, once, and the EXIF says so."""
    path = tmp_path / f"a.{kind}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x8769] = {0xA002: 31, 0xA003: 20}
    Image.fromarray(RGB).save(path, exif=exif.tobytes())
    picture = read_picture(path)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(picture.to_array(), upright)
    assert picture.exif is not None
    after = Image.Exif()
    after.load(picture.exif)
    assert after.get(0x0112, 1) == 1
    assert after.get_ifd(0x8769) == {0xA002: upright.shape[1], 0xA003: upright.shape[0]}


def test_orientation_may_stand_in_xmp_alone(tmp_path):
    """Where EXIF is silent XMP turns the picture, and is reset too."""
    path = tmp_path / "a.webp"
    Image.fromarray(RGB).save(path, lossless=True, xmp=b'<rdf:Description tiff:Orientation="6"/>')
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.to_array(), np.rot90(RGB, -1))
    assert picture.info.xmp == b'<rdf:Description tiff:Orientation="1"/>'


def test_thumbnail_is_dropped_and_maker_note_stays_in_place(tmp_path):
    """The stale thumbnail is unlinked; all other bytes of the EXIF block stay where they were."""
    block = bytearray(b"II*\0\x08\0\0\0")
    block += struct.pack("<H", 2) + struct.pack("<HHIHxx", 0x0112, 3, 1, 6)
    block += struct.pack("<HHII", 0x8769, 4, 1, 38) + struct.pack("<I", 200)
    block += struct.pack("<H", 1) + struct.pack("<HHII", 37500, 7, 9, 60) + struct.pack("<I", 0)
    block = block.ljust(60, b"\0") + b"MakerNote"
    block = block.ljust(200, b"\0") + struct.pack("<HHHIII", 1, 0x0201, 4, 1, 250, 0)
    path = tmp_path / "a.jpg"
    Image.fromarray(RGB).save(path, exif=b"Exif\0\0" + bytes(block))
    picture = read_picture(path)
    assert picture.size == (31, 20)
    assert picture.exif is not None
    after = Image.Exif()
    after.load(picture.exif)
    assert not after.get_ifd(1)
    changed = [i for i, (a, b) in enumerate(zip(block, picture.exif, strict=True)) if a != b]
    assert changed == [18, 34]  # the orientation, and the link to the thumbnail's directory
    assert picture.exif[60:69] == b"MakerNote"


@pytest.mark.parametrize(
    ("mode", "named", "alpha"),
    [
        ("1", "bilevel", False),
        ("L", "grey", False),
        ("LA", "grey+alpha", True),
        ("P", "palette", False),
        ("RGBA", "RGBA", True),
    ],
)
def test_modes_of_png(tmp_path, mode, named, alpha):
    """Each PNG mode is named, shown as RGB as Pillow shows it, and grey means equal channels."""
    path = tmp_path / "a.png"
    source = Image.fromarray(RGB).convert(mode)
    if alpha:
        source.putalpha(Image.fromarray(RGB[..., 0]))
    source.save(path)
    picture = read_picture(path)
    assert picture.mode == named
    np.testing.assert_array_equal(picture.to_array(), np.asarray(source.convert("RGB")))
    assert (picture.alpha is not None) == alpha
    if picture.alpha is not None:
        np.testing.assert_array_equal((picture.alpha[0, 0] * 255).round().numpy(), RGB[..., 0])


def test_transparent_colour_becomes_alpha(tmp_path):
    """A palette entry or key colour declared transparent is alpha, not lost."""
    path = tmp_path / "a.png"
    image = Image.fromarray((RGB[..., 0] > 128).astype(np.uint8), "L").convert("P")
    image.save(path, transparency=0)
    alpha = read_picture(path).alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha[0, 0].numpy() > 0, RGB[..., 0] > 128)


@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_16_bit_png_keeps_every_bit(tmp_path, color_type, channels):
    """16-bit PNG of every kind is read without a bit lost."""
    samples = DEEP[..., :channels]
    picture = read_picture(png16(tmp_path / "a.png", samples, color_type))
    assert picture.bit_depth == 16
    color = samples[..., :1].repeat(3, axis=2) if channels < 3 else samples[..., :3]
    np.testing.assert_array_equal(picture.to_array(), color)
    if channels in (2, 4):
        assert picture.alpha is not None
        np.testing.assert_array_equal((picture.alpha[0, 0] * 65535).round().numpy(), samples[..., -1])


def test_16_bit_png_with_orientation_and_key_colour(tmp_path):
    """OpenCV decodes, yet EXIF turns the pixels once, and a transparent grey value becomes alpha."""
    exif = Image.Exif()
    exif[0x0112] = 6
    chunks = [(b"tRNS", struct.pack(">H", DEEP[3, 4, 0])), (b"eXIf", exif.tobytes()[6:])]
    picture = read_picture(png16(tmp_path / "a.png", DEEP[..., 0], 0, chunks))
    np.testing.assert_array_equal(picture.to_array()[..., 0], np.rot90(DEEP[..., 0], -1))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.alpha[0, 0].numpy() == 0, np.rot90(DEEP[..., 0] == DEEP[3, 4, 0], -1))


TIFFS = {
    "rgb": (DEEP[..., :3], {"photometric": "rgb"}),
    "deflated": (DEEP[..., :3], {"photometric": "rgb", "compression": "deflate", "predictor": True}),
    "big endian": (DEEP[..., :3], {"photometric": "rgb", "byteorder": ">"}),
    "BigTIFF": (DEEP[..., :3], {"photometric": "rgb", "bigtiff": True}),
    "tiled": (np.tile(DEEP[:16, :16, :3], (2, 2, 1)), {"photometric": "rgb", "tile": (16, 16)}),
    "grey": (DEEP[..., 0], {"photometric": "minisblack"}),
    "alpha": (DEEP, {"photometric": "rgb", "extrasamples": [2]}),
}


@pytest.mark.parametrize("name", TIFFS)
def test_16_bit_tiff_keeps_every_bit(tmp_path, name):
    """16-bit TIFF of every common layout, by another writer, is read without a bit lost."""
    tifffile = pytest.importorskip("tifffile")
    samples, options = TIFFS[name]
    tifffile.imwrite(tmp_path / "a.tif", samples, **options)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bit_depth == 16
    color = samples[..., None].repeat(3, axis=2) if samples.ndim == 2 else samples[..., :3]
    np.testing.assert_array_equal(picture.to_array(), color)
    assert (picture.alpha is not None) == (name == "alpha")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_tiff_is_turned_once(tmp_path, orientation):
    """OpenCV turns a TIFF itself; the pixels must not be turned again."""
    tifffile = pytest.importorskip("tifffile")
    tag = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "deep.tif", RGB.astype(np.uint16) * 257, photometric="rgb", extratags=tag)
    tifffile.imwrite(tmp_path / "flat.tif", RGB, photometric="rgb", extratags=tag)
    deep, flat = read_picture(tmp_path / "deep.tif"), read_picture(tmp_path / "flat.tif")
    np.testing.assert_array_equal(deep.to_array(), flat.to_array().astype(np.uint16) * 257)
    with Image.open(tmp_path / "flat.tif") as image:
        np.testing.assert_array_equal(flat.to_array(), np.asarray(ImageOps.exif_transpose(image)))


def test_16_bit_tiff_white_is_zero_and_premultiplied_alpha(tmp_path):
    """Inverted grey is turned over; colour multiplied by alpha is divided again."""
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "white.tif", DEEP[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_picture(tmp_path / "white.tif").to_array()[..., 0], 65535 - DEEP[..., 0])
    color, alpha = np.uint16(40000), np.uint16(32768)
    samples = np.full((4, 4, 4), round(color * (alpha / 65535)), np.uint16)
    samples[..., 3] = alpha
    tifffile.imwrite(tmp_path / "assoc.tif", samples, photometric="rgb", extrasamples=[1])
    assert np.abs(read_picture(tmp_path / "assoc.tif").to_array().astype(int) - color).max() <= 1


def test_extra_channel_is_left_out_with_a_word(tmp_path):
    """A fourth channel that is no alpha (a selection, say) does not become transparency."""
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb", extrasamples=[0])
    picture = read_picture(tmp_path / "a.tif")
    assert picture.alpha is None
    assert "neither colour nor alpha" in picture.notes[0]


@pytest.mark.parametrize(
    ("kind", "word"), [("gif", "frames"), ("webp", "frames"), ("png", "frames"), ("tiff", "page 1 of")]
)
def test_first_frame_is_taken_and_said(tmp_path, kind, word):
    """An animation or a file of pages gives its first picture, and a note says so."""
    path = tmp_path / f"a.{kind}"
    first, second = Image.new("RGB", (9, 6), (255, 0, 0)), Image.new("RGB", (9, 6), (0, 0, 255))
    first.save(path, save_all=True, append_images=[second])
    picture = read_picture(path)
    assert picture.n_frames == 2
    assert len(picture.notes) == 1
    assert word in picture.notes[0]
    assert (picture.to_array() - np.array([255, 0, 0])).max() <= 2


def cmyk_profile():
    """A CMYK profile (ICC.1:2001-04, lut8Type) in which all cyan is middle grey, and no ink is white."""
    corners = np.zeros((2, 2, 2, 2, 3), np.uint8)
    corners[..., 1:] = 128
    corners[0, 0, 0, 0, 0] = 255
    corners[1, 0, 0, 0, 0] = 128
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1\0\0\0\0\x04\x03\x02\0" + identity + ramp * 4 + corners.tobytes() + ramp * 3
    header = struct.pack(">I4sI4s4s4s", 0, b"test", 0x02100000, b"prtr", b"CMYK", b"Lab ").ljust(36, b"\0") + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    body = header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table
    return struct.pack(">I", len(body)) + body[4:]


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_cmyk_goes_through_its_profile_to_srgb(tmp_path, kind):
    """Embedded CMYK profiles decide the colours, and an sRGB profile takes their place."""
    path = tmp_path / f"a.{kind}"
    image = Image.new("CMYK", (16, 8), (255, 0, 0, 0))
    image.paste((0, 0, 0, 0), (8, 0, 16, 8))
    image.save(path, icc_profile=cmyk_profile())
    picture = read_picture(path)
    assert picture.mode == "CMYK"
    cyan, white = picture.to_array()[4, 2].astype(int), picture.to_array()[4, 13]
    assert np.abs(cyan - 119).max() <= 3, "L* = 50 is 119 in sRGB"
    assert white.min() >= 253
    assert picture.icc_profile is not None
    assert picture.icc_profile[16:20] == b"RGB "
    assert "through its profile" in picture.notes[0]


@pytest.mark.parametrize("profile", [None, b"no profile at all"])
def test_cmyk_without_a_usable_profile_is_approximate(tmp_path, profile):
    """Without a profile the colours are right in kind (Adobe's inversion too), and a note says so."""
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (16, 8), (0, 255, 255, 0)).save(path, icc_profile=profile)
    picture = read_picture(path)
    red, green, blue = picture.to_array()[4, 4]
    assert red > 200
    assert max(green, blue) < 60
    assert picture.icc_profile is None
    assert "approximate" in picture.notes[0]


def test_suffix_does_not_matter(tmp_path):
    """The content decides: a PNG called .jpg is read, spaces and other scripts in the name too."""
    path = tmp_path / "портрет 写真 [1].jpg"
    Image.fromarray(RGB).save(path, "PNG")
    picture = read_picture(str(path))
    np.testing.assert_array_equal(picture.to_array(), RGB)
    assert picture.info.format == "PNG"


def test_one_pixel(tmp_path):
    """The smallest picture is a picture."""
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").to_array().tolist() == [[[1, 2, 3]]]


def test_heic_without_its_plugin_is_named(tmp_path, monkeypatch):
    """An iPhone's HEIC says which package reads it."""
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    with pytest.raises(ImageError, match=r"HEIC picture; install pillow-heif"):
        read_picture(path)


def test_exif_in_an_imagemagick_png(tmp_path):
    """ImageMagick's hexadecimal EXIF text is EXIF, not text."""
    from PIL.PngImagePlugin import PngInfo

    exif = Image.Exif()
    exif[0x0112] = 3
    data = exif.tobytes()
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=True)
    info.add_text("Title", "kept")
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=info)
    picture = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.to_array(), RGB[::-1, ::-1])
    assert picture.exif is not None
    assert picture.info.png_chunks == ((b"tEXt", b"Title\0kept"),)

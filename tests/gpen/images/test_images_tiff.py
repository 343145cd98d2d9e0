"""TIFF files of scanners, archives and programs: every depth, layout and colour space over its own black and white."""

import io
import struct
import zlib
from importlib.util import find_spec

import numpy as np
import pytest
import tifffile
from PIL import Image

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import FileInfo, Picture, from_array, read_picture, write_pages, write_picture
from gpen_blocks.gpen.images.tiff_decode import decode_page

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (20, 31, 3), dtype=np.uint16)
DEEP[0, 0], DEEP[0, 1] = 0, 65535
PLANAR = np.ascontiguousarray(np.moveaxis(DEEP, 2, 0))
LIGHT = RNG.random((20, 31, 3), dtype=np.float32)
LIGHT[0, 0], LIGHT[0, 1] = 0, 1


def packed12(samples):
    """12-bit samples without gaps, each row from a whole byte on (TIFF 6.0, section 8: most significant bit first)."""
    rows = samples.reshape(len(samples), -1)
    bits = (rows[..., None] >> np.arange(11, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).reshape(len(rows), -1), axis=1).tobytes()


def raw_tiff(strips, height, width, bits, photometric, rows_per_strip, compression=1, order="<", extra=()):
    """A TIFF from its specification alone: strips as they are, one directory."""
    channels = len(bits)
    body, offsets = bytearray(8), []
    for strip in strips:
        offsets.append(len(body))
        body += strip + b"\0" * (len(strip) % 2)

    def place(code, values):
        nonlocal body
        data = struct.pack(f"{order}{len(values)}{code}", *values)
        if len(data) <= 4:
            return data.ljust(4, b"\0")
        body += data + b"\0" * (len(data) % 2)
        return struct.pack(f"{order}I", len(body) - len(data) - len(data) % 2)

    entries = [(256, "I", [width]), (257, "I", [height]), (258, "H", bits), (259, "H", [compression])]
    entries += [(262, "H", [photometric]), (273, "I", offsets), (277, "H", [channels]), (278, "I", [rows_per_strip])]
    entries += [(279, "I", [len(strip) for strip in strips]), *extra]
    directory = b"".join(
        struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[code], len(values)) + place(code, values)
        for tag, code, values in sorted(entries)
    )
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    body[:8] = head + struct.pack(f"{order}I", len(body))
    return bytes(body) + struct.pack(f"{order}H", len(entries)) + directory + bytes(4)


def lzw(data):
    """Bytes as libtiff compresses them, taken out of a file of Pillow's."""
    file = io.BytesIO()
    Image.frombytes("L", (len(data), 1), data).save(file, "TIFF", compression="tiff_lzw")
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        (offset,), (length,) = tiff.pages[0].dataoffsets, tiff.pages[0].databytecounts
    return file.getvalue()[offset : offset + length]


def bits_of(path):
    return read_picture(path).to_array()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 5, 8])
def test_packed_12_bits_are_read_over_their_own_white(tmp_path, order, compression):
    """4095 is white: packed samples of 12 bits, plain, LZW and deflated, fill the range."""
    pack = {1: bytes, 5: lzw, 8: zlib.compress}[compression]
    samples = DEEP >> 4
    strips = [pack(packed12(samples[top : top + 7])) for top in range(0, 20, 7)]
    (tmp_path / "a.tif").write_bytes(raw_tiff(strips, 20, 31, [12] * 3, 2, 7, compression, order))
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.to_array(), np.rint(samples * (65535 / 4095)))
    assert (picture.bit_depth, picture.mode, picture.notes) == (16, "RGB", ())


def test_grey_12_bits(tmp_path):
    """A microscope's or scanner's 12-bit grey."""
    samples = DEEP[..., 0] >> 4
    (tmp_path / "a.tif").write_bytes(raw_tiff([packed12(samples)], 20, 31, [12], 1, 20))
    np.testing.assert_array_equal(bits_of(tmp_path / "a.tif")[..., 1], np.rint(samples * (65535 / 4095)))


@pytest.mark.parametrize(("bits", "white"), [(8, 255), (10, 1023), (12, 4095)])
def test_fewer_bits_in_16_are_read_over_their_own_white(tmp_path, bits, white):
    """12 bits in 16 came out nearly black; what was taken for white is said."""
    samples = DEEP >> (16 - bits)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.to_array(), np.rint(samples * (65535 / white)))
    assert f"white is {white}" in picture.notes[0]


def test_a_file_that_says_its_white_is_believed(tmp_path):
    """MaxSampleValue decides, unless a sample is above it."""
    samples = DEEP >> 2
    for white, expected in ((16383, 65535), (16000, 16383)):
        tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extratags=[(281, "H", 3, (white,) * 3, True)])
        assert bits_of(tmp_path / "a.tif").max() == expected


TIFFS = {
    "planar": (PLANAR, {"planarconfig": "separate"}),
    "planar, deflated, predicted": (
        PLANAR,
        {"planarconfig": "separate", "compression": "deflate", "predictor": True, "rowsperstrip": 7},
    ),
    "planar tiles": (PLANAR, {"planarconfig": "separate", "tile": (16, 16), "byteorder": ">"}),
    "BigTIFF, planar": (PLANAR, {"planarconfig": "separate", "bigtiff": True}),
}


@pytest.mark.parametrize("name", TIFFS)
def test_planar_16_bits_keep_every_bit(tmp_path, name):
    """Channels that lie apart come together."""
    samples, options = TIFFS[name]
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", **options)
    np.testing.assert_array_equal(bits_of(tmp_path / "a.tif"), DEEP)


def test_planar_lzw(tmp_path):
    """Photoshop's "per channel" with LZW is read without imagecodecs."""
    strips = [lzw(np.ascontiguousarray(DEEP[..., channel], "<u2").tobytes()) for channel in range(3)]
    data = raw_tiff(strips, 20, 31, [16] * 3, 2, 20, 5, extra=[(284, "H", [2])])
    (tmp_path / "a.tif").write_bytes(data)
    np.testing.assert_array_equal(bits_of(tmp_path / "a.tif"), DEEP)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_from_0_to_1(tmp_path, kind):
    """The usual float picture: 1 is white, and the note says so."""
    tifffile.imwrite(tmp_path / "a.tif", LIGHT.astype(kind), photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.to_array(), np.rint(LIGHT.astype(kind).astype(float) * 65535))
    assert "white as 1." in picture.notes[0]


def test_floats_with_the_floating_point_predictor(tmp_path):
    """Photoshop's ZIP of 32 bits (Technical Note 3), encoded here as the note says."""
    rows = []
    for row in LIGHT.astype(">f4"):
        planes = row.tobytes()
        planes = np.frombuffer(planes, np.uint8).reshape(-1, 4).T.reshape(-1, 3)
        rows.append(np.diff(planes, axis=0, prepend=np.zeros((1, 3), np.uint8)).tobytes())
    extra = [(317, "H", [3]), (339, "H", [3] * 3)]
    (tmp_path / "a.tif").write_bytes(raw_tiff([zlib.compress(b"".join(rows))], 20, 31, [32] * 3, 2, 20, 8, extra=extra))
    np.testing.assert_array_equal(bits_of(tmp_path / "a.tif"), np.rint(LIGHT.astype(float) * 65535))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (LIGHT * 250, "white as 255"),
        (LIGHT * 3.5, "white as 3.5"),
        (LIGHT * 61000, "white as 65535"),
        (LIGHT * 2 - 0.5, "black was taken as -0.5 and white as 1.5"),
        ((LIGHT * 4000).astype(np.int16), "16-bit integer samples is white; they lie in 0..4000"),
        ((LIGHT * 4e9).astype(np.uint32), "white as 4.29497e"),
    ],
)
def test_a_measured_range_is_said(tmp_path, samples, words):
    """Without a range in the file the samples decide, and what was taken is said."""
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    assert words in picture.notes[0]
    assert picture.to_array().min() == 0
    assert picture.to_array().max() > 60000


def test_a_range_in_the_file_decides(tmp_path):
    """SMinSampleValue and SMaxSampleValue are black and white."""
    tags = [(340, "f", 3, (-1.0,) * 3, True), (341, "f", 3, (3.0,) * 3, True)]
    tifffile.imwrite(tmp_path / "a.tif", LIGHT, photometric="rgb", extratags=tags)
    picture = read_picture(tmp_path / "a.tif")
    assert "Black is -1 and white 3" in picture.notes[0]
    np.testing.assert_allclose(picture.pixels[0].permute(1, 2, 0), (LIGHT + 1) / 4, atol=1e-5)


def test_samples_that_are_no_numbers_are_black(tmp_path):
    """NaN and infinity of a float picture do not spoil the rest."""
    light = LIGHT.copy()
    light[3, 4], light[5, 6] = np.nan, np.inf
    tifffile.imwrite(tmp_path / "a.tif", light, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    assert "not numbers" in picture.notes[0]
    assert picture.pixels[0, :, 3, 4].max() == 0
    np.testing.assert_allclose(picture.pixels[0, :, 0].T, LIGHT[0], atol=1e-5)


# L*a*b* relative to D50, and sRGB: white, black, middle grey, and the primaries (by ICC.1's Bradford adaptation).
COLORS = [
    ((100, 0, 0), (255, 255, 255)),
    ((0, 0, 0), (0, 0, 0)),
    ((53.585, 0, 0), (128, 128, 128)),
    ((54.29, 80.81, 69.89), (255, 0, 0)),
    ((87.82, -79.29, 80.99), (0, 255, 0)),
    ((29.57, 68.30, -112.03), (0, 0, 255)),
]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("photometric", [8, 9])
def test_lab_is_converted(tmp_path, deep, photometric):
    """CIELab and ICCLab of 8 and 16 bits, whose codes differ, are sRGB; the profile says so."""
    lab = np.array([color for color, _ in COLORS], float)
    if photometric == 8 and deep:
        codes = np.stack([lab[:, 0] * 655.35, *(lab[:, 1:].T * 256)], axis=1)
    elif deep:
        codes = np.stack([lab[:, 0] * 652.8, *((lab[:, 1:].T + 128) * 256)], axis=1)
    else:
        codes = np.stack([lab[:, 0] * 2.55, *(lab[:, 1:].T + (128 if photometric == 9 else 0))], axis=1)
    samples = np.rint(codes).astype("<i4").astype("<u2" if deep else "u1")[None]
    data = raw_tiff([samples.tobytes()], 1, len(COLORS), [16 if deep else 8] * 3, photometric, 1)
    (tmp_path / "a.tif").write_bytes(data)
    picture = read_picture(tmp_path / "a.tif")
    expected = np.array([color for _, color in COLORS]) / 255
    np.testing.assert_allclose(picture.pixels[0, :, 0].T, expected, atol=0.004 if deep else 0.045)
    assert picture.mode == "Lab"
    assert picture.icc_profile is not None
    assert "sRGB" in picture.notes[0]


def test_cmyk_16(tmp_path):
    """Inks of 16 bits: no ink is white, and cyan alone takes the red."""
    inks = np.zeros((8, 16, 4), np.uint16)
    inks[:, 8:, 0] = 65535
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.mode == "CMYK"
    assert picture.to_array()[4, 2].tolist() == [255, 255, 255]
    red, green, blue = picture.to_array()[4, 12]
    assert red < 60
    assert min(green, blue) > 100
    assert any("8 bits" in note for note in picture.notes)


@pytest.mark.parametrize("deep", [False, True])
def test_alpha_of_grey_and_floats(tmp_path, deep):
    """Grey with alpha, of 16 bits and of floats, is transparent where it says so."""
    light = np.stack([LIGHT[..., 0], LIGHT[..., 1]], axis=2)
    samples = np.rint(light * 65535).astype(np.uint16) if deep else light
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="minisblack", planarconfig="contig", extrasamples=[2])
    picture = read_picture(tmp_path / "a.tif")
    assert picture.mode == "grey+alpha"
    assert picture.alpha is not None
    np.testing.assert_allclose(picture.alpha[0, 0], LIGHT[..., 1], atol=1e-5)
    np.testing.assert_allclose(picture.pixels[0, 2], LIGHT[..., 0], atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "options", "words"),
    [
        (DEEP.astype(np.complex64), {"photometric": "rgb"}, "not supported"),
        (np.zeros((20, 31, 3), np.uint16), {"photometric": "ycbcr"}, "YCBCR"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, samples, options, words):
    """Samples and colours of no photograph are one sentence."""
    tifffile.imwrite(tmp_path / "a.tif", samples, **options)
    with pytest.raises(ImageError, match=words):
        read_picture(tmp_path / "a.tif")


def test_a_compression_that_needs_a_package_names_it(tmp_path):
    """Where a codec is missing the sentence says which package brings it."""
    (tmp_path / "a.tif").write_bytes(raw_tiff([b"\xff\x0a" + bytes(50)], 20, 31, [16] * 3, 2, 20, 50002))
    if find_spec("imagecodecs"):
        pytest.skip("imagecodecs is installed")
    with pytest.raises(ImageError, match="imagecodecs"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        ("1", "group4"),
        ("1", "group3"),
        ("L", "packbits"),
        ("P", "tiff_lzw"),
        ("RGB", "jpeg"),
        ("CMYK", "tiff_adobe_deflate"),
        ("RGBA", "tiff_lzw"),
    ],
)
def test_scanners_files(tmp_path, mode, compression):
    """Fax, palette, JPEG in TIFF and CMYK, by another writer, are shown as Pillow shows them."""
    smooth = np.stack(np.broadcast_arrays(*np.mgrid[:40, :48], 90), axis=2).astype(np.uint8) * 2
    image = Image.fromarray(smooth).convert(mode)
    image.save(tmp_path / "a.tif", compression=compression)
    with Image.open(tmp_path / "a.tif") as again:
        expected = np.asarray(again.convert("RGB"))
    np.testing.assert_array_equal(bits_of(tmp_path / "a.tif"), expected)


def test_metadata_of_a_page_that_tifffile_reads(tmp_path):
    """Description, EXIF orientation, resolution, profile and XMP come from the file, whoever decodes its samples."""
    tags = [(700, "B", 4, b"<x/>", True), (271, "s", 0, "Scanner", True), (34675, "B", 4, b"prof", True)]
    tags.append((274, "H", 1, 6, True))
    tifffile.imwrite(
        tmp_path / "a.tif",
        LIGHT,
        photometric="rgb",
        extratags=tags,
        resolution=(118.11, 118.11),
        resolutionunit="CENTIMETER",
    )
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.to_array(), np.rint(np.rot90(LIGHT, -1).astype(float) * 65535))
    assert picture.info.dpi == pytest.approx((300, 300), rel=1e-3)
    assert picture.info.xmp == b"<x/>"
    assert picture.icc_profile == b"prof"
    write_picture(picture, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.getexif()[271].strip("\0") == "Scanner"


def test_pages_are_read_by_number(tmp_path):
    """Each page has its own size and depth; copies of less resolution are no pages; the note names the page."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(DEEP, photometric="rgb")
        file.write(DEEP[::2, ::2], photometric="rgb", subfiletype=1)
        file.write((DEEP[:10] >> 8).astype(np.uint8), photometric="rgb")
    first, second = read_picture(tmp_path / "a.tif"), read_picture(tmp_path / "a.tif", page=1)
    assert (first.n_frames, first.page, first.bit_depth) == (2, 0, 16)
    assert (second.n_frames, second.page, second.bit_depth) == (2, 1, 8)
    np.testing.assert_array_equal(second.to_array(), DEEP[:10] >> 8)
    assert "page 2 of the 2" in second.notes[0]
    with pytest.raises(ImageError, match="no page 3; it has 2"):
        read_picture(tmp_path / "a.tif", page=2)


def test_decoded_strips_say_how_many(tmp_path):
    """A strip that lies beyond the end is 0 where damage is allowed, and counted."""
    file = io.BytesIO()
    tifffile.imwrite(file, DEEP, photometric="rgb", rowsperstrip=5)
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        end = tiff.pages[0].dataoffsets[-1]
    cut = io.BytesIO(file.getvalue()[: end + 3])
    with tifffile.TiffFile(cut) as tiff:
        samples, share = decode_page(tiff.pages[0], "a.tif")
    assert share == 0.75
    np.testing.assert_array_equal(samples[:15], DEEP[:15])
    assert not samples[15:].any()


def three_pages(path):
    """Pages of other sizes and depths, the first and the last with camera tags and an EXIF directory."""
    exif = Image.Exif()
    exif[0x010F], exif[0x8769], exif[0x8825] = "Camera", {0x829A: 0.004, 0x927C: b"maker note"}, {1: "N"}
    block = exif.tobytes()[6:]
    pictures = [
        Picture(from_array(DEEP), bit_depth=16, exif=block, info=FileInfo(dpi=(300, 300))),
        Picture(from_array((DEEP[:11, :, 0] >> 8).astype(np.uint8)), mode="grey", info=FileInfo(xmp=b"<x/>")),
        Picture(from_array((DEEP[:, :9] >> 8).astype(np.uint8)), exif=block, icc_profile=b"profile"),
    ]
    assert write_pages(pictures, path) == ()
    return pictures


def test_pages_are_written_and_come_back(tmp_path):
    """Each page keeps its size, depth, colour kind and metadata; another reader sees the same."""
    pictures = three_pages(tmp_path / "a.tif")
    for page, picture in enumerate(pictures):
        again = read_picture(tmp_path / "a.tif", page=page)
        np.testing.assert_array_equal(again.to_array(), picture.to_array())
        assert (again.mode, again.bit_depth, again.icc_profile) == (
            picture.mode,
            picture.bit_depth,
            picture.icc_profile,
        )
        assert (again.info.xmp, again.info.dpi) == (picture.info.xmp, picture.info.dpi)
        assert (again.exif is None) == (picture.exif is None)
        if again.exif:
            exif = Image.Exif()
            exif.load(again.exif)
            assert exif[0x010F].strip("\0") == "Camera"
            assert exif.get_ifd(0x8769)[0x927C] == b"maker note"
            assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(0.004)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert [page.shape for page in file.pages] == [(20, 31, 3), (11, 31), (20, 9, 3)]
        np.testing.assert_array_equal(file.pages[0].asarray(), DEEP)
        assert file.pages[2].tags[271].value == "Camera"


def test_unchanged_pages_are_the_very_bytes(tmp_path):
    """A file of pages in which nothing was changed comes out as it was; with one page changed, all are written."""
    three_pages(tmp_path / "a.tif")
    pages = [read_picture(tmp_path / "a.tif", page=page) for page in range(3)]
    write_pages(pages, tmp_path / "b.tif")
    assert (tmp_path / "b.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()
    pages[1] = pages[1].with_pixels(1 - pages[1].pixels)
    write_pages(pages, tmp_path / "b.tif")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.tif", page=1).to_array(), pages[1].to_array())
    np.testing.assert_array_equal(read_picture(tmp_path / "b.tif", page=2).to_array(), pages[2].to_array())


def test_pages_need_a_tiff_and_a_failure_leaves_nothing(tmp_path):
    """Another suffix is refused; an error half way leaves no file."""
    with pytest.raises(ImageError, match="cannot hold pages"):
        write_pages([], tmp_path / "a.png")

    def failing():
        yield Picture(from_array(DEEP), bit_depth=16)
        raise ImageError("page 2 is damaged")

    with pytest.raises(ImageError, match="page 2"):
        write_pages(failing(), tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bits", [8, 16])
def test_strips_that_are_missing_are_not_there(tmp_path, bits):
    """A directory with fewer strips than its size needs is damaged: its rest is not taken for black."""
    raw = (DEEP >> (16 - bits)).astype("<u2" if bits == 16 else "u1")
    data = raw_tiff([raw[:5].tobytes(), raw[5:10].tobytes()], 20, 31, [bits] * 3, 2, 5)
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(ImageError, match="50 % of the picture can be read"):
        read_picture(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif", allow_damaged=True)
    np.testing.assert_array_equal(picture.to_array()[:10], raw[:10])
    if bits == 8:
        return
    (tmp_path / "b.tif").write_bytes(raw_tiff([raw[:5].tobytes()], 2_000_000, 31, [16] * 3, 2, 5))
    with pytest.raises(ImageError, match="hardly any of them"):
        read_picture(tmp_path / "b.tif", allow_damaged=True)


@pytest.mark.parametrize("bits", [8, 16])
def test_one_strip_without_rows_a_strip(tmp_path, bits):
    """RowsPerStrip may be the largest number, or absent: then all rows are in one strip (TIFF 6.0, section 3)."""
    raw = (DEEP >> (16 - bits)).astype("<u2" if bits == 16 else "u1")
    data = raw_tiff([raw.tobytes()], 20, 31, [bits] * 3, 2, 20)
    entry = data.rindex(struct.pack("<HHII", 278, 4, 1, 20))
    (tmp_path / "a.tif").write_bytes(data[: entry + 8] + struct.pack("<I", 2**32 - 1) + data[entry + 12 :])
    np.testing.assert_array_equal(bits_of(tmp_path / "a.tif"), raw)
    (tmp_path / "b.tif").write_bytes(data[:entry] + struct.pack("<HHII", 280, 3, 1, 0) + data[entry + 12 :])
    np.testing.assert_array_equal(bits_of(tmp_path / "b.tif"), raw)

"""JPEG files of phones: the main picture is taken, and what it leaves behind is told and leaves no trace."""

import io

import numpy as np
import pytest
from phone_files import gain_map, jpeg, motion_photo, mpf_gain_map, segment, ultra_hdr, xmp_packet
from PIL import Image

from gpen_blocks.gpen.images import read_picture, write_picture
from gpen_blocks.gpen.images.xmp import without_parts

Y, X = np.mgrid[:64, :96]
PIXELS = np.stack([X * 2, Y * 3, (X + Y) % 256], axis=2).astype(np.uint8)


def orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()[6:]


FILES = {
    "Ultra HDR": (lambda: ultra_hdr(PIXELS), "gain map"),
    "gain map in MPF": (lambda: mpf_gain_map(PIXELS), "gain map"),
    "motion photo": (lambda: motion_photo(PIXELS), "video"),
    "two pictures": (lambda: jpeg(PIXELS) + jpeg(PIXELS[::2, ::2].copy()), "another"),
    "four pictures": (lambda: jpeg(PIXELS) + 3 * jpeg(PIXELS[::2, ::2].copy()), "3 others"),
    "a trailer": (lambda: jpeg(PIXELS) + b"SEFH\1\2\3\4trailer", "15 bytes"),
    "extended XMP": (
        lambda: jpeg(PIXELS, segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40))),
        "Extended",
    ),
    "content credentials": (lambda: jpeg(PIXELS, segment(0xEB, b"JP\0\1" + bytes(40))), "C2PA"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_main_picture_is_read_and_the_rest_told(tmp_path, name):
    """The pixels are those of the main picture alone; a new file says what it does not hold, once."""
    build, word = FILES[name]
    path = tmp_path / "a.jpg"
    path.write_bytes(build())
    picture = read_picture(path)
    with Image.open(io.BytesIO(jpeg(PIXELS))) as image:
        np.testing.assert_array_equal(picture.to_array(), np.asarray(image))
    notes = write_picture(picture.with_pixels(1 - picture.pixels), tmp_path / "b.jpg")
    assert len(notes) == 1
    assert word in notes[0]
    written = (tmp_path / "b.jpg").read_bytes()
    for trace in (b"hdrgm", b"hdr-gain-map", b"Container", b"MotionPhoto", b"MicroVideo", b"MPF\0", b"21496", b"ftyp"):
        assert trace not in written
    assert read_picture(tmp_path / "b.jpg").left_out == ()


@pytest.mark.parametrize("build", [ultra_hdr, motion_photo])
def test_xmp_keeps_everything_else(tmp_path, build):
    """Only what speaks of the parts goes: tool, letters beyond ASCII and other properties of a namespace stay."""
    (tmp_path / "a.jpg").write_bytes(build(PIXELS))
    packet = read_picture(tmp_path / "a.jpg").info.xmp
    assert packet is not None
    text = packet.decode()
    assert 'xmp:CreatorTool="Caméra"' in text
    assert text.startswith("<?xpacket begin")
    assert ('GCamera:SpecialTypeID="portrait"' in text) == (build is motion_photo)


def test_xmp_without_parts_is_the_same_bytes():
    """A packet that speaks of no part is not touched, not even its padding; one that cannot be followed is dropped."""
    plain = xmp_packet("") + b"   \n" * 20
    assert without_parts(plain) is plain
    assert without_parts(xmp_packet('hdrgm:Version="1.0" hdrgm:Note="http://ns.adobe.com/hdr-gain-map/1.0/"')) is None


def test_a_phones_picture_is_turned_upright(tmp_path):
    """An Ultra HDR file with an orientation comes upright, as any other."""
    (tmp_path / "a.jpg").write_bytes(ultra_hdr(PIXELS, orientation(6)))
    assert read_picture(tmp_path / "a.jpg").size == (96, 64)


def test_a_gain_map_that_is_cut_off_costs_nothing(tmp_path):
    """A file cut within its second picture still holds the main one whole."""
    data = ultra_hdr(PIXELS)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) - len(gain_map(PIXELS)) // 2])
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.size == (64, 96)
    assert "gain map" in picture.left_out[0]


def test_pictures_of_a_stereo_camera(tmp_path):
    """Pillow's own multi-picture file: the first is taken, whatever the directory says."""
    path = tmp_path / "a.mpo"
    Image.fromarray(PIXELS).save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (9, 6))], quality=95)
    picture = read_picture(path)
    assert picture.size == (64, 96)
    assert picture.n_frames == 2
    assert picture.info.format == "JPEG"
    assert "another" in picture.left_out[0]


@pytest.mark.parametrize("padding", [b"\n", bytes(4096), b"\xff\xff\xff"])
def test_padding_behind_a_picture_is_nothing(tmp_path, padding):
    """Line ends and filled blocks behind a JPEG, as card readers and mail leave them, are not worth a word."""
    (tmp_path / "a.jpg").write_bytes(jpeg(PIXELS) + padding)
    assert read_picture(tmp_path / "a.jpg").left_out == ()

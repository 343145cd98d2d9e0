"""`Picture` to files: what goes in comes out, with its metadata, whole or not at all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.images import WRITABLE, FileInfo, Picture, from_array, read_picture, write_picture

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (20, 31, 3), dtype=np.uint8)
SUFFIXES = [".jpg", ".png", ".webp", ".tif"]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def read_to_encode(path):
    """A picture that is encoded anew even where nothing was changed, so that the writer is what is tried."""
    return replace(read_picture(path), source=None)


def smooth(height=64, width=96):
    """A picture JPEG codes well."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 9) * np.cos(y / 7), np.cos(x / 11 + y / 13), np.sin((x + y) / 17)]
    return (np.stack(waves, 2) * 100 + 128).astype(np.uint8)


def photograph(path, mode="RGB", **options):
    """A picture file with EXIF, profile and resolution."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera"
    exif[0x8769] = {0x829A: IFDRational(1, 250), 0x927C: b"maker note"}
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    Image.fromarray(RGB).convert(mode).save(path, exif=exif.tobytes(), icc_profile=SRGB, dpi=(300, 300), **options)
    return path


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_metadata_survives_from_any_format_to_any(tmp_path, source, target):
    """EXIF with its directories, colour profile and resolution reach the new file; orientation is 1."""
    picture = read_to_encode(photograph(tmp_path / f"a{source}"))
    assert write_picture(picture, tmp_path / f"b{target}") == ()
    with Image.open(tmp_path / f"b{target}") as image:
        image.load()
        exif = image.getexif()
        assert exif.get(0x0112, 1) == 1
        assert exif[0x010F].strip("\0") == "Camera"
        assert exif.get_ifd(0x8769)[0x927C] == b"maker note"
        assert exif.get_ifd(0x8769)[0x829A] == pytest.approx(0.004)
        assert [float(v) for v in exif.get_ifd(0x8825)[2]] == [52, 31, 12]
        assert image.info["icc_profile"] == SRGB
        if ".webp" not in (source, target):
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.02)
        assert image.size == (20, 31)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_untouched_8_bit_pixels_survive_bit_for_bit(tmp_path, mode, suffix):
    """Lossless in, lossless out: colour under full transparency too."""
    samples = RNG.integers(0, 256, (20, 31, len(Image.new(mode, (1, 1)).getbands())), dtype=np.uint8)
    source = Image.fromarray(samples.squeeze())
    source.save(tmp_path / "a.png")
    picture = read_to_encode(tmp_path / "a.png")
    write_picture(picture, tmp_path / f"b{suffix}")
    with Image.open(tmp_path / f"b{suffix}") as image:
        expected = mode if suffix != ".webp" else mode.replace("L", "RGB")
        assert image.mode == expected
        np.testing.assert_array_equal(np.asarray(image), np.asarray(source.convert(expected)))
    again = read_picture(tmp_path / f"b{suffix}")
    assert again.info.lossless
    assert torch.equal(again.pixels, picture.pixels)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_untouched_16_bit_pixels_survive_bit_for_bit(tmp_path, channels, suffix):
    """Every 16-bit value comes back, with metadata, and a grey picture stays grey."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    shifted = np.stack([values, values[::-1], values.T], axis=2)
    color = values[..., None].repeat(3, axis=2) if channels < 3 else shifted
    full = torch.from_numpy(color.astype(np.float32) / 65535).permute(2, 0, 1)[None]
    alpha = None if channels % 2 else torch.from_numpy(values[:, ::-1].astype(np.float32) / 65535)[None, None]
    info = FileInfo(dpi=(300, 300), xmp=b"<x/>")
    mode = ("grey", "grey+alpha", "RGB", "RGBA")[channels - 1]
    picture = Picture(full, alpha, 16, mode, icc_profile=SRGB, info=info)
    write_picture(picture, tmp_path / f"a{suffix}")
    again = read_picture(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(again.to_array(), color)
    assert again.bit_depth == 16
    assert again.icc_profile == SRGB
    assert again.info.xmp == b"<x/>"
    assert again.info.dpi == pytest.approx((300, 300), abs=0.02)
    if alpha is not None:
        assert again.alpha is not None
        assert torch.equal(again.alpha, alpha)
    if channels == 1:
        assert again.mode == "grey"


def test_tiff_is_read_alike_by_other_readers(tmp_path):
    """Two independent readers see the same 16-bit samples and tags, in both byte orders of EXIF."""
    tifffile = pytest.importorskip("tifffile")
    samples = RNG.integers(0, 65536, (20, 31, 3), dtype=np.uint16)
    for head in (b"II*\0\x08\0\0\0\0\0\0\0\0\0", b"MM\0*\0\0\0\x08\0\0\0\0\0\0"):
        picture = Picture(from_array(samples), bit_depth=16, exif=head, icc_profile=SRGB)
        write_picture(picture, tmp_path / "a.tif")
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            np.testing.assert_array_equal(file.asarray(), samples)
            assert file.byteorder == {b"I": "<", b"M": ">"}[head[:1]]
            assert bytes(file.pages[0].tags[34675].value) == SRGB


def test_grey_stays_grey_until_it_is_coloured(tmp_path):
    """A grey source gives a grey file, and a colour file only if the result has colour."""
    Image.fromarray(RGB[..., 0]).save(tmp_path / "a.jpg", quality=95)
    picture = read_to_encode(tmp_path / "a.jpg")
    write_picture(picture, tmp_path / "same.jpg")
    noise = 1e-7 * torch.randn(picture.pixels.shape, generator=torch.Generator().manual_seed(0))
    write_picture(picture.with_pixels((picture.pixels * 0.98 + 0.01 + noise).clamp(0, 1)), tmp_path / "toned.png")
    coloured = picture.pixels.clone()
    coloured[0, 0, 3, 3] = 1 - coloured[0, 0, 3, 3]
    write_picture(picture.with_pixels(coloured), tmp_path / "coloured.png")
    modes = [Image.open(tmp_path / name).mode for name in ("same.jpg", "toned.png", "coloured.png")]
    assert modes == ["L", "L", "RGB"]


def test_grey_profile_does_not_go_into_a_colour_file(tmp_path):
    """A grey profile fits grey files alone; a coloured result leaves it out with a word."""
    profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    grey = Picture(torch.full((1, 3, 4, 4), 0.5), mode="grey", icc_profile=profile)
    assert write_picture(grey, tmp_path / "a.png") == ()
    assert Image.open(tmp_path / "a.png").info["icc_profile"] == profile
    coloured = grey.with_pixels(torch.linspace(0, 1, 48).view(1, 3, 4, 4))
    notes = write_picture(coloured, tmp_path / "b.png")
    assert "grey colour profile" in notes[0]
    assert "icc_profile" not in Image.open(tmp_path / "b.png").info


def test_fine_jpeg_keeps_its_tables(tmp_path):
    """A camera's JPEG is coded with its own tables and subsampling, and hardly changes."""
    source = tmp_path / "a.jpg"
    Image.fromarray(smooth()).save(source, quality=93, subsampling=1, progressive=True, comment=b"hello")
    picture = read_to_encode(source)
    write_picture(picture, tmp_path / "b.jpg")
    again = read_picture(tmp_path / "b.jpg")
    assert again.info == picture.info
    assert np.abs(again.to_array().astype(int) - picture.to_array()).mean() < 0.5


def test_coarse_jpeg_gets_finer_tables(tmp_path):
    """What was restored is not crushed by the tables of a badly compressed source; a caller may choose."""
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", quality=40)
    picture = read_picture(tmp_path / "a.jpg").with_pixels(from_array(smooth()))
    write_picture(picture, tmp_path / "b.jpg")
    written = read_picture(tmp_path / "b.jpg")
    assert sum(written.info.jpeg_tables[0]) == 369, "the standard table at quality 95"
    assert written.info.jpeg_subsampling == 0
    assert np.abs(written.to_array().astype(int) - smooth()).mean() < 1
    write_picture(picture, tmp_path / "c.jpg", quality=30)
    assert (tmp_path / "c.jpg").stat().st_size < (tmp_path / "b.jpg").stat().st_size / 2


def test_webp_is_lossless_only_where_the_source_was(tmp_path):
    """A PNG's pixels survive in WebP; a JPEG's need not, and the file stays small."""
    Image.fromarray(smooth()).save(tmp_path / "a.jpg")
    write_picture(read_picture(tmp_path / "a.jpg"), tmp_path / "lossy.webp")
    assert not read_picture(tmp_path / "lossy.webp").info.lossless
    write_picture(Picture(from_array(smooth())), tmp_path / "exact.webp")
    exact = read_picture(tmp_path / "exact.webp")
    assert exact.info.lossless
    np.testing.assert_array_equal(exact.to_array(), smooth())


def test_transparency_on_jpeg_is_laid_over_white(tmp_path):
    """JPEG has no alpha: clear pixels are white, half clear ones half so, and a note says it."""
    pixels = torch.zeros(1, 3, 8, 24)
    alpha = torch.tensor([0.0, 0.5, 1.0]).repeat_interleave(8).view(1, 1, 1, 24).expand(1, 1, 8, 24)
    notes = write_picture(Picture(pixels, alpha, mode="RGBA"), tmp_path / "a.jpg")
    assert "over white" in notes[0]
    row = read_picture(tmp_path / "a.jpg").to_array()[4, [4, 12, 20], 0].astype(int)
    assert np.abs(row - [255, 128, 0]).max() <= 2


def test_16_bits_in_an_8_bit_format_are_said(tmp_path):
    """JPEG and WebP round to 8 bits, with a note."""
    picture = Picture(torch.full((1, 3, 8, 8), 0.5), bit_depth=16)
    assert "8 bits" in write_picture(picture, tmp_path / "a.jpg")[0]
    assert "8 bits" in write_picture(picture, tmp_path / "a.webp")[0]


def test_png_chunks_go_into_a_png_again(tmp_path):
    """Text (a ComfyUI workflow, say), gamma, and XMP survive in 8- and 16-bit PNG."""
    info = PngInfo()
    info.add_text("workflow", '{"nodes": []}')
    info.add_text("Comment", "x" * 2000, zip=True)
    info.add_itxt("Title", "Ünïcode", "de", "Titel")
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta/>")
    info.add(b"gAMA", (45455).to_bytes(4, "big"))
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=info)
    picture = read_to_encode(tmp_path / "a.png")
    write_picture(picture, tmp_path / "b.png")
    deep = Picture(picture.pixels, bit_depth=16, info=picture.info)
    write_picture(deep, tmp_path / "c.png")
    for name in ("b.png", "c.png"):
        again = read_picture(tmp_path / name)
        assert again.info == picture.info
        with Image.open(tmp_path / name) as image:
            image.load()
            assert image.info["workflow"] == '{"nodes": []}'
            assert image.info["Title"] == "Ünïcode"
            assert image.info["gamma"] == pytest.approx(0.45455)


def test_xmp_crosses_formats(tmp_path):
    """XMP from a WebP reaches JPEG, PNG and TIFF, and comes back the same."""
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\xc3\xa4</x:xmpmeta>'
    Image.fromarray(RGB).save(tmp_path / "a.webp", xmp=packet)
    picture = read_to_encode(tmp_path / "a.webp")
    for suffix in SUFFIXES:
        write_picture(picture, tmp_path / f"b{suffix}")
        assert read_picture(tmp_path / f"b{suffix}").info.xmp == packet


def test_oversized_metadata_is_left_out_of_a_jpeg_with_a_word(tmp_path):
    """A JPEG segment ends at 64 KB: longer EXIF and XMP are dropped, not half written."""
    exif = b"II*\0\x08\0\0\0\0\0\0\0\0\0" + bytes(70000)
    picture = Picture(torch.zeros(1, 3, 8, 8), exif=exif, info=FileInfo(xmp=bytes(70000)))
    notes = write_picture(picture, tmp_path / "a.jpg")
    assert [word for word in ("EXIF", "XMP") if any(word in note for note in notes)] == ["EXIF", "XMP"]
    assert read_picture(tmp_path / "a.jpg").exif is None


def test_a_failed_write_leaves_the_old_file(tmp_path):
    """Nothing half written is left, and what was there stays."""
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    picture = Picture(torch.full((1, 3, 4, 4), float("nan")))
    with pytest.raises(ImageError, match="NaN"):
        write_picture(picture, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made_and_names_may_be_any(tmp_path):
    """Missing parents, capitals in the suffix, spaces and other scripts are no obstacle."""
    path = tmp_path / "neu" / "写真 (1)" / "портрет.JPEG"
    write_picture(Picture(from_array(RGB)), str(path))
    assert read_picture(path).info.format == "JPEG"


@pytest.mark.parametrize("name", ["a.gif", "a.bmp", "a", "a.heic", "a.png.txt"])
def test_unknown_suffixes_are_refused_with_the_known_ones(tmp_path, name):
    """The message lists what can be written; nothing is written."""
    with pytest.raises(ImageError) as caught:
        write_picture(Picture(from_array(RGB)), tmp_path / name)
    assert all(suffix in str(caught.value) for suffix in WRITABLE)
    assert not list(tmp_path.iterdir())


def test_impossible_targets_are_refused(tmp_path):
    """A folder as target, a file as folder, and a side too long for the format are one sentence each."""
    picture = Picture(from_array(RGB))
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageError, match="is a folder"):
        write_picture(picture, tmp_path / "folder.png")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ImageError, match="cannot be written"):
        write_picture(picture, tmp_path / "file" / "a.png")
    with pytest.raises(ImageError, match="16383"):
        write_picture(Picture(torch.zeros(1, 3, 1, 16384)), tmp_path / "a.webp")
    with pytest.raises(ImageError, match=r"1\.\.100"):
        write_picture(picture, tmp_path / "a.jpg", quality=101)


def test_pictures_refuse_pixels_of_another_size():
    """A result of another size, or alpha of another size, cannot sneak into a picture."""
    picture = Picture(from_array(RGB))
    with pytest.raises(ImageError, match="must be"):
        picture.with_pixels(torch.zeros(1, 3, 21, 31))
    with pytest.raises(ImageError, match="alpha"):
        Picture(from_array(RGB), alpha=torch.zeros(1, 1, 2, 2))

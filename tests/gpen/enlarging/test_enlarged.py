"""Photographs enlarged, with their faces restored at the enlarged size."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from command import run_gpen
from PIL import Image, ImageCms
from upscalers import write_compact

from gpen_blocks import Restorer
from gpen_blocks.gpen.enlarging import GivenPictures, enlarge_plainly
from gpen_blocks.gpen.enlarging import enlargement as module
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.faces.align import crop_aligned
from gpen_blocks.gpen.images import read_picture, write_picture
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.presets import load_preset
from gpen_blocks.gpen.sheets import restoration_sheet
from gpen_blocks.gpen.stages import paste_crops
from gpen_blocks.gpen.types import Alignment, Face

OPTIONS = ("--model", "gpen-lite-256", "--detector", "face-detector-lite", "--device", "cpu", "--backend", "eager")


def make(**more) -> Restorer:
    return Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager", **more)


@pytest.fixture
def portrait(examples):
    return read_picture(examples / "portrait-degraded.jpg")


@pytest.mark.slow
def test_lanczos_is_that_of_pillow(portrait):
    planes = portrait.pixels[0].numpy()
    for factor in (2, 3, 4):
        made = enlarge_plainly(portrait.pixels, factor)[0].numpy()
        size = factor * planes.shape[2], factor * planes.shape[1]
        for plane, own in zip(planes, made, strict=True):
            expected = np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS))
            np.testing.assert_allclose(own, expected.clip(0, 1), atol=2e-4)


def test_an_alignment_goes_along(portrait):
    landmarks = np.array([[80, 90], [120, 92], [100, 115], [85, 135], [115, 135]])
    face = Face((60, 60, 140, 160), 0.9, landmarks)
    alignment = Alignment(np.array([[1.2, 0.1, -30.0], [-0.1, 1.2, -20.0]]), "gpen", 128, portrait.size, face)
    large = alignment.resized(3)
    assert large.image_size == tuple(3 * side for side in portrait.size)
    point = np.array([101.0, 77.0, 1])
    moved = np.append(3 * point[:2] + 1, 1)  # the centre of the pixel in the middle of nine
    np.testing.assert_allclose(large.matrix @ moved, alignment.matrix @ point, atol=1e-9)
    np.testing.assert_allclose(large.face.landmarks, 3 * landmarks + 1)
    np.testing.assert_allclose(large.resized(1 / 3).matrix, alignment.matrix, atol=1e-9)


@pytest.mark.slow
def test_a_face_gets_as_many_pixels_of_the_network_as_the_enlarged_picture_has(portrait):
    result = make(upscale=4).restore(portrait)
    height, width = portrait.size
    assert result.restored.shape == (1, 3, 4 * height, 4 * width) == (1, 3, *result.mask.shape[-2:])
    plain = enlarge_plainly(portrait.pixels, 4)
    outside = (result.mask == 0).expand_as(plain)
    assert torch.equal(result.restored[outside], plain[outside])
    report = result.report
    assert report["size"] == {"width": 4 * width, "height": 4 * height}
    assert report["enlarged"] == {"factor": 4, "background": "lanczos"}
    small = make().restore(portrait).report["faces"][0]
    assert report["faces"][0]["width"] == pytest.approx(4 * small["width"], abs=0.1)
    # What was pasted, seen at the size of the crop, is what the network gave: nothing of it was lost on the way.
    (alignment,) = result.alignment
    seen = crop_aligned(result.restored, alignment)
    inner = (..., slice(100, 200), slice(90, 170))
    away = (seen - result.after)[inner].abs().mean()
    unrestored = (crop_aligned(plain, alignment) - result.after)[inner].abs().mean()
    assert float(away) < 0.5 * float(unrestored)
    assert restoration_sheet(result).width == 1600


@pytest.mark.slow
def test_a_network_enlarges_the_rest_and_the_face_is_that_of_the_photograph(portrait, tmp_path):
    network = write_compact(tmp_path / "net.pth", 2)
    made = make(upscale=2, background=network).restore(portrait)
    plainly = make(upscale=2).restore(portrait)
    outside = made.mask[0, 0] == 0
    ground = made.restored[0][:, outside]
    assert not torch.equal(ground, plainly.restored[0][:, outside])
    core = made.mask[0, 0] == 1
    assert int(core.sum()) > 5000
    torch.testing.assert_close(made.restored[0][:, core], plainly.restored[0][:, core], atol=2e-3, rtol=0)
    told = made.report["enlarged"]
    assert (told["background"], told["architecture"], told["scale"], told["dtype"]) == (
        "net",
        "RealESRGAN Compact",
        2,
        "float32",
    )


@pytest.mark.slow
def test_another_scale_is_resized_and_told(portrait, tmp_path):
    restorer = make(upscale=3, background=write_compact(tmp_path / "net.pth", 2))
    result = restorer.restore(portrait)
    assert result.restored.shape[-1] == 3 * portrait.size[1]
    assert "net enlarges 2 times; its pictures were enlarged further to 3 times." in result.report["notes"]


def test_pictures_without_a_face_are_enlarged_too(tmp_path):
    plain = np.full((30, 44, 4), 90, np.uint8)
    plain[:, :20, 3] = 255
    result = make(upscale=2).restore(plain)
    assert result.image.shape == (60, 88, 4) and result.image.dtype == np.uint8
    assert result.image[30, 5, 3] == 255 and result.image[30, 80, 3] == 90
    assert any("was enlarged and not otherwise changed" in note for note in result.report["notes"])
    grey = make(upscale=2).restore(Image.fromarray(plain[..., 0]))
    assert grey.image.size == (88, 60) and grey.image.mode == "L"


@pytest.mark.slow
def test_an_area_grows_with_the_picture(portrait):
    area = np.zeros(portrait.size, np.float32)
    area[:, : round(portrait.size[1] * 0.45)] = 1
    made = make(upscale=2).restore(portrait, only_here=area)
    free = make(upscale=2).restore(portrait)
    end = 2 * int(area[0].sum())
    assert not made.mask[..., end + 1 :].any() and free.mask[..., end + 1 :].any()
    assert torch.equal(made.restored[..., : end - 1], free.restored[..., : end - 1])


@pytest.mark.slow
def test_strength_0_gives_the_background(portrait):
    assert torch.equal(make(upscale=2, strength=0.0).restore(portrait).restored, enlarge_plainly(portrait.pixels, 2))


@pytest.mark.slow
def test_a_batch_is_pasted_into_pictures_that_somebody_else_enlarged(portrait):
    images = torch.cat([portrait.pixels, torch.full_like(portrait.pixels, 0.4), portrait.pixels.flip(-1)])
    pictures = torch.rand(3, 3, *(2 * side for side in portrait.size), generator=torch.Generator().manual_seed(1))
    networks, settings = make().networks, load_preset("natural").settings
    batch = restore_batch(images, networks, settings, enlarger=GivenPictures.of(pictures, images))
    assert [record.face.image_index for record in batch.records] == [0, 2]
    for one, mask, given in zip(batch.images, batch.mask, pictures, strict=True):
        assert torch.equal(one[:, mask[0] == 0], given[:, mask[0] == 0])
    assert float(batch.mask[0].max()) == float(batch.mask[2].max()) == 1 and not batch.mask[1].any()
    with pytest.raises(ImageError, match="whole multiple"):
        GivenPictures.of(pictures[..., 1:], images)


@pytest.mark.slow
def test_crops_are_pasted_into_enlarged_pictures_as_the_chain_pastes_them(portrait):
    """And an unchanged crop changes nothing but the ground, which becomes the photograph there."""
    result = make().restore(portrait)
    ground = torch.rand(1, 3, *(2 * side for side in portrait.size), generator=torch.Generator().manual_seed(2))
    pasted = paste_crops(portrait.pixels, result.before, result.alignment, background=ground)
    core, plain = (pasted.mask[0, 0] == 1), enlarge_plainly(portrait.pixels, 2)
    assert pasted.images.shape == ground.shape and int(core.sum()) > 5000 and not pasted.notes
    assert torch.equal(pasted.images[0][:, pasted.mask[0, 0] == 0], ground[0][:, pasted.mask[0, 0] == 0])
    assert float((pasted.images - plain)[0][:, core].abs().mean()) < 0.1 * float(
        (ground - plain)[0][:, core].abs().mean()
    )
    same = paste_crops(portrait.pixels, result.before, result.alignment, background=portrait.pixels)
    assert torch.equal(same.images, paste_crops(portrait.pixels, result.before, result.alignment).images)


def test_what_cannot_be_is_refused(portrait, monkeypatch):
    for upscale in (0, 5, 2.0, True):
        with pytest.raises(SettingsError, match="choose from 1, 2, 3, 4"):
            make(upscale=upscale)
    with pytest.raises(SettingsError, match="needs a factor"):
        make(background="net.pth")
    monkeypatch.setattr(module, "free_memory", lambda device: 10**7)
    with pytest.raises(ImageError, match=r"2048 x 2048, which take about 0.3 GB of memory, and 0.0 GB are free"):
        make(upscale=4).restore(portrait)
    monkeypatch.setattr(module, "MOST_PIXELS", 4_000_000)
    with pytest.raises(ImageError, match="the limit is 4 million"):
        make(upscale=4).restore(portrait)


@pytest.mark.slow
def test_a_file_keeps_depth_alpha_profile_and_exif(portrait, tmp_path, examples):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0xA002], exif.get_ifd(0x8769)[0xA003] = portrait.size[1], portrait.size[0]
    alpha = torch.ones(1, 1, *portrait.size)
    alpha[..., :50] = 0
    source = replace(
        portrait, alpha=alpha, bit_depth=16, icc_profile=profile, exif=exif.tobytes().removeprefix(b"Exif\0\0")
    )
    write_picture(source, tmp_path / "source.png")
    make(upscale=2).restore(tmp_path / "source.png").save(tmp_path / "made.png")
    made = read_picture(tmp_path / "made.png")
    assert made.size == tuple(2 * side for side in portrait.size) and made.bit_depth == 16
    assert made.alpha is not None and float(made.alpha[..., 40].max()) == 0 and float(made.alpha[..., 200].min()) == 1
    assert made.icc_profile == profile and made.exif is not None
    block = Image.Exif()
    block.load(made.exif)
    assert block[0x010F] == "Maker"
    assert (block.get_ifd(0x8769)[0xA002], block.get_ifd(0x8769)[0xA003]) == made.size[::-1]


@pytest.mark.slow
def test_a_job_enlarges_and_knows_with_what(examples, tmp_path):
    photos, out = tmp_path / "in", tmp_path / "out"
    photos.mkdir()
    with Image.open(examples / "portrait-degraded.jpg") as opened:
        for n in range(5):
            opened.resize((128 + n, 128)).save(photos / f"p{n}.png")
    network = write_compact(tmp_path / "net.pth", 2)
    words = ("restore", photos, "-o", out, "--upscale", 2, "--background", network, *OPTIONS)
    run_gpen(*words, "--report", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {picture["enlarged"]["factor"] for picture in report["pictures"]} == {2}
    for n in range(5):
        with Image.open(out / f"p{n}.png") as opened:
            assert opened.size == (256 + 2 * n, 256)
        make(upscale=2, background=network).restore(photos / f"p{n}.png").save(tmp_path / "alone.png")
        assert (tmp_path / "alone.png").read_bytes() == (out / f"p{n}.png").read_bytes()
    assert "5 were there already." in run_gpen(*words)
    network.rename(tmp_path / "renamed.pth")
    words = ("restore", photos, "-o", out, "--upscale", 2, "--background", tmp_path / "renamed.pth", *OPTIONS)
    assert "5 were there already." in run_gpen(*words)
    for other in (
        ("--upscale", 4),
        ("--upscale", 2),
        ("--upscale", 2, "--background", write_compact(tmp_path / "b.pth", seed=3)),
    ):
        assert "5 pictures of" in run_gpen("restore", photos, "-o", out, *other, *OPTIONS, "--dry-run")


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--upscale", 7), "choose from 1, 2, 3, 4"), (("--background", "net.pth"), "needs a factor")],
)
def test_the_command_refuses_before_any_work(examples, words, said):
    with pytest.raises(SettingsError, match=said):
        run_gpen("restore", examples / "portrait-degraded.jpg", *words)

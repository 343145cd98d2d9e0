"""The whole chain on the example portrait, with the bundled models."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks import Restorer
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.models import choose_landmarker
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.presets import Preset
from gpen_blocks.gpen.report import batch_report
from gpen_blocks.gpen.settings import Settings

BUNDLED: dict[str, Any] = {"model": "gpen-lite-256", "detector": "face-detector-lite", "device": "cpu"}


@pytest.fixture(scope="module")
def restorer():
    return Restorer(**BUNDLED)


@pytest.fixture(scope="module")
def portrait(examples):
    return np.asarray(Image.open(examples / "portrait-degraded.jpg").convert("RGB"))


@pytest.fixture(scope="module")
def restoration(restorer, portrait):
    return restorer.restore(portrait)


def test_face_is_restored_and_the_rest_is_untouched(restoration, portrait):
    image, mask = restoration.image, restoration.mask[0, 0].numpy()
    assert image.dtype == np.uint8 and image.shape == portrait.shape
    assert len(restoration.faces) == 1
    assert restoration.before.shape == restoration.after.shape == (1, 3, 256, 256)
    assert np.array_equal(image[mask == 0], portrait[mask == 0])
    assert (image[mask > 0.5] != portrait[mask > 0.5]).mean() > 0.5


def test_report_is_json_with_a_word_for_every_face(restoration):
    report = json.loads(json.dumps(restoration.report))
    face = report["faces"][0]
    assert face["restored"] and face["score"] > 0.6 and face["model"] == "gpen-lite-256"
    assert set(report["seconds"]) >= {"detect", "align", "restore", "paste"}
    assert any("gpen models download" in note for note in report["notes"])


def test_kind_that_comes_in_goes_out(restorer, portrait, restoration):
    as_float = restorer.restore(portrait.astype(np.float32) / 255).image
    assert as_float.dtype == np.float32
    assert np.abs(as_float * 255 - restoration.image).max() <= 0.5 + 1e-3
    with_alpha = restorer.restore(np.dstack([portrait, np.full(portrait.shape[:2], 77, np.uint8)])).image
    assert with_alpha.shape[2] == 4 and (with_alpha[..., 3] == 77).all()


def test_path_in_and_saved_with_its_metadata(restorer, examples, tmp_path):
    result = restorer.restore(examples / "portrait-degraded.jpg")
    result.save(tmp_path / "out.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), result.image)


def test_no_face_gives_the_same_picture_and_a_word(restorer):
    image = np.full((64, 80, 3), 128, np.uint8)
    result = restorer.restore(image)
    assert np.array_equal(result.image, image)
    assert result.mask.max() == 0
    assert any("no face was found" in note for note in result.report["notes"])


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 9, 3), (7, 5)])
def test_tiny_pictures_come_back(restorer, shape):
    image = np.zeros(shape, np.uint8)
    assert np.array_equal(restorer.restore(image).image, image)


def test_grey_picture_stays_grey(restorer, portrait):
    grey = np.asarray(Image.fromarray(portrait).convert("L"))
    result = restorer.restore(np.dstack([grey] * 3))
    assert len(result.faces) == 1
    assert np.array_equal(result.image[..., 0], result.image[..., 1])
    assert np.array_equal(result.image[..., 0], result.image[..., 2])
    assert restorer.restore(grey).image.shape == grey.shape


def test_small_and_unchosen_faces_are_left_alone_with_a_reason(portrait):
    result = Restorer(**BUNDLED, min_face_size=portrait.shape[0] // 3).restore(portrait)
    reasons = [face["skipped"] for face in result.report["faces"]]
    assert np.array_equal(result.image, portrait)
    assert reasons == [f"smaller than {portrait.shape[0] // 3} pixels"]
    other = Restorer(**BUNDLED).restore(portrait, indices="5")
    assert [face["skipped"] for face in other.report["faces"]] == ["not among the chosen faces"]


@pytest.mark.slow
def test_batch_keeps_length_and_untouched_frames(restorer, examples):
    face = read_tensor(examples / "portrait.png")
    batch = torch.cat([torch.zeros_like(face), face, face.flip(-1)])
    result = restore_batch(batch, restorer.networks, Settings())
    assert result.images.shape == batch.shape
    assert torch.equal(result.images[0], batch[0])
    assert [f.image_index for f in result.faces] == [1, 2]
    alone = restore_batch(face, restorer.networks, Settings())
    assert (result.images[1:2] - alone.images).abs().max() < 1e-4


def test_faces_change_only_in_their_area(restorer, portrait, restoration):
    half = np.zeros_like(portrait[..., 0])
    half[:, 204:] = 255  # the edge goes through the face
    inside = half > 0
    for name, mask in (("only_here", half), ("not_here", 255 - half)):
        result = restorer.restore(portrait, **{name: mask})
        assert np.array_equal(result.image[~inside], portrait[~inside])
        assert np.array_equal(result.image[inside], restoration.image[inside])
        assert not result.mask[0, 0].numpy()[~inside].any()
        (face,) = result.report["faces"]
        assert face["restored"] and face["changed"]["share"] > 0
    result = restorer.restore(portrait, not_here=np.ones_like(half, np.float32))
    (face,) = result.report["faces"]
    assert face["skipped"] == "it lies where nothing may change" and np.array_equal(result.image, portrait)
    with pytest.raises(ImageError, match="only_here has 512 x 10 pixels, but the picture 512 x 512"):
        restorer.restore(portrait, only_here=half[:10])


def test_each_image_of_a_batch_has_its_area(restorer, examples):
    face = read_tensor(examples / "portrait-degraded.jpg")
    batch, area = torch.cat([face, face]), torch.zeros(2, 1, *face.shape[-2:])
    area[1] = 1
    result = restore_batch(batch, restorer.networks, Settings(), area=area)
    assert torch.equal(result.images[0], batch[0]) and not torch.equal(result.images[1], batch[1])
    assert [record.left_alone is None for record in result.records] == [False, True]


def read_tensor(path):
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
    return pixels.permute(2, 0, 1)[None].float() / 255


def test_batch_without_a_face_is_the_same_tensor(restorer):
    batch = torch.zeros(2, 3, 40, 40)
    assert restore_batch(batch, restorer.networks).images is batch


def test_bad_input_is_told(restorer):
    with pytest.raises(ImageError, match="NaN"):
        restorer.restore(np.full((32, 32, 3), np.nan, np.float32))
    with pytest.raises(ImageError):
        restorer.restore(np.zeros((32, 32, 7), np.uint8))
    with pytest.raises(SettingsError, match="no setting"):
        Restorer(**BUNDLED, strenght=0.5)
    with pytest.raises(SettingsError, match="strength"):
        Restorer(**BUNDLED, strength=3)


def test_the_blend_keeps_the_photographs_light(portrait):
    """The crop's coarse light is the photograph's, where the plain answer has light of its own."""
    plain, blended = (
        Restorer(**BUNDLED, frequency_blend=amount, deblur=0.0).restore(portrait) for amount in (0.0, 1.0)
    )
    moved = [
        float((gaussian_blur(result.after, 12.0) - gaussian_blur(result.before, 12.0)).abs().mean())
        for result in (plain, blended)
    ]
    assert moved[1] < 0.5 * moved[0]


def test_preparing_is_told_and_leaves_faceless_frames_alone(portrait, examples):
    """Whoever asks for white balance and deblocking gets them on pictures with faces, and a word about each."""
    restorer = Restorer(**BUNDLED, white_balance="shades_of_grey", deblock=1.0)
    result = restorer.restore(examples / "portrait-degraded.jpg")
    told = result.report["prepared"][0]
    assert told["jpeg"]["deblocked"] and 1 <= told["jpeg"]["quality"] <= 100
    assert set(told["notes"]) <= set(result.report["notes"])
    outside = result.mask[0, 0] == 0
    assert (result.restored[0][:, outside] != result.original[0][:, outside]).any()
    nothing = np.tile(portrait[-8:, :8], (8, 8, 1))
    assert (restorer.restore(nothing).image == nothing).all()


def test_a_report_begins_with_what_people_look_for(portrait):
    names = list(Restorer(**BUNDLED).restore(portrait).report)
    assert names[:2] == ["notes", "faces"] and names[-1] == "settings"
    assert {"device", "images", "size", "model", "backend", "detector", "preset", "prepared", "seconds"} < set(names)


def test_the_article_can_be_tried_by_name(portrait):
    result = Restorer(**BUNDLED, preset="article").restore(portrait)
    assert result.report["preset"] == "article" and result.report["prepared"][0]["white_balance"]["method"] == "lab"
    assert result.report["settings"]["finish_sigma"] == 0.3 and result.report["settings"]["local_enhance"] > 0


def test_finishing_touches_only_the_faces(portrait):
    plain, finished = (Restorer(**BUNDLED, finish_sigma=sigma).restore(portrait) for sigma in (0.0, 2.0))
    outside = finished.mask[0, 0] == 0
    assert (finished.image[outside] == portrait[outside]).all()
    assert (finished.image[~outside] != plain.image[~outside]).any()


@pytest.mark.slow
def test_in_a_large_picture_without_faces_it_is_told_how_small_ones_were_not_looked_for():
    empty = np.full((2000, 2400, 3), 128, np.uint8)
    found = Restorer(**BUNDLED).restore(empty)
    assert any(
        "faces under 22 pixels were not searched (set min_face_size to 16 to include them)" in note
        for note in found.report["notes"]
    )
    small = Restorer(**BUNDLED).restore(empty[:300, :300])
    assert not any("not searched" in note for note in small.report["notes"])


def test_each_face_tells_how_much_changed(restoration, portrait):
    """The share, mean and largest amount are those that the picture itself shows."""
    (face,) = restoration.report["faces"]
    inside = restoration.mask[0, 0].numpy() > 0.5 / 255
    moved = np.abs(restoration.image[inside].astype(float) - portrait[inside])
    assert face["changed"]["share"] == pytest.approx((moved.max(axis=1) > 0).mean(), abs=0.002)
    assert face["changed"]["mean"] == pytest.approx(moved.mean(), abs=0.1)
    assert face["changed"]["max"] == pytest.approx(moved.max(), abs=0.5)
    assert face["changed"]["share"] > 0.5


@pytest.mark.parametrize(("strength", "why"), [(0.0, "strength is 0"), (1e-6, "too small to show in a file")])
def test_what_is_not_changed_is_not_called_restored(portrait, strength, why):
    """Nor does the last touch soften a face that nothing was done to."""
    result = Restorer(**BUNDLED, strength=strength, finish_sigma=2.0 if strength == 0 else 0.0).restore(portrait)
    (face,) = result.report["faces"]
    assert np.array_equal(result.image, portrait)
    assert not face["restored"] and why in face["skipped"] and face["changed"]["share"] == 0
    assert any("1 face was left alone" in note and why in note for note in result.report["notes"])


class FirstFaceCollapses(torch.nn.Module):
    """The bundled landmark network, but all 68 points of the first face fall on one."""

    def __init__(self, landmarker):
        super().__init__()
        self.own, self.chunk = landmarker, landmarker.chunk

    def locate(self, images, faces):
        points = self.own.locate(images, faces)
        points[0] = points[0].mean(axis=0)
        return points


def test_a_face_without_a_mask_is_left_alone_and_the_others_go_on(restorer, examples):
    """It is told as not restored, with the reason; every pixel of it stays."""
    face = read_tensor(examples / "portrait-degraded.jpg")
    batch = torch.cat([face, face])
    bundled = choose_landmarker()[0]
    broken = replace(bundled, module=FirstFaceCollapses(bundled.module))
    networks = replace(restorer.networks, landmarker=broken)
    result = restore_batch(batch, networks)
    assert torch.equal(result.images[0], batch[0]) and not result.mask[0].any()
    assert (result.images[1] - batch[1]).abs().max() > 0.01
    faces = batch_report(result, networks, Preset("default"))["faces"]
    assert [told["restored"] for told in faces] == [False, True]
    assert "coincide" in faces[0]["skipped"] and faces[0]["changed"]["share"] == 0


def test_a_black_and_white_print_beside_a_person_stays_so(restorer, examples):
    """Each face is judged for itself: one on a print held into the picture, with a date stamp, and one in colour."""
    face = read_tensor(examples / "portrait-degraded.jpg")
    held = luma(face).expand(-1, 3, -1, -1).clone()
    held[..., 480:500, 400:500] = torch.tensor([1.0, 0.5, 0.1]).view(3, 1, 1)
    scene = torch.cat([held, face.flip(-1)], dim=3)
    pixels = (255 * scene[0].permute(1, 2, 0)).round().byte().numpy()
    result = restorer.restore(pixels)
    told = {told["colour"]: told for told in result.report["faces"]}
    assert set(told) == {"black and white", "colour"} and all(told["restored"] for told in result.report["faces"])
    left = told["black and white"]["box"]
    x0, y0, x1, y1 = (int(edge) for edge in left)
    assert x1 < 512
    print_ = result.image[y0:y1, x0:x1]
    assert (np.ptp(print_, axis=2) == 0).all() and (print_ != pixels[y0:y1, x0:x1]).any()


@pytest.mark.parametrize("change", [{"colour": "keep"}, {"keep_grayscale": False}])
def test_what_is_judged_can_be_overruled(portrait, change):
    """The network may paint colour on a black-and-white face, if asked to."""
    grey = np.dstack([np.asarray(Image.fromarray(portrait).convert("L"))] * 3)
    result = Restorer(**BUNDLED, frequency_blend=0.0, color_match="none", **change).restore(grey)
    assert result.report["faces"][0]["colour"] == "black and white"
    assert np.ptp(result.image, axis=2).max() > 0
    forced = Restorer(**BUNDLED, frequency_blend=0.0, color_match="none", **{**change, "colour": "grey"}).restore(grey)
    assert np.ptp(forced.image, axis=2).max() == 0


def test_a_second_run_changes_nothing_though_noise_stays_around_the_face(restorer, restoration):
    """What lies around a restored face, noise and all, is no reason to restore it again."""
    assert restoration.report["faces"][0]["changed"]["mean"] > 1
    again = restorer.restore(restoration.image)
    (face,) = again.report["faces"]
    assert face["skipped"] == "nothing to add"
    assert np.array_equal(again.image, restoration.image)

"""The blocks that measure and shape detail, in a real ComfyUI: they give what the library gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from pictures import array, same, tensor
from prompts import blocks, finished, frequency_blend, load, local_adaptive, models, node, prepared, preview, succeed

from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.finish import finish, match_grain
from gpen_blocks.gpen.detail.local_adaptive import PART_STRENGTHS, enhance
from gpen_blocks.gpen.detail.spectrum.analysis import analyze, mean_of, report
from gpen_blocks.gpen.detail.spectrum.charts import spectrum_chart, spectrum_image
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.faces.landmarks.find import find_in_crops, find_landmarks68
from gpen_blocks.gpen.faces.masks.parts import Part, crop_landmarks, part_gains, template_landmarks
from gpen_blocks.gpen.models import LoadedModel, choose_landmarker, load_detector, load_generator
from gpen_blocks.gpen.photograph.prepare import prepare
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.settings import Settings

FOUND = ("model", "detector", "detect")


@pytest.fixture(scope="module")
def network() -> LoadedModel:
    return load_generator("gpen-lite-256")


@pytest.fixture(scope="module")
def detector() -> LoadedModel:
    return load_detector("face-detector-lite")


def numbers(told: Any) -> Iterator[float]:
    """The numbers of a report in their order."""
    if isinstance(told, dict | list):
        for inner in told.values() if isinstance(told, dict) else told:
            yield from numbers(inner)
    elif not isinstance(told, str):
        yield float(told)


def assert_same_report(text: str, expected: dict) -> None:
    """The same words, and numbers that differ by the arithmetic of two versions of torch at most."""
    told, expected = json.loads(text), json.loads(json.dumps(expected))
    assert told.keys() == expected.keys()
    assert list(numbers(told)) == pytest.approx(list(numbers(expected)), rel=1e-2, abs=2e-3)


def text_of(run: Any, name: str) -> str:
    return run.outputs[name]["text"][0]


def measure(**inputs: Any) -> dict:
    """A measurement, and all of its outputs."""
    return {
        "measure": node("GPENFrequencySpectrum", **inputs),
        "spectrum": preview("measure", 0),
        "chart": preview("measure", 1),
        "ratio": node("PreviewAny", source=["measure", 2]),
        "report": node("PreviewAny", source=["measure", 3]),
    }


@pytest.mark.parametrize("dark", [True, False])
def test_the_spectrum_is_that_of_the_library(comfyui, portrait, dark):
    prompt = {"image": load(comfyui.put("one.png", portrait)), **measure(image=["image", 0], dark=dark)}
    run = succeed(comfyui, prompt)
    images = tensor(portrait)
    own = analyze(images)
    assert_same_report(text_of(run, "report"), report(own))
    assert float(text_of(run, "ratio")) == pytest.approx(float(own.high_frequency_ratio[0]), rel=1e-3)
    for name, expected in (
        ("spectrum", spectrum_image(images, dark=dark)),
        ("chart", spectrum_chart({"image": own}, dark=dark)),
    ):
        (picture,) = comfyui.pictures(run, name)
        assert picture.shape == array(expected)[0].shape
        assert np.abs(picture - array(expected)[0]).mean() < 0.5, name


def apart() -> dict:
    """The spectra of the images and of the reference, each by itself."""
    return {"own": preview("measure", 4), "other": preview("measure", 5)}


def test_a_reference_is_measured_compared_and_drawn_behind(comfyui, portrait):
    """One reference, of another size, serves a batch; the chart and the ratio are those of the batch's mean."""
    smaller = np.ascontiguousarray(portrait[:300, :400])
    first, second = portrait, np.ascontiguousarray(portrait[:, ::-1]) // 2
    prompt = {
        "first": load(comfyui.put("first.png", first)),
        "second": load(comfyui.put("second.png", second)),
        "reference": load(comfyui.put("reference.png", smaller)),
        "image": node("ImageBatch", image1=["first", 0], image2=["second", 0]),
        **measure(image=["image", 0], dark=True, reference=["reference", 0]),
        **apart(),
    }
    run = succeed(comfyui, prompt)
    images, reference = tensor(first, second), tensor(smaller)
    own, other = analyze(images), analyze(reference)
    assert_same_report(text_of(run, "report"), report(own, other))
    mean = mean_of(own)
    assert float(text_of(run, "ratio")) == pytest.approx(float(mean.high_frequency_ratio[0]), rel=1e-3)
    drawn = array(torch.cat([spectrum_image(images), spectrum_image(reference)]))
    pictures = comfyui.pictures(run, "spectrum")
    assert len(pictures) == 3
    assert all(np.abs(picture - expected).mean() < 0.5 for picture, expected in zip(pictures, drawn, strict=True))
    for name, expected in (("own", pictures[:2]), ("other", pictures[2:])):
        shown = comfyui.pictures(run, name)
        assert all(np.array_equal(one, two) for one, two in zip(shown, expected, strict=True)), name
    (chart,) = comfyui.pictures(run, "chart")
    assert np.abs(chart - array(spectrum_chart({"image": mean, "reference": other}))[0]).mean() < 0.5


def test_what_shows_the_spectrum_of_a_reference_waits_for_one(comfyui, portrait):
    prompt = {
        "image": load(comfyui.put("one.png", portrait)),
        **measure(image=["image", 0], dark=True),
        **apart(),
    }
    run = succeed(comfyui, prompt)
    assert len(comfyui.pictures(run, "own")) == 1
    assert "other" not in run.outputs


@pytest.fixture(scope="module")
def crops(two_faces, network, detector):
    """What the library makes of two faces: crops, alignments, and the crops restored."""
    images = tensor(two_faces)
    faces = find_landmarks68(choose_landmarker()[0].module, images, detect(images, detector.module))
    before, alignments = align_faces(images, faces, 256, network.template)
    return before, alignments, restore_crops(network.module, before, keep_grayscale=True)


@pytest.mark.parametrize(
    ("cutoff", "gains"), [(0.0, {"eyes": 2.0, "lips": 0.5, "skin": 1.0, "hair": 1.5}), (0.08, {}), (0.5, {})]
)
def test_the_blend_is_that_of_the_library(comfyui, two_faces, crops, cutoff, gains):
    before, alignments, after = crops
    settings = {f"{part}_gain": gain for part, gain in gains.items()}
    prompt = {
        **blocks(blend=frequency_blend(cutoff=cutoff, middle_gain=1.5, deblur=0.25, **settings)),
        "image": load(comfyui.put("two.png", two_faces)),
        "blended": preview("blend"),
    }
    pictures = comfyui.pictures(succeed(comfyui, prompt), "blended")
    part_gain = part_gains(crop_landmarks(alignments, 256), 256, gains) if gains else None
    chosen = {"middle_gain": 1.5, "part_gain": part_gain, "deblur": 0.25, "denoise": Settings().denoise}
    expected = blend(before, after, cutoff or None, **chosen)
    assert len(pictures) == len(alignments) >= 2
    assert all(same(picture, wanted, 2) for picture, wanted in zip(pictures, array(expected), strict=True))
    assert not same(pictures[0], array(after)[0], 8)


def test_the_enhanced_crops_and_their_gain_are_those_of_the_library(comfyui, two_faces, crops):
    _, alignments, after = crops
    strengths: dict[Part, float] = {**PART_STRENGTHS, "cheeks": 1.0, "lips": 0.0}
    prompt = {
        **blocks(enhance=local_adaptive("restore", strength=1.0, **strengths)),
        "image": load(comfyui.put("two.png", two_faces)),
        "enhanced": preview("enhance"),
        "gain": node("MaskToImage", mask=["enhance", 1]),
        "gain_out": preview("gain"),
        "unaligned": node("GPENLocalAdaptiveEnhance", crops=["restore", 0], strength=1.0, **strengths),
        "unaligned_out": preview("unaligned"),
    }
    run = succeed(comfyui, prompt)
    expected, gain = enhance(after, 1.0, crop_landmarks(alignments, 256), part_strengths=strengths)
    pictures, gains = comfyui.pictures(run, "enhanced"), comfyui.pictures(run, "gain_out")
    assert [picture.shape[:2] for picture in gains] == [(256, 256)] * len(alignments)
    for index, picture in enumerate(pictures):
        assert same(picture, array(expected)[index], 2)
        assert np.abs(gains[index][..., 0] - gain[index].numpy() * 255).mean() < 1
    assert max(picture.max() for picture in gains) > 25
    # Without the alignment, faces are looked for in the crops.
    found = find_in_crops(choose_landmarker()[0].module, after, template_landmarks(len(after), 256))
    unaligned, _ = enhance(after, 1.0, found, part_strengths=strengths)
    for picture, wanted in zip(comfyui.pictures(run, "unaligned_out"), array(unaligned), strict=True):
        assert same(picture, wanted, 2)


def with_alpha(pixels: np.ndarray) -> np.ndarray:
    alpha = np.broadcast_to(np.linspace(0, 255, pixels.shape[1], dtype=np.uint8), pixels.shape[:2])
    return np.dstack([pixels, alpha])


def rgba(name: str) -> dict:
    """A picture with its alpha, as the node `image`; LoadImage gives the alpha as a mask."""
    return {"file": load(name), "image": node("JoinImageWithAlpha", image=["file", 0], alpha=["file", 1])}


@pytest.mark.parametrize("white_balance", ["none", "shades_of_grey", "lab"])
def test_preparing_is_that_of_the_library_and_alpha_stays(comfyui, portrait, detector, white_balance):
    tinted = (portrait * (1.0, 0.85, 0.7)).astype(np.uint8)
    prompt = {
        **{name: blocks()[name] for name in FOUND},
        **rgba(comfyui.put("tinted.png", with_alpha(tinted))),
        "prepare": prepared(white_balance=white_balance, deblock=1.0, exposure=1.0, faces=["detect", 0]),
        "out": preview("prepare"),
        "report": node("PreviewAny", source=["prepare", 1]),
    }
    run = succeed(comfyui, prompt)
    images = tensor(tinted)
    faces = detect(images, detector.module)
    expected, told = prepare(images, white_balance=white_balance, deblock=1.0, faces=faces, exposure=1.0)
    (picture,) = comfyui.pictures(run, "out")
    assert picture.shape[-1] == 4 and same(picture[..., 3], with_alpha(tinted)[..., 3])
    assert same(picture[..., :3], array(expected)[0])
    assert white_balance == "none" or not same(picture[..., :3], tinted, 4)
    found = json.loads(text_of(run, "report"))["images"]
    assert [entry["notes"] for entry in found] == [entry["notes"] for entry in told]
    assert_same_report(json.dumps(found[0]), told[0])


def test_finishing_is_that_of_the_library_and_alpha_stays(comfyui, portrait):
    smooth = np.asarray(torch.nn.functional.avg_pool2d(tensor(portrait), 5, 1, 2)[0].permute(1, 2, 0) * 255, np.uint8)
    half = np.zeros((*portrait.shape[:2], 3), np.uint8)
    half[:, 256:] = 255
    prompt = {
        **rgba(comfyui.put("smooth.png", with_alpha(smooth))),
        "reference": load(comfyui.put("one.png", portrait)),
        "half": node("LoadImageMask", image=comfyui.put("half.png", half), channel="red"),
        "finish": finished("image", sigma=1.0, reference=["reference", 0], mask=["half", 0], match_grain=0.75),
        "plain": finished("image", sigma=1.0),
        "out": preview("finish"),
        "plain_out": preview("plain"),
    }
    run = succeed(comfyui, prompt)
    images, mask = tensor(smooth), tensor(half)[:, :1]
    softened = finish(images, 1.0, 0.2, mask)
    expected = array(match_grain(softened, tensor(portrait), 0.75, mask))[0]
    (picture,), (plain,) = comfyui.pictures(run, "out"), comfyui.pictures(run, "plain_out")
    assert all(same(result[..., 3], with_alpha(smooth)[..., 3]) for result in (picture, plain))
    assert same(picture[:, :256, :3], smooth[:, :256], 0)
    assert same(picture[..., :3], expected) and np.abs(expected - array(softened)[0]).max() > 2
    assert same(plain[..., :3], array(finish(images, 1.0, 0.2))[0])


def whole_chain() -> dict:
    """All blocks one after another, on the node `image`."""
    chain = blocks(blend=frequency_blend(), enhance=local_adaptive("blend"))
    chain["prepare"] = prepared(white_balance="none", deblock=0.0, exposure=1.0, faces=["detect", 0])
    for name in ("align", "paste"):
        chain[name]["inputs"]["image"] = ["prepare", 0]
    chain["finish"] = finished(reference=["prepare", 0], mask=["paste", 1])
    chain["out"] = preview("finish")
    return chain


def test_a_batch_goes_through_all_blocks_and_its_faceless_frame_stays(comfyui, portrait):
    empty = np.random.default_rng(0).integers(60, 70, portrait.shape, np.uint8)
    frames = {"portrait": portrait, "empty": empty, "mirrored": np.ascontiguousarray(portrait[:, ::-1])}
    prompt = {
        **whole_chain(),
        **{name: load(comfyui.put(f"{name}.png", frame)) for name, frame in frames.items()},
        "pair": node("ImageBatch", image1=["portrait", 0], image2=["empty", 0]),
        "image": node("ImageBatch", image1=["pair", 0], image2=["mirrored", 0]),
        **measure(image=["enhance", 0], reference=["align", 0], dark=True),
    }
    run = succeed(comfyui, prompt)
    pictures = comfyui.pictures(run, "out")
    assert len(pictures) == 3
    assert same(pictures[1], empty, 0)
    assert not same(pictures[0], portrait, 8) and not same(pictures[2], frames["mirrored"], 8)
    told = json.loads(text_of(run, "report"))
    assert len(told["pictures"]) == len(told["others"]) >= 2
    after, before = (sum(entry["effective_resolution"] for entry in told[key]) for key in ("pictures", "others"))
    assert after > before


def test_a_batch_without_a_face_goes_through_all_blocks(comfyui):
    empty = np.random.default_rng(1).integers(60, 70, (200, 300, 3), np.uint8)
    prompt = {**whole_chain(), "image": load(comfyui.put("empty.png", empty)), "gain": preview("gain_picture")}
    prompt["gain_picture"] = node("MaskToImage", mask=["enhance", 1])
    run = succeed(comfyui, prompt)
    assert same(comfyui.pictures(run, "out")[0], empty, 0)
    assert comfyui.pictures(run, "gain")[0].max() == 0


@pytest.mark.parametrize("block", ["blend", "enhance"])
def test_crops_that_are_not_those_of_the_alignment_are_told(comfyui, two_faces, block):
    first = node("ImageFromBatch", image=["restore", 0], batch_index=0, length=1)
    base = node("ImageFromBatch", image=["align", 0], batch_index=0, length=1)
    prompt = {
        **blocks(first=first, blend=frequency_blend("base", "first"), enhance=local_adaptive("first")),
        "base": base,
        "image": load(comfyui.put("two.png", two_faces)),
        "out": preview(block),
    }
    del prompt["paste"]
    run = comfyui.run(prompt)
    assert run.status == "error" and "but alignment belongs to 2 crops; connect all crops" in run.error


def test_settings_beyond_their_range_or_menu_are_told(comfyui, portrait):
    for wrong, word in (({"white_balance": "nope"}, "nope"), ({"deblock": 7.0}, "deblock")):
        prompt = {
            **models(),
            "image": load(comfyui.put("one.png", portrait)),
            "prepare": prepared(**wrong),
            "out": preview("prepare"),
        }
        run = comfyui.run(prompt)
        assert run.status in ("refused", "error") and word in run.error

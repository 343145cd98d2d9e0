"""Pairs, methods and what an evaluation makes of them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from upscalers import write_rrdb

from gpen_blocks.gpen.detail.spectrum.analysis import analyze
from gpen_blocks.gpen.devices import on_device
from gpen_blocks.gpen.enlarging import load_upscaler
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.evaluation.evaluate import evaluate, render
from gpen_blocks.gpen.evaluation.meter import FaceFinder, Meter
from gpen_blocks.gpen.evaluation.methods import (
    BASELINE,
    Method,
    baselines,
    model_methods,
    to_side,
    unsharp_mask,
    upscaler_methods,
)
from gpen_blocks.gpen.evaluation.pairs import DegradedFaces, FolderPairs
from gpen_blocks.gpen.evaluation.perceptual import PerceptualMeasures
from gpen_blocks.gpen.evaluation.report import markdown, report, summarise, table
from gpen_blocks.gpen.evaluation.sheet import contact_sheet
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import load_detector
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.sheets import to_pil


@pytest.fixture(scope="module")
def truth(examples) -> torch.Tensor:
    """Four true pictures of 64 x 64, parts of one photograph."""
    whole = read_picture(examples / "portrait.png").pixels
    return torch.cat([whole[..., y : y + 64, x : x + 64] for y, x in ((150, 150), (200, 220), (250, 180), (180, 260))])


@pytest.fixture
def folders(tmp_path, truth) -> tuple[Path, Path]:
    """Degraded and true pictures of the stems a to d: each blurred more than the one before."""
    degraded, true = tmp_path / "degraded", tmp_path / "truth"
    degraded.mkdir()
    true.mkdir()
    for number, stem in enumerate("abcd"):
        one = truth[number : number + 1]
        to_pil(one).save(true / f"{stem}.png")
        to_pil(gaussian_blur(one, 1.0 + number)).save(degraded / f"{stem}.bmp")
    return degraded, true


@pytest.fixture
def meter() -> Meter:
    similarity = _has_torchmetrics()
    return Meter(FaceFinder(load_detector("face-detector-lite"), None), PerceptualMeasures(similarity=similarity))


def _has_torchmetrics() -> bool:
    try:
        import torchmetrics  # noqa: F401
    except ImportError:
        return False
    return True


def _oracle(folder: Path) -> Method:
    """Knows the truth of a to d by heart, up to half of the way."""
    pictures = torch.cat([read_picture(folder / f"{stem}.png").pixels for stem in "abcd"])

    def run(images: torch.Tensor, side: int) -> torch.Tensor:
        nearest = (images[:, None] - pictures[None]).square().mean(dim=(2, 3, 4)).argmin(dim=1)
        return (images + pictures[nearest]) / 2

    return Method("oracle", run, {"kind": "oracle"}, template="ffhq")


def test_pairs_are_matched_by_stem_and_the_rest_is_named(folders):
    """A picture without its partner must neither vanish silently nor be measured against another one."""
    degraded, true = folders
    (degraded / "b.bmp").rename(degraded / "lonely.bmp")
    Image.new("RGB", (64, 64)).save(degraded / "a.png")
    (degraded / "notes.txt").write_text("no picture", encoding="utf-8")
    pairs = FolderPairs(degraded, true)
    assert [pairs.name(index) for index in range(len(pairs))] == ["a", "c", "d"]
    passed_over = {Path(one["file"]).name: one["reason"] for one in pairs.skipped}
    assert set(passed_over) == {"a.png" if "a.bmp" < "a.png" else "a.bmp", "lonely.bmp", "b.png"}
    pair = pairs.load(1)
    assert pair.truth is not None
    torch.testing.assert_close(pair.truth, read_picture(true / "c.png").pixels)
    assert pair.facts["truth"]["sha256"] != pair.facts["degraded"]["sha256"]
    assert len(FolderPairs(degraded, true, limit=2)) == 2


def test_folders_without_a_common_name_say_so(folders, tmp_path):
    degraded, true = folders
    for file in true.iterdir():
        file.rename(true / f"true-{file.name}")
    with pytest.raises(SettingsError, match=r"a\.bmp stands beside true-a\.png"):
        FolderPairs(degraded, true)
    with pytest.raises(SettingsError, match="not a folder"):
        FolderPairs(degraded, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="no pictures"):
        FolderPairs(tmp_path / "empty")


@pytest.mark.slow
def test_bad_files_are_named_and_the_rest_is_measured(folders, meter):
    degraded, true = folders
    (degraded / "a.bmp").write_bytes(b"BM no picture")
    Image.new("RGB", (64, 32)).save(true / "c.png")
    found = evaluate(FolderPairs(degraded, true), baselines()[:1], meter)
    assert [picture.name for picture in found.pictures] == ["b", "d"]
    reasons = {one["file"]: one["reason"] for one in found.skipped}
    assert set(reasons) == {"a", "c"} and "64 x 32" in reasons["c"]
    for stem in "bd":
        (degraded / f"{stem}.bmp").write_bytes(b"")
    with pytest.raises(SettingsError, match="None of 4 pictures"):
        evaluate(FolderPairs(degraded, true), baselines(), meter)


def test_a_network_that_enlarges_is_compared_at_the_original_size(folders, tmp_path, meter):
    degraded, true = folders
    for path in degraded.iterdir():
        with Image.open(path) as picture:
            picture.resize((16, 16)).save(path)
    file, place = write_rrdb(tmp_path / "enlarger.safetensors", 4), on_device(torch.device("cpu"))
    (method,) = upscaler_methods([file, file], place)
    small = read_picture(degraded / "a.bmp").pixels
    expected = load_upscaler(file)(small, place)
    assert torch.equal(method.run(small, 64), expected)
    assert method.run(small, 32).shape[-1] == 32
    pairs = FolderPairs(degraded, true)
    body = report(evaluate(pairs, (*baselines(), method), meter), pairs.facts)
    told = body["methods"][-1]
    assert (told["name"], told["architecture"], told["scale"]) == ("enlarger", "ESRGAN", 4)
    assert told["summary"]["psnr"]["pictures"] == 4
    assert f"enlarges 4 times, `{file}`" in markdown(body)


def test_faces_are_reduced_and_damaged_lightly(examples):
    pairs = DegradedFaces(examples / "faces", size=256, reduced=4)
    plain = DegradedFaces(examples / "faces", size=256)
    pair = pairs.load(0)
    assert pair.truth is not None and (pair.degraded.shape[-1], pair.truth.shape[-1]) == (64, 256)
    assert pair.facts["steps"][0] == "reduced to 64 pixels" and pairs.facts["reduced"] == 4
    assert torch.equal(pair.degraded, pairs.load(0).degraded)
    small = to_side(pair.truth, 64)
    assert 0.001 < float((pair.degraded - small).square().mean().sqrt()) < 0.05
    assert plain.load(0).degraded.shape[-1] == 256 and "reduced" not in plain.facts
    with pytest.raises(SettingsError, match="cannot be reduced by 32"):
        DegradedFaces(examples / "faces", size=256, reduced=32)


def test_gains_are_those_over_the_input(folders, meter):
    """Halving the error is 6.02 dB; the ranking goes by it."""
    found = evaluate(FolderPairs(*folders), (baselines()[0], _oracle(folders[1])), meter)
    for picture in found.pictures:
        before, after = picture.methods[BASELINE], picture.methods["oracle"]
        assert "psnr_gain" not in before
        assert after["psnr_gain"] == pytest.approx(6.02, abs=0.01)
        assert after["psnr"] - before["psnr"] == pytest.approx(after["psnr_gain"])
        assert after["high_frequency_ratio"] > before["high_frequency_ratio"]
        assert picture.truth is not None
    assert found.judged == "oracle"
    gains = [picture.methods["oracle"]["psnr_gain"] for picture in found.by_gain()]
    assert gains == sorted(gains) and len(gains) == 4


def test_numbers_do_not_depend_on_the_batch_size(folders, meter):
    one, three = (evaluate(FolderPairs(*folders), baselines(), meter, batch_size=size) for size in (1, 3))
    for first, second in zip(one.pictures, three.pictures, strict=True):
        for name, row in first.methods.items():
            for key in ("psnr", "high_frequency_ratio", "detail_correlation_8_4", "effective_resolution"):
                assert row[key] == pytest.approx(second.methods[name][key], rel=1e-4), (name, key)


def test_smaller_inputs_are_compared_in_the_size_of_the_truth(folders, meter):
    """Sizes may differ within a folder: each result is measured in its own truth's."""
    degraded, true = folders
    for stem in "ac":
        small = Image.open(degraded / f"{stem}.bmp").resize((32, 32), Image.Resampling.BICUBIC)
        small.save(degraded / f"{stem}.bmp")
    found = evaluate(FolderPairs(degraded, true), baselines(), meter)
    assert [picture.facts["degraded_side"] for picture in found.pictures] == [32, 64, 32, 64]
    assert {picture.facts["side"] for picture in found.pictures} == {64}
    assert any("2 of 4" in note for note in found.notes)
    titles = [title for title, _ in render(FolderPairs(degraded, true), found.methods, 0)]
    assert titles == [BASELINE, "unsharp 1 px 100%", "unsharp 2 px 150%", "truth"]


def test_without_a_truth_only_what_needs_none_is_measured(folders, meter):
    found = evaluate(FolderPairs(folders[0]), baselines(), meter)
    assert found.by_gain() == []
    row = found.pictures[0].methods[BASELINE]
    assert set(row) == {"effective_resolution", "high_frequency_share"}
    body = report(found, {"kind": "unpaired"})
    assert body["truth"] is None
    assert [line[0] for line in table(body)[1]] == ["effective resolution, px"]


def test_a_lost_face_is_counted_and_a_found_one_compared(examples, tmp_path, meter):
    """A grey result has no face; the true face is where it is."""
    portrait = read_picture(examples / "portrait.png").pixels
    detector = load_detector("face-detector-lite").module
    crop, _ = align_faces(portrait, detect(portrait, detector, max_faces=1), 256, "ffhq")
    for role in ("degraded", "truth"):
        (tmp_path / role).mkdir()
        to_pil(crop).save(tmp_path / role / "face.png")
    gray = Method("gray", lambda images, side: torch.full_like(images, 0.5))
    found = evaluate(FolderPairs(tmp_path / "degraded", tmp_path / "truth"), (baselines()[0], gray), meter)
    body = json.loads(json.dumps(report(found, {}), allow_nan=False))
    same, lost = (method["summary"] for method in body["methods"])
    assert same["landmark_distance"]["mean"] == 0 and same["faces_lost"] == 0
    assert lost["faces_lost"] == 1 and "landmark_distance" not in lost
    assert lost["high_frequency_ratio"]["of_mean_powers"] == 0


def test_unsharp_masks_raise_detail_and_nothing_else(truth):
    assert torch.equal(unsharp_mask(truth, 1.0, 0.0), truth)
    sharper = unsharp_mask(truth, 1.0, 1.0)
    assert (analyze(sharper).bands[:, 3] > 1.5 * analyze(truth).bands[:, 3]).all()
    torch.testing.assert_close(sharper.mean(), truth.mean(), rtol=0, atol=0.005)


def test_models_are_found_by_alias_and_named_once():
    place = on_device(torch.device("cpu"))
    (bundled,) = model_methods(["bundled", "gpen-lite-256"], place)
    assert bundled.name == "gpen-lite-256" and bundled.template == "ffhq"
    assert len(bundled.facts["sha256"]) == 64 and bundled.facts["size"] == 256
    crops = torch.rand(1, 3, 48, 48)
    assert bundled.run(crops, 96).shape == (1, 3, 96, 96)
    assert "gpen-lite-256" in [method.name for method in model_methods([], place)]


def test_held_out_faces_are_every_tenth_and_always_degraded_alike(tmp_path):
    random = np.random.default_rng(0)
    for number in range(23):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / f"{number:02d}.png")
    pairs = DegradedFaces(tmp_path, held_out=True, seed=3, index=1, size=32)
    assert [pairs.name(index) for index in range(len(pairs))] == ["face 0", "face 10", "face 20"]
    limited = DegradedFaces(tmp_path, held_out=True, limit=2, seed=3, index=1, size=32)
    assert len(limited) == 2
    first, again = pairs.load(1), limited.load(1)
    assert torch.equal(first.degraded, again.degraded) and first.facts["steps"] == again.facts["steps"]
    assert not torch.equal(first.degraded, DegradedFaces(tmp_path, held_out=True, seed=4, size=32).load(1).degraded)
    assert len(DegradedFaces(tmp_path, size=32)) == 23


def test_a_model_of_another_template_is_said_to_be_at_a_disadvantage(tmp_path, meter):
    Image.new("RGB", (32, 32), (90, 80, 70)).save(tmp_path / "face.png")
    other = Method("other", to_side, {"kind": "model"}, template="gpen")
    notes = evaluate(DegradedFaces(tmp_path, size=32), (baselines()[0], other), meter).notes
    assert any("template ffhq, and other was taught on another one" in note for note in notes)


def test_energy_is_averaged_before_it_is_divided():
    """One picture with nearly no detail must not make the ratio of the set."""
    rows = [
        {"high_frequency_ratio": ratio, "detail_power": ratio * power, "truth_detail_power": power}
        | {"psnr": 30.0, "psnr_gain": gain, "spectral_distance": 1.0, "spectral_distance_bands": {"low": 1.0}}
        | {"face_lost": False, "landmark_distance": None}
        for ratio, power, gain in ((0.5, 1.0, 1.0), (100.0, 0.001, -1.0), (0.5, 1.0, 2.0))
    ]
    summary = summarise(rows)
    assert summary["high_frequency_ratio"]["of_mean_powers"] == pytest.approx(1.1 / 2.001)
    assert summary["high_frequency_ratio"]["median"] == 0.5
    assert summary["psnr_gain"]["worse"] == pytest.approx(1 / 3) and summary["psnr_gain"]["min"] == -1
    assert "landmark_distance" not in summary


def test_report_of_flat_pictures_holds_no_nan(tmp_path, meter):
    for role in ("degraded", "truth"):
        (tmp_path / role).mkdir()
        for name, level in (("black", 0), ("grey", 128)):
            Image.new("RGB", (64, 64), (level,) * 3).save(tmp_path / role / f"{name}.png")
    methods = (*baselines(), *model_methods(["bundled"], on_device(torch.device("cpu"))))
    found = evaluate(FolderPairs(tmp_path / "degraded", tmp_path / "truth"), methods, meter)
    text = json.dumps(report(found, {"kind": "pairs"}), allow_nan=False)
    assert json.loads(text)["pictures_measured"] == 2


def test_the_table_is_markdown_with_a_column_a_method(folders, meter):
    pairs = FolderPairs(*folders)
    body = report(evaluate(pairs, baselines(), meter), pairs.facts)
    text = markdown(body)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1 and rows[0].count("|") == 6
    assert any(row.startswith("| PSNR, dB") for row in rows)
    assert not any(row.startswith("| FID") for row in rows), "a measure nobody took has no line"
    assert {"gpen-blocks", "torch", "numpy"} <= set(body["versions"])


def test_a_contact_sheet_shows_each_picture_in_its_place():
    def row(level: float) -> list[tuple[str, torch.Tensor]]:
        return [("one", torch.full((1, 3, 32, 32), level)), ("two", torch.full((1, 3, 64, 64), 1 - level))]

    sheet = contact_sheet(((f"row {number}" * 40, row(0.2 * number)) for number in (1, 2)), 2)
    assert sheet.size == (8 + 2 * 264, 26 + 2 * 286)
    centre = partial(_centre, sheet)
    assert [centre(0, 0), centre(1, 0), centre(0, 1), centre(1, 1)] == [51, 204, 102, 153]
    with pytest.raises(ImageError, match="at least one"):
        contact_sheet((), 0)


def _centre(sheet: Image.Image, column: int, row: int) -> int:
    return np.asarray(sheet)[26 + 22 + 128 + row * 286, 8 + 128 + column * 264, 0]


def test_pictures_of_the_right_size_are_handed_on_untouched():
    images = torch.rand(1, 3, 40, 40)
    assert to_side(images, 40) is images
    assert to_side(images, 20).shape == (1, 3, 20, 20)

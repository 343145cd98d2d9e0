"""`gpen restore`, `gpen detect` and `gpen demo` as a user runs them."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gpen_blocks.gpen.cli import main
from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.presets import Preset
from gpen_blocks.gpen.settings import Settings

RUNNER = CliRunner()
BUNDLED = ["--model", "gpen-lite-256", "--detector", "face-detector-lite", "--device", "cpu"]


def gpen(*args):
    return RUNNER.invoke(app, [str(arg) for arg in args], catch_exceptions=True)


@pytest.fixture
def photo(examples, tmp_path):
    path = tmp_path / "in" / "photo.jpg"
    path.parent.mkdir()
    shutil.copy(examples / "portrait-degraded.jpg", path)
    return path


@pytest.mark.slow
def test_one_picture_with_everything(photo, tmp_path):
    out, report = tmp_path / "out" / "result.png", tmp_path / "report.json"
    done = gpen("restore", photo, *BUNDLED, "-o", out, "--compare", "--save-faces", "--report", report)
    assert done.exit_code == 0, done.output
    assert Image.open(out).size == Image.open(photo).size
    assert Image.open(out.with_name("result-compare.png")).width == 1600
    assert sorted(p.name for p in (out.parent / "result-faces").iterdir()) == [
        "face00-after.png",
        "face00-before.png",
    ]
    entry = json.loads(report.read_text(encoding="utf-8"))["pictures"][0]
    assert entry["output"] == str(out) and entry["faces"][0]["restored"]


@pytest.mark.slow
def test_a_quality_can_be_asked_for(photo, tmp_path):
    """Of JPEG; left out, a picture is written as finely as its source at least."""
    sizes = {}
    for quality in (40, 100, None):
        out = tmp_path / f"{quality}.jpg"
        asked = ("--quality", quality) if quality else ()
        done = gpen("restore", photo, *BUNDLED, "-o", out, *asked)
        assert done.exit_code == 0, done.output
        sizes[quality] = out.stat().st_size
    assert sizes[40] < sizes[None] / 2 and sizes[100] > sizes[None]
    assert gpen("restore", photo, *BUNDLED, "-o", tmp_path / "no.jpg", "--quality", 101).exit_code == 2


def test_settings_that_a_preset_switches_on_can_be_switched_off(photo, tmp_path):
    preset, report = tmp_path / "mine.json", tmp_path / "report.json"
    wanted = Preset("mine", "", Settings(focus=True, keep_grayscale=False, deblur=0.25, mask_mode="ellipse"))
    preset.write_text(wanted.to_json(), encoding="utf-8")
    words = ("--preset", preset, "--no-focus", "--keep-grayscale", "--mask-mode", "landmarks", "--match-grain", 0.5)
    done = gpen("restore", photo, *BUNDLED, *words, "-o", tmp_path / "out.png", "--report", report)
    assert done.exit_code == 0, done.output
    told = json.loads(report.read_text(encoding="utf-8"))["pictures"][0]["settings"]
    assert told == asdict(Settings(deblur=0.25, match_grain=0.5))


def test_without_a_preset_natural_is_used_and_a_namesake_of_the_users_is_told_once(photo, tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_PRESETS_DIR", str(tmp_path / "presets"))
    namesake = tmp_path / "presets" / "natural.json"
    namesake.parent.mkdir()
    namesake.write_text(Preset("natural", "", Settings(strength=0.1)).to_json(), encoding="utf-8")
    shutil.copy(photo, photo.with_name("again.jpg"))
    report = tmp_path / "report.json"
    done = gpen("restore", photo.parent, *BUNDLED, "-o", tmp_path / "out", "--report", report)
    assert done.exit_code == 0, done.output
    assert " ".join(done.output.split()).count(f"{namesake.name} is not used") == 1
    told = json.loads(report.read_text(encoding="utf-8"))["pictures"]
    assert [(one["preset"], one["settings"]) for one in told] == [("natural", asdict(Settings()))] * 2
    seen = gpen("detect", photo, "--device", "cpu", "-o", tmp_path / "faces.png")
    assert "is not used" in " ".join(seen.output.split())


@pytest.mark.slow
def test_only_what_changed_is_counted_as_restored(photo, tmp_path):
    """At strength 0 the line, the note and the report say that nothing was done, and why."""
    report = tmp_path / "report.json"
    done = gpen("restore", photo, *BUNDLED, "-o", tmp_path / "out.png", "--strength", 0, "--report", report)
    told = " ".join(done.output.split())
    assert "no face restored, 1 left alone; the picture is as it was" in told
    assert "1 face was left alone: the strength is 0." in told
    (face,) = json.loads(report.read_text(encoding="utf-8"))["pictures"][0]["faces"]
    assert not face["restored"] and face["skipped"] == "the strength is 0"
    assert face["changed"] == {"share": 0.0, "mean": 0.0, "max": 0.0}
    done = gpen("restore", photo, *BUNDLED, "-o", tmp_path / "other.png", "--colour", "keep", "--report", report)
    assert "1 face restored in" in done.output
    entry = json.loads(report.read_text(encoding="utf-8"))["pictures"][0]
    assert entry["settings"]["colour"] == "keep" and entry["faces"][0]["colour"] == "colour"
    assert gpen("restore", photo, *BUNDLED, "-o", tmp_path / "no.png", "--colour", "sepia").exit_code != 0


def test_a_bad_file_does_not_stop_the_rest(photo, tmp_path):
    (photo.parent / "broken.jpg").write_bytes(photo.read_bytes()[:2000])
    (photo.parent / "words.png").write_text("no picture", encoding="utf-8")
    report = tmp_path / "report.json"
    done = gpen("restore", photo.parent, *BUNDLED, "-o", tmp_path / "out", "--report", report)
    assert done.exit_code == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["photo.jpg"]
    pictures = json.loads(report.read_text(encoding="utf-8"))["pictures"]
    assert sorted("error" in entry for entry in pictures) == [False, True, True]


@pytest.mark.slow
def test_nothing_is_overwritten_unasked(photo, tmp_path):
    out = tmp_path / "kept.png"
    out.write_bytes(b"precious")
    assert gpen("restore", photo, *BUNDLED, "-o", out).exit_code == 1
    assert out.read_bytes() == b"precious"
    original = photo.read_bytes()
    assert gpen("restore", photo, *BUNDLED, "-o", photo, "--overwrite").exit_code == 1
    assert photo.read_bytes() == original
    assert gpen("restore", photo, *BUNDLED, "-o", out, "--overwrite").exit_code == 0


def test_a_folder_that_cannot_be_written_to_is_told_before_any_work(photo, tmp_path):
    (tmp_path / "occupied").write_text("a file", encoding="utf-8")
    done = gpen("restore", photo, *BUNDLED, "-o", tmp_path / "occupied" / "out" / "photo.png")
    assert done.exit_code == 1 and "occupied is not a writable folder" in done.output.replace("\n", "")
    assert "restored in" not in done.output


def test_a_name_too_long_for_its_result_stops_nothing(photo, tmp_path):
    shutil.copy(photo, photo.parent / ("n" * 245 + ".jpg"))
    done = gpen("restore", photo.parent, *BUNDLED)
    assert done.exit_code == 1 and "cannot be written" in done.output.replace("\n", " ")
    assert (photo.parent / "photo-restored.jpg").exists()


def test_folders_keep_their_shape(photo, tmp_path):
    inner = photo.parent / "deep" / "photo.jpg"
    inner.parent.mkdir()
    Image.new("RGB", (40, 30), (90, 120, 150)).save(inner)
    assert gpen("restore", photo.parent, "-r", *BUNDLED, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "photo.jpg").exists() and (tmp_path / "out" / "deep" / "photo.jpg").exists()


def test_globs_and_names_with_brackets(photo, tmp_path):
    odd = photo.with_name("odd [1].jpg")
    Image.new("RGB", (40, 30)).save(odd)
    assert gpen("restore", odd, *BUNDLED, "-o", tmp_path / "a").exit_code == 0
    assert gpen("restore", photo.parent / "*.jpg", *BUNDLED, "-o", tmp_path / "b").exit_code == 0
    assert len(list((tmp_path / "b").iterdir())) == 2


def test_report_replaces_no_photograph_and_is_refused_before_any_work(photo, tmp_path):
    original = photo.read_bytes()
    assert gpen("restore", photo, *BUNDLED, "-o", tmp_path / "a.png", "--report", photo).exit_code == 1
    assert photo.read_bytes() == original and not (tmp_path / "a.png").exists()


def test_sheets_and_crops_replace_nothing_unasked(photo, tmp_path):
    for kept, option in (("a-compare.png", "--compare"), ("a-faces", "--save-faces")):
        (tmp_path / kept).write_bytes(b"precious")
        assert gpen("restore", photo, *BUNDLED, "-o", tmp_path / "a.png", option).exit_code == 1
        assert (tmp_path / kept).read_bytes() == b"precious" and not (tmp_path / "a.png").exists()


@pytest.mark.slow
def test_second_run_over_a_folder_leaves_its_results_alone(photo):
    for _ in range(2):
        assert gpen("restore", photo.parent, *BUNDLED, "--compare", "--overwrite").exit_code == 0
    names = sorted(path.name for path in photo.parent.iterdir())
    assert names == ["photo-restored-compare.png", "photo-restored.jpg", "photo.jpg"]


def test_picture_without_a_face_is_told_with_its_reason(photo, tmp_path):
    blank = tmp_path / "blank.png"
    Image.new("RGB", (64, 48), (90, 120, 150)).save(blank)
    done = gpen("restore", blank, *BUNDLED, "-o", tmp_path / "out.png")
    assert done.exit_code == 0 and "no face was found" in done.output
    done = gpen("restore", photo, *BUNDLED, "--faces", "7", "-o", tmp_path / "none.png")
    assert done.exit_code == 0 and "1 face was left alone (not among the chosen faces)" in done.output


def test_strength_zero_changes_nothing(photo, tmp_path):
    out = tmp_path / "same.png"
    assert gpen("restore", photo, *BUNDLED, "--strength", "0", "-o", out).exit_code == 0
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(Image.open(photo)))


def test_detect_numbers_faces_and_writes_them_down(photo, tmp_path):
    report = tmp_path / "faces.json"
    done = gpen("detect", photo, "--detector", "face-detector-lite", "-o", tmp_path / "f.png", "--report", report)
    assert done.exit_code == 0, done.output
    face = json.loads(report.read_text(encoding="utf-8"))["pictures"][0]["faces"][0]
    assert len(face["landmarks"]) == 5 and face["score"] > 0.6
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "f.png")), np.asarray(Image.open(photo)))


@pytest.mark.slow
def test_demo_writes_a_sheet(tmp_path):
    done = gpen("demo", "-o", tmp_path / "demo.png")
    assert done.exit_code == 0, done.output
    assert Image.open(tmp_path / "demo.png").width == 1600


def test_what_a_user_can_mend_is_a_sentence_and_no_traceback(photo, tmp_path, monkeypatch, capsys):
    """What the process ends with is raised as such, and what it says is all on its error stream."""

    def run(*args):
        monkeypatch.setattr("sys.argv", ["gpen", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, capsys.readouterr().err

    code, said = run("restore", photo, "--model", "no-such-model", "-o", tmp_path / "x.png")
    assert code == 1
    assert "no-such-model" in said and "Traceback" not in said
    code, said = run("restore", tmp_path)
    assert code == 2 and "Traceback" not in said


@pytest.mark.slow
def test_two_photographs_of_one_name_get_a_sheet_each(photo, tmp_path):
    """A photograph stored as JPEG and PNG side by side loses neither its result nor its comparison."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    picture = Image.open(photo)
    picture.save(folder / "a.jpg")
    picture.save(folder / "a.png")
    assert gpen("restore", folder, *BUNDLED, "-o", tmp_path / "out", "--compare").exit_code == 0
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["a-compare.png", "a.jpg", "a.png", "a.png-compare.png"]

"""`gpen evaluate` as a user runs it."""

from __future__ import annotations

import json
import sys

import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner
from upscalers import write_compact

from gpen_blocks.gpen.cli import main
from gpen_blocks.gpen.cli.commands import app

RUNNER = CliRunner()
FILES = {"evaluation.md", "evaluation.json", "sheet.png"}


@pytest.fixture
def crops(examples, tmp_path):
    """Folders `degraded` and `truth` of three crops of 112 x 120 each."""
    with Image.open(examples / "portrait.png") as portrait:
        portrait = portrait.convert("RGB").resize((144, 144))
    for role in ("degraded", "truth"):
        (tmp_path / role).mkdir()
    for number in range(3):
        crop = portrait.crop((8 * number, 8, 112 + 8 * number, 128))
        crop.save(tmp_path / "truth" / f"{number}.png")
        crop.filter(ImageFilter.GaussianBlur(1 + number)).save(tmp_path / "degraded" / f"{number}.jpg", quality=60)
    return tmp_path


@pytest.fixture
def square(crops):
    for path in [*(crops / "truth").iterdir(), *(crops / "degraded").iterdir()]:
        with Image.open(path) as crop:
            crop.crop((0, 0, 112, 112)).save(path)
    return crops


def gpen(*args):
    return RUNNER.invoke(app, ["evaluate", *map(str, args)])


def said(monkeypatch, capsys, *args) -> str:
    """What the command, as installed, says when it fails."""
    monkeypatch.setattr(sys, "argv", ["gpen", "evaluate", *map(str, args)])
    with pytest.raises(SystemExit) as error:
        main()
    assert error.value.code
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_pairs_give_table_report_and_sheets(square):
    """The run users make, with the bundled model: every file is there, and tells of every picture."""
    out = square / "new" / "result"
    done = gpen(
        *("--degraded", square / "degraded", "--truth", square / "truth"),
        *("--model", "bundled", "--worst", "2", "-o", out),
        *("--upscaler", write_compact(square / "compact.pth")),
    )
    assert done.exit_code == 0, done.output
    assert {path.name for path in out.iterdir()} == {*FILES, "worst.png"}
    body = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert [method["name"] for method in body["methods"]][::3] == ["input", "compact"]
    assert body["methods"][-1]["name"] == "gpen-lite-256"
    assert len(body["methods"][-1]["sha256"]) == 64
    assert [picture["name"] for picture in body["pictures"]] == ["0", "1", "2"]
    assert all(len(picture["truth"]["sha256"]) == 64 for picture in body["pictures"])
    assert body["methods"][0]["summary"]["psnr"]["mean"] > 20
    assert body["judged"] == "gpen-lite-256"
    assert "| PSNR, dB" in (out / "evaluation.md").read_text(encoding="utf-8")
    with Image.open(out / "sheet.png") as sheet, Image.open(out / "worst.png") as worst:
        assert sheet.width == worst.width and sheet.height > worst.height
    assert "PSNR" in done.output and "sheet.png" in done.output


@pytest.mark.slow
def test_an_evaluation_is_not_replaced_unless_asked(square, monkeypatch, capsys):
    out = square / "out"
    out.mkdir()
    (out / "evaluation.json").write_text("precious", encoding="utf-8")
    arguments = ("--degraded", square / "degraded", "--model", "bundled", "-o", out)
    assert "already exists" in said(monkeypatch, capsys, *arguments)
    assert (out / "evaluation.json").read_text(encoding="utf-8") == "precious"
    done = gpen(*arguments, "--overwrite")
    assert done.exit_code == 0, done.output
    body = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert body["source"]["kind"] == "unpaired" and body["truth"] is None
    assert {path.name for path in out.iterdir()} == FILES


@pytest.mark.slow
def test_faces_are_degraded_here(square):
    """Of three faces the fixed tenth is the first."""
    done = gpen("--faces", square / "truth", "--held-out", "--size", 64, "--model", "bundled", "-o", square / "out")
    assert done.exit_code == 0, done.output
    body = json.loads((square / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert body["source"]["seed"] == 0 and body["source"]["held_out"]
    assert [picture["name"] for picture in body["pictures"]] == ["face 0"]
    assert isinstance(body["pictures"][0]["steps"], list)


def test_crops_that_are_not_square_are_named(crops, monkeypatch, capsys):
    arguments = ("--degraded", crops / "degraded", "--truth", crops / "truth", "--model", "bundled", "-o", crops / "o")
    assert "112 x 120" in said(monkeypatch, capsys, *arguments)
    assert not list((crops / "o").iterdir())


def test_an_output_that_cannot_be_written_is_said_before_any_work(square, monkeypatch, capsys):
    (square / "file").write_text("precious", encoding="utf-8")
    arguments = ("--degraded", square / "degraded", "--model", "bundled", "-o", square / "file")
    assert "not a writable folder" in said(monkeypatch, capsys, *arguments)
    assert (square / "file").read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize(
    "wrong",
    [(), ("--truth", "x"), ("--degraded", "x", "--faces", "y"), ("--degraded", "x", "--held-out")],
)
def test_options_that_do_not_go_together_are_refused(wrong, tmp_path):
    done = gpen(*wrong, "-o", tmp_path / "out")
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()

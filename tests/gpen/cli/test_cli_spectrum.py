"""`gpen spectrum` as a user runs it."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gpen_blocks.gpen.cli import main
from gpen_blocks.gpen.cli.commands import app

RUNNER = CliRunner()


def gpen(*args):
    return RUNNER.invoke(app, [str(arg) for arg in args])


def test_two_pictures_as_json(examples):
    """The sharp original holds more than its spoilt copy, and the difference is told per band."""
    done = gpen("spectrum", examples / "portrait-degraded.jpg", examples / "portrait.png", "--json")
    assert done.exit_code == 0, done.output
    body = json.loads(done.stdout)
    before, after = body["pictures"]
    assert (before["role"], after["role"]) == ("input", "result")
    assert after["effective_resolution"] > before["effective_resolution"]
    assert after["against_input"]["band_difference_db"]["finest"] > 3
    assert not after["upsampling_traces"]["period_2_px"]["found"]
    numbers = set(before) - {"role", "file", "notes", "upsampling_traces"}
    assert numbers <= set(body["units"])


@pytest.mark.slow
def test_chart_spectrum_and_report_are_written(examples, tmp_path):
    chart, spectra, report = tmp_path / "new" / "chart.png", tmp_path / "spectra.png", tmp_path / "report.json"
    wanted = ["--chart", chart, "--spectrum", spectra, "--report", report]
    one, other = examples / "portrait-degraded.jpg", examples / "portrait.png"
    done = gpen("spectrum", one, other, "--reference", other, *wanted, "--light")
    assert done.exit_code == 0, done.output
    assert "effective resolution" in done.output
    assert Image.open(chart).size == (1000, 720)
    assert Image.open(spectra).size == (3 * 900, 780)
    roles = [entry["role"] for entry in json.loads(report.read_text(encoding="utf-8"))["pictures"]]
    assert roles == ["input", "result", "reference"]


def test_grey_deep_and_transparent_pictures(tmp_path):
    """Hidden pixels do not count: what lies under a transparent half must not change a number."""
    noise = np.random.default_rng(0).integers(0, 65535, (96, 96)).astype(np.uint16)
    Image.fromarray(noise).save(tmp_path / "deep.png")
    pixels = np.repeat((noise >> 8).astype(np.uint8)[..., None], 4, axis=2)
    pixels[..., 3] = 255
    pixels[:, 48:, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    pixels[:, 48:, :3] //= 2
    Image.fromarray(pixels).save(tmp_path / "b.png")
    assert gpen("spectrum", tmp_path / "deep.png").exit_code == 0
    done = gpen("spectrum", tmp_path / "a.png", tmp_path / "b.png", "--json")
    first, second = json.loads(done.stdout)["pictures"]
    assert first["radial_power_db"] == second["radial_power_db"]


@pytest.mark.parametrize("option", ["--chart", "--spectrum"])
def test_no_picture_is_lost(examples, tmp_path, option, monkeypatch, capsys):
    """Neither a file that exists, nor the photograph itself, nor a name that is no PNG; each said in one sentence."""
    source, kept = tmp_path / "photo.png", tmp_path / "kept.png"
    source.write_bytes((examples / "portrait.png").read_bytes())
    kept.write_bytes(b"precious")
    for target, overwrite in ((kept, []), (source, ["--overwrite"]), (tmp_path / "chart.jpg", [])):
        monkeypatch.setattr(sys, "argv", ["gpen", "spectrum", str(source), option, str(target), *overwrite])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 1
        assert capsys.readouterr().err.count("\n") == 1
    assert kept.read_bytes() == b"precious"
    assert source.read_bytes() == (examples / "portrait.png").read_bytes()
    assert gpen("spectrum", source, option, kept, "--overwrite").exit_code == 0
    assert Image.open(kept).format == "PNG"


def test_the_second_picture_is_safe_too(examples, tmp_path):
    second = tmp_path / "second.png"
    second.write_bytes((examples / "portrait.png").read_bytes())
    assert gpen("spectrum", examples / "portrait.png", second, "--chart", second, "--overwrite").exit_code == 1
    assert second.read_bytes() == (examples / "portrait.png").read_bytes()


def test_every_unreadable_picture_is_told_and_the_log_keeps_why(examples, tmp_path, monkeypatch, capsys):
    """Also what nobody expected: it is a line for the user, and a traceback in the log."""
    broken, log = tmp_path / "broken.png", tmp_path / "spectrum.log"
    broken.write_text("no picture", encoding="utf-8")
    words = ["gpen", "spectrum", str(broken), str(tmp_path / "gone.png"), "--chart", str(tmp_path / "chart.png")]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as stopped:
        main()
    told = capsys.readouterr().err
    assert stopped.value.code == 1 and told.count("\n") == 2 and "broken.png:" in told and "gone.png:" in told
    assert not (tmp_path / "chart.png").exists()

    def fail(*_: object) -> None:
        raise RuntimeError("the third moment is missing")

    monkeypatch.setattr("gpen_blocks.gpen.detail.spectrum.analysis.analyze", fail)
    monkeypatch.setattr(sys, "argv", ["gpen", "spectrum", str(examples / "portrait.png"), "--log", str(log)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1 and "RuntimeError: the third moment is missing" in capsys.readouterr().err
    assert "Traceback" in log.read_text(encoding="utf-8")

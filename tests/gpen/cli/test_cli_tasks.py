"""`gpen colorize`, `gpen inpaint` and `gpen draw`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_networks import write_network
from typer.testing import CliRunner

from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.errors import GPENError
from gpen_blocks.gpen.tasks.maps import PALETTE

FOUND_BY = ("--detector", "face-detector-lite", "--device", "cpu")


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("networks")
    return {task: write_network(folder, task) for task in ("colorization", "inpainting", "seg2face")}


@pytest.fixture
def gray(examples, tmp_path) -> Path:
    path = tmp_path / "old.png"
    Image.open(examples / "portrait.png").convert("L").save(path)
    return path


def run(*arguments: object, fails: bool = False) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (done.exit_code != 0) == fails, (done.output, done.exception)
    return done.output if not isinstance(done.exception, GPENError) else str(done.exception)


def test_colours_go_beside_the_picture_and_into_the_report(networks, gray, tmp_path):
    report = tmp_path / "report.json"
    said = run("colorize", gray, "--model", networks["colorization"], *FOUND_BY, "--report", report)
    made = np.asarray(Image.open(tmp_path / "old-coloured.png").convert("RGB")).astype(int)
    assert "1 of 1 face coloured" in said and np.ptp(made, axis=2).max() > 5
    told = json.loads(report.read_text(encoding="utf-8"))["pictures"][0]
    assert told["output"].endswith("old-coloured.png") and told["faces"][0]["coloured"] is True
    # A result is not taken for a picture of its own.
    again = run("colorize", tmp_path, "--model", networks["colorization"], *FOUND_BY, "--overwrite")
    assert "old-coloured-coloured" not in again and not (tmp_path / "old-coloured-coloured.png").exists()


def test_a_background_is_of_one_picture(networks, gray, tmp_path):
    other = tmp_path / "other.png"
    Image.open(gray).save(other)
    model = ("--model", networks["colorization"], *FOUND_BY)
    assert "one picture" in run("colorize", gray, other, "--background", gray, *model, fails=True)
    run("colorize", gray, "--background", other, *model, "-o", tmp_path / "out.png")


def test_scratches_are_proposed_and_filled_in(networks, gray, tmp_path):
    picture = np.asarray(Image.open(gray)).copy()
    picture[40:400, 226:229] = 255
    Image.fromarray(picture).save(gray)
    mask = tmp_path / "mask.png"
    assert "proposed" in run("inpaint", gray, "--propose", mask)
    assert np.asarray(Image.open(mask))[100:380, 227].mean() > 150
    said = run("inpaint", gray, "--mask", mask, "--model", networks["inpainting"], *FOUND_BY)
    made = np.asarray(Image.open(tmp_path / "old-filled.png"))
    covered = np.asarray(Image.open(mask)) > 0
    assert "filled in 1 face" in said
    assert (made.reshape(*covered.shape, -1)[~covered] == picture[~covered][:, None]).all()
    assert "Give either --mask" in run("inpaint", gray, fails=True)
    assert "must have the suffix .png" in run("inpaint", gray, "--propose", tmp_path / "mask.jpg", fails=True)


def test_a_map_is_made_edited_and_drawn(networks, examples, tmp_path):
    drawn = tmp_path / "map.png"
    run("draw", "--map-of", examples / "portrait.png", "--parser", "none", "-o", drawn, *FOUND_BY)
    colours = set(map(tuple, np.asarray(Image.open(drawn)).reshape(-1, 3)))
    assert colours <= set(map(tuple, PALETTE)) and len(colours) > 8
    run("draw", drawn, "--model", networks["seg2face"], "-o", tmp_path / "face.png", "--device", "cpu")
    assert Image.open(tmp_path / "face.png").size == (64, 64)
    run("draw", "--legend", "-o", tmp_path / "legend.png")
    assert "Give one of these" in run("draw", "--legend", drawn, "-o", tmp_path / "x.png", fails=True)
    assert "Give --output" in run("draw", "--legend", fails=True)
    assert "already exists" in run("draw", "--legend", "-o", drawn, fails=True)

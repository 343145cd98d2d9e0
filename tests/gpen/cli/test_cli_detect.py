"""`gpen detect` says what `gpen restore` will do, whatever the preset."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gpen_blocks.gpen.cli.commands import app

RUNNER = CliRunner()


def pictures_of(command, *args, tmp_path):
    report = tmp_path / f"{command}.json"
    arguments = [
        command,
        *args,
        "--detector",
        "face-detector-lite",
        "--device",
        "cpu",
        "--report",
        report,
        "--overwrite",
    ]
    done = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return json.loads(report.read_text(encoding="utf-8"))["pictures"][0], done.output


@pytest.fixture
def two_faces(examples, tmp_path):
    """A large face and, to its left, a small one."""
    face = Image.open(examples / "portrait-degraded.jpg").convert("RGB").crop((96, 0, 352, 256))
    scene = Image.new("RGB", (700, 420), (115, 115, 115))
    scene.paste(face.resize((150, 150)), (30, 60))
    scene.paste(face.resize((380, 380)), (250, 20))
    path = tmp_path / "two.png"
    scene.save(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["natural", "portrait-close-up", "strong"])
def test_numbers_and_choices_are_those_of_restore(two_faces, tmp_path, preset):
    found, said = pictures_of("detect", two_faces, "--preset", preset, "-o", tmp_path / "faces.png", tmp_path=tmp_path)
    wanted = [face["box"] for face in found["faces"] if "skipped" not in face]
    left = {tuple(face["box"]): face["skipped"] for face in found["faces"] if "skipped" in face}
    assert len(wanted) + len(left) == 2
    assert f"{len(left)} to be skipped" in said or not left
    model = ("--model", "gpen-lite-256", "--preset", preset)
    done, _ = pictures_of("restore", two_faces, *model, "-o", tmp_path / "out.png", tmp_path=tmp_path)
    assert [face["box"] for face in done["faces"] if tuple(face["box"]) not in left] == wanted
    assert {tuple(face["box"]): face["skipped"] for face in done["faces"] if tuple(face["box"]) in left} == left
    for face in found["faces"]:
        one, _ = pictures_of(
            "restore", two_faces, *model, "--faces", face["number"], "-o", tmp_path / "one.png", tmp_path=tmp_path
        )
        chosen = [entry["box"] for entry in one["faces"] if entry.get("skipped") != "not among the chosen faces"]
        assert chosen == [face["box"]]


def test_a_limit_on_the_size_is_told_beside_other_faces(two_faces, tmp_path):
    found, _ = pictures_of("detect", two_faces, "--no-overlay", "--min-face-size", 80, tmp_path=tmp_path)
    assert [face.get("skipped") for face in found["faces"]] == [None, "smaller than 80 pixels"]
    assert [face["number"] for face in found["faces"]] == [0, None]


def test_the_picture_shows_what_would_be_left_alone_in_red(two_faces, tmp_path):
    out = tmp_path / "faces.png"
    pictures_of("detect", two_faces, "--min-face-size", 80, "-o", out, tmp_path=tmp_path)
    drawn = np.asarray(Image.open(out)).reshape(-1, 3)
    for colour in ((64, 224, 120), (240, 100, 80)):
        assert (drawn == colour).all(axis=1).sum() > 50

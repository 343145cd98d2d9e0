"""`gpen degrade`: a sheet of what the pipeline makes, and pairs that `gpen evaluate` takes."""

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.degradation.degrade import degrade


def run(*arguments):
    return CliRunner().invoke(app, ["degrade", *map(str, arguments)])


def faces(folder):
    folder.mkdir()
    for number in range(3):
        picture = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def test_a_sheet_and_pairs_are_written_and_the_steps_told(tmp_path):
    source, pairs = faces(tmp_path / "faces"), tmp_path / "pairs"
    wanted = ("--partners", 2, "--limit", 2, "--size", 32, "--seed", 4, "--pairs", pairs)
    result = run(source, "-o", tmp_path / "sheet.png", *wanted)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 3 * 256 and sheet.height > 2 * 256
    written = sorted(path.name for path in (pairs / "degraded").iterdir())
    assert written == [f"{face:05d}-{index}.png" for face in range(2) for index in range(2)]
    with Image.open(source / "1.png") as file:
        expected = degrade(np.asarray(file), 0, 4)
    for name, picture in (("degraded", expected.degraded), ("truth", expected.truth)):
        np.testing.assert_array_equal(np.asarray(Image.open(pairs / name / "00001-0.png")), picture)
    assert f"face 1, version 0: {expected.steps[0]}" in " ".join(result.output.split())


def test_a_single_picture_of_any_shape_will_do(tmp_path):
    Image.new("RGB", (60, 40), (90, 120, 200)).save(tmp_path / "one.png")
    assert run(tmp_path / "one.png", "-o", tmp_path / "sheet.png").exit_code == 0


def test_nothing_is_overwritten_and_a_sheet_is_a_png(tmp_path):
    source = faces(tmp_path / "faces")
    (tmp_path / "sheet.png").write_bytes(b"mine")
    assert "already exists" in str(run(source, "-o", tmp_path / "sheet.png").exception)
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"
    assert "must have the suffix .png" in str(run(source, "-o", tmp_path / "sheet.jpg").exception)


def test_a_picture_that_cannot_be_read_is_a_sentence_and_the_log_keeps_the_traceback(tmp_path):
    (tmp_path / "one.png").write_text("no picture", encoding="utf-8")
    result = run(tmp_path / "one.png", "-o", tmp_path / "sheet.png", "--log", tmp_path / "degrade.log")
    assert result.exit_code == 1 and "one.png is not a known picture" in result.output
    assert "Traceback" in (tmp_path / "degrade.log").read_text(encoding="utf-8")

"""The example pictures: where they come from, that they can be made again, and that they are worth restoring."""

import importlib
import runpy

import numpy as np
import pytest
from PIL import Image

from gpen_blocks import Restorer

NAMES = ("old-print", "group", "small-face", "diffusion-face", "snapshot-1990s")


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_portrait_is_the_public_domain_picture(examples):
    """The portrait is scikit-image's, pixel for pixel, as its provenance says."""
    data = pytest.importorskip("skimage.data", reason="needs scikit-image")
    np.testing.assert_array_equal(pixels(examples / "portrait.png"), data.astronaut())


def test_degraded_portrait_is_reproducible(examples, tmp_path, monkeypatch):
    """The script makes the degraded portrait again; JPEG codecs may differ by a few levels."""
    again = tmp_path / "again.jpg"
    monkeypatch.setattr("sys.argv", ["degrade.py", str(examples / "portrait.png"), str(again)])
    runpy.run_path(str(examples / "degrade.py"), run_name="__main__")
    difference = np.abs(pixels(again) - pixels(examples / "portrait-degraded.jpg"))
    assert difference.mean() < 0.5
    assert difference.max() < 32


def test_degraded_portrait_is_worth_restoring(examples):
    """It is plainly worse than the original (below 28 dB), but no other picture (above 22 dB)."""
    error = pixels(examples / "portrait.png") - pixels(examples / "portrait-degraded.jpg")
    psnr = 10 * np.log10(255**2 / np.mean(error**2))
    assert 22 < psnr < 28


@pytest.fixture
def make_pictures(examples, monkeypatch):
    """The script that makes the five pictures."""
    monkeypatch.syspath_prepend(str(examples))
    return importlib.import_module("make_pictures")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_reproducible(examples, tmp_path, monkeypatch, make_pictures, name):
    """The script makes each picture again; other versions of OpenCV may cut people out a pixel further."""
    monkeypatch.setattr("sys.argv", ["make_pictures.py", name, "--output", str(tmp_path)])
    make_pictures.main()
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.jpg"]
    difference = np.abs(pixels(tmp_path / f"{name}.jpg") - pixels(examples / f"{name}.jpg"))
    assert difference.mean() < 0.5


def test_the_video_is_reproducible(examples, monkeypatch):
    """The script makes each frame again, but for what H.264 leaves out."""
    av = pytest.importorskip("av")
    monkeypatch.syspath_prepend(str(examples))
    script = importlib.import_module("make_video")
    with av.open(str(examples / script.NAME)) as container:
        stored = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    made = script.frames()
    assert len(stored) == len(made) == script.FRAMES
    assert max(np.abs(one - other).mean() for one, other in zip(stored, made, strict=True)) < 6


def test_every_picture_has_a_recipe(examples, make_pictures):
    assert tuple(make_pictures.EXAMPLES) == NAMES
    told = (examples / "README.md").read_text(encoding="utf-8")
    for name, example in make_pictures.EXAMPLES.items():
        assert (examples / f"{name}.jpg").is_file()
        assert f"| `{name}.jpg` |" in told
        assert f"`{example.preset}`" in told


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_face_is_found_and_restored(examples, make_pictures, name):
    """With the bundled models and the picture's own preset: every face, and nothing else."""
    example = make_pictures.EXAMPLES[name]
    result = Restorer("gpen-lite-256", "face-detector-lite", preset=example.preset).restore(examples / f"{name}.jpg")
    assert len(result.faces) == example.faces
    told = result.report["faces"]
    assert len(told) == example.faces and all(face["restored"] for face in told), told


@pytest.mark.slow
def test_readme_shows_what_the_bundled_models_do(examples, tmp_path, monkeypatch, make_pictures):
    """The picture of the README is made again from the examples and today's models."""
    again = tmp_path / "again.jpg"
    monkeypatch.setattr("sys.argv", ["before_after.py", str(again)])
    importlib.import_module("before_after").main()
    assert np.abs(pixels(again) - pixels(examples / "before-after.jpg")).mean() < 1


def test_examples_are_small(examples):
    """The wheel carries the pictures: together they stay under 1.6 megabytes."""
    assert sum(path.stat().st_size for path in examples.iterdir() if path.is_file()) < 1_600_000

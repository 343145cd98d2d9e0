"""The example picture: where it comes from, and that its damage can be made again."""

import runpy

import numpy as np
import pytest
from PIL import Image


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


def test_examples_are_small(examples):
    """The wheel carries the pictures: together they stay under 1.6 megabytes."""
    assert sum(path.stat().st_size for path in examples.iterdir() if path.is_file()) < 1_600_000

"""The mask mode `parsing` uses the face parser that is here, and is refused before any work where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from parsers import forget_registry, publish_parser, save_parser
from PIL import Image
from typer.testing import CliRunner

from gpen_blocks import Restorer, Settings
from gpen_blocks.gpen import models
from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.errors import ModelNotFoundError, SettingsError
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.presets import Preset
from gpen_blocks.gpen.stages import Networks
from gpen_blocks.weights import places

MISSING = "mask mode parsing needs a face parser, and none is on this machine.*gpen models download bisenet"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder of a user who has no other."""
    folder = tmp_path / "models"
    monkeypatch.setenv("GPEN_MODELS_DIR", str(folder))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA", "MODELSCOPE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(places, "facexlib_folders", lambda: ())
    return folder


@pytest.fixture
def a_parser_is_here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = save_parser(folder / "parsing_bisenet.safetensors")
    publish_parser(monkeypatch, path, tmp_path / "registry.toml")
    yield path
    monkeypatch.undo()
    forget_registry()


BY_PARSING = Preset("by parsing", "", Settings(mask_mode="parsing"))


@pytest.mark.parametrize("words", [{"mask_mode": "parsing"}, {"preset": BY_PARSING}])
def test_a_program_without_a_parser_is_refused_at_once(words):
    with pytest.raises(ModelNotFoundError, match=MISSING):
        Restorer("gpen-lite-256", "face-detector-lite", **words)


def test_the_command_is_refused_before_the_first_picture(tmp_path):
    picture = tmp_path / "noise.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
    words = ["restore", str(picture), "--mask-mode", "parsing", "--model", "gpen-lite-256"]
    with pytest.raises(ModelNotFoundError, match=MISSING):
        CliRunner().invoke(app, words, catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["noise.png"]


def test_a_batch_without_a_parser_is_refused_before_its_faces_are_searched():
    networks = Networks(models.load_generator("gpen-lite-256", backend="eager"), models.load_detector())
    steps: list[tuple] = []
    with pytest.raises(SettingsError, match="mask mode parsing needs a face parser"):
        restore_batch(
            torch.rand(1, 3, 64, 64), networks, Settings(mask_mode="parsing"), progress=lambda *step: steps.append(step)
        )
    assert not steps


@pytest.mark.slow
def test_the_parser_of_this_machine_draws_the_masks(a_parser_is_here, examples):
    photograph = examples / "portrait-degraded.jpg"
    results = {}
    for mode in ("parsing", "landmarks"):
        restorer = Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager", mask_mode=mode)
        results[mode] = restorer.restore(photograph)
    assert results["parsing"].report["parser"] == "bisenet" and "parser" not in results["landmarks"].report
    assert results["parsing"].report["faces"][0]["restored"]
    assert not torch.equal(results["parsing"].mask, results["landmarks"].mask)

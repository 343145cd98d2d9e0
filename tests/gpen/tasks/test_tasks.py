"""A model does what it was taught, and is refused where that cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gpen_blocks import Restorer
from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.tasks import RESTORATION, TASKS, require_task
from gpen_blocks.weights import places, registry


@pytest.fixture
def other_tasks(tmp_path, monkeypatch) -> Path:
    """A GPEN under the names of the models that colour, fill in and draw."""
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    tensors = load_file(places.BUNDLED / "gpen-lite-256.safetensors")
    for record in registry.records().values():
        if record.task not in (None, "restoration"):
            save_file(tensors, tmp_path / record.file, metadata={"taught": record.task})
    return tmp_path


@pytest.mark.parametrize("task", ["colorization", "inpainting", "seg2face"])
def test_a_model_of_another_task_is_refused(task, other_tasks):
    name = next(record.name for record in registry.records().values() if record.task == task)
    with pytest.raises(SettingsError, match=f"{name} is a GPEN for {task}, which GPEN Blocks cannot run yet"):
        Restorer(name)
    (file,) = other_tasks.glob(registry.get(name).file)
    with pytest.raises(SettingsError, match=f"is a GPEN for {task}"):
        load_generator(str(file))
    loaded = load_generator(name, backend="eager", device=torch.device("cpu"), task=None)
    assert loaded.task == task  # to be exported, say


def test_the_bundled_model_restores():
    assert load_generator("gpen-lite-256", backend="eager", device=torch.device("cpu")).task == "restoration"
    assert TASKS["restoration"] is RESTORATION
    require_task("gpen-lite-256", "restoration", "restoration")


def test_what_restoration_feeds_and_how_it_uses_the_answer():
    crops = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert torch.equal(RESTORATION.feed(crops)[0, :, 0, 0], torch.tensor([-1.0, 0.0, 1.0]))
    assert torch.equal(RESTORATION.use(RESTORATION.feed(crops), crops), crops)
    assert torch.equal(RESTORATION.use(torch.full_like(crops, 3.0), crops), torch.ones_like(crops))

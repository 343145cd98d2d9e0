"""A model does what it was taught, and is refused where that cannot be done."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from speed.networks import official_tensors

from gpen_blocks import Restorer
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.network import build_generator
from gpen_blocks.gpen.tasks import COLORIZATION, DRAWING, INPAINTING, RESTORATION, TASKS, require_task
from gpen_blocks.gpen.tasks.maps import CLASSES, PALETTE, colour_of, labels_of, mirror_labels
from gpen_blocks.gpen.tasks.task import from_signed
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
    with pytest.raises(SettingsError, match=f"{name} is a GPEN for {task}; choose a model for restoration"):
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
    assert torch.equal(RESTORATION.result(RESTORATION.feed(crops), crops), crops)
    assert torch.equal(RESTORATION.result(torch.full_like(crops, 3.0), crops), torch.ones_like(crops))


def test_a_file_tells_the_task_it_was_taught(tmp_path):
    tensors = load_file(places.BUNDLED / "gpen-lite-256.safetensors")
    save_file(tensors, tmp_path / "mine.safetensors", metadata={"task": "colorization"})
    with pytest.raises(SettingsError, match="is a GPEN for colorization"):
        load_generator(str(tmp_path / "mine.safetensors"))
    assert load_generator(str(tmp_path / "mine.safetensors"), task="colorization").task == "colorization"


def test_colorization_feeds_opencvs_grey_and_keeps_it_to_the_bit():
    """The grey of the authors' script is OpenCV's, and what is saved has the very luma of the photograph."""
    rng = np.random.default_rng(0)
    gray = rng.integers(0, 256, (64, 64, 1), dtype=np.uint8).repeat(3, axis=2)
    crops = torch.from_numpy(gray).movedim(-1, 0)[None] / 255
    fed = COLORIZATION.feed(crops)
    assert fed.shape == crops.shape and torch.allclose(fed, crops * 2 - 1, atol=1e-6)
    colours = torch.from_numpy(rng.integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)) / 255
    grey = cv2.cvtColor(colours[0].mul(255).byte().permute(1, 2, 0).numpy(), cv2.COLOR_RGB2GRAY)
    shown = (COLORIZATION.feed(colours)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert abs(shown - grey[..., None]).max() <= 0.51  # OpenCV rounds
    answer = torch.from_numpy(rng.uniform(-1.2, 1.2, crops.shape)).float()
    result = COLORIZATION.result(answer, crops)
    assert float(result.min()) >= 0 and float(result.max()) <= 1
    written = result[0].mul(255).round().byte().permute(1, 2, 0).numpy()
    assert (written.max(axis=2) != written.min(axis=2)).mean() > 0.9  # it has colours
    assert (cv2.cvtColor(written, cv2.COLOR_RGB2YUV)[..., 0] == gray[..., 0]).mean() == 1


def test_colours_are_those_of_the_answer_where_they_fit():
    """As the authors' script: Y of YUV is replaced, and U and V stay."""
    answer = torch.tensor([0.6, 0.4, 0.3]).view(1, 3, 1, 1)
    result = COLORIZATION.result(answer * 2 - 1, torch.full((1, 3, 1, 1), 0.5))
    expected = answer + 0.5 - (0.299 * 0.6 + 0.587 * 0.4 + 0.114 * 0.3)
    assert torch.allclose(result, expected, atol=1e-6)


def test_drawing_is_fed_colours_as_they_are():
    """`is_norm` is False for Seg2face: neither its input nor its answer is in -1..1."""
    drawn = torch.from_numpy(PALETTE[None]).movedim(-1, 0)[None] / 255
    assert torch.equal(DRAWING.feed(drawn), drawn)
    assert torch.equal(DRAWING.result(drawn, drawn), drawn)


def test_a_map_is_read_from_its_colours_and_refused_without_them():
    labels = np.arange(19, dtype=np.uint8).repeat(20).reshape(19, 20)
    assert (labels_of(colour_of(labels)) == labels).all()
    assert (labels_of(labels) == labels).all()
    noisy = colour_of(labels).astype(int) + np.random.default_rng(0).integers(-20, 21, (19, 20, 3))
    assert (labels_of(noisy.clip(0, 255).astype(np.uint8)) == labels).all()
    with pytest.raises(ImageError, match="100% of the pixels have none of the 19 colours"):
        labels_of(np.full((8, 8, 3), 128, np.uint8))
    with pytest.raises(ImageError, match="0 to 18, but 19 occurs"):
        labels_of(np.full((8, 8), 19, np.uint8))


def test_a_mirrored_map_has_its_left_eye_on_the_left():
    labels = np.zeros((1, 4), np.uint8)
    labels[0, 0] = CLASSES.index("l_eye")
    assert mirror_labels(labels).tolist() == [[0, 0, 0, CLASSES.index("r_eye")]]


@pytest.mark.parametrize("task", [INPAINTING, COLORIZATION], ids=lambda task: task.name)
def test_signed_tasks_give_the_reference_numbers(task, tiny):
    """From 0..1 to 0..1 through a golden of the reference implementation, which takes and gives -1..1."""
    network = build_generator(tiny.state_dict)
    shown = from_signed(tiny.input)
    fed = INPAINTING.feed(shown)
    read = task.read(network(fed))
    torch.testing.assert_close(read, from_signed(tiny.output), atol=1e-4, rtol=1e-4)


def test_drawing_gives_the_reference_numbers(tiny):
    """Nothing is scaled on the way in or out."""
    answer = DRAWING.read(build_generator(tiny.state_dict)(DRAWING.feed(tiny.input)))
    torch.testing.assert_close(answer, tiny.output, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_drawing_gives_the_reference_numbers_at_its_published_size(official_golden):
    """Seg2face-512 has the shape of BFR-512."""
    golden = official_golden(512)
    answer = DRAWING.read(build_generator(golden.state_dict)(DRAWING.feed(golden.input)))
    assert float((answer - golden.output).abs().max() / golden.output.abs().max()) < 1e-4


@pytest.mark.slow
def test_tasks_give_the_reference_numbers_at_their_published_size():
    """Samples of what the authors' code answers with weights made by a recipe, to a picture of blocks.

    For colorization it was given OpenCV's grey of that picture, for inpainting a white stroke across it.
    """
    golden = load_file(Path(__file__).parents[2] / "data" / "tasks_1024.safetensors")
    small = np.random.Generator(np.random.PCG64(1024)).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    shown = np.ascontiguousarray(np.kron(small, np.ones((32, 32, 1), np.uint8)))
    broken = cv2.line(shown.copy(), (100, 200), (900, 700), (255, 255, 255), 40)
    gray = cv2.cvtColor(cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    network = build_generator(official_tensors(1024))
    for task, picture in ((INPAINTING, broken), (COLORIZATION, gray)):
        crops = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
        answer = network(task.feed(crops))[0, :, 5::16, 9::16]
        error = (answer - golden[task.name]).abs().max() / golden[f"{task.name}.max"]
        assert float(error) < 1e-4

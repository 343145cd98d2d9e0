"""Training for real, on a small scale: it learns, can be killed, and gives files that restore faces."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from typer.testing import CliRunner

from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.degradation.faces import read_faces
from gpen_blocks.gpen.errors import MissingPackageError, SettingsError, TrainingError
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.network import build_generator
from gpen_blocks.gpen.tasks.maps import colour_of
from gpen_blocks.gpen.training.generator.config import CONFIGS, TrainingConfig, find_config, read_config
from gpen_blocks.gpen.training.generator.maps import read_maps
from gpen_blocks.gpen.training.generator.objective import part_plane
from gpen_blocks.gpen.training.generator.train import Trainer, face_size
from gpen_blocks.gpen.training.shared.ema import MovingAverage
from gpen_blocks.weights import checkpoint

pytest.importorskip("accelerate")

TINY = """
[model]
size = 32
style_dim = 16
n_mlp = 1
narrow = 0.03125
[run]
steps = 12
batch = 4
warm = 2
interval = 3
measured = 4
workers = 0
precision = "fp32"
[adversary]
start = 2
ramp = 2
r1_every = 3
"""


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> Path:
    """Forty pictures of a disc with two eyes, each of its own colours: something to learn."""
    folder = tmp_path_factory.mktemp("faces")
    y, x = np.mgrid[:32, :32]
    for number in range(40):
        rng = np.random.default_rng(number)
        picture = np.full((32, 32, 3), rng.integers(0, 120, 3))
        picture[np.hypot(x - 15.5, y - 16) < rng.uniform(9, 13)] = rng.integers(120, 256, 3)
        for eye in (11, 20):
            picture[np.hypot(x - eye, y - 13) < 2.2] = rng.integers(0, 60, 3)
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


def command(config: Path, faces: Path, output: Path, *more: str) -> list[str]:
    own = ["train", str(config), "--faces", str(faces), "--output", str(output), *more]
    return [sys.executable, "-m", "gpen_blocks.gpen.cli", *own]


@pytest.fixture(scope="module")
def whole_run(config, faces, tmp_path_factory) -> Path:
    """A run from beginning to end, by the command."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    subprocess.run(command(config, faces, folder), check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_the_command_leaves_what_it_promises(whole_run):
    names = {path.name for path in whole_run.iterdir()}
    promised = {"state.pt", "log.jsonl", "curves.png", "samples", "g_ema.pth", "gpen.safetensors", "MODEL_CARD.md"}
    assert promised <= names
    lines = [json.loads(line) for line in (whole_run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [3, 6, 9, 12]
    assert {"smooth_l1", "band_energy", "adversarial", "discriminator", "r1", "psnr_gain"} <= set(lines[-1])
    assert len(list((whole_run / "samples").iterdir())) == 4
    with Image.open(whole_run / "curves.png") as curves:
        assert curves.width > 800
    card = (whole_run / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "36 faces" in card and "12 of 12 steps of 4 faces" in card


def gpen_train(config: Path, faces: Path, output: Path, *more: str) -> None:
    """The command in this process, which has imported all that it needs."""
    done = CliRunner().invoke(app, command(config, faces, output, *more)[3:])
    assert done.exit_code == 0, done.exception


@pytest.mark.slow
def test_a_finished_run_whose_log_is_gone_is_exported_all_the_same(config, faces, whole_run, tmp_path, caplog):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "state.pt").write_bytes((whole_run / "state.pt").read_bytes())
    with caplog.at_level(logging.INFO):
        gpen_train(config, faces, folder)
    assert "wrote" in caplog.text
    found, kept = (checkpoint.read(run / "gpen.safetensors").tensors for run in (folder, whole_run))
    assert all(torch.equal(found[name], kept[name]) for name in kept)


@pytest.mark.slow
def test_both_files_restore_and_agree(whole_run):
    inner = checkpoint.read(whole_run / "g_ema.pth")
    exported = checkpoint.read(whole_run / "gpen.safetensors")
    networks = [build_generator(file.tensors) for file in (inner, exported)]
    face = torch.rand(2, 3, 32, 32) * 2 - 1
    first, second = (network(face) for network in networks)
    assert first.shape == (2, 3, 32, 32) and torch.isfinite(first).all()
    torch.testing.assert_close(first, second, atol=5e-3, rtol=5e-3)  # half precision
    with safe_open(whole_run / "gpen.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["template"] == "ffhq" and json.loads(metadata["recipe"])["run"]["steps"] == 12


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(config, faces, whole_run, tmp_path):
    """Killed without a word after its first saved state, it sees the same pairs and ends with the same weights."""
    folder = tmp_path / "run"
    process = subprocess.Popen(command(config, faces, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert process.returncode == (1 if os.name == "nt" else -signal.SIGKILL), "it ended before it could be killed"
    at = torch.load(folder / "state.pt", weights_only=True)["step"]
    assert 0 < at < 12
    gpen_train(config, faces, folder)
    for name in ("state.pt", "g_ema.pth"):
        ours, theirs = (torch.load(where / name, weights_only=True) for where in (folder, whole_run))
        torch.testing.assert_close(flat(ours), flat(theirs), rtol=0, atol=0)
    steps = [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == [3, 6, 9, 12]


def flat(tree) -> dict:
    """All tensors of nested dicts and lists, by their paths."""
    found = {}

    def walk(path, node):
        if isinstance(node, torch.Tensor):
            found[path] = node
        elif isinstance(node, dict | list):
            for key, value in node.items() if isinstance(node, dict) else enumerate(node):
                walk((*path, key), value)

    walk((), tree)
    return found


@pytest.mark.slow
def test_several_processes_learn_one_network(config, faces, tmp_path):
    """Two processes that share a batch end where one alone does, but for the order of sums."""
    folder = tmp_path / "run"
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    launch += ["--main_process_port", "0", "-m"]
    own = command(config, faces, folder, "--stop-after", "1")[2:]
    result = subprocess.run([*launch, *own], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    alone = tmp_path / "alone"
    gpen_train(config, faces, alone, "--stop-after", "1")
    ours, theirs = (torch.load(where / "state.pt", weights_only=True)["generator"] for where in (folder, alone))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_the_loss_falls(tmp_path):
    """On one batch of pictures seen again and again, without an adversary."""
    text = TINY.replace("steps = 12", "steps = 60").replace("interval = 3", "interval = 20")
    text = text.replace("start = 2", "start = 100").replace("warm = 2", "rate = 0.02\nwarm = 2")
    text += "[losses]\nadversarial = 0.0\n"
    path = tmp_path / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    picture = np.kron(np.random.default_rng(0).integers(0, 256, (4, 4, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    trainer = Trainer(read_config(path), np.stack([picture] * 12), tmp_path / "run")
    trainer.run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["smooth_l1"] < 0.9 * lines[0]["smooth_l1"]


@pytest.mark.slow
def test_training_goes_on_from_an_official_kind_of_checkpoint(tiny, tmp_path):
    """A network of other people's, nested as training codes save it, decides all sizes."""
    start, weights = tmp_path / "start.pth", tiny.state_dict
    torch.save({"g_ema": weights}, start)
    path = tmp_path / "tiny.toml"
    path.write_text(TINY.replace("size = 32", f"start = {str(start)!r}"), encoding="utf-8")
    faces = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
    assert face_size(read_config(path)) == 64
    trainer = Trainer(read_config(path), faces, tmp_path / "run")
    assert trainer.generator.config.size == 64
    before = {name: value.clone() for name, value in trainer.generator.state_dict().items()}
    torch.testing.assert_close(before["final_linear.0.weight"], weights["final_linear.0.weight"])
    trainer.run(stop_after=1)
    assert not torch.equal(before["final_linear.0.weight"], trainer.generator.state_dict()["final_linear.0.weight"])


@pytest.mark.slow
def test_a_state_of_another_network_is_refused(config, whole_run, faces, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(TINY.replace("style_dim = 16", "style_dim = 32"), encoding="utf-8")
    pictures = np.zeros((20, 32, 32, 3), np.uint8)
    with pytest.raises(SettingsError, match="another shape"):
        Trainer(read_config(other), pictures, whole_run)
    with pytest.raises(SettingsError, match="needs faces of its size"):
        Trainer(read_config(config), np.zeros((20, 64, 64, 3), np.uint8), tmp_path)
    (tmp_path / "state.pt").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="not the state of a training run"):
        Trainer(read_config(config), pictures, tmp_path)


def test_a_gradient_that_is_not_finite_ends_the_run(config, faces, tmp_path):
    """Before it has spoilt the weights."""
    trainer = Trainer(read_config(config), read_faces(faces, size=32), tmp_path)
    before = [value.clone() for value in trainer.generator.parameters()]
    loss = sum(value.sum() for value in trainer.generator.parameters()) * float("inf")
    with pytest.raises(TrainingError, match="at step 0"):
        trainer._step_optimizer(loss, trainer.generator_optimizer, trainer.generator)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.generator.parameters(), strict=True))


def test_training_without_accelerate_says_what_to_install(config, faces, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingPackageError, match=r"accelerate; install gpen-blocks\[training\]"):
        Trainer(read_config(config), read_faces(faces, size=32), tmp_path)


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.toml")))
def test_the_configurations_that_come_with_it_can_be_read(name):
    config = read_config(find_config(name))
    assert isinstance(config, TrainingConfig) and config.model.shape().size == config.model.size


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[run]\nstep = 3", "no entry 'step' in"),
        ("[run]\nsteps = 'many'", "steps is 'many', and must be of type int"),
        ("[run]\nprecision = 'fp8'", "precision is 'fp8'; choose from fp32, bf16"),
        ("[run]\ncompile = 1", "compile is 1, and must be of type bool"),
        ("run = 3", "run must be a table"),
        ("[losses]\nparts = 3", "parts must be a table"),
        ("[losses.parts]\neyes = 'much'", "eyes is 'much', and must be of type float"),
        ("[run\n", "cannot be read as TOML"),
        ("[degradation]\ngray = 2.0", "share in 0..1"),
        ("[run]\nsteps = 0", "steps of Run must be above 0"),
        ("[run]\naverage = 1.0", "average must be in"),
        ("[run]\nseed = -1", "seed of Run must be 0 or more"),
        ("[model]\ntemplate = 'zzz'", "template is 'zzz'; choose from"),
        ("[losses]\nsmooth_l1 = -1.0", "smooth_l1 of Losses must be 0 or more"),
        ("[degradation]\nblur = ['a', 'b']", "blur must be two numbers"),
        ("[model]\nsize = 100", "power of two"),
        ("[model]\nnarrow = 0.001", "without channels"),
        ("[adversary]\nr1_every = 0", "r1_every of Adversary must be above 0"),
    ],
)
def test_mistakes_in_a_configuration_are_named(tmp_path, text, word):
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=word):
        read_config(path)


def test_an_unknown_configuration_names_those_that_are_there():
    with pytest.raises(SettingsError, match="lite, lite-finer, smoke"):
        find_config("nothing-of-the-kind")


def test_parts_lie_where_the_template_has_them():
    plane = part_plane({"eyes": 1.0, "lips": 0.5}, 256, "ffhq", 0.1)
    assert plane.shape == (256, 256)
    top, bottom = plane[:128], plane[128:]
    assert top.max() == pytest.approx(1, abs=0.01) and 0.4 < bottom.max() < 0.75
    assert plane[0, 0] == pytest.approx(0.1)
    with pytest.raises(SettingsError, match="no facial part chin"):
        part_plane({"chin": 1.0}, 256, "ffhq", 0.1)


def test_the_moving_average_follows_and_is_saved():
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    average = MovingAverage(layer, 0.9)
    torch.nn.init.ones_(layer.weight)
    for _ in range(5):
        average.update(layer)
    again = MovingAverage(layer, 0.9)
    again.load_state_dict(average.state_dict())
    average.update(layer)
    again.update(layer)
    assert average.tensors["weight"].item() == again.tensors["weight"].item()
    assert 0 < average.tensors["weight"].item() < 1


@pytest.mark.slow
@pytest.mark.parametrize("task", ["colorization", "inpainting", "seg2face"])
def test_the_other_tasks_are_taught_and_told_in_the_file(task, config, faces, tmp_path):
    """Each runs, two learn in a few steps, and the file is refused for restoration."""
    maps = tmp_path / "maps"
    maps.mkdir()
    for path in sorted(faces.iterdir()):
        grey = np.asarray(Image.open(path).convert("L"))
        Image.fromarray(colour_of(np.where(grey > 120, 1, 0).astype(np.uint8))).save(maps / path.name)
    more = ["--task", task, *(["--maps", str(maps)] if task == "seg2face" else [])]
    run = tmp_path / "run"
    done = CliRunner().invoke(app, ["train", str(config), "--faces", str(faces), "-o", str(run), *more])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["step"] == 12
    if task != "inpainting":  # its strokes are others in each step, which counts for more than twelve steps teach
        assert lines[-1]["smooth_l1"] < lines[0]["smooth_l1"]
    with safe_open(run / "gpen.safetensors", "numpy") as file:
        assert file.metadata()["task"] == task
    with pytest.raises(SettingsError, match=f"is a GPEN for {task}"):
        load_generator(str(run / "gpen.safetensors"))


def test_maps_must_be_as_many_as_the_faces(faces):
    with pytest.raises(SettingsError, match="40 maps for 41 faces"):
        read_maps(faces, 41, 32)

"""Every backend gives eager's picture or gives way to it, with a word."""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gpen_blocks.gpen.backends import Accelerated, accelerate
from gpen_blocks.gpen.backends.trial import LARGEST, LARGEST_FP32, LARGEST_MEAN, Trial, compare, probe
from gpen_blocks.gpen.models import cache, load_generator
from gpen_blocks.gpen.network import Generator, build_generator
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.weights import places

CPU = torch.device("cpu")
choosing = sys.modules[accelerate.__module__]


@pytest.fixture(autouse=True)
def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing has been measured yet; the file where it will be kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return places.cache_folder() / "backends.json"


@pytest.fixture
def generator(tiny) -> Generator:
    return build_generator(tiny.state_dict)


@pytest.mark.parametrize(
    "backend, precision",
    [
        ("openvino", "fp32"),
        ("openvino", "bf16"),
        ("onnxruntime", "fp32"),
        ("eager", "bf16"),
        ("auto", "fp32"),
        ("auto", "bf16"),
    ],
)
def test_the_picture_stays(generator, tiny, backend: Any, precision: Any):
    chosen = accelerate(generator, "tiny", backend, precision, CPU)
    assert chosen.precision == precision and chosen.notes == ()
    assert backend in ("auto", chosen.backend)
    restored = chosen.network(tiny.input)
    assert restored.dtype == torch.float32
    mean, largest = compare(tiny.output, restored)
    assert largest < (LARGEST_FP32 if precision == "fp32" else LARGEST)
    assert mean < LARGEST_MEAN


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_batches_and_repetition(generator, tiny, backend: Any):
    """A runtime's memory is used again for the next face: an answer must not change when it is."""
    network = accelerate(generator, "tiny", backend, "fp32", CPU).network
    first = network(tiny.input)
    kept = first.clone()
    network(tiny.input.flip(0))
    assert torch.equal(first, kept)
    assert network(tiny.input[:0]).shape == (0, 3, 64, 64)
    assert torch.allclose(network(tiny.input.contiguous(memory_format=torch.channels_last)), kept, atol=1e-5)


def test_compile_is_checked_at_its_first_face(generator, tiny):
    chosen = accelerate(generator, "tiny", "compile", "fp32", CPU)
    assert chosen.backend == "compile"
    assert compare(tiny.output, chosen.network(tiny.input))[1] < LARGEST_FP32


@pytest.mark.parametrize("backend", ["cudagraph", "tensorrt"])
def test_without_a_gpu_its_backends_give_way(generator, tiny, backend: Any):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    chosen = accelerate(generator, "tiny", backend, "fp32", CPU)
    assert chosen.backend == "eager" and chosen.network is generator
    assert backend in chosen.notes[0] and "CUDA" in chosen.notes[0]


@pytest.mark.parametrize(
    "backend, package", [("openvino", "openvino"), ("onnxruntime", "onnxruntime"), ("openvino", "onnx")]
)
def test_a_missing_package_is_named(generator, monkeypatch, backend: Any, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    chosen = accelerate(generator, "tiny", backend, "fp32", CPU)
    assert chosen.backend == "eager"
    assert f"install gpen-blocks[{'onnxruntime' if package == 'onnx' else package}" in chosen.notes[0]


def off_by(error: float) -> Any:
    def build(generator: Generator, dtype: torch.dtype, device: torch.device) -> Any:
        return lambda faces: generator(faces) + error

    return build


@pytest.mark.parametrize("error", [0.1, float("nan")])
def test_an_engine_that_is_off_gives_way(generator, monkeypatch, error: float):
    monkeypatch.setitem(choosing._STANDING, "openvino", off_by(error))
    chosen = accelerate(generator, "tiny", "openvino", "fp32", CPU)
    assert chosen.backend == "eager" and "off by" in chosen.notes[0]


@pytest.mark.parametrize("error", [0.1, float("nan")])
def test_so_does_one_that_is_found_off_at_its_first_face(generator, tiny, monkeypatch, caplog, error: float):
    monkeypatch.setitem(choosing._FOLLOWING, "compile", lambda generator: lambda faces: generator(faces) + error)
    network = accelerate(generator, "tiny", "compile", "fp32", CPU).network
    with caplog.at_level(logging.WARNING):
        assert torch.equal(network(tiny.input), generator(tiny.input))
        network(tiny.input)
    assert len(caplog.records) == 1 and "as it is written" in caplog.text


def test_auto_takes_only_what_is_faster(generator, monkeypatch):
    def slow(generator: Generator, dtype: torch.dtype, device: torch.device) -> Any:
        return lambda faces: generator(generator(generator(faces))) * 0 + generator(faces)

    for name in ("openvino", "onnxruntime"):
        monkeypatch.setitem(choosing._STANDING, name, slow)
    chosen = accelerate(generator, "tiny", "auto", "fp32", CPU)
    assert chosen.backend == "eager" and chosen.notes == ()
    assert accelerate(generator, "tiny", "openvino", "fp32", CPU).backend == "openvino"


def test_auto_takes_the_fastest(generator, monkeypatch):
    def taking(seconds: float) -> Any:
        def build(generator: Generator, dtype: torch.dtype, device: torch.device) -> Any:
            network = copy.deepcopy(generator)

            def run(faces: Tensor) -> Tensor:
                time.sleep(seconds)
                return network(faces)

            return run

        return build

    class Slow(Generator):
        def forward(self, x: Tensor) -> Tensor:
            time.sleep(0.3)
            return super().forward(x)

    monkeypatch.setitem(choosing._STANDING, "openvino", taking(0.2))
    monkeypatch.setitem(choosing._STANDING, "onnxruntime", taking(0.1))
    for engine in ("openvino", "onnxruntime"):  # they are given the network as it was
        own = choosing._STANDING[engine]
        monkeypatch.setitem(choosing._STANDING, engine, lambda slow, *rest, own=own: own(quick, *rest))
    quick = copy.deepcopy(generator)
    generator.__class__ = Slow
    assert accelerate(generator, "tiny", "auto", "fp32", CPU).backend == "onnxruntime"


def test_a_race_that_was_disturbed_does_not_decide(generator, monkeypatch):
    """Beside ONNX Runtime eager once took twice its time, so that this seemed the faster one by far."""
    trials = {"openvino": Trial(0, 0, 0.035, 0.040), "onnxruntime": Trial(0, 0, 0.052, 0.080)}
    monkeypatch.setattr(choosing, "remembered", lambda key, run: trials[key.split(", ")[1]])
    assert accelerate(generator, "tiny", "auto", "fp32", CPU).backend == "openvino"
    monkeypatch.setattr(choosing, "_is_installed", lambda backend: backend == "onnxruntime")
    assert accelerate(generator, "tiny", "auto", "fp32", CPU).backend == "onnxruntime"
    trials["onnxruntime"] = Trial(0, 0, 0.052, 0.054)
    assert accelerate(generator, "tiny", "auto", "fp32", CPU).backend == "eager"


def test_fp16_is_not_emulated(generator):
    chosen = accelerate(generator, "tiny", "eager", "fp16", CPU)
    assert chosen.precision == "fp32" and "emulate" in chosen.notes[0]
    assert generator.generator.input.input.dtype == torch.float32


def test_a_number_format_that_changes_the_picture_is_refused(tiny):
    """Features that enter a hundred times as strongly make outputs of a hundred, whose rounding shows."""
    tensors = {
        name: value * 300 if name.endswith("to_rgbs.3.conv.weight") else value
        for name, value in tiny.state_dict.items()
    }
    chosen = accelerate(build_generator(tensors), "loud", "eager", "bf16", CPU)
    assert chosen.precision == "fp32" and "bf16 changes its picture" in chosen.notes[0]


def test_what_was_measured_is_measured_once(generator, new_machine, monkeypatch):
    accelerate(generator, "tiny", "onnxruntime", "fp32", CPU)
    (entry,) = json.loads(new_machine.read_text(encoding="utf-8")).values()
    assert entry["largest"] < LARGEST_FP32 and entry["seconds"] > 0
    monkeypatch.setattr(choosing, "race", lambda engines: pytest.fail("measured again"))
    assert accelerate(generator, "tiny", "onnxruntime", "fp32", CPU).backend == "onnxruntime"
    with pytest.raises(BaseException, match="measured again"):
        accelerate(generator, "another", "onnxruntime", "fp32", CPU)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "[" * 100_000,
        '{"a": 1}',
        '{"a": {"mean": "x"}}',
        "\0",
        '{"a": {"mean": NaN, "largest": 0, "seconds": 1, "eager_seconds": 1}}',
        '{"a": {"mean": 0, "largest": 0, "seconds": 1, "eager_seconds": 0}}',
    ],
)
def test_a_damaged_note_is_as_good_as_none(generator, new_machine, content: str):
    new_machine.parent.mkdir(parents=True, exist_ok=True)
    new_machine.write_text(content, encoding="utf-8")
    assert accelerate(generator, "tiny", "onnxruntime", "fp32", CPU).backend == "onnxruntime"
    assert len(json.loads(new_machine.read_text(encoding="utf-8"))) == 1


def test_a_folder_that_cannot_be_written_costs_only_time(generator, new_machine):
    new_machine.parent.parent.mkdir(parents=True, exist_ok=True)
    new_machine.parent.write_text("no folder", encoding="utf-8")
    assert accelerate(generator, "tiny", "onnxruntime", "fp32", CPU).backend == "onnxruntime"


def test_on_another_device_it_runs_as_it_is_written(generator, tiny):
    def engine(faces: Tensor) -> Tensor:
        raise AssertionError("it is for another device")

    network = Accelerated(generator, engine, "cuda", checked=True)
    assert torch.equal(network(tiny.input), generator(tiny.input))
    assert network.config == generator.config and network.activation_bytes() == generator.activation_bytes()


def test_the_loader_says_what_runs():
    cache.clear()
    loaded = load_generator("gpen-lite-256", "fp32", "openvino")
    assert loaded.backend == "openvino" and loaded.notes == ()
    assert load_generator("gpen-lite-256", "fp32", "openvino") is loaded
    fallen = load_generator("gpen-lite-256", "fp16", "eager", CPU)
    assert fallen.precision == "fp32" and fallen.notes
    crops = (probe(256) + 1) / 2
    eager = load_generator("gpen-lite-256", "fp32", "eager")
    found, expected = (restore_crops(model.module, crops, keep_grayscale=False) for model in (loaded, eager))
    assert (found - expected).abs().max() < LARGEST_FP32
    cache.clear()

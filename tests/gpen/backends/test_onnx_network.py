"""A GPEN that lies on the machine as an ONNX file, as other packages keep it, restores as its checkpoint does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from typer.testing import CliRunner

from gpen_blocks import Restorer
from gpen_blocks.gpen.backends import graph
from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.errors import CheckpointError, MissingPackageError, NotGPENError, SettingsError
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.network import Generator
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.wording import pip_install

FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


@pytest.fixture(scope="module")
def bundled() -> Generator:
    network = load_generator("gpen-lite-256", backend="eager").module
    assert isinstance(network, Generator)
    return network


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(0))


def written(path: Path, generator: Generator, *, fixed: bool) -> Path:
    """The generator as other packages keep it: without this package's metadata."""
    path.write_bytes(graph.whole_graph(generator, fixed=fixed).SerializeToString())
    return path


def one_operator(
    path: Path, operator: str, shape: list, answer: list | None, kind: int = FLOAT, inputs: int = 1
) -> Path:
    """A graph of one operator, as a file."""
    names = [f"input{number}" for number in range(inputs)]
    given = [helper.make_tensor_value_info(name, kind, shape) for name in names]
    nodes = [helper.make_node(operator, names, ["output"])]
    told = [helper.make_tensor_value_info("output", kind, answer)]
    made = helper.make_model(helper.make_graph(nodes, "g", given, told), opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.save(made, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("fixed", [True, False])
def test_it_restores_as_its_checkpoint_does(tmp_path, bundled, crops, fixed):
    loaded = load_generator(str(written(tmp_path / "GPEN-BFR-256.onnx", bundled, fixed=fixed)))
    assert loaded.module.config.size == 256
    assert (loaded.name, loaded.running, loaded.notes, loaded.faults) == ("GPEN-BFR-256", "onnxruntime, fp32", (), ())
    expected = restore_crops(bundled, crops)
    assert (restore_crops(loaded.module, crops) - expected).abs().max() < 2 / 255
    assert load_generator(str(loaded.path)) is loaded


@pytest.mark.slow
def test_one_that_runs_a_single_face_needs_no_other_batch_size(tmp_path, bundled, crops):
    path = written(tmp_path / "single.onnx", bundled, fixed=True)
    network = load_generator(str(path)).module
    with torch.inference_mode():
        assert torch.equal(network(crops), torch.cat([network(crop) for crop in crops.split(1)]))
        assert network(crops[:0]).shape == (0, 3, 256, 256)
        assert network(crops[:1].half()).dtype == torch.float16
    assert network.activation_bytes() >= bundled.activation_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "template"), [("GPEN-BFR-512.onnx", "gpen"), ("gpen_lite_256.onnx", "ffhq"), ("mine.onnx", "gpen")]
)
def test_its_template_is_that_of_the_model_after_which_it_is_named(tmp_path, bundled, name, template):
    assert load_generator(str(written(tmp_path / name, bundled, fixed=True))).template == template


@pytest.mark.slow
def test_what_this_package_wrote_into_the_file_counts_more_than_its_name(tmp_path):
    path = tmp_path / "GPEN-BFR-512.onnx"
    result = CliRunner().invoke(app, ["models", "export", "gpen-lite-256", "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert load_generator(str(path)).template == "ffhq"
    proto = onnx.load(path)
    next(entry for entry in proto.metadata_props if entry.key == "task").value = "inpainting"
    onnx.save(proto, path)
    with pytest.raises(SettingsError, match="is a GPEN for inpainting"):
        load_generator(str(path))


@pytest.mark.slow
def test_backend_and_precision_that_it_cannot_have_are_told(tmp_path, bundled):
    path = written(tmp_path / "mine.onnx", bundled, fixed=True)
    notes = load_generator(str(path), backend="compile", precision="bf16").notes
    assert len(notes) == 2 and "instead of compile" in notes[0] and "not bf16" in notes[1]


@pytest.mark.slow
def test_the_library_and_the_command_line_take_it_by_its_path(tmp_path, bundled, examples):
    path = written(tmp_path / "gpen_lite_256.onnx", bundled, fixed=True)
    photograph = examples / "portrait-degraded.jpg"
    restored = Restorer(str(path)).restore(str(photograph)).image
    expected = Restorer("gpen-lite-256", backend="eager").restore(str(photograph)).image
    assert np.abs(restored.astype(float) - expected).max() <= 2
    target = tmp_path / "out.png"
    result = CliRunner().invoke(app, ["restore", str(photograph), "--model", str(path), "-o", str(target)])
    assert result.exit_code == 0, result.output
    assert target.exists()


SIDE = [1, 3, 64, 64]


@pytest.mark.parametrize("answer", [SIDE, ["N", "C", "H", "W"]])
@pytest.mark.parametrize("shape", [SIDE, ["N", 3, 64, 64]])
@pytest.mark.parametrize("kind", [FLOAT, HALF])
def test_a_graph_from_faces_to_faces_is_taken(tmp_path, shape, answer, kind):
    network = load_generator(str(one_operator(tmp_path / "same.onnx", "Identity", shape, answer, kind))).module
    faces = torch.rand(2, 3, 64, 64).half().float()
    assert torch.equal(network(faces), faces)


@pytest.mark.parametrize(
    ("operator", "shape", "answer", "inputs", "told"),
    [
        ("Identity", [1, 3, "H", "W"], [1, 3, "H", "W"], 1, "its input is input0 1 x 3 x H x W"),
        ("Identity", [1, 3, 64, 32], [1, 3, 64, 32], 1, "its input is input0 1 x 3 x 64 x 32"),
        ("Identity", [1, 3, 100, 100], [1, 3, 100, 100], 1, "its input is input0 1 x 3 x 100 x 100"),
        ("Identity", [4, 3, 64, 64], [4, 3, 64, 64], 1, "its input is input0 4 x 3 x 64 x 64"),
        ("Identity", [1, 1, 64, 64], [1, 1, 64, 64], 1, "its input is input0 1 x 1 x 64 x 64"),
        ("Add", SIDE, SIDE, 2, "its input is input0 1 x 3 x 64 x 64, input1 1 x 3 x 64 x 64"),
        ("GlobalAveragePool", SIDE, [1, 3, 1, 1], 1, "turns faces of 3 x 64 x 64 into 1 x 3 x 1 x 1"),
        ("GlobalAveragePool", SIDE, [1, 3, "H", "W"], 1, "turns faces of 3 x 64 x 64 into 1 x 3 x 1 x 1"),
        ("Flatten", SIDE, [1, "F"], 1, "turns faces of 3 x 64 x 64 into 1 x 12288"),
    ],
)
def test_a_graph_of_something_else_is_refused(tmp_path, operator, shape, answer, inputs, told):
    path = one_operator(tmp_path / "other.onnx", operator, shape, answer, inputs=inputs)
    with pytest.raises(NotGPENError) as caught:
        load_generator(str(path))
    assert str(path) in str(caught.value) and told in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path):
    path = one_operator(tmp_path / "cut.onnx", "Identity", SIDE, SIDE)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CheckpointError, match=r"cut\.onnx cannot be run by ONNX Runtime"):
        load_generator(str(path))


def test_a_pickle_or_a_web_page_of_that_name_is_not_given_to_onnx_runtime(tmp_path):
    for content in (b"<!doctype html><html></html>", b"\x80\x04\x95evil"):
        path = tmp_path / "gpen.onnx"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="a safetensors file or a torch checkpoint"):
            load_generator(str(path))


def test_without_onnx_runtime_the_command_that_installs_it_is_told(tmp_path, monkeypatch):
    path = one_operator(tmp_path / "GPEN-BFR-512.onnx", "Identity", SIDE, SIDE)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError) as caught:
        load_generator(str(path))
    assert "GPEN-BFR-512.onnx" in str(caught.value)
    assert pip_install("onnxruntime") in str(caught.value)

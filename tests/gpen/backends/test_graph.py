"""The ONNX graph computes what the network computes, whole and in halves, and opens where others open it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from speed import networks
from torch import Tensor
from typer.testing import CliRunner

from gpen_blocks.gpen.backends.graph import encoder_graph, flat_modulations, painter_graph, whole_graph
from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.network import build_generator


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return {name: np.asarray(value) for name, value in zip(names, session.run(names, inputs), strict=True)}


def difference(found: np.ndarray, expected: Tensor) -> float:
    return float(np.abs(found - expected.numpy()).max())


def test_the_graph_is_valid_and_gives_the_golden(tiny):
    model = whole_graph(build_generator(tiny.state_dict))
    onnx.checker.check_model(model, full_check=True)
    assert difference(run(model, input=tiny.input.numpy())["output"], tiny.output) < 1e-5


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_faces(tiny, count: int):
    generator = build_generator(tiny.state_dict)
    faces = torch.cat([tiny.input, tiny.input.flip(3)])[:count]
    assert difference(run(whole_graph(generator), input=faces.numpy())["output"], generator(faces)) < 1e-5


def test_a_fixed_graph_takes_one_face(tiny):
    model = whole_graph(build_generator(tiny.state_dict), fixed=True)
    (described,) = model.graph.input
    assert [axis.dim_value for axis in described.type.tensor_type.shape.dim] == [1, 3, 64, 64]
    assert difference(run(model, input=tiny.input[:1].numpy())["output"], tiny.output[:1]) < 1e-5


@pytest.mark.slow
def test_the_official_shape():
    """As the network itself, which the generator's own tests hold to the reference."""
    generator, face = networks.official(256), networks.faces(256, 1)
    with torch.inference_mode():
        expected = generator(face)
    assert difference(run(whole_graph(generator), input=face.numpy())["output"], expected) < 1e-4


def test_the_halves_make_a_whole(tiny):
    generator = build_generator(tiny.state_dict)
    features = run(encoder_graph(generator), input=tiny.input[:1].numpy())
    coarsest = torch.from_numpy(features[f"feature{len(features) - 1}"]).movedim(-1, 1)
    painted = run(painter_graph(generator), **features, **flat_modulations(generator, coarsest))
    assert difference(painted["output"], tiny.output[:1]) < 1e-5


def export(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["models", "export", *map(str, arguments)])


def test_export_writes_what_others_open(tmp_path):
    target = tmp_path / "lite.onnx"
    done = export("gpen-lite-256", "-o", target)
    assert done.exit_code == 0, done.output
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["input"]
    assert [entry.name for entry in session.get_outputs()] == ["output"]
    assert session.get_inputs()[0].shape == ["batch", 3, 256, 256]
    facts = session.get_modelmeta().custom_metadata_map
    loaded = load_generator("gpen-lite-256", backend="eager")
    assert facts == {"model": "gpen-lite-256", "sha256": loaded.sha256, "template": "ffhq", "task": "restoration"}
    faces = torch.rand(2, 3, 256, 256) * 2 - 1
    (restored,) = session.run(None, {"input": faces.numpy()})
    with torch.inference_mode():
        assert difference(np.asarray(restored), loaded.module(faces)) < 1e-4


def test_export_loses_nothing(tmp_path):
    there = tmp_path / "there.onnx"
    there.write_bytes(b"somebody's")
    for target, said in ((there, "already exists"), (tmp_path / "model.pth", "must end in .onnx")):
        done = export("gpen-lite-256", "-o", target)
        assert done.exit_code != 0 and said in str(done.exception)
    assert there.read_bytes() == b"somebody's" and sorted(tmp_path.iterdir()) == [there]
    assert export("gpen-lite-256", "-o", there, "--overwrite").exit_code == 0
    assert export("face-detector-lite", "-o", tmp_path / "x.onnx").exit_code != 0

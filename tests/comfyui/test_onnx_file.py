"""A GPEN in ONNX form, where other packs keep it, in a real ComfyUI with and without ONNX Runtime."""

from __future__ import annotations

import json
import re
import subprocess

import numpy as np
import pytest
from comfyui_client import Prompt
from comfyui_server import comfyui_folder, python_of
from prompts import blocks, load, models, node, preview, succeed, whole

from gpen_blocks.gpen.backends import graph
from gpen_blocks.gpen.models import load_generator

# After the bundled model, whose landmark template it needs.
NAME = "gpen_lite_256.onnx"


@pytest.fixture
def runtime() -> bool:
    """Whether ComfyUI's Python has ONNX Runtime."""
    done = subprocess.run([python_of(comfyui_folder()), "-c", "import onnxruntime"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def prompt(comfyui, portrait) -> Prompt:
    """The whole chain with the bundled generator as ReActor keeps one: a batch of one, in facerestore_models."""
    generator = load_generator("gpen-lite-256", backend="eager").module
    target = comfyui.base / "models" / "facerestore_models" / NAME
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(graph.whole_graph(generator, fixed=True).SerializeToString())  # pyright: ignore[reportArgumentType]
    return {
        **models(),
        "model": node("GPENLoadModel", model=NAME, precision="fp32", backend="auto"),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(preset=["preset", 0]),
        "preset": node("GPENPreset", preset="strong"),
        "out": preview("restore"),
    }


def test_it_is_in_the_menu_and_restores_or_is_told_with_the_command(comfyui, prompt, runtime):
    menu = comfyui.get("/object_info")["GPENLoadModel"]["input"]["required"]["model"]
    assert NAME in json.dumps(menu)
    run = comfyui.run(prompt)
    if not runtime:
        assert run.status == "refused"
        assert f"{NAME} is an ONNX file, which needs ONNX Runtime" in run.error
        assert re.search(r"pip install (--python \S+ )?onnxruntime", run.error)
        return
    assert run.status == "success", run.error
    restored = comfyui.pictures(run, "out")[0].astype(float)
    prompt["model"]["inputs"]["model"] = "gpen-lite-256"
    expected = comfyui.pictures(succeed(comfyui, prompt), "out")[0].astype(float)
    assert np.abs(restored - expected).max() <= 3
    (before,) = comfyui.pictures(succeed(comfyui, {**prompt, "out": preview("image")}), "out")
    assert np.abs(restored - before).max() > 20


def test_it_restores_a_batch_of_crops(comfyui, prompt, two_faces, runtime):
    if not runtime:
        pytest.skip("this ComfyUI has no ONNX Runtime")
    chain = blocks()
    chain["model"] = prompt["model"]
    chain["image"] = load(comfyui.put("two.png", two_faces))
    run = succeed(comfyui, {**chain, "out": preview("restore")})
    assert [picture.shape[:2] for picture in comfyui.pictures(run, "out")] == [(256, 256)] * 2


def test_what_is_no_gpen_is_told(comfyui, prompt, runtime):
    if not runtime:
        pytest.skip("this ComfyUI has no ONNX Runtime")
    other = comfyui.base / "models" / "gpen" / "other.onnx"
    other.write_bytes(_upscaler())
    prompt["model"]["inputs"]["model"] = "other.onnx"
    run = comfyui.run(prompt)
    assert run.status == "error"
    assert "other.onnx is not a GPEN in ONNX form: its input is" in run.error


def _upscaler() -> bytes:
    from onnx import TensorProto, helper

    info = helper.make_tensor_value_info
    nodes = [helper.make_node("DepthToSpace", ["input"], ["output"], blocksize=2)]
    told = info("input", TensorProto.FLOAT, [1, 12, "H", "W"]), info("output", TensorProto.FLOAT, [1, 3, "A", "B"])
    made = helper.make_model(
        helper.make_graph(nodes, "g", [told[0]], [told[1]]), opset_imports=[helper.make_opsetid("", 17)]
    )
    made.ir_version = 8
    return made.SerializeToString()

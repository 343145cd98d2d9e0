"""Packages that only some work needs may be absent: the pack loads in ComfyUI's Python, a block says what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import comfyui_folder, run_in_comfyui
from walks import ROOT

from gpen_blocks.gpen.backends import graph
from gpen_blocks.gpen.models import load_generator

# Everything that is no dependency in requirements.txt, and matplotlib, which one block draws with.
_HIDDEN = ("onnxruntime", "onnx", "openvino", "imagecodecs", "pillow_heif", "rawpy", "facexlib", "numba", "filterpy")
_HIDDEN += ("pyarrow", "accelerate", "tensorboard", "torchmetrics", "torch_fidelity", "mediapipe", "matplotlib")

# The pack under the name that it has as a package: ComfyUI's loader would name it after its folder.
_RUN = """
import asyncio, importlib.util, json, sys

comfyui, root, example, onnx_file, hidden = (sys.argv.pop(1) for _ in range(5))
sys.path.insert(0, comfyui)
import comfy.options
comfy.options.enable_args_parsing()
import comfy.model_management, comfy.model_patcher, comfy.utils, comfy_api.latest, folder_paths
for name in hidden.split(","):
    # What ComfyUI or torch has loaded already is theirs.
    for loaded in [module for module in sys.modules if module == name or module.startswith(name + ".")]:
        del sys.modules[loaded]
    sys.modules[name] = None
spec = importlib.util.spec_from_file_location("gpen_blocks", f"{root}/__init__.py", submodule_search_locations=[root])
sys.modules["gpen_blocks"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

async def nodes():
    return await (await module.comfy_entrypoint()).get_node_list()

blocks = {node.GET_SCHEMA().node_id: node for node in asyncio.run(nodes())}
for node in blocks.values():
    node.GET_NODE_INFO_V1()

import numpy as np
import torch
from PIL import Image
from gpen_blocks.gpen.errors import GPENError
from gpen_blocks.nodes import progress

said = []
progress.say = lambda *sentences, **_: said.extend(filter(None, sentences))

def run(name, *args, **kwargs):
    with torch.inference_mode():
        return blocks[name].execute(*args, **kwargs).args

def fault(name, *args, **kwargs):
    try:
        run(name, *args, **kwargs)
    except GPENError as error:
        return str(error)

def notes(backend):
    said.clear()
    run("GPENLoadModel", "gpen-lite-256", "fp32", backend)
    return said[:]

image = torch.from_numpy(np.asarray(Image.open(example).convert("RGB"), np.float32) / 255)[None]
told = {backend: notes(backend) for backend in ("openvino", "onnxruntime", "auto")}
(model,) = run("GPENLoadModel", "gpen-lite-256", "fp32", "auto")
(detector,) = run("GPENLoadFaceDetector", "face-detector-lite")
faces, *_ = run("GPENDetectFaces", image, detector, 0.7, 16, 0, "refined")
crops, alignment = run("GPENAlignFaces", image, faces, 0, "auto", model)
(restored,) = run("GPENRestoreFaces", model, crops, 1.0, True, 0)
(blended,) = run(
    "GPENFrequencyBlend", base=crops, detail=restored, cutoff=0.0, middle_gain=1.0, high_gain=1.0, deblur=0.5,
    keep_grayscale=True, eyes_gain=1.0, lips_gain=1.0, skin_gain=1.0, hair_gain=1.0, alignment=alignment,
)
enhanced, _ = run("GPENLocalAdaptiveEnhance", blended, 0.6, 1.0, 1.0, 1.0, 1.0, alignment)
pasted, _ = run("GPENPasteFaces", image, enhanced, alignment, "landmarks", 0.1, "low_band", 0.0, 1.0)
prepared, _ = run("GPENPrepareImage", image, "shades_of_grey", 0.5, 0.5)
run("GPENFinish", pasted, 0.6, 0.2, 0.5)
whole, *_ = run("GPENFaceRestore", image, model, detector, 1.0)
told |= {
    "changed": bool((whole != image).any() and (pasted != image).any()),
    "spectrum": fault("GPENFrequencySpectrum", image, True),
    "onnx": fault("GPENLoadModel", onnx_file, "fp32", "auto"),
    "choice": blocks["GPENLoadModel"].validate_inputs(onnx_file),
    "python": sys.executable,
}
print("TOLD", json.dumps(told))
"""


@pytest.mark.slow
def test_the_pack_works_without_them_and_a_block_says_what_it_lacks(tmp_path: Path, examples: Path):
    base = tmp_path / "base"
    for name in ("models/gpen", "input", "output", "temp", "user", "custom_nodes"):
        (base / name).mkdir(parents=True)
    generator = load_generator("gpen-lite-256", backend="eager").module
    file = base / "models" / "gpen" / "mine.onnx"
    file.write_bytes(graph.whole_graph(generator, fixed=True).SerializeToString())  # pyright: ignore[reportArgumentType]
    paths = ROOT, examples / "portrait-degraded.jpg", file.name, ",".join(_HIDDEN), "--cpu", "--base-directory", base
    told = run_in_comfyui(comfyui_folder(), _RUN, *paths, base=tmp_path, tag="TOLD")
    # With uv where that Python has no pip.
    ways = (f"{told['python']} -m pip install", f"uv pip install --python {told['python']}")

    def tells(note: str, packages: str) -> bool:
        return any(f"{install} {packages}" in note for install in ways)

    for backend in ("openvino", "onnxruntime"):
        (note,) = told[backend]
        assert f"{backend} cannot run this network" in note and tells(note, f"{backend} onnx")
    assert told["auto"] == [] and told["changed"]
    assert told["spectrum"].startswith("Charts need matplotlib") and tells(told["spectrum"], "matplotlib")
    assert told["onnx"].startswith("mine.onnx is an ONNX file") and tells(told["onnx"], "onnxruntime")
    assert told["choice"] == told["onnx"]

"""The walk of ARCHITECTURE.md through GPEN Face Restore, whole, in ComfyUI's own Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import comfyui_folder, run_in_comfyui
from walks import ROOT, first_not_taken, walks_of

# The pack under the name that it has as a package: ComfyUI's loader would name it after its folder.
_RUN = """
import importlib.util, json, sys
from pathlib import Path

comfyui, root, support, example = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
sys.path[:0] = [comfyui, support]
import comfy.options
comfy.options.enable_args_parsing()
spec = importlib.util.spec_from_file_location("gpen_blocks", f"{root}/__init__.py", submodule_search_locations=[root])
sys.modules["gpen_blocks"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

import numpy as np
import torch
from PIL import Image
from gpen_blocks.nodes.load import LoadFaceDetector, LoadModel
from gpen_blocks.nodes.restore import FaceRestore
from walks import calls_recorded

image = torch.from_numpy(np.asarray(Image.open(example).convert("RGB"), np.float32) / 255)[None]
model = LoadModel.execute("gpen-lite-256", "fp32", "eager").args[0]
detector = LoadFaceDetector.execute("face-detector-lite").args[0]
with torch.inference_mode(), calls_recorded() as calls:
    answer = FaceRestore.execute(image, model, detector, 1.0)
print("WALKED", json.dumps({"calls": calls, "shape": list(answer.args[0].shape)}))
"""


@pytest.fixture
def walked(examples: Path, tmp_path: Path) -> dict:
    paths = ROOT, ROOT / "tests" / "support", examples / "portrait-degraded.jpg"
    return run_in_comfyui(comfyui_folder(), _RUN, *paths, "--cpu", base=tmp_path, tag="WALKED")


@pytest.mark.slow
def test_one_image_walks_as_written(walked):
    walk, _ = walks_of((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))["A walk with one image"]
    calls = [tuple(call) for call in walked["calls"]]
    assert first_not_taken(walk, calls) is None
    assert first_not_taken(walk[::-1], calls) is not None
    assert walked["shape"][0] == 1 and walked["shape"][-1] == 3

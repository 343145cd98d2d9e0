"""The start of scripts that run the pack's blocks in ComfyUI's own Python."""

PACK_LOADED = """
import importlib.util, json, sys
from pathlib import Path

comfyui, root, example, frames = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
sys.path.insert(0, comfyui)
import comfy.options
comfy.options.enable_args_parsing()
spec = importlib.util.spec_from_file_location("gpen_blocks", f"{root}/__init__.py", submodule_search_locations=[root])
sys.modules["gpen_blocks"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

import numpy as np
import torch
from PIL import Image
from gpen_blocks.nodes.detect import DetectFaces
from gpen_blocks.nodes.load import LoadFaceDetector, LoadModel
from gpen_blocks.nodes.restore import FaceRestore

model = LoadModel.execute("gpen-lite-256", "fp32", "eager").args[0]
detector = LoadFaceDetector.execute("face-detector-lite").args[0]
picture = np.asarray(Image.open(example).convert("RGB").resize((400, 400)), np.float32) / 255
frame = torch.zeros(432, 768, 3)
frame[16:416, 180:580] = torch.from_numpy(picture)
"""
"""The arguments of such a script are ComfyUI's folder, the checkout, a picture and a number, then ComfyUI's own.

It leaves `model` and `detector` (the bundled ones), `frame` (432 x 768 x 3 with a face) and `frames` (the number).
"""

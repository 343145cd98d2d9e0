"""In ComfyUI's own Python: every picture goes out in a number format that core's nodes can save."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import ROOT, comfyui_folder, run_in_comfyui

_START = """
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

_FORMATS = """
from gpen_blocks.nodes.enhance import FrequencyBlend, LocalAdaptiveEnhance
from gpen_blocks.nodes.align import AlignFaces
from gpen_blocks.nodes.paste import PasteFaces
from gpen_blocks.nodes.prepare import Finish, PrepareImage
from gpen_blocks.nodes.restore import RestoreFaces
from gpen_blocks.nodes.spectrum import FrequencySpectrum
import nodes as core

told = {}
with torch.inference_mode():
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        for empty in (True, False):
            image = (torch.full_like(frame, 0.5) if empty else frame)[None].to(dtype)
            faces, drawn = DetectFaces.execute(image, detector, 0.0, 0, 0, "refined").args[:2]
            crops, alignment = AlignFaces.execute(image, faces, 0, "auto", model).args
            low = crops.to(dtype)
            restored = RestoreFaces.execute(model, low, 1.0, True, 0).args[0]
            base, blended = low[:1], restored
            if len(alignment):
                gains = dict.fromkeys(("middle_gain", "high_gain"), 1.0)
                gains |= dict.fromkeys(("eyes_gain", "lips_gain", "skin_gain", "hair_gain"), 1.0)
                blended = FrequencyBlend.execute(
                    base=low, detail=restored.to(dtype), cutoff=0.0, deblur=0.0, keep_grayscale=True, **gains
                ).args[0]
            enhanced = LocalAdaptiveEnhance.execute(blended.to(dtype), 0.0, 1.0, 1.0, 1.0, 1.0).args[0]
            pasted = PasteFaces.execute(
                image, enhanced.to(dtype), alignment, "landmarks", 0.1, "low_band", 0.0, 1.0
            ).args[0]
            outputs = {
                "detect": drawn, "align": crops, "restore": restored, "blend": blended, "enhance": enhanced,
                "paste": pasted,
                "prepare": PrepareImage.execute(image, "none", 0.0, 0.0).args[0],
                "finish": Finish.execute(image, 0.0, 0.0, 0.0).args[0],
                "spectrum": FrequencySpectrum.execute(image, True).args[0],
            }
            whole = FaceRestore.execute(image, model, detector, 1.0).args
            outputs |= {"whole": whole[0], "before": whole[1], "after": whole[2]}
            for name, output in outputs.items():
                told[f"{name} {dtype} {empty}"] = str(output.dtype)
                saved = core.SaveImage().save_images(output, filename_prefix="format")["ui"]["images"]
                assert len(saved) == len(output)
print("TOLD", json.dumps(told))
"""


@pytest.mark.slow
def test_every_picture_goes_out_as_core_can_save_it(examples: Path, tmp_path: Path):
    paths = ROOT, examples / "portrait-degraded.jpg", "1"
    folders = ("--cpu", "--output-directory", str(tmp_path))
    told = run_in_comfyui(comfyui_folder(), _START + _FORMATS, *paths, *folders, base=tmp_path, tag="TOLD")
    assert len(told) == 72 and set(told.values()) == {"torch.float32"}

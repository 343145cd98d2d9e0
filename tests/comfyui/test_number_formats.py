"""In ComfyUI's own Python: every picture goes out in a number format that core's nodes can save."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import ROOT, comfyui_folder, run_in_comfyui
from pack_in_python import PACK_LOADED

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
    told = run_in_comfyui(comfyui_folder(), PACK_LOADED + _FORMATS, *paths, *folders, base=tmp_path, tag="TOLD")
    assert len(told) == 72 and set(told.values()) == {"torch.float32"}

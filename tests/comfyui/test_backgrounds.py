"""In ComfyUI's own Python: faces are pasted into images that core's blocks enlarged."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import ROOT, comfyui_folder, run_in_comfyui
from pack_in_python import PACK_LOADED

_BACKGROUNDS = """
from nodes import ImageScaleBy
from gpen_blocks.nodes.align import AlignFaces
from gpen_blocks.nodes.paste import PasteFaces
from gpen_blocks.gpen.presets import load_named
from dataclasses import replace

image = torch.stack([frame, frame.flip(1)])
told = {}

def tell(name, result, coverage):
    outside = coverage == 0
    told[name] = {
        "shape": list(result.shape),
        "kept": bool((result[outside] == ground[outside]).all()),
        "changed": bool((result[~outside] != ground[~outside]).any()),
        "covered": bool((coverage == 1).flatten(1).any(dim=1).all()),
    }

def refusal(call):
    try:
        call()
    except Exception as error:
        return str(error)

with torch.inference_mode():
    (ground,) = ImageScaleBy().upscale(image, "bicubic", 2.0)
    restore = lambda **more: FaceRestore.execute(image, model, detector, 1.0, **more).args
    result, before, after, coverage, report, faces, masks = restore(background=ground)
    tell("chain", result, coverage)
    told["masks"] = list(masks.shape)
    told["sizes"] = [list(size) for size in faces.sizes]
    told["enlarged"] = json.loads(report)["enlarged"]
    faces, *_ = DetectFaces.execute(image, detector, 0.7, 16, 0, "refined").args
    crops, alignment = AlignFaces.execute(image, faces, 0, "auto", model).args
    paste = lambda ground: PasteFaces.execute(
        image, crops, alignment, "landmarks", 0.1, "low_band", 0.0, 1.0, background=ground
    ).args
    tell("paste", *paste(ground))
    preset = load_named("natural")
    preset = replace(preset, settings=replace(preset.settings, levels=1.0))
    told["refused"] = [
        refusal(lambda: restore(background=ground[:, 1:])),
        refusal(lambda: paste(ground[:, :, 1:])),
        refusal(lambda: restore(background=ground, frames_of_one_shot=True)),
        refusal(lambda: restore(background=ground, preset=preset)),
    ]
print("TOLD", json.dumps(told))
"""


@pytest.mark.slow
def test_faces_are_pasted_into_enlarged_images(examples: Path, tmp_path: Path):
    paths = ROOT, examples / "portrait-degraded.jpg", "1"
    told = run_in_comfyui(comfyui_folder(), PACK_LOADED + _BACKGROUNDS, *paths, "--cpu", base=tmp_path, tag="TOLD")
    for name in ("chain", "paste"):
        assert told[name] == {"shape": [2, 864, 1536, 3], "kept": True, "changed": True, "covered": True}, name
    assert told["masks"] == [2, 864, 1536] and told["sizes"] == [[864, 1536]] * 2
    assert told["enlarged"] == {"factor": 2, "background": "given"}
    size, also, shot, preset = told["refused"]
    assert "background holds 2 pictures of 1536 x 863, but a whole multiple of 768 x 432 is needed" in size
    assert "background holds 2 pictures of 1535 x 864, but" in also
    assert "frames_of_one_shot" in shot and "The preset changes whole images" in preset

"""In ComfyUI's own Python: faces change only where masks allow it, in the whole chain, in a shot and at the paste."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import ROOT, comfyui_folder, run_in_comfyui
from pack_in_python import PACK_LOADED

_AREAS = """
from gpen_blocks.nodes.align import AlignFaces
from gpen_blocks.nodes.paste import PasteFaces

image = torch.stack([frame, frame])
mask = torch.zeros(1, *frame.shape[:2])
mask[..., 360:] = 1  # the edge goes through the face
inside = mask[0] == 1
told = {}

def tell(name, result, coverage, whole):
    told[name] = {
        "kept": bool((result[:, ~inside] == image[:, ~inside]).all()),
        "changed": bool((result[:, inside] != image[:, inside]).any()),
        "alike": float((result[:, inside] - whole[:, inside]).abs().max()),
        "covered": bool(coverage[:, ~inside].any()),
    }

with torch.inference_mode():
    for name, option in (("chain", {}), ("shot", {"frames_of_one_shot": True})):
        run = lambda **masks: FaceRestore.execute(image, model, detector, 1.0, **option, **masks).args
        whole = run()[0]
        for side, masks in (("only", {"only_here": mask}), ("not", {"not_here": (1 - mask).expand(2, -1, -1)})):
            result, _, _, coverage, *_ = run(**masks)
            tell(f"{name} {side}", result, coverage, whole)
    faces, *_ = DetectFaces.execute(image, detector, 0.7, 16, 0, "refined").args
    crops, alignment = AlignFaces.execute(image, faces, 0, "auto", model).args
    paste = lambda **masks: PasteFaces.execute(
        image, crops * 0.8, alignment, "landmarks", 0.1, "none", 0.0, 1.0, **masks
    ).args
    result, coverage = paste(only_here=mask)
    tell("paste", result, coverage, paste()[0])
    nothing = paste(not_here=torch.ones_like(mask))
    told["nothing"] = bool((nothing[0] == image).all() and not nothing[1].any())
    try:
        paste(only_here=torch.zeros(1, 64, 64))
    except Exception as error:
        told["refused"] = str(error)
print("TOLD", json.dumps(told))
"""


@pytest.mark.slow
def test_faces_change_only_where_masks_allow_it(examples: Path, tmp_path: Path):
    paths = ROOT, examples / "portrait-degraded.jpg", "1"
    told = run_in_comfyui(comfyui_folder(), PACK_LOADED + _AREAS, *paths, "--cpu", base=tmp_path, tag="TOLD")
    assert told.pop("nothing")
    assert "only_here holds 1 picture of 64 x 64, but image holds 2 pictures of 768 x 432" in told.pop("refused")
    assert set(told) == {"chain only", "chain not", "shot only", "shot not", "paste"}
    for name, one in told.items():
        assert one["kept"] and one["changed"] and not one["covered"], name
        assert one["alike"] == 0, name

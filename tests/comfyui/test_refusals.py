"""What a user is told in a real ComfyUI where something cannot be done."""

from __future__ import annotations

import pytest
from prompts import blocks, load, models, node, preview, whole


def test_a_wrong_number_of_crops_is_told(comfyui, two_faces):
    dropped = node("ImageFromBatch", image=["restore", 0], batch_index=0, length=1)
    prompt = {**blocks(dropped=dropped), "image": load(comfyui.put("two.png", two_faces))}
    run = comfyui.run(prompt)
    assert run.status == "error"
    assert "alignments need as many" in run.error


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("model", "model", "../../../etc/passwd"),
        ("model", "precision", "fp12"),
        ("model", "backend", "magic"),
        ("detector", "detector", "gpen-lite-256"),
        ("detect", "landmarks", "nope"),
        ("align", "template", "nope"),
        ("paste", "mask_mode", "nope"),
        ("paste", "color_match", "nope"),
    ],
)
def test_values_that_no_menu_has_are_refused(comfyui, portrait, place, name, value):
    prompt = {**blocks(), "image": load(comfyui.put("one.png", portrait))}
    prompt[place]["inputs"] = prompt[place]["inputs"] | {name: value}
    run = comfyui.run(prompt)
    assert run.status in ("refused", "error")
    assert value in run.error


def test_a_model_that_cannot_be_had_names_file_sources_and_folder(comfyui, portrait):
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(),
        "out": preview("restore"),
    }
    prompt["model"] = node("GPENLoadModel", model="gpen-bfr-256", precision="fp32", backend="auto")
    run = comfyui.run(prompt)
    assert run.status == "error"
    assert "GPEN-BFR-256.pth" in run.error
    assert "public-vigen-video.oss-cn-shanghai.aliyuncs.com" in run.error and "huggingface:" in run.error
    assert str(comfyui.base / "models" / "facerestore_models") in run.error
    assert "non-commercial" in comfyui.text_of_log()

"""What a user is told in a real ComfyUI where something cannot be done."""

from __future__ import annotations

import pytest
from prompts import blocks, load, models, node, preview, whole


def test_a_wrong_number_of_crops_is_told(comfyui, two_faces):
    dropped = node("ImageFromBatch", image=["restore", 0], batch_index=0, length=1)
    prompt = {**blocks(dropped=dropped), "image": load(comfyui.put("two.png", two_faces))}
    run = comfyui.run(prompt)
    assert run.status == "error"
    assert "crops holds 1 picture of 256 x 256, but alignment belongs to 2 crops; connect all crops" in run.error


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


@pytest.mark.parametrize(
    ("place", "name", "value", "folder", "source"),
    [
        ("model", "model", "Mine-2025.pth", "models/gpen", "huggingface:akhaliq/GPEN-BFR-512"),
        ("model", "model", "GPEN-BFR-512.pth", "models/gpen", "huggingface:akhaliq/GPEN-BFR-512"),
        ("detector", "detector", "retinaface-2025.pth", "models/facedetection", "github.com/xinntao/facexlib"),
        ("preset", "preset", "of-a-friend", "user/gpen-blocks/presets", "of-a-friend.json"),
    ],
)
def test_a_choice_that_is_not_on_this_machine_is_told_with_its_folder_and_source(
    comfyui, portrait, place, name, value, folder, source
):
    prompt = {
        **models(),
        "preset": node("GPENPreset", preset="natural"),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(preset=["preset", 0]),
        "out": preview("restore"),
    }
    prompt[place]["inputs"] = prompt[place]["inputs"] | {name: value}
    run = comfyui.run(prompt)
    assert run.status == "refused"
    assert "Value not in list" not in run.error
    assert value in run.error and source in run.error
    assert str(comfyui.base / folder) in run.error


def test_a_choice_that_another_block_makes_passes_the_check_and_is_told_when_it_runs(comfyui, portrait):
    if "ComfySwitchNode" not in comfyui.get("/object_info"):
        pytest.skip("no block of this version has an output that a menu takes")
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(),
        "out": preview("restore"),
        "name": node("PrimitiveString", value="Mine-2025.pth"),
        "switch": node("ComfySwitchNode", switch=True, on_true=["name", 0], on_false=["name", 0]),
    }
    prompt["model"]["inputs"]["model"] = ["switch", 0]
    run = comfyui.run(prompt)
    assert run.status == "error"
    assert "There is no model 'Mine-2025.pth' on this machine" in run.error
    prompt["name"]["inputs"]["value"] = "gpen-lite-256"
    assert comfyui.run(prompt).status == "success"


def test_a_broken_file_is_named_where_its_download_fails(comfyui, portrait):
    broken = comfyui.base / "models" / "facerestore_models" / "GPEN-BFR-256.pth"
    broken.parent.mkdir(exist_ok=True)
    broken.write_bytes(b"PK\x03\x04" + bytes(996))
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(),
        "out": preview("restore"),
    }
    prompt["model"] = node("GPENLoadModel", model="gpen-bfr-256", precision="fp32", backend="auto")
    try:
        run = comfyui.run(prompt)
    finally:
        broken.unlink()
    assert run.status == "error"
    assert "could not be downloaded" in run.error
    assert f"{broken} is there, but is not used: it is the beginning of a zip archive" in run.error


def test_a_file_that_no_menu_takes_is_named_with_what_to_do(comfyui, portrait):
    shared = comfyui.base / "models" / "facerestore_models" / "restorer_512.onnx"
    shared.parent.mkdir(exist_ok=True)
    shared.write_bytes(b"x")
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(),
        "out": preview("restore"),
    }
    prompt["model"] = node("GPENLoadModel", model=shared.name, precision="fp32", backend="auto")
    try:
        run = comfyui.run(prompt)
    finally:
        shared.unlink()
    assert run.status == "refused"
    assert f"{shared} is here" in run.error and "rename it, such as to gpen-restorer_512.onnx" in run.error


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
    assert f"into {comfyui.base / 'models' / 'gpen'} yourself" in run.error
    assert "non-commercial" in comfyui.text_of_log()

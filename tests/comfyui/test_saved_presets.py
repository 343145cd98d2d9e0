"""Presets of the user's own, saved by one block and found by another."""

from __future__ import annotations

import json

from prompts import load, models, node, succeed, whole

from gpen_blocks.gpen.presets import Settings


def test_presets_are_saved_and_found_again(comfyui, portrait):
    def save(name: str, **changes: object) -> dict:
        settings = {field: getattr(Settings(), field) for field in Settings.__dataclass_fields__} | changes
        return {"save": node("GPENSavePreset", name=name, description="a test", overwrite=False, **settings)}

    run = succeed(comfyui, save("half", strength=0.5))
    assert run.outputs["save"]["text"][0].endswith("half.json")
    assert (comfyui.base / "user" / "gpen-blocks" / "presets" / "half.json").is_file()
    prompt = {
        **models(),
        "image": load(comfyui.put("one.png", portrait)),
        "preset": node("GPENPreset", preset="half"),
        "restore": whole(preset=["preset", 0]),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    report = json.loads(succeed(comfyui, prompt).outputs["report"]["text"][0])
    assert report["preset"] == "half" and report["settings"]["strength"] == 0.5
    for name in ("natural", "../half", "half"):
        refused = comfyui.run(save(name, strength=0.75))
        assert refused.status == "error" and "preset" in refused.error

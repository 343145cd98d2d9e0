"""Presets of the user's own, saved by one block and found by another."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from pictures import same
from prompts import load, models, node, preview, succeed, whole
from saved import save_preset as save

from gpen_blocks import Restorer, Settings
from gpen_blocks.gpen.presets import Preset, load_preset
from gpen_blocks.nodes.block_settings import SAVE_PRESET, setting_widgets


def test_presets_are_saved_and_found_again(comfyui, portrait):
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


def test_without_a_preset_the_chain_is_that_of_natural(comfyui, portrait):
    reports = {}
    for name, inputs in {"none": {}, "natural": {"preset": ["preset", 0]}}.items():
        prompt = {
            **models(),
            "preset": node("GPENPreset", preset="natural"),
            "image": load(comfyui.put("one.png", portrait)),
            "restore": whole(**inputs),
            "report": node("PreviewAny", source=["restore", 4]),
        }
        reports[name] = json.loads(succeed(comfyui, prompt).outputs["report"]["text"][0])
    assert reports["none"]["preset"] == reports["natural"]["preset"] == "natural"
    assert reports["none"]["settings"] == reports["natural"]["settings"] == asdict(Settings())


def test_preset_files_that_cannot_be_used_are_told(comfyui):
    """Neither in the menu nor ignored in silence."""
    folder = comfyui.base / "user" / "gpen-blocks" / "presets"
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"natural": Preset("natural", "", Settings(strength=0.1)).to_json(), "torn": "{"}
    files = {name: folder / f"{name}.json" for name in texts}
    try:
        for name, text in texts.items():
            files[name].write_text(text, encoding="utf-8")
        spec = comfyui.get("/object_info")["GPENPreset"]["input"]["required"]["preset"]
        menu = spec[0] if isinstance(spec[0], list) else spec[1]["options"]
        assert menu.count("natural") == 1 and "torn" not in menu
        assert f"{files['torn']}: This is not a preset" in comfyui.text_of_log()
        preset = node("GPENPreset", preset="natural")
        prompt = {"preset": preset, "out": node("PreviewAny", source=["preset", 0])}
        before = comfyui.text_of_log().count(f"{files['natural']} is not used")
        run = succeed(comfyui, prompt)
        assert comfyui.text_of_log().count(f"{files['natural']} is not used") > before
        assert 3 in run.of("binary"), "the node says nothing"
        refused = comfyui.run({**prompt, "preset": node("GPENPreset", preset="torn")})
        assert refused.status == "refused" and str(files["torn"]) in refused.error
    finally:
        for file in files.values():
            file.unlink(missing_ok=True)


def test_the_report_tells_what_the_settings_could_not_have_and_what_to_choose(comfyui, portrait):
    """Advice is for people in front of ComfyUI, not of a command line."""
    prompt = {
        **models(),
        **save("many points", landmarks68=True),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(preset=["save", 0]),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    notes = json.loads(succeed(comfyui, prompt).outputs["report"]["text"][0])["notes"]
    assert any("bundled network, not the 98-point one, found the landmarks" in note for note in notes)
    assert any("gpen-bfr-512" in note and "choose it in GPEN Load Model" in note for note in notes)


def test_a_workflow_from_before_later_settings_saves_what_it_says(comfyui):
    """Its widgets are those of the first release: none is missed, and the switch for the landmarks is understood."""
    late = [name for name, widget in setting_widgets(SAVE_PRESET).items() if widget.optional]
    prompt = save("from before", landmarks68=True, strength=0.25)
    for name in late:
        del prompt["save"]["inputs"][name]
    path = Path(succeed(comfyui, prompt).outputs["save"]["text"][0])
    assert late and load_preset(path).settings == Settings(landmark_network="wflw", strength=0.25)
    # A file of the release that wrote it, with that release's names, is no other preset.
    old = json.loads(path.read_text(encoding="utf-8"))
    for name in (*late, "landmark_network"):
        del old["settings"][name]
    old["settings"]["landmarks68"] = True
    path.write_text(json.dumps(old), encoding="utf-8")
    succeed(comfyui, save("from before", landmarks68=True, strength=0.25))
    assert "landmark_network" in path.read_text(encoding="utf-8"), "the block did not run"


def test_prepared_pictures_and_their_notes_are_those_of_the_library(comfyui, portrait):
    """The preset `article` does all that the chain can do."""
    tinted = (portrait * (1.0, 0.85, 0.7)).astype(np.uint8)
    prompt = {
        **models(),
        "preset": node("GPENPreset", preset="article"),
        "image": load(comfyui.put("tinted.png", tinted)),
        "restore": whole(preset=["preset", 0]),
        "out": preview("restore"),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    run = succeed(comfyui, prompt)
    expected = Restorer("gpen-lite-256", "face-detector-lite", preset="article", device="cpu").restore(tinted)
    assert same(comfyui.pictures(run, "out")[0], expected.image, 2)
    notes = json.loads(run.outputs["report"]["text"][0])["notes"]
    assert any("cast" in note for note in notes)
    assert set(notes[:-1]) <= set(expected.report["notes"])


def file_of(comfyui, name: str) -> Path:
    return comfyui.base / "user" / "gpen-blocks" / "presets" / f"{name}.json"


def test_a_preset_whose_file_was_deleted_or_changed_is_saved_again(comfyui, portrait):
    """And only then: what stands behind the block does not run twice."""
    prompt = {**save("kept", strength=0.5), "shown": node("PreviewAny", source=["save", 0])}
    path = file_of(comfyui, "kept")
    assert "save" in succeed(comfyui, prompt).executed and path.is_file()
    assert f"Saved to {path}." in comfyui.text_of_log()
    again = succeed(comfyui, prompt)
    assert not again.executed & {"save", "shown"}
    (told,) = [content["output"] for content in again.of("executed") if content["node"] == "save"]
    assert told["text"] == [str(path), f"Saved to {path}."], "a cached run does not say where it lies"
    path.unlink()
    assert "save" in succeed(comfyui, prompt).executed and path.is_file()
    assert not succeed(comfyui, prompt).executed & {"save", "shown"}
    path.write_text(Preset("kept", "of somebody else").to_json(), encoding="utf-8")
    refused = comfyui.run(prompt)
    assert refused.status == "error" and f"{path}: The file holds another preset" in refused.error


def test_a_connected_preset_is_saved_instead_of_the_widgets(comfyui):
    prompt = {
        **save("connected", preset=["settings", 0], strength=0.25),
        "settings": node("GPENSettings", preset=["strong", 0], max_faces=2),
        "strong": node("GPENPreset", preset="strong"),
    }
    succeed(comfyui, prompt)
    wanted = replace(load_preset("strong").settings, max_faces=2)
    assert load_preset(file_of(comfyui, "connected")).settings == wanted
    assert "Not saved, since a preset is connected: strength 0.25." in comfyui.text_of_log()


def test_widgets_that_are_not_at_their_defaults_take_precedence(comfyui, portrait):
    """The whole chain without a file, and as the library does it."""
    prompt = {
        **models(),
        "strong": node("GPENPreset", preset="strong"),
        "settings": node("GPENSettings", preset=["strong", 0], strength=0.5, deblur=0.5, eyes_gain=1.5),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(preset=["settings", 0]),
        "out": preview("restore"),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    run = succeed(comfyui, prompt)
    report = json.loads(run.outputs["report"]["text"][0])
    strong = load_preset("strong").settings
    assert report["preset"] == "strong, changed"
    assert report["settings"] == asdict(replace(strong, strength=0.5, eyes_gain=1.5))
    told = [line for line in comfyui.text_of_log().splitlines() if "From the preset strong" in line][-1]
    assert "frequency_blend 0" in told and "color_match mean_std" in told
    assert "From this block: strength 0.5, eyes_gain 1.5." in told
    restorer = Restorer("gpen-lite-256", "face-detector-lite", preset="strong", device="cpu", strength=0.5)
    assert same(comfyui.pictures(run, "out")[0], restorer.restore(portrait).image, 2)


def test_settings_of_a_preset_are_put_back_to_their_defaults(comfyui):
    """Those that the block changes itself stay changed; names are separated as people type them."""

    def told(reset: str, **widgets) -> str:
        prompt = {
            "strong": node("GPENPreset", preset="strong"),
            "settings": node("GPENSettings", preset=["strong", 0], reset=reset, **widgets),
            **save(f"put back {len(reset)}", preset=["settings", 0], overwrite=True),
        }
        succeed(comfyui, prompt)
        return [line for line in comfyui.text_of_log().splitlines() if "From this block" in line][-1]

    strong = load_preset("strong").settings
    line = told("frequency_blend，color_match", color_match="none")
    assert "From this block: color_match none. Reset to their defaults: frequency_blend. From the preset str" in line
    assert line.endswith("From the preset strong: denoise 1, and defaults.")
    wanted = replace(strong, frequency_blend=1.0, color_match="none")
    assert strong.frequency_blend != 1 and load_preset(file_of(comfyui, "put back 27")).settings == wanted
    line = told("all", strength=0.5)
    assert line.endswith(
        "From this block: strength 0.5. Reset to their defaults: all others. From the preset strong: nothing."
    )
    assert load_preset(file_of(comfyui, "put back 3")).settings == Settings(strength=0.5)


def test_settings_to_reset_are_called_what_people_see(comfyui):
    """By the labels of the Chinese page, by the switch of GPEN Save Preset, and in any case."""

    def told(reset: str) -> str:
        given = node("GPENSettings", frequency_blend=0.0, color_match="none", landmark_network="wflw", deblur=0.25)
        prompt = {
            "given": given,
            "settings": node("GPENSettings", preset=["given", 0], reset=reset),
            "out": node("PreviewAny", source=["settings", 0]),
        }
        return succeed(comfyui, prompt).said["settings"]

    line = told("频率融合、Color-Match landmarks68")
    assert "Reset to their defaults: frequency_blend, color_match, landmark_network. From the preset" in line
    assert line.endswith(": deblur 0.25, and defaults.")
    assert "Reset to their defaults: all. From" in told("ALL")


@pytest.mark.parametrize(
    ("reset", "advice"),
    [
        ("blend", "did you mean frequency_blend?"),
        ("Deblurr", "did you mean deblur?"),
        ("频率", "did you mean 频率融合?"),
        ("qqqq", "take the name of a widget of this block, or all."),
    ],
)
def test_an_unknown_setting_to_reset_is_refused_with_what_is_close(comfyui, reset, advice):
    prompt = {"settings": node("GPENSettings", reset=reset), "out": node("PreviewAny", source=["settings", 0])}
    refused = comfyui.run(prompt)
    wanted = json.dumps(f"There is no setting '{reset}' to reset; {advice}")[1:-1]
    assert refused.status == "refused" and wanted in refused.error


def test_the_name_of_a_file_is_that_of_its_preset_and_reserved_ones_are_told(comfyui):
    run = succeed(comfyui, save("with suffix.JSON", strength=0.5))
    assert run.outputs["save"]["text"][0] == str(file_of(comfyui, "with suffix"))
    assert load_preset(file_of(comfyui, "with suffix")).name == "with suffix"
    for name in ("CON", "nul.json", "Lpt1.old"):
        refused = comfyui.run(save(name))
        assert refused.status == "error" and "is a reserved name on Windows" in refused.error


def test_all_settings_alone_are_natural(comfyui, portrait):
    prompt = {
        **models(),
        "settings": node("GPENSettings"),
        "image": load(comfyui.put("one.png", portrait)),
        "restore": whole(preset=["settings", 0]),
        "report": node("PreviewAny", source=["restore", 4]),
    }
    report = json.loads(succeed(comfyui, prompt).outputs["report"]["text"][0])
    assert report["preset"] == "natural" and report["settings"] == asdict(Settings())


def test_rare_settings_are_advanced_widgets(comfyui):
    inputs = comfyui.get("/object_info")["GPENSettings"]["input"]["optional"]
    for name, widget in setting_widgets("GPENSettings").items():
        assert inputs[name][1].get("advanced", False) == widget.advanced, name

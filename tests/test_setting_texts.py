"""Pages and locales that derive from the settings say what the settings say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from setting_texts import written

from gpen_blocks.gpen.settings import GROUPS, SETTINGS
from gpen_blocks.nodes.block_settings import ALL_SETTINGS, BLOCKS, SAVE_PRESET, setting_widgets

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("file", written(), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_text_has_gone_stale(file: Path):
    assert file.read_text(encoding="utf-8") == written()[file], "run python tools/setting_texts.py"


def test_a_changed_help_is_seen():
    """The comparison above would notice a setting whose page was forgotten."""
    before = SETTINGS["deblur"].help
    object.__setattr__(SETTINGS["deblur"], "help", "Something else.")
    try:
        stale = {
            file.relative_to(ROOT).as_posix() for file, text in written().items() if file.read_text("utf-8") != text
        }
    finally:
        object.__setattr__(SETTINGS["deblur"], "help", before)
    pages = {f"nodes/web/docs/{block}.md" for block in (ALL_SETTINGS, SAVE_PRESET)}
    assert stale == {"docs/settings.md", *pages, "locales/en/nodeDefs.json"}


@pytest.mark.parametrize("block", BLOCKS)
def test_what_a_block_does_otherwise_has_a_reason(block: str):
    for widget_id, widget in setting_widgets(block).items():
        one = widget.declaration
        assert one.check(widget.shown_default) == widget.shown_default, widget_id
        assert widget.default != one.default, f"{widget_id} repeats the default of its setting"
        assert [bool(text) for text in widget.reason] == [widget.default is not None] * 2, widget_id
        assert bool(widget.more[0]) == bool(widget.more[1]) and bool(widget.label[0]) == bool(widget.label[1]), (
            widget_id
        )
        assert set(widget.without) <= set(one.choices) - {widget.shown_default}, widget_id
        assert not widget.on or widget.on in one.choices


def test_every_setting_can_be_saved_under_the_names_that_workflows_know():
    """By position: a new setting goes last."""
    widgets = setting_widgets(SAVE_PRESET)
    assert {widget.setting for widget in widgets.values()} == SETTINGS.keys()
    assert list(widgets)[:24] == [
        *("score_threshold", "min_face_size", "max_faces", "order", "rotated", "strength", "keep_grayscale"),
        *("mask_mode", "feather", "color_match", "match_grain", "white_balance", "deblock", "exposure"),
        *("frequency_blend", "deblur", "local_enhance", "finish_sigma", "finish_mix", "landmarks68", "levels"),
        *("colour", "focus", "denoise"),
    ]
    later = list(widgets.values())[21:]
    assert all(widget.optional for widget in later), "workflows that were saved before these came run without them"


def test_all_settings_are_widgets_in_the_order_of_the_chain():
    widgets = setting_widgets(ALL_SETTINGS)
    assert widgets.keys() == SETTINGS.keys() and all(widget.optional for widget in widgets.values())
    groups = [widget.declaration.group for widget in list(widgets.values())[:34]]
    assert list(dict.fromkeys(groups)) == list(GROUPS) and groups == sorted(groups, key=list(GROUPS).index)
    advanced = {name for name, widget in widgets.items() if widget.advanced}
    assert 5 < len(advanced) < len(widgets) and not {"strength", "max_faces", "denoise", "mask_mode"} & advanced


def test_a_setting_that_comes_later_goes_last(monkeypatch):
    """By position: also where its group is in the middle."""
    before = list(setting_widgets(ALL_SETTINGS))
    late = replace(SETTINGS["rotated"], name="late")
    monkeypatch.setitem(SETTINGS, "late", late)
    assert list(setting_widgets(ALL_SETTINGS)) == [*before, "late"]

"""Blocks for named settings."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..gpen.errors import SettingsError
from ..gpen.presets import DEFAULT_NAME, Preset, load_named, preset_names, save_preset
from ..gpen.settings import Settings
from . import progress
from .block_settings import SAVE_PRESET, setting_widgets
from .schema import PresetWire, describe, setting_widget

_PRESET_OUTPUT = "The settings, for GPEN Face Restore."


class LoadPreset(io.ComfyNode):
    """Loads a preset by its name."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENPreset",
            group="settings",
            display_name="GPEN Preset",
            description="Named settings: the bundled ones, then your own.",
            search_aliases=["face restore settings"],
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=list(preset_names()),
                    default=DEFAULT_NAME,
                    tooltip="The settings to use.",
                )
            ],
            outputs=[PresetWire.Output("settings", display_name="preset", tooltip=_PRESET_OUTPUT)],
        )

    @classmethod
    def fingerprint_inputs(cls, preset: str | None) -> str:
        try:
            loaded = load_named(preset) if preset else None
        except SettingsError as error:
            return str(error)
        return "\n".join([loaded.to_json(), *loaded.notes]) if loaded else ""

    @classmethod
    def validate_inputs(cls, preset: str | None = None) -> bool | str:
        # ComfyUI does not compare an input that is checked here with its menu. None comes from another block.
        try:
            return preset is None or bool(load_named(preset))
        except SettingsError as error:
            return str(error)

    @classmethod
    def execute(cls, preset: str) -> io.NodeOutput:
        loaded = load_named(preset)
        for note in loaded.notes:
            progress.say(note)
        return io.NodeOutput(loaded)


class SavePreset(io.ComfyNode):
    """Saves its widgets as a preset file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id=SAVE_PRESET,
            group="settings",
            display_name="GPEN Save Preset",
            description="Saves settings under a name, as a file that you can share.",
            search_aliases=["face restore settings"],
            is_output_node=True,
            inputs=[
                io.String.Input("name", default="mine", tooltip="Letters, digits, spaces and . _ - are allowed."),
                io.String.Input("description", default="", tooltip="One sentence about its purpose."),
                io.Boolean.Input("overwrite", default=False, tooltip="Replace your own preset of the same name."),
                *(setting_widget(SAVE_PRESET, widget_id) for widget_id in setting_widgets(SAVE_PRESET)),
            ],
            outputs=[PresetWire.Output("settings", display_name="preset", tooltip=_PRESET_OUTPUT)],
        )

    @classmethod
    def execute(cls, name: str, description: str, overwrite: bool, **settings: Any) -> io.NodeOutput:
        preset = Preset(name, description, Settings(**settings))
        path = save_preset(preset, overwrite=overwrite)
        return io.NodeOutput(preset, ui={"text": [str(path)]})

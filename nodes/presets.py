"""Blocks for named settings."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..gpen import settings_zh
from ..gpen.errors import SettingsError
from ..gpen.presets import DEFAULT_NAME, Preset, file_of, load_named, preset_names, save_preset
from ..gpen.settings import SETTINGS, Settings, change_settings, changed_settings, value_in_words
from . import progress
from .block_settings import ALL_SETTINGS, FIRST_SETTINGS, SAVE_PRESET, setting_widgets
from .inputs import fault_of
from .schema import PresetWire, describe, setting_widget

_PRESET_OUTPUT = "The settings, for GPEN Face Restore."
_SAVED_OUTPUT = "The settings, for GPEN Face Restore and GPEN Save Preset."
_EVERY = "all"
# What people may call a setting in `reset`: its id, its label in Chinese, or the id of its switch in GPEN Save Preset.
_RESETTABLE = {
    _EVERY: _EVERY,
    **{name: name for name in SETTINGS},
    **{label.casefold(): name for name, (label, _) in settings_zh.TEXTS.items()},
    **{widget_id: widget.setting for widget_id, widget in setting_widgets(SAVE_PRESET).items()},
}
_MOST_MATCHES = 3
# Between names: white space, and commas also of East Asian keyboards.
_SEPARATORS = re.compile(r"[\s,，、;；]+")


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
        return fault_of(load_named, preset) or True

    @classmethod
    def execute(cls, preset: str) -> io.NodeOutput:
        loaded = load_named(preset)
        progress.say(*loaded.notes, otherwise=f"The preset is {loaded.name}.")
        return io.NodeOutput(loaded)


class AllSettings(io.ComfyNode):
    """All settings of the chain as widgets."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id=ALL_SETTINGS,
            group="settings",
            display_name="GPEN Settings",
            description="All settings of the chain. A widget that is not at its default takes precedence over the "
            "connected preset; reset puts settings of the preset back to their defaults.",
            search_aliases=["face restore settings", "face restore options", "preset"],
            inputs=[
                PresetWire.Input(
                    "preset", optional=True, tooltip="The settings to begin with. Not connected: the preset natural."
                ),
                *_widgets_of_all_settings(),
            ],
            outputs=[PresetWire.Output("settings", display_name="preset", tooltip=_SAVED_OUTPUT)],
        )

    @classmethod
    def validate_inputs(cls, reset: str | None = None) -> bool | str:
        return fault_of(_parse_reset, reset) or True

    @classmethod
    def execute(cls, preset: Preset | None = None, reset: str = "", **widgets: Any) -> io.NodeOutput:
        base = preset or load_named(DEFAULT_NAME)
        names, own = _parse_reset(reset), changed_settings(Settings(**widgets))
        defaults = {name: SETTINGS[name].default for name in names}
        settings = change_settings(base.settings, {**defaults, **own})
        progress.say(_told(base, settings, own, names))
        name = base.name if settings == base.settings else f"{base.name}, changed"
        return io.NodeOutput(replace(base, name=name, settings=settings))


def _widgets_of_all_settings() -> list[Any]:
    widgets = [setting_widget(ALL_SETTINGS, widget_id) for widget_id in setting_widgets(ALL_SETTINGS)]
    reset = io.String.Input(
        "reset",
        default="",
        optional=True,
        tooltip="Names of settings that have their default again, whatever the preset says, such as frequency_blend, "
        "deblur; all: every setting that is not changed in this block.",
    )
    return [*widgets[:FIRST_SETTINGS], reset, *widgets[FIRST_SETTINGS:]]


def _parse_reset(text: str) -> tuple[str, ...]:
    """The names of settings in a list, each once: ids or Chinese labels; raises SettingsError for an unknown one."""
    names = [_known(name) for name in _SEPARATORS.split(text) if name]
    return tuple(SETTINGS) if _EVERY in names else tuple(dict.fromkeys(names))


def _known(given: str) -> str:
    """The setting that a user means, or `all`."""
    name = given.casefold().replace("-", "_")
    if name in _RESETTABLE:
        return _RESETTABLE[name]
    close = [known for known in _RESETTABLE if name in known] or get_close_matches(name, _RESETTABLE)
    if close:
        raise SettingsError(
            f"There is no setting {given!r} to reset; did you mean {' or '.join(close[:_MOST_MATCHES])}?"
        )
    raise SettingsError(f"There is no setting {given!r} to reset; take the name of a widget of this block, or all.")


def _told(base: Preset, settings: Settings, own: dict[str, Any], reset: tuple[str, ...]) -> str:
    """What came from where, in a line for the node."""
    back = [name for name in reset if name not in own]
    line = f"From this block: {_listed(own) or 'nothing'}."
    if len(back) + len(own) == len(SETTINGS):
        return (
            f"{line} Reset to their defaults: {'all others' if own else 'all'}. From the preset {base.name}: nothing."
        )
    if back:
        line += f" Reset to their defaults: {', '.join(back)}."
    kept = {name: value for name, value in changed_settings(settings).items() if name not in own}
    return f"{line} From the preset {base.name}: {f'{_listed(kept)}, and defaults' if kept else 'defaults'}."


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value_in_words(value)}" for name, value in settings.items())


class SavePreset(io.ComfyNode):
    """Saves its widgets, or the connected preset, as a preset file."""

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
                PresetWire.Input(
                    "preset", optional=True, tooltip="From GPEN Settings: saved instead of the widgets below."
                ),
                *(setting_widget(SAVE_PRESET, widget_id) for widget_id in setting_widgets(SAVE_PRESET)),
            ],
            outputs=[PresetWire.Output("settings", display_name="preset", tooltip=_PRESET_OUTPUT)],
        )

    @classmethod
    def fingerprint_inputs(cls, name: str | None = None, **_: object) -> int:
        return _saved.losses(file_of(name)) if name else 0

    @classmethod
    def execute(
        cls, name: str, description: str, overwrite: bool, preset: Preset | None = None, **widgets: Any
    ) -> io.NodeOutput:
        own = Settings(**widgets)
        saved = Preset(name, description, preset.settings if preset else own)
        path = save_preset(saved, overwrite=overwrite)
        saved = replace(saved, name=path.stem)
        _saved.keep(path)
        unused = changed_settings(own) if preset else {}
        line = f"Saved to {path}."
        if unused:
            line += f" Not saved, since a preset is connected: {_listed(unused)}."
        progress.say(line)
        # The page shows the line also if the result comes from the cache, see web/settings_blocks.js.
        return io.NodeOutput(saved, ui={"text": [str(path), line]})


class SavedFiles:
    """Notices that files are no longer as they were saved.

    ComfyUI runs a block again if its fingerprint differs from that of its last run. One of the file alone would also
    differ after the first save, and everything behind the block would run twice.
    """

    def __init__(self) -> None:
        self._texts: dict[Path, bytes | None] = {}
        self._losses: Counter[Path] = Counter()

    def keep(self, path: Path) -> None:
        """Remember a file as it is now."""
        self._texts[path] = _content(path)

    def losses(self, path: Path) -> int:
        """How often the file was found changed or deleted."""
        if path in self._texts and self._texts[path] != _content(path):
            del self._texts[path]
            self._losses[path] += 1
        return self._losses[path]


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


_saved = SavedFiles()

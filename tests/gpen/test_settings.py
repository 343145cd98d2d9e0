"""Every setting is declared once; options, keywords, presets and texts follow."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from gpen_blocks import Restorer
from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.finish import finish
from gpen_blocks.gpen.detail.local_adaptive import PART_STRENGTHS, enhance
from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.faces.paste import paste_faces
from gpen_blocks.gpen.models import choose_landmarker, load_generator
from gpen_blocks.gpen.photograph.prepare import prepare
from gpen_blocks.gpen.presets import parse_preset
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.restorer import Restoration
from gpen_blocks.gpen.settings import GROUPS, SETTINGS, Settings, change_settings, settings_of
from gpen_blocks.gpen.settings_zh import GROUPS as GROUPS_ZH
from gpen_blocks.gpen.settings_zh import TEXTS as TEXTS_ZH
from gpen_blocks.gpen.values import require_choice, require_known, require_type

CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Other than its default, of each setting.
OTHER: dict[str, Any] = {
    name: not one.default
    if isinstance(one.default, bool)
    else next(choice for choice in one.choices if choice != one.default)
    if one.choices
    else type(one.default)(max(one.range or ()) if one.default == min(one.range or ()) else min(one.range or ()))
    for name, one in SETTINGS.items()
}


def options_of(command: str) -> dict[str, Any]:
    """The options of a command by their names without dashes."""
    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    return {name.removeprefix("--"): one for one in found.params for name in (*one.opts, *one.secondary_opts)}


def parsed(command: str, *words: str) -> dict[str, Any]:
    """What a command would be given."""
    found = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]
    return found.make_context(command, ["picture.jpg", *words]).params


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_explained_and_bounded(name):
    one = SETTINGS[name]
    assert one.help.endswith(".") and one.help[0] != " "
    assert isinstance(one.default, bool) or bool(one.choices) != bool(one.range)
    assert one.check(one.default) == one.default == getattr(Settings(), name)
    assert one.group in GROUPS and one.group in GROUPS_ZH
    label, help_zh = TEXTS_ZH[name]
    assert CHINESE.search(label) and help_zh.endswith("。")
    for choice in one.choices if "：" in help_zh else ():
        assert choice in help_zh, f"the Chinese help does not tell what {choice} is"


def test_no_text_is_left_over():
    assert TEXTS_ZH.keys() == SETTINGS.keys() and GROUPS_ZH.keys() == GROUPS.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_has_an_option(name):
    """Of `gpen restore`, under its own name; it says what else the declaration says."""
    one, option = SETTINGS[name], name.replace("_", "-")
    value = OTHER[name]
    words = (f"--{option}" if value else f"--no-{option}",) if isinstance(value, bool) else (f"--{option}", str(value))
    given = parsed("restore", *words)[name]
    assert given == value and type(given) is type(one.default)
    assert change_settings(Settings(), {name: given}) != Settings()
    assert one.help in options_of("restore")[option].help
    assert parsed("restore")[name] is None, "what nobody gave would hide the preset's value"


def test_detect_has_the_options_that_it_uses():
    options = options_of("detect")
    assert {name for name in SETTINGS if name.replace("_", "-") in options} == {
        setting.name for setting in settings_of("find")
    }


@pytest.mark.parametrize(
    "command, old, name, value",
    [
        ("restore", "--threshold", "score_threshold", "0.3"),
        ("detect", "--threshold", "score_threshold", "0.3"),
        ("restore", "--faces", "indices", "0,2-4"),
    ],
)
def test_earlier_options_go_on_working_and_are_not_shown(command, old, name, value):
    assert str(parsed(command, old, value)[name]) == value
    said = CliRunner().invoke(app, [command, "--help"]).output
    assert old not in said.split() and f"{old}," not in said and f"--{name.replace('_', '-')} " in said


def test_help_shows_settings_in_their_groups():
    said = CliRunner().invoke(app, ["restore", "--help"]).output
    places = [said.index(f"\n{title}:\n") for title in ("Arguments", "Options", *GROUPS.values())]
    assert places == sorted(places)
    paste = said.index(f"\n{GROUPS['paste']}:\n")
    assert said.index("--match-grain") > paste > said.index("--denoise")


def test_a_value_that_an_option_cannot_take_is_one_sentence(tmp_path):
    picture = tmp_path / "a.png"
    picture.touch()
    with pytest.raises(SettingsError, match=r"deblur is 1.5, and must lie between 0 and 1\."):
        CliRunner().invoke(app, ["restore", str(picture), "--deblur", "1.5"], catch_exceptions=False)
    with pytest.raises(SettingsError, match=r"backend is 'magic'; choose from auto, eager"):
        CliRunner().invoke(app, ["restore", str(picture), "--backend", "magic"], catch_exceptions=False)


@pytest.mark.parametrize("on, network", [(True, "wflw"), (False, "bundled")])
def test_the_earlier_name_of_the_landmark_network_is_read(on, network):
    """landmarks68 of presets and keywords; in GPENDetectFaces it means something else."""
    assert Settings(landmarks68=on).landmark_network == network
    before = Settings(landmark_network="wflw" if network == "bundled" else "bundled")
    assert change_settings(before, {"landmarks68": on}).landmark_network == network
    body = {"format": "gpen-blocks-preset", "version": 1, "name": "old", "settings": {"landmarks68": on}}
    assert parse_preset(json.dumps(body)).settings == Settings(landmark_network=network)
    with pytest.raises(SettingsError, match="landmarks68 is 1, and must be of type bool"):
        Settings(landmarks68=1)  # type: ignore[arg-type]


def test_other_settings_keep_what_an_earlier_name_does_not_touch():
    wflw = Settings(landmark_network="wflw")
    assert change_settings(wflw, {"strength": 0.5}).landmark_network == "wflw"
    with pytest.raises(SettingsError, match="landmark_network is None; choose from bundled, wflw"):
        choose_landmarker(None)  # type: ignore[arg-type]


def test_what_has_many_arguments_takes_them_by_name():
    """Their order differed between the class and the loaders, and a swap went unnoticed. Programs may rely on the first
    five of `Restorer`.
    """

    def by_position(function: Any) -> list[str]:
        kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
        return [one.name for one in inspect.signature(function).parameters.values() if one.kind in kinds]

    assert by_position(Restorer) == ["model", "detector", "preset", "device", "backend"]
    assert by_position(load_generator) == ["name"]
    assert by_position(Restoration.save) == ["self", "path"]
    assert by_position(Settings) == []
    loaded, restored = (list(inspect.signature(one).parameters) for one in (load_generator, Restorer))
    assert loaded[1:4] == [name for name in restored if name in loaded]


# What functions of single steps call otherwise, and where one of them has another default, with the reason.
OTHER_NAMES = {(enhance, "strength"): "local_enhance", (finish, "sigma"): "finish_sigma", (finish, "mix"): "finish_mix"}
OTHER_DEFAULTS = {
    (blend, "deblur"): 0.0,  # blending a picture with itself gives the picture
    (blend, "denoise"): 1.0,  # the base is taken for a photograph whose noise nobody wants
    (enhance, "strength"): 0.6,  # called for this effect
    (finish, "sigma"): 0.6,  # called for this effect
}


@pytest.mark.parametrize("function", [blend, enhance, finish, paste_faces, prepare, detect, restore_crops])
def test_functions_have_the_defaults_of_the_settings_or_a_reason(function):
    compared = 0
    for parameter in inspect.signature(function).parameters.values():
        setting = SETTINGS.get(OTHER_NAMES.get((function, parameter.name), parameter.name))
        if setting is not None:
            wanted = OTHER_DEFAULTS.get((function, parameter.name), setting.default)
            assert parameter.default == wanted, f"{parameter.name} of {function.__name__}"
            compared += 1
    assert compared


@pytest.mark.parametrize(
    "value, kind, fits",
    [(1, float, True), (True, float, False), (True, int, False), (1.0, int, False), (1, bool, False), ("a", str, True)],
)
def test_types_are_exact_but_whole_numbers_are_floats(value, kind, fits):
    if fits:
        assert type(require_type("it", value, kind)) is kind
    else:
        with pytest.raises(SettingsError, match=f"it is {value!r}, and must be of type {kind.__name__}"):
            require_type("it", value, kind)


def test_shares_of_parts_are_those_of_the_function():
    assert {part: getattr(Settings(), f"enhance_{part}") for part in PART_STRENGTHS} == PART_STRENGTHS


def test_choices_and_names_are_told():
    assert require_choice("size", "small", ("small", "large")) == "small"
    for wrong in ("huge", ["small"], None):
        with pytest.raises(SettingsError, match="choose from small, large"):
            require_choice("size", wrong, ("small", "large"))
    require_known("entry", ["a"], ("b", "a"))
    with pytest.raises(SettingsError, match=r"There is no entry 'c' in x; there are a, b\."):
        require_known("entry", ["d", "c"], ("b", "a"), "in x")

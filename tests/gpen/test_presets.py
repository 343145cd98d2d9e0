"""Presets are files from strangers: what is wrong with one is told in a sentence, and nothing else happens."""

import json
from pathlib import Path

import pytest

from gpen_blocks import Restorer
from gpen_blocks.gpen import presets
from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.presets import (
    DEFAULT_NAME,
    Preset,
    bundled_presets,
    file_of,
    load_preset,
    parse_preset,
    preset_names,
    save_preset,
    user_folder,
    user_presets,
)
from gpen_blocks.gpen.settings import Settings

GOOD = {"format": "gpen-blocks-preset", "version": 1, "name": "mine", "settings": {"strength": 0.5}}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The user's folder; made by the first preset that is saved."""
    monkeypatch.setenv("GPEN_PRESETS_DIR", str(tmp_path / "mine"))
    return tmp_path / "mine"


def test_every_bundled_preset_is_valid_and_named_like_its_file():
    names = {"natural", "archival-black-and-white", "after-diffusion", "strong", "portrait-close-up"}
    assert names <= set(bundled_presets())
    for name in bundled_presets():
        preset = load_preset(name)
        assert preset.name == name
        assert preset.description


def test_the_preset_that_is_used_where_none_is_named_holds_the_defaults():
    """One truth for the menu, the command line, programs and blocks."""
    assert load_preset(DEFAULT_NAME).settings == Settings()
    restorer = Restorer("gpen-lite-256", "face-detector-lite")
    assert (restorer.preset, restorer.settings) == ("natural", Settings())


def test_bundled_presets_are_what_they_were():
    """They write every value that once differed from a default, so that a changed default does not change them."""
    wanted = {"after-diffusion": 0.0, "archival-black-and-white": 1.0, "article": 0.0, "portrait-close-up": 0.5}
    for name, value in {**wanted, "strong": 0.0}.items():
        assert load_preset(name).settings.match_grain == value, name


def test_what_is_written_reads_back_equal():
    preset = Preset("mine", "words", Settings(strength=0.25, min_face_size=40, match_grain=1.0))
    assert parse_preset(preset.to_json()) == preset


def test_left_out_settings_keep_their_defaults():
    assert parse_preset(json.dumps(GOOD)).settings == Settings(strength=0.5)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"format": "other"}, "not a preset"),
        ({"version": 2}, "version 2"),
        ({"surprise": 1}, "surprise"),
        ({"name": ""}, "name"),
        ({"settings": []}, "JSON object"),
        ({"settings": {"strenght": 1}}, "strenght"),
        ({"settings": {"strength": "1"}}, "type float"),
        ({"settings": {"strength": True}}, "type float"),
        ({"settings": {"strength": 1.5}}, "between"),
        ({"settings": {"strength": float("nan")}}, "between"),
        ({"settings": {"max_faces": 1.5}}, "type int"),
        ({"settings": {"mask_mode": "square"}}, "choose from"),
    ],
)
def test_what_is_wrong_is_named(change, word):
    with pytest.raises(SettingsError, match=word):
        parse_preset(json.dumps({**GOOD, **change}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000])
def test_what_is_no_preset_is_refused(text):
    with pytest.raises(SettingsError, match="not a preset"):
        parse_preset(text)


@pytest.mark.parametrize("name", ["../natural", "no-such", "/etc/passwd", "natural/../natural", ""])
def test_names_reach_no_other_file(name):
    with pytest.raises(SettingsError, match="no preset"):
        load_preset(name)


def test_unreadable_files_are_told(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_preset(tmp_path / "missing.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(bytes(range(128, 256)))
    with pytest.raises(SettingsError, match="cannot be read"):
        load_preset(binary)
    huge = tmp_path / "huge.json"
    huge.write_text(" " * 100_000, encoding="utf-8")
    with pytest.raises(SettingsError, match="larger than"):
        load_preset(huge)


def test_a_saved_preset_is_listed_and_loads_by_its_name(folder):
    preset = Preset("for 1920s prints", "words", Settings(strength=0.25))
    assert save_preset(preset) == folder / "for 1920s prints.json"
    assert user_presets() == ("for 1920s prints",)
    assert preset_names() == (*bundled_presets(), "for 1920s prints")
    assert load_preset("for 1920s prints") == preset


def test_names_of_any_script_can_be_saved():
    save_preset(Preset("老照片"))
    assert load_preset("老照片").name == "老照片"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".hidden",
        "../mine",
        "a/b",
        "a\\b",
        "C:x",
        "nul",
        "COM1.x",
        "ends.",
        "ends ",
        "x" * 65,
        "new\nline",
        "\0",
        "_",
    ],
)
def test_no_name_leads_out_of_the_folder_or_is_a_device(name, folder):
    with pytest.raises(SettingsError, match=r"cannot be the name of a preset|is a reserved name on Windows, so no"):
        save_preset(Preset(name))
    assert not folder.exists()


@pytest.mark.parametrize("name", ["CON", "nul", "Com1.x", "aux.json"])
def test_reserved_names_are_told(name, folder):
    with pytest.raises(SettingsError, match=rf"^{name.split('.')[0]} is a reserved name on Windows"):
        save_preset(Preset(name))


@pytest.mark.parametrize("name", ["mine.json", "mine.JSON", "mine"])
def test_the_name_of_a_file_is_that_of_its_preset(name, folder):
    assert save_preset(Preset(name, "words")) == folder / "mine.json" == file_of(name)
    assert load_preset("mine") == Preset("mine", "words") and user_presets() == ("mine",)


@pytest.mark.parametrize("name", ["natural", "Natural", "STRONG"])
def test_bundled_presets_are_neither_overwritten_nor_shadowed(name, folder):
    with pytest.raises(SettingsError, match="comes with the package"):
        save_preset(Preset(name), overwrite=True)
    folder.mkdir()
    (folder / f"{name}.json").write_text(Preset(name, "", Settings(strength=0.1)).to_json(), encoding="utf-8")
    assert user_presets() == ()
    assert load_preset("natural").settings.strength != 0.1


def test_another_preset_of_the_same_name_is_replaced_only_when_told(folder):
    save_preset(Preset("mine"))
    save_preset(Preset("mine"))  # the very same is no harm
    with pytest.raises(SettingsError, match="overwrite"):
        save_preset(Preset("mine", "other words"))
    assert load_preset("mine").description == ""
    save_preset(Preset("mine", "other words"), overwrite=True)
    assert load_preset("mine").description == "other words"
    assert [path.name for path in folder.iterdir()] == ["mine.json"]  # no temporary file stays


def test_a_preset_that_was_saved_with_fewer_settings_or_earlier_names_is_the_same(folder):
    """A workflow that saves its preset at each run goes on doing so after an update."""
    folder.mkdir()
    wanted = Preset("mine", "", Settings(strength=0.5, landmark_network="wflw"))
    body = {**GOOD, "description": "", "settings": {"strength": 0.5, "landmarks68": True}}
    (folder / "mine.json").write_text(json.dumps(body), encoding="utf-8")
    save_preset(wanted)
    assert json.loads((folder / "mine.json").read_text(encoding="utf-8"))["settings"]["landmark_network"] == "wflw"
    (folder / "mine.json").write_text("not a preset", encoding="utf-8")
    with pytest.raises(SettingsError, match="another preset"):
        save_preset(wanted)


def test_a_folder_that_cannot_be_written_is_told(folder):
    folder.write_text("a file is in the way", encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot be written"):
        save_preset(Preset("mine"))
    assert user_presets() == ()


def test_too_long_a_description_is_refused_before_it_is_written(folder):
    with pytest.raises(SettingsError, match="larger than"):
        save_preset(Preset("mine", "x" * 100_000))
    assert not folder.exists()


def test_the_users_folder_is_where_the_host_keeps_its_own(monkeypatch, tmp_path):
    monkeypatch.delenv("GPEN_PRESETS_DIR")
    monkeypatch.setattr(presets, "_host_folder", None)
    assert user_folder().is_relative_to(Path.home())
    presets.set_user_folder(lambda: tmp_path / "presets")
    assert user_folder() == tmp_path / "presets"


BROKEN = {
    "not JSON": "{",
    "another file": '{"a": 1}',
    "unknown setting": json.dumps({**GOOD, "settings": {"shine": 1}}),
    "wrong value": json.dumps({**GOOD, "settings": {"strength": 7}}),
    "too long": " " * 100_000,
}


@pytest.fixture
def warnings(caplog):
    """What the log says; each sentence is said once in a process."""
    presets._warn_once.cache_clear()
    return caplog


@pytest.mark.parametrize("name", BROKEN)
def test_every_fault_names_its_file_once(folder, name):
    folder.mkdir()
    path = folder / f"{name}.json"
    path.write_text(BROKEN[name], encoding="utf-8")
    for asked in (name, path):
        with pytest.raises(SettingsError) as caught:
            load_preset(asked)
        assert str(caught.value).count(path.name) == 1 and str(path) in str(caught.value)


def test_a_missing_file_and_a_missing_name_are_told_once(folder):
    with pytest.raises(SettingsError) as caught:
        load_preset(folder / "gone.json")
    assert str(caught.value).count("gone.json") == 1
    with pytest.raises(SettingsError) as caught:
        load_preset("gone")
    assert str(folder) in str(caught.value) and str(caught.value).count("gone.json") == 1
    with pytest.raises(SettingsError, match=r"taken\.json: The file holds another preset"):
        save_preset(Preset("taken"))
        save_preset(Preset("taken", "other"))


def test_broken_files_are_not_in_the_menu_and_the_log_says_why(folder, warnings):
    folder.mkdir()
    for name, text in BROKEN.items():
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    save_preset(Preset("mine"))
    for _ in range(2):
        assert user_presets() == ("mine",)
    said = [record.getMessage() for record in warnings.records]
    assert sorted(Path(line.partition(": ")[0]).stem for line in said) == sorted(BROKEN)


def test_a_preset_of_the_users_with_a_bundled_name_is_told(folder, warnings):
    folder.mkdir()
    path = folder / "Natural.json"
    path.write_text(Preset("Natural", "", Settings(strength=0.1)).to_json(), encoding="utf-8")
    assert user_presets() == ()
    (said,) = (record.getMessage() for record in warnings.records)
    assert said.startswith(f"{path} is not used") and "another name" in said
    loaded = load_preset("natural")
    assert loaded.settings == Settings() and loaded.notes == (said,)
    assert Restorer("gpen-lite-256", "face-detector-lite").notes == (said,)
    assert load_preset("strong").notes == ()


def test_a_preset_goes_by_the_name_of_its_file(folder):
    folder.mkdir()
    (folder / "theirs.json").write_text(Preset("mine", "words").to_json(), encoding="utf-8")
    loaded = load_preset("theirs")
    assert loaded.name == "theirs" and loaded.description == "words"
    (note,) = loaded.notes
    assert "theirs.json" in note and "'mine'" in note
    save_preset(Preset("same"))
    assert load_preset("same").notes == ()


def test_a_folder_that_cannot_be_read_is_told(folder, warnings):
    folder.write_text("a file is in the way", encoding="utf-8")
    assert user_presets() == ()
    (record,) = warnings.records
    assert str(folder) in record.getMessage()

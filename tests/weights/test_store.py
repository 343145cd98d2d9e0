"""Files are found where people keep them, and none is taken for what it is not."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from gpen_blocks.weights import checkpoint, digest, places, registry, store
from gpen_blocks.weights.errors import ModelNotFoundError, WeightsError

HF_SOURCE = "huggingface:someone/toys/folder/toy.pth"
MODELSCOPE_SOURCE = "modelscope:iic/cv_toy.v2/pytorch_model.pt"


@pytest.fixture
def toy(tmp_path, make_checkpoint, make_record, monkeypatch):
    """A registry with one model in it, of known hash; its file is named toy.pth."""
    content = make_checkpoint()
    record = make_record(content, HF_SOURCE, MODELSCOPE_SOURCE, file="toy.pth")
    known = {record.name: record, **registry.records()}
    monkeypatch.setattr(registry, "records", lambda: known)
    registry._names.cache_clear()
    yield types.SimpleNamespace(content=content, record=record, other=make_checkpoint(seed=1))
    registry._names.cache_clear()


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def in_comfyui(models: Path, **registered: Path) -> None:
    """As inside ComfyUI, whose folders come first in its own table and then below `models`."""
    places.set_host(lambda name: [*([registered[name]] if name in registered else []), models / name])


def hf_snapshot(home: Path) -> Path:
    repo = home / "hf" / "models--someone--toys"
    put(repo / "refs" / "main", b"abc")
    return repo / "snapshots" / "abc" / "folder" / "toy.pth"


def test_the_bundled_models_are_always_there():
    """On a machine without models, caches or network."""
    bundled = [
        "gpen-lite-256",
        "gpen-colorize-lite",
        "gpen-inpaint-lite",
        "gpen-draw-lite",
        "face-detector-lite",
        "face-classifier-lite",
        "face-landmarks-lite",
    ]
    for name in bundled:
        model = store.resolve(name)
        assert model.verified and model.record is registry.get(name)
        assert model.path == places.BUNDLED / f"{name}.safetensors"
    assert [model.record.name for model in store.installed() if model.record] == bundled


def test_every_place_is_searched_in_order(toy, home, tmp_path, monkeypatch):
    """Files lie in all places at once and go away from the front: each time the next place answers."""
    comfyui, elsewhere = tmp_path / "ComfyUI" / "models", tmp_path / "more models"
    in_comfyui(comfyui, facerestore_models=elsewhere)
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    facexlib = tmp_path / "site-packages" / "facexlib" / "weights"
    monkeypatch.setattr(places, "BUNDLED", tmp_path / "bundled")
    expected = [
        tmp_path / "mine" / "toy.pth",
        tmp_path / "mine" / "facerestore_models" / "toy.pth",
        elsewhere / "toy.pth",
        comfyui / "facerestore_models" / "toy.pth",
        comfyui / "facedetection" / "toy.pth",
        comfyui / "gpen" / "toy.pth",
        places.data_folder() / "toy.pth",
        home / ".cache" / "modelscope" / "hub" / "models" / "iic" / "cv_toy___v2" / "pytorch_model.pt",
        home / ".cache" / "modelscope" / "hub" / "damo" / "cv_toy___v2" / "pytorch_model.pt",
        hf_snapshot(home),
        facexlib / "toy.pth",
        tmp_path / "bundled" / "toy.pth",
    ]
    for path in expected:
        put(path, toy.content)
    for path in expected:
        assert store.find("toy") == path
        path.unlink()
    assert store.find("toy") is None


def test_an_explicit_path_comes_first(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    put(tmp_path / "mine" / "toy.pth", toy.content)
    here = put(tmp_path / "here" / "toy.pth", toy.content)
    assert store.resolve(here).path == here
    assert store.resolve(str(here)).path == here
    monkeypatch.chdir(here.parent)
    assert store.resolve("toy.pth").path == here
    assert store.resolve("toy").path == tmp_path / "mine" / "toy.pth", "a name is no path"


def test_the_modelscope_cache_may_lie_elsewhere(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
    path = put(tmp_path / "ms" / "models" / "iic" / "cv_toy___v2" / "pytorch_model.pt", toy.content)
    assert store.find("toy") == path


def test_facexlib_is_never_imported(toy):
    assert store.find("toy") is None
    assert "facexlib" not in sys.modules


def test_the_command_line_in_a_comfyui_folder_knows_its_models(tmp_path, monkeypatch):
    """Without ComfyUI running, `custom_nodes/…` tells where the models are."""
    inside = tmp_path / "ComfyUI" / "custom_nodes" / "gpen-blocks" / "weights" / "places.py"
    (tmp_path / "ComfyUI" / "models").mkdir(parents=True)
    monkeypatch.setattr(places, "__file__", str(inside))
    assert places.download_folder("generator") == tmp_path / "ComfyUI" / "models" / "facerestore_models"
    assert places.download_folder("detector") == tmp_path / "ComfyUI" / "models" / "facedetection"


def test_downloads_go_to_one_place(tmp_path, monkeypatch):
    assert places.download_folder("generator") == places.data_folder()
    in_comfyui(tmp_path / "models", facerestore_models=tmp_path / "theirs")
    assert places.download_folder("generator") == tmp_path / "theirs"
    assert places.download_folder("parser") == tmp_path / "models" / "facedetection"
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    assert places.download_folder("generator") == tmp_path / "mine"


def test_messages_name_the_folder_of_this_package_for_copies(tmp_path):
    assert places.copy_folder("generator") == places.data_folder()
    in_comfyui(tmp_path / "models")
    assert places.copy_folder("generator") == tmp_path / "models" / "gpen"
    assert places.copy_folder("detector") == tmp_path / "models" / "facedetection"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep them elsewhere")
def test_the_users_folders_have_the_names_they_always_had(home):
    assert places.data_folder() == home / ".local" / "share" / "gpen-blocks" / "models"
    assert places.cache_folder() == home / ".cache" / "gpen-blocks"
    assert places.config_folder() == home / ".config" / "gpen-blocks"


@pytest.mark.parametrize("value", ["~/models", "  ~/models  "])
def test_a_tilde_in_the_variable_is_the_home_folder(toy, home, monkeypatch, value):
    monkeypatch.setenv("GPEN_MODELS_DIR", value)
    assert store.find("toy") is None, "a folder that is missing is no error"
    path = put(home / "models" / "toy.pth", toy.content)
    assert store.find("toy") == path


@pytest.mark.parametrize("value", ["", "   ", "~nobody-of-this-name/models", "/nonexistent", "x" * 5000])
def test_a_senseless_variable_is_no_obstacle(monkeypatch, value):
    monkeypatch.setenv("GPEN_MODELS_DIR", value)
    assert store.resolve("gpen-lite-256").verified


def test_the_variable_may_name_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(put(tmp_path / "file", b"")))
    assert store.resolve("gpen-lite-256").verified


@pytest.mark.parametrize("name", ["TOY.PTH", "Toy.pth", "tOy.pTh"])
def test_the_case_of_a_file_name_does_not_matter(toy, tmp_path, monkeypatch, name):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "größere Modelle 模型"))
    path = put(tmp_path / "größere Modelle 模型" / name, toy.content)
    assert store.find("TOY") == path


def test_another_file_of_the_same_name_is_passed_over_with_a_word(toy, tmp_path, monkeypatch, caplog):
    """Two different models share one name in the wild; the search must go on and the user must know."""
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    wrong = put(tmp_path / "mine" / "toy.pth", toy.other)
    right = put(places.data_folder() / "toy.pth", toy.content)
    with caplog.at_level(logging.WARNING):
        assert store.resolve("toy").path == right
        assert store.find("toy") == right
    assert [record.message.count(str(wrong)) for record in caplog.records] == [1], "said once"
    assert "its SHA-256 is" in caplog.text
    right.unlink()
    with pytest.raises(ModelNotFoundError, match=r"ignored: .*SHA-256") as refusal:
        store.resolve("toy")
    assert str(wrong) in str(refusal.value) and "gpen models download toy" in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<!doctype html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (None, "bytes instead of"),
    ],
)
def test_broken_files_are_passed_over_with_the_reason(toy, tmp_path, monkeypatch, content, reason):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    put(tmp_path / "toy.pth", toy.content[:-1] if content is None else content)
    with pytest.raises(ModelNotFoundError, match=reason):
        store.resolve("toy")


def test_a_changed_file_is_verified_again(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    path = put(tmp_path / "toy.pth", toy.content)
    assert store.resolve("toy").verified
    altered = bytearray(toy.content)
    altered[-1] ^= 1
    status = path.stat()
    path.write_bytes(bytes(altered))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    with pytest.raises(ModelNotFoundError, match="damaged or another model"):
        store.resolve("toy")


def test_a_verified_file_is_not_read_again(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    path = put(tmp_path / "toy.pth", toy.content)
    store.resolve("toy")
    remembered = json.loads(digest.memory_file().read_text(encoding="utf-8"))["files"][str(path)]
    assert remembered["sha256"] == toy.record.sha256
    status = path.stat()
    path.write_bytes(toy.content[:-1] + b"?")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.resolve("toy").verified, "size and time are the same: nothing was read"
    assert [one.state for one in store.verify("toy")] == ["rejected"], "verify reads it all the same"


def test_a_file_without_a_published_hash_is_found_but_not_called_verified(tmp_path, monkeypatch, make_checkpoint):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    path = put(tmp_path / "GPEN-BFR-1024.pt", make_checkpoint())
    model = store.resolve("gpen-bfr-1024")
    assert model.path == path and not model.verified
    assert [one.state for one in store.verify("gpen-bfr-1024")] == ["unverified"]
    assert store.resolve(path).record is registry.get("gpen-bfr-1024")


def test_verify_reads_files_without_a_published_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    torch.save({"a": torch.tensor([float("nan")])}, tmp_path / "GPEN-BFR-1024.pth")
    (inspection,) = store.verify("gpen-bfr-1024")
    assert inspection.state == "rejected" and "NaN" in inspection.reason


def test_a_converted_file_stands_for_its_source(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    source = put(tmp_path / "toy.pth", toy.content)
    converted = checkpoint.convert(source, tmp_path / "mine" / "toy.safetensors")
    model = store.resolve("toy")
    assert model.path == converted and model.record is toy.record and not model.verified


def test_a_conversion_of_something_else_does_not(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    checkpoint.convert(put(tmp_path / "toy.pth", toy.other), tmp_path / "mine" / "toy.safetensors")
    with pytest.raises(ModelNotFoundError, match="its metadata does not name"):
        store.resolve("toy")


def test_a_known_file_is_recognised_under_any_name(toy, tmp_path):
    model = store.resolve(put(tmp_path / "renamed.bin", toy.content))
    assert model.record is toy.record and model.verified


def test_threads_say_a_sentence_once(monkeypatch, caplog):
    class Slow(set):
        def __contains__(self, sentence: object) -> bool:
            known = super().__contains__(sentence)
            time.sleep(0.02)
            return known

    monkeypatch.setattr(store, "_said", Slow())
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store._warn_once("It is passed over."), range(8)))
    assert caplog.messages == ["It is passed over."]


def test_an_explicit_file_of_a_known_name_but_other_content_is_an_unknown_model(toy, tmp_path, caplog):
    """Its template must not be taken from the record of another file."""
    model = store.resolve(put(tmp_path / "toy.pth", toy.other))
    assert model.record is None and not model.verified
    assert "used as an unknown model" in caplog.text


def test_a_file_of_ones_own_is_found_by_its_bare_name(tmp_path, monkeypatch, make_checkpoint):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path))
    path = put(tmp_path / "my own GPEN.pth", make_checkpoint())
    model = store.resolve("my own GPEN.pth")
    assert model.path == path and model.record is None and len(model.sha256) == 64
    assert store.find("my own GPEN.pth") == path


@pytest.mark.parametrize(
    "name",
    [
        "../secret.pth",
        "..\\secret.pth",
        "mine/../../secret.pth",
        "..",
        ".",
        "",
        "a\0b",
        "CON",
        "C:secret.pth",
    ],
)
def test_a_name_never_leads_out_of_the_folders(tmp_path, monkeypatch, make_checkpoint, name):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    put(tmp_path / "secret.pth", make_checkpoint())
    (tmp_path / "deeper" / "still").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deeper" / "still")
    assert store.find(name) is None
    with pytest.raises(WeightsError):
        store.resolve(name)


def test_folders_and_broken_links_of_a_models_name_are_passed_by(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    (tmp_path / "mine" / "toy.pth").mkdir(parents=True)
    linked = tmp_path / "mine" / "gpen" / "toy.pth"
    linked.parent.mkdir()
    try:
        linked.symlink_to(tmp_path / "nowhere.pth")
    except OSError:
        pytest.skip("links need a privilege here")
    assert store.find("toy") is None
    put(tmp_path / "nowhere.pth", toy.content)
    assert store.resolve("toy").path == linked


@pytest.mark.parametrize("name", ["", "missing.pth"])
def test_a_path_without_a_file_is_said_so(tmp_path, name):
    with pytest.raises(WeightsError, match="no model file at" if name else "is a folder"):
        store.resolve(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX rights")
def test_locked_folders_and_files_are_no_crash(toy, tmp_path, monkeypatch):
    """`Path.is_file` raises where a parent folder is locked; the search must go on to the next place."""
    unlocked = os.geteuid()
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "locked"))
    path = put(tmp_path / "locked" / "toy.pth", toy.content)
    path.parent.chmod(0)
    try:
        if unlocked == 0:
            os.seteuid(65534)  # root passes every lock
        with pytest.raises(ModelNotFoundError):
            store.resolve("toy")
        with pytest.raises(WeightsError):
            store.resolve(path)
    finally:
        os.seteuid(unlocked)
        path.parent.chmod(0o700)


def test_a_missing_model_is_answered_with_what_to_do(home):
    with pytest.raises(ModelNotFoundError) as refusal:
        store.resolve("gpen-bfr-512")
    sentence = str(refusal.value)
    assert "GPEN-BFR-512.pth" in sentence and "gpen models download gpen-bfr-512" in sentence
    assert str(places.data_folder()) in sentence


def test_the_search_folders_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "mine"))
    (tmp_path / "mine" / "facedetection").mkdir(parents=True)
    folders = store.search_folders("detector")
    assert folders[:2] == (tmp_path / "mine", tmp_path / "mine" / "facedetection")
    assert folders[-1] == places.BUNDLED and all(folder.is_dir() for folder in folders)


def test_the_real_detector_is_verified(shared):
    model = store.resolve(shared / "weights" / "detection_mobilenet0.25_Final.pth")
    assert model.verified and model.record is registry.get("retinaface-mobile0.25")

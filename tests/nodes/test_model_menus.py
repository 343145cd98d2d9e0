"""Menus: the same names everywhere, files of the user's after them, and nothing that is not in them gets through."""

import hashlib
import re
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import get_args

import huggingface_hub.constants
import pytest

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.wording import pip_install
from gpen_blocks.nodes import progress
from gpen_blocks.nodes.model_menus import (
    Kind,
    better_ignored,
    fault_of_choice,
    fingerprint,
    make_available,
    model_names,
    require_model,
)
from gpen_blocks.weights import registry, store
from gpen_blocks.weights.errors import DownloadError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The models folder of a user who has no other."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv("GPEN_MODELS_DIR", str(folder))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA", "MODELSCOPE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


def test_the_registry_comes_first_whatever_is_on_disk(folder):
    before = model_names("generator")
    assert before[0] == "auto"
    assert before[1:] == [record.name for record in registry.records().values() if record.kind == "generator"]
    (folder / "GPEN-BFR-512.pth").write_bytes(b"x")
    assert model_names("generator") == before


def test_files_of_the_users_follow(folder):
    (folder / "gpen").mkdir()
    (folder / "facedetection").mkdir()
    for name in ("gpen/Mine.safetensors", "gpen/notes.txt", "my-gpen.pth", "GFPGANv1.4.pth"):
        (folder / name).write_bytes(b"x")
    (folder / "gpen-folder.pth").mkdir()
    for name in ("facedetection/RetinaFace_mine.pth", "facedetection/yolov5l-face.pth", "facedetection/my_parsing.pth"):
        (folder / name).write_bytes(b"x")
    known = [record.name for record in registry.records().values()]
    assert [name for name in model_names("generator")[1:] if name not in known] == ["Mine.safetensors", "my-gpen.pth"]
    assert [name for name in model_names("detector")[1:] if name not in known] == ["RetinaFace_mine.pth"]
    assert model_names("parser") == ["auto", "parsenet", "bisenet", "my_parsing.pth"]


def test_a_menu_has_no_file_whose_work_no_block_does(folder):
    for subfolder in ("gpen", "facerestore_models", "facedetection"):
        (folder / subfolder).mkdir()
    for name in (
        "GPEN-BFR-512-D.pth",
        "facerestore_models/my_gpen_discriminator.pth",
        "gpen/parsing_mine.pth",
        "gpen/retinaface_mine.pth",
        "gpen/david.pth",
        "facedetection/parsing_own.pth",
    ):
        (folder / name).write_bytes(b"x")
    known = [record.name for record in registry.records().values()]
    own = {kind: [name for name in model_names(kind)[1:] if name not in known] for kind in get_args(Kind)}
    assert own["generator"] == ["david.pth"]
    assert own["detector"] == ["retinaface_mine.pth"]
    assert own["parser"] == ["parsing_mine.pth", "parsing_own.pth"]


def test_models_for_every_task_are_offered(folder):
    (folder / "gpen").mkdir()
    for name in ("gpen/GPEN-Colorization-mine.pth", "gpen/segmentation-seg2face.safetensors"):
        (folder / name).write_bytes(b"x")
    names = model_names("generator")
    assert {"gpen-colorize-lite", "gpen-inpainting-1024", "gpen-seg2face-512"} < set(names)
    assert names[-2:] == ["GPEN-Colorization-mine.pth", "segmentation-seg2face.safetensors"]
    assert fault_of_choice("gpen-colorize-lite", "generator") is None


def test_a_generator_in_onnx_form_is_offered_and_a_detector_is_not(folder):
    for subfolder in ("gpen", "facerestore_models", "facedetection"):
        (folder / subfolder).mkdir()
    for name in (
        "facerestore_models/GPEN-BFR-512.onnx",
        "facerestore_models/GFPGANv1.4.onnx",
        "gpen/mine.onnx",
        "facerestore_models/GPEN-BFR-512-D.onnx",
        "facedetection/retinaface_10g.onnx",
    ):
        (folder / name).write_bytes(b"x")
    known = [record.name for record in registry.records().values()]
    assert [name for name in model_names("generator")[1:] if name not in known] == ["GPEN-BFR-512.onnx", "mine.onnx"]
    assert [name for name in model_names("detector")[1:] if name not in known] == []
    assert fault_of_choice("GPEN-BFR-512.onnx", "generator") is None


def test_an_onnx_file_without_onnx_runtime_is_told_with_the_command(folder, monkeypatch):
    (folder / "GPEN-BFR-512.onnx").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "GPEN-BFR-512.onnx" in model_names("generator")
    fault = fault_of_choice("GPEN-BFR-512.onnx", "generator")
    assert fault is not None and pip_install("onnxruntime") in fault


def test_what_is_told_of_a_missing_onnx_file_is_the_model_of_its_name():
    fault = fault_of_choice("gpen_bfr_256.onnx", "generator")
    assert fault is not None and "gpen-bfr-256, for example, is downloaded from" in fault


def test_the_parsers_of_the_registry_are_offered():
    assert model_names("parser") == ["auto", "parsenet", "bisenet"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "", "Mine-of-yesterday.safetensors"])
@pytest.mark.parametrize(
    ("kind", "noun", "target", "source"),
    [
        ("generator", "model", "gpen", "huggingface:akhaliq/GPEN-BFR-512"),
        ("detector", "detector", "", "github.com/xinntao/facexlib"),
        ("parser", "parser", "", "github.com/xinntao/facexlib"),
    ],
)
def test_what_is_not_here_is_told_with_its_folder_and_a_source(name, kind, noun, target, source, folder):
    with pytest.raises(SettingsError) as caught:
        require_model(name, kind)
    told = str(caught.value)
    assert told.startswith(f"There is no {noun} {name!r} on this machine.")
    assert f"put it into {folder / target}," in told and source in told
    assert fault_of_choice(name, kind) == told


def test_a_file_put_where_the_message_says_is_found(folder):
    with pytest.raises(SettingsError, match=f"put it into {re.escape(str(folder / 'gpen'))},"):
        require_model("Mine.safetensors", "generator")
    (folder / "gpen").mkdir()
    (folder / "gpen" / "Mine.safetensors").write_bytes(b"x")
    assert require_model("Mine.safetensors", "generator") == "Mine.safetensors"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("GPEN-BFR-512.pth", "generator", ("as gpen-bfr-512; choose that", "huggingface:akhaliq/GPEN-BFR-512")),
        ("ParseNet-latest.pth", "parser", ("as parsenet; choose that", "github.com/xinntao/facexlib")),
        ("GPEN-BFR-512-D.pth", "generator", ("is a discriminator",)),
        ("face-detector-lite", "generator", ("is a detector; choose a model",)),
        ("gpen-bfr-512", "parser", ("is a generator; choose a parser",)),
    ],
)
def test_a_name_that_says_what_it_is_is_answered_by_it(name, kind, words):
    fault = fault_of_choice(name, kind)
    assert fault is not None and all(word in fault for word in words)


@pytest.mark.parametrize(("name", "kind"), [(None, "generator"), ("auto", "parser"), ("gpen-bfr-512", "generator")])
def test_what_the_menu_has_and_what_is_not_known_yet_pass(name, kind):
    assert fault_of_choice(name, kind) is None


def test_the_fingerprint_is_that_of_the_file_and_the_same_before_it_is_fetched(folder):
    record = registry.get("gpen-bfr-256")
    assert fingerprint("gpen-bfr-256", "generator") == record.sha256
    assert fingerprint("gpen-lite-256", "generator") == store.resolve("gpen-lite-256").sha256
    assert fingerprint("gpen-bfr-1024", "generator") == ""
    assert fingerprint(None, "generator") == ""
    own = folder / "my-gpen.pth"
    own.write_bytes(store.resolve("gpen-lite-256").path.read_bytes())
    first = fingerprint("my-gpen.pth", "generator")
    assert first == fingerprint("gpen-lite-256", "generator")
    own.write_bytes(own.read_bytes() + b" ")
    assert fingerprint("my-gpen.pth", "generator") not in ("", first)


def test_auto_depends_on_the_best_file_there_is():
    assert fingerprint("auto", "generator") == fingerprint("gpen-lite-256", "generator")


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A registry of one model, which a server on this machine has; gives the file the server would send."""
    file = tmp_path / "served" / "toy.safetensors"
    file.parent.mkdir()
    file.write_bytes(store.resolve("gpen-lite-256").path.read_bytes())

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(file.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    entries = tmp_path / "registry.toml"
    entries.write_text(
        f"""
[licences.toy]
name = "toy licence"
note = "For play only."
[[models]]
name = "toy"
kind = "generator"
description = "a toy"
file = "toy.safetensors"
licence = "toy"
bytes = {file.stat().st_size}
sha256 = "{hashlib.sha256(file.read_bytes()).hexdigest()}"
sources = ["http://127.0.0.1:{server.server_port}/toy.safetensors"]
""",
        encoding="utf-8",
    )
    monkeypatch.setattr(registry, "REGISTRY_FILE", entries)
    for remembered in (registry.records, registry._names):
        remembered.cache_clear()
    yield file
    server.shutdown()
    server.server_close()
    monkeypatch.undo()
    for remembered in (registry.records, registry._names):
        remembered.cache_clear()


@pytest.fixture
def told(monkeypatch):
    """What the user is told, and the steps of the progress bar."""
    said, steps = [], []
    monkeypatch.setattr(progress, "say", said.append)
    monkeypatch.setattr(progress, "node_progress", lambda: lambda *step: steps.append(step))
    return said, steps


def test_a_chosen_model_is_fetched_with_progress_and_its_licence(served, folder, told):
    said, steps = told
    before = fingerprint("toy", "generator")
    assert "toy" in model_names("generator")
    line = make_available("toy", "generator")
    assert (folder / "toy.safetensors").read_bytes() == served.read_bytes()
    size = served.stat().st_size
    assert steps[-1] == ("download", size, size)
    assert "toy licence" in said[0] and "For play only." in said[0] and len(said) == 1
    assert line.startswith(f"Downloaded toy to {folder / 'toy.safetensors'}. toy licence: For play only.")
    assert fingerprint("toy", "generator") == before
    assert model_names("generator") == ["auto", "toy"]
    assert make_available("toy", "generator") == "" and len(said) == 1


def test_neither_listing_nor_auto_fetches_anything(served, folder, told):
    model_names("generator")
    fingerprint("toy", "generator")
    fingerprint("auto", "generator")
    make_available("auto", "generator")
    assert told == ([], []) and not list(folder.iterdir())


def test_what_cannot_be_had_names_file_source_and_folder(served, folder, told):
    served.unlink()
    with pytest.raises(DownloadError) as caught:
        make_available("toy", "generator")
    assert all(word in str(caught.value) for word in ("toy.safetensors", "127.0.0.1", str(folder)))


def test_a_broken_file_is_named_when_its_download_fails(served, folder, told):
    """In another folder than the target, and in the target itself, which the download would have set aside."""
    size = served.stat().st_size
    served.unlink()
    (folder / "gpen").mkdir()
    for broken in (folder / "gpen" / "toy.safetensors", folder / "toy.safetensors"):
        broken.write_bytes(b"x" * 40)
    with pytest.raises(DownloadError) as caught:
        make_available("toy", "generator")
    for broken in (folder / "gpen" / "toy.safetensors", folder / "toy.safetensors"):
        assert str(caught.value).count(f"{broken} is there, but is not used: it ") == 1
    assert f"into {folder / 'gpen'} yourself" in str(caught.value) and f"{size:,} bytes" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "path", "asked", "words"),
    [
        (
            "generator",
            "facerestore_models/restorer.onnx",
            "restorer.onnx",
            ("outside", "gpen-restorer.onnx", "or move it"),
        ),
        ("generator", "gpen/retinaface_x.pth", "retinaface_x.pth", ("not that of a model", "gpen-retinaface_x.pth")),
        ("generator", "gpen/Mine.PTH", "mine.pth", ("as Mine.PTH; choose that",)),
        ("generator", "gpen/mine.bin", "mine.bin", (".safetensors, .pth, .pt, .ckpt or .onnx",)),
        (
            "detector",
            "facedetection/mobile.pth",
            "mobile.pth",
            ("holds retinaface", "such as to retinaface-mobile.pth"),
        ),
        ("detector", "facedetection/retinaface.onnx", "retinaface.onnx", (".safetensors, .pth, .pt or .ckpt",)),
        ("parser", "facedetection/own.pth", "own.pth", ("holds parsing or parsenet or bisenet",)),
    ],
)
def test_a_file_that_is_here_but_not_taken_is_told_with_the_reason(folder, kind, path, asked, words):
    (folder / path).parent.mkdir()
    (folder / path).write_bytes(b"x")
    with pytest.raises(SettingsError) as caught:
        require_model(asked, kind)
    told = str(caught.value)
    assert told.startswith(f"{folder / path} is here, but no {asked!r} is in the menu: ")
    assert all(word in told for word in words), told


def test_a_broken_file_of_a_better_model_is_told_by_auto(folder):
    assert better_ignored("auto", "gpen-lite-256", "generator") == []
    file = folder / "gpen" / "GPEN-BFR-512.pth"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"PK" + bytes(1000))
    (line,) = better_ignored("auto", "gpen-lite-256", "generator")
    assert line.startswith(f"gpen-lite-256 was loaded, since {file} is ignored: ")
    assert line.endswith("Delete it and choose gpen-bfr-512 here to download it again.")
    for choice, taken in (("auto", "gpen-bfr-512"), ("auto", "mine.pth"), ("gpen-lite-256", "gpen-lite-256")):
        assert better_ignored(choice, taken, "generator") == []


def test_what_is_told_of_an_untaken_file_helps(folder):
    (folder / "facerestore_models").mkdir()
    (folder / "gpen").mkdir()
    for name in ("facerestore_models/gpen-restorer.onnx", "gpen/restorer.onnx"):
        (folder / name).write_bytes(b"x")
    assert {"gpen-restorer.onnx", "restorer.onnx"} <= set(model_names("generator"))


def test_an_interrupt_ends_a_download(served, monkeypatch):
    def stop(*_):
        raise InterruptedError

    monkeypatch.setattr(progress, "say", lambda text: None)
    monkeypatch.setattr(progress, "node_progress", lambda: stop)
    with pytest.raises(InterruptedError):
        make_available("toy", "generator")

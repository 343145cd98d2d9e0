"""The shared loader: one build per file and setting, safe under threads, and nothing but the asked kind."""

import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from safetensors.torch import save_file

from gpen_blocks.gpen import models
from gpen_blocks.gpen.backends import accelerate
from gpen_blocks.gpen.devices import select_device
from gpen_blocks.gpen.errors import GPENError, SettingsError
from gpen_blocks.gpen.locks import KeyedLocks
from gpen_blocks.gpen.restorer import Restorer
from gpen_blocks.weights import store

LITE = "gpen-lite-256"


@pytest.fixture(autouse=True)
def empty_cache():
    models.cache.clear()
    yield
    models.cache.clear()


def test_same_settings_share_one_model_and_others_do_not():
    first = models.load_generator(LITE)
    assert models.load_generator(LITE) is first
    assert models.load_generator(LITE, precision="bf16") is not first
    assert next(first.module.parameters()).dtype == torch.float32
    assert first.template == "ffhq" and first.preview


def test_threads_that_ask_at_once_get_one_model():
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: models.load_generator(LITE), range(16)))
    assert len({id(model.module) for model in loaded}) == 1


def test_cache_is_bounded():
    cache = models.ModelCache(capacity=2)
    built = models.load_generator(LITE)
    for key in range(5):
        cache.get((key,), lambda: built)
    assert len(cache) == 2


def test_changed_file_is_read_again(tmp_path):
    path = tmp_path / "mine.safetensors"
    shutil.copy(store.resolve(LITE).path, path)
    first = models.load_generator(str(path))
    tensors = {key: value.clone() for key, value in models.checkpoint.read(path).tensors.items()}
    tensors["generator.to_rgb1.bias"] += 1
    save_file(tensors, path)
    assert models.load_generator(str(path)) is not first


def test_wrong_kind_is_refused_by_name_and_by_content(tmp_path):
    with pytest.raises(GPENError, match="a detector"):
        models.load_generator("face-detector-lite")
    with pytest.raises(GPENError, match="a generator"):
        models.load_detector(LITE)
    # A file no registry knows is judged by its tensors.
    for name, load, seems in (
        ("face-detector-lite", models.load_generator, "RetinaFace"),
        (LITE, models.load_detector, "RetinaFace"),
    ):
        unknown = tmp_path / f"{name}-of-mine.safetensors"
        save_file(models.checkpoint.read(store.resolve(name).path).tensors, unknown)
        with pytest.raises(GPENError, match=seems):
            load(str(unknown))


def test_wrong_settings_are_told():
    with pytest.raises(SettingsError, match="precision"):
        models.load_generator(LITE, precision="fp8")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="backend"):
        models.load_generator(LITE, backend="magic")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="not a device"):
        select_device("toaster")
    with pytest.raises(SettingsError, match="not a device"):
        models.load_generator(LITE, device="toaster")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_missing_device_is_told():
    with pytest.raises(SettingsError, match="sees no cuda"):
        select_device("cuda")


def test_who_asks_for_another_model_does_not_wait_for_one_that_is_built():
    cache, started, may_end = models.ModelCache(), threading.Event(), threading.Event()
    built = models.load_generator(LITE)

    def slow() -> models.LoadedModel:
        started.set()
        assert may_end.wait(10)
        return built

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(cache.get, ("generator",), slow)
        assert started.wait(10)
        second = pool.submit(cache.get, ("generator",), lambda: pytest.fail("built twice"))
        assert pool.submit(cache.get, ("detector",), lambda: built).result(timeout=10) is built
        assert not first.done() and not second.done()
        may_end.set()
        assert first.result(timeout=10) is second.result(timeout=10) is built


def test_a_build_that_fails_frees_its_key():
    cache = models.ModelCache()
    built = models.load_generator(LITE)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            cache.get(("a",), lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(cache.get, ("a",), lambda: built).result(timeout=10) is built
    assert len(cache) == 1


def test_a_key_that_nobody_waits_for_has_no_lock():
    locks = KeyedLocks()
    lock = locks.of("a")
    assert locks.of("a") is lock and locks.of("b") is not lock
    del lock
    assert len(locks) == 0


@pytest.mark.slow
def test_the_report_tells_of_a_backend_that_gave_way(monkeypatch, examples):
    monkeypatch.setitem(
        sys.modules[accelerate.__module__]._FOLLOWING, "compile", lambda generator: lambda faces: generator(faces) + 0.1
    )
    restorer = Restorer(LITE, backend="compile", device="cpu")
    assert restorer.generator.notes == () and restorer.generator.faults == ()
    report = restorer.restore(examples / "portrait-degraded.jpg").report
    assert report["backend"] == "eager, fp32"
    assert any(note.startswith("compile cannot run this network: it differs by") for note in report["notes"])

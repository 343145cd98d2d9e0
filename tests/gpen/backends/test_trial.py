"""What is cached of a trial, under which name, and how a race takes its times."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from caches import shelter_cache
from clock import Clock
from torch import Tensor

from gpen_blocks.gpen.backends import trial
from gpen_blocks.gpen.backends.trial import Difference, Effort, Trial, key_of, race, recall, recall_or_run
from gpen_blocks.gpen.versions import package_version

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shelter_cache(monkeypatch, tmp_path)
    return trial._path()


VERSIONS = {"onnxruntime": "1.20", "openvino": "2025.1"}
CHANGES: dict[str, tuple[str, Any]] = {
    "package": ("package_version", lambda: "9.9"),
    "runtime": ("installed_version", lambda name: "1.21" if name == "onnxruntime" else VERSIONS.get(name)),
    "runtime for GPUs": ("installed_version", lambda name: VERSIONS.get(name) or "1.20"),
    "torch": ("torch.__version__", "9.9"),
    "processor": ("processor_name", lambda: "another processor"),
    "instructions": ("torch.backends.cpu.get_cpu_capability", lambda: "another set"),
    "threads": ("torch.get_num_threads", lambda: 999),
    "cores": ("usable_cores", lambda: 999),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_key_changes_with_all_that_could_change_speed_or_truth(monkeypatch, change):
    monkeypatch.setattr(trial, "installed_version", VERSIONS.get)
    before = key_of("0" * 64, "onnxruntime", "fp32", CPU)
    assert package_version() in before and "onnxruntime 1.20" in before and "None" not in before
    target, value = change
    monkeypatch.setattr(f"{trial.__name__}.{target}", value)
    assert key_of("0" * 64, "onnxruntime", "fp32", CPU) != before


def test_keys_tell_models_engines_formats_and_devices_apart(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"card {device.index}")
    keys = {
        key_of("0" * 64, "onnxruntime", "fp32", CPU),
        key_of("1" * 64, "onnxruntime", "fp32", CPU),
        key_of("0" * 64, "openvino", "fp32", CPU),
        key_of("0" * 64, "onnxruntime", "bf16", CPU),
        key_of("0" * 64, "onnxruntime", "fp32", torch.device("cuda", 0)),
        key_of("0" * 64, "onnxruntime", "fp32", torch.device("cuda", 1)),
    }
    assert len(keys) == 6


def test_a_job_that_is_bound_to_one_core_has_a_key_of_its_own(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert "on 1 cores" in key_of("0" * 64, "eager", "fp32", CPU)


def test_a_race_waits_for_the_device(monkeypatch):
    """A GPU answers at once and works afterwards."""
    clock, queued = Clock(), []

    def wait(device: torch.device) -> None:
        assert device == CPU
        while queued:
            clock.sleep(queued.pop())

    def quick(faces: Tensor) -> Tensor:
        queued.append(1)
        return faces

    def slow(faces: Tensor) -> Tensor:
        queued.append(50)
        return faces

    monkeypatch.setattr(trial, "wait_for", wait)
    monkeypatch.setattr(trial, "time", clock)
    _, seconds = race([quick, slow], torch.zeros(1))
    assert seconds == [1, 50]


@pytest.mark.parametrize("effort, rounds", [(Effort(3, 60.0), 3), (Effort(50, 0.0), 1)])
def test_a_race_ends_after_its_rounds_or_its_seconds(monkeypatch, effort, rounds):
    calls: list[Tensor] = []
    monkeypatch.setattr(trial, "EFFORT", effort)
    race([lambda faces: (calls.append(faces), faces)[1]], torch.zeros(1))
    assert len(calls) == rounds + 1  # the first one warms


def test_races_do_not_measure_each_other():
    running: list[int] = []

    def engine(faces: Tensor) -> Tensor:
        running.append(1)
        assert len(running) == 1
        time.sleep(0.005)
        running.pop()
        return faces

    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(lambda _: race([engine], torch.zeros(1)), range(4)))) == 4


def test_threads_that_ask_at_once_measure_once(new_machine):
    runs: list[str] = []

    def run(key: str) -> Trial:
        runs.append(key)
        time.sleep(0.05)
        return Trial(0, 0, 1, 2)

    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda n: recall_or_run(f"{n % 3}", Trial, lambda: run(f"{n % 3}")), range(12)))
    assert sorted(runs) == ["0", "1", "2"] and set(found) == {Trial(0, 0, 1, 2)}
    # None wrote over what another had kept.
    assert set(json.loads(new_machine.read_text(encoding="utf-8"))) == {"0", "1", "2"}


def test_two_engines_are_tried_beside_each_other():
    """Starting one takes seconds, in which another key is of no concern."""
    both = threading.Barrier(2, timeout=10)

    def run() -> Difference:
        both.wait()
        return Difference(0, 0)

    with ThreadPoolExecutor(2) as pool:
        assert len(list(pool.map(lambda key: recall_or_run(key, Difference, run), "ab"))) == 2


def test_a_difference_is_no_trial():
    recall_or_run("a", Difference, lambda: Difference(0.1, 0.2))
    assert recall("a", Trial) is None
    assert recall("a", Difference) == Difference(0.1, 0.2)
    recall_or_run("a", Trial, lambda: Trial(0.1, 0.2, 1, 2))
    assert recall_or_run("a", Difference, lambda: pytest.fail("compared again")) == Trial(0.1, 0.2, 1, 2)


def test_a_trial_that_fails_can_be_tried_again():
    with pytest.raises(ZeroDivisionError):
        recall_or_run("a", Difference, lambda: Difference(1 / 0, 0))
    assert recall_or_run("a", Difference, lambda: Difference(0, 0)) == Difference(0, 0)

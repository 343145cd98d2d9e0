"""What all tests share: the same chance in every run, and nothing of what this machine has kept."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from caches import shelter_cache

# The process that only hands tests to others starts without torch, which would take seconds.
if TYPE_CHECKING:
    from comfyui_server import ComfyUI

ROOT = Path(__file__).resolve().parents[1]
# More processes than these would wait for memory, and for the longest test.
MOST_WORKERS = 8
# What starts once, and so for one worker: the tests of which folders and files share it.
TOGETHER = {
    "tests/comfyui/": "ComfyUI",
    "tests/browser/": "ComfyUI",
    "tests/gpen/training/generator/test_train.py": "training run",
}


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        # Workers share the processor: each has one thread, and so have the processes it starts.
        os.environ["OMP_NUM_THREADS"] = "1"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One for each core, and none for a single file: a worker's start takes longer than most of them."""
    only = [Path(argument.partition("::")[0]) for argument in config.args]
    return 0 if all(path.is_file() for path in only) else min(os.cpu_count() or 1, MOST_WORKERS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers have the long tests first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each test goes to the worker that is free, but for those that share what takes long to start."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((what for path, what in TOGETHER.items() if nodeid.startswith(path)), nodeid)

    return Scheduling(config, log)


def seed() -> None:
    """Whoever draws without a generator of their own draws the same in every run, in any order."""
    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> None:
    """What tests share must not depend on which of them came first."""
    if fixturedef.scope != "function":
        seed()


@pytest.fixture(autouse=True)
def same_chance() -> None:
    """Every test draws the same in every run."""
    seed()


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What this package works out once for a machine, tests work out for themselves, and leave no trace of it."""
    with pytest.MonkeyPatch.context() as patch:
        shelter_cache(patch, tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; what needs it is skipped where it does not exist."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the reference data in ../shared")
    return folder


@pytest.fixture(scope="session")
def examples() -> Path:
    return ROOT / "examples"


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComfyUI]:
    """One running ComfyUI for all tests that need one.

    `COMFYUI_PATH` names its folder. `COMFYUI_ARGS` are its arguments, `--cpu` unless told otherwise.
    """
    from comfyui_server import ComfyUI, comfyui_folder

    server = ComfyUI(comfyui_folder(), tmp_path_factory.mktemp("comfyui"))
    try:
        server.wait_until_up()
        yield server
    finally:
        server.stop()

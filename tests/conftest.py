import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from comfyui_server import ComfyUI

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What this package works out once for a machine, tests work out for themselves, and leave no trace of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
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
    folder = os.environ.get("COMFYUI_PATH")
    if not folder:
        pytest.skip("NOT TRIED IN COMFYUI: set COMFYUI_PATH to the folder of one, to run these tests in it")
    server = ComfyUI(Path(folder).resolve(), tmp_path_factory.mktemp("comfyui"))
    try:
        server.wait_until_up()
        yield server
    finally:
        server.stop()

"""A real ComfyUI as a process of its own, with this checkout as its only custom node pack."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfyui_client import Client
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
# The folder's name is the user's choice, and with a dash it is no Python name.
PACK = "gpen-blocks"
START_SECONDS = 600
NOT_TRIED = "NOT TRIED IN COMFYUI: set COMFYUI_PATH to the folder of one, to run these tests in it"


class NotTried(pytest.Module):
    """A file of tests that all need a ComfyUI where there is none: skipped as one, with a word."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(f"{NOT_TRIED} ({self.name})")


def module_in_comfyui(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """For the hook `pytest_pycollect_makemodule` of folders and files whose tests all need a ComfyUI."""
    return None if os.environ.get("COMFYUI_PATH") else NotTried.from_parent(parent, path=module_path)


class ComfyUI(Client):
    """A running ComfyUI.

    Args:
        comfyui: its folder; its `.venv` runs it where there is one.
        base: an empty folder for its models, pictures and settings.

    Attributes:
        base: that folder.
        process: its process.
    """

    def __init__(self, comfyui: Path, base: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        super().__init__(f"http://127.0.0.1:{port}")
        self.base = base
        for folder in ("models", "input", "output", "temp", "user", "custom_nodes"):
            (base / folder).mkdir(parents=True)
        _place_pack(base / "custom_nodes" / PACK)
        arguments = ["--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(base)]
        arguments += ["--disable-auto-launch", "--disable-api-nodes", "--database-url", "sqlite:///:memory:"]
        arguments += shlex.split(os.environ.get("COMFYUI_ARGS", "--cpu"))
        self._log = base / "comfyui.log"
        self._output = self._log.open("wb")
        self.process = subprocess.Popen(
            [python_of(comfyui), "main.py", *arguments],
            cwd=comfyui,
            env=sheltered_environment(base),
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def wait_until_up(self) -> None:
        """Raises where ComfyUI ends or does not answer in time."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                self.get("/system_stats")
                return
            except OSError:
                time.sleep(0.3)
        raise RuntimeError(f"ComfyUI did not start:\n{self.text_of_log()[-4000:]}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.close()

    @property
    def version(self) -> tuple[int, ...]:
        numbers = self.get("/system_stats")["system"]["comfyui_version"].split(".")
        return tuple(int(number) for number in numbers[:3])

    def text_of_log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def put(self, name: str, pixels: np.ndarray) -> str:
        """An 8-bit picture in the input folder, for LoadImage."""
        Image.fromarray(pixels).save(self.base / "input" / name)
        return name

    def forget_page(self) -> None:
        """What a page has left here: the settings it keeps on the server, and runs it has queued."""
        self.clear_queue()
        (self.base / "user" / "default" / "comfy.settings.json").unlink(missing_ok=True)


def _place_pack(target: Path) -> None:
    try:
        target.symlink_to(ROOT, target_is_directory=True)
    except OSError:  # Windows asks for a right that not everybody has
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".git", ".venv", "tests"))


def comfyui_folder() -> Path:
    """The folder that `COMFYUI_PATH` names; the test is skipped where it names none."""
    folder = os.environ.get("COMFYUI_PATH")
    if not folder:
        pytest.skip(NOT_TRIED)
    return Path(folder).resolve()


def python_of(comfyui: Path) -> str:
    """The Python that runs a ComfyUI."""
    candidates = (comfyui / ".venv" / "bin" / "python", comfyui / ".venv" / "Scripts" / "python.exe")
    return next((str(path) for path in candidates if path.exists()), sys.executable)


def sheltered_environment(base: Path) -> dict[str, str]:
    """Folders of its own, and no way to the internet: whoever asks for it meets a closed door at once."""
    closed = "http://127.0.0.1:9"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("GPEN_", "PYTHONPATH"))},
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), closed),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
        **{
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(base / "huggingface"),
            "MODELSCOPE_CACHE": str(base / "modelscope"),
        },
        **{"XDG_CACHE_HOME": str(base / "cache"), "XDG_DATA_HOME": str(base / "data"), "DO_NOT_TRACK": "1"},
        "PYTHONUNBUFFERED": "1",
    }


def run_in_comfyui(comfyui: Path, code: str, *arguments: str | Path, base: Path, tag: str) -> Any:
    """Run code in the Python of a ComfyUI, whose folder is its first argument.

    Args:
        comfyui: its folder.
        code: prints a line of `tag`, a blank and JSON.
        arguments: of the code, after ComfyUI's folder.
        base: a folder for what it keeps.
        tag: which line is the answer.

    Returns:
        What the JSON says.
    """
    done = subprocess.run(
        [python_of(comfyui), "-c", code, str(comfyui), *map(str, arguments)],
        cwd=comfyui,
        env=sheltered_environment(base),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"{tag} "))
    return json.loads(line.removeprefix(f"{tag} "))

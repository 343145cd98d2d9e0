"""A real ComfyUI as a process of its own, with this checkout as its only custom node pack.

`COMFYUI_PATH` names its folder; its `.venv` runs it where there is one. `COMFYUI_ARGS` are its arguments, `--cpu`
unless told otherwise. Without `COMFYUI_PATH` everything here is skipped.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
# The folder's name is the user's choice, and with a dash it is no Python name.
PACK = "gpen-blocks"
START_SECONDS = 600
RUN_SECONDS = 600

Prompt = dict[str, dict]


@dataclass
class Run:
    """What came of a workflow.

    Attributes:
        status: `success`, `error`, `interrupted`, or `refused` where it was not even queued.
        outputs: what each output node told the page.
        events: the messages of the websocket, in order; binary ones as ("binary", kind).
        error: the message of the node that failed, or the reasons of a refusal.
    """

    status: str
    outputs: dict = field(default_factory=dict)
    events: list[tuple[str, Any]] = field(default_factory=list)
    error: str = ""

    def of(self, kind: str) -> list:
        """The content of all messages of one kind."""
        return [content for name, content in self.events if name == kind]

    @property
    def executed(self) -> set[str]:
        """Ids of the nodes that ran, and did not come from the cache."""
        cached = {node for content in self.of("execution_cached") for node in content["nodes"]}
        return {content["node"] for content in self.of("executing") if content["node"]} - cached


class ComfyUI:
    """A running ComfyUI."""

    def __init__(self, comfyui: Path, base: Path) -> None:
        self.base = base
        self.log = base / "comfyui.log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        for folder in ("models/gpen", "input", "output", "temp", "user", "custom_nodes"):
            (base / folder).mkdir(parents=True)
        _place_pack(base / "custom_nodes" / PACK)
        arguments = ["--listen", "127.0.0.1", "--port", str(self.port), "--base-directory", str(base)]
        arguments += ["--disable-auto-launch", "--disable-api-nodes", "--database-url", "sqlite:///:memory:"]
        arguments += shlex.split(os.environ.get("COMFYUI_ARGS", "--cpu"))
        self._output = self.log.open("wb")
        self.process = subprocess.Popen(
            [_python_of(comfyui), "main.py", *arguments],
            cwd=comfyui,
            env=_environment(base),
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

    def text_of_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return json.loads(answer.read())

    def post(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
        return json.loads(text) if text.strip() else {}

    def run(self, prompt: Prompt, during: Callable[[str, Any], None] | None = None) -> Run:
        """Queue a workflow in API form and follow it to its end.

        Args:
            prompt: the workflow.
            during: called with each message of the websocket.
        """
        import websocket

        client = uuid.uuid4().hex
        channel = websocket.create_connection(f"ws://127.0.0.1:{self.port}/ws?clientId={client}", timeout=RUN_SECONDS)
        try:
            answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
            if "prompt_id" not in answer or answer.get("node_errors"):
                return Run("refused", error=json.dumps(answer))
            run = Run("")
            while not run.status:
                self._take(run, channel.recv(), answer["prompt_id"], during)
        finally:
            channel.close()
        run.outputs = self._history(answer["prompt_id"])["outputs"]
        return run

    def _take(self, run: Run, message: str | bytes, prompt_id: str, during: Callable | None) -> None:
        kind: str = "binary"
        content: Any
        if isinstance(message, bytes):
            content = int.from_bytes(message[:4], "big")
        else:
            told = json.loads(message)
            kind, content = told["type"], told["data"]
        run.events.append((kind, content))
        if during is not None:
            during(kind, content)
        ends = {
            "execution_success": "success",
            "execution_error": "error",
            "execution_interrupted": "interrupted",
        }
        if kind in ends and content["prompt_id"] == prompt_id:
            run.status = ends[kind]
            run.error = content.get("exception_message", "")

    def _history(self, prompt_id: str) -> dict:
        for _ in range(100):
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(0.05)
        raise RuntimeError(f"ComfyUI has forgotten the run {prompt_id}")

    def put(self, name: str, pixels: np.ndarray) -> str:
        """An 8-bit picture in the input folder, for LoadImage."""
        Image.fromarray(pixels).save(self.base / "input" / name)
        return name

    def pictures(self, run: Run, node: str) -> list[np.ndarray]:
        """The pictures that a PreviewImage or SaveImage node made, 8 bits."""
        found = []
        for record in run.outputs[node]["images"]:
            url = f"http://127.0.0.1:{self.port}/view?{urllib.parse.urlencode(record)}"
            with urllib.request.urlopen(url, timeout=60) as answer:
                found.append(np.asarray(Image.open(BytesIO(answer.read()))))
        return found


def _place_pack(target: Path) -> None:
    try:
        target.symlink_to(ROOT, target_is_directory=True)
    except OSError:  # Windows asks for a right that not everybody has
        shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".git", ".venv", "tests"))


def _python_of(comfyui: Path) -> str:
    candidates = (comfyui / ".venv" / "bin" / "python", comfyui / ".venv" / "Scripts" / "python.exe")
    return next((str(path) for path in candidates if path.exists()), sys.executable)


def _environment(base: Path) -> dict[str, str]:
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


@pytest.fixture(scope="session")
def comfyui(tmp_path_factory):
    folder = os.environ.get("COMFYUI_PATH")
    if not folder:
        pytest.skip("NOT TRIED IN COMFYUI: set COMFYUI_PATH to the folder of one, to run these tests in it")
    server = ComfyUI(Path(folder).resolve(), tmp_path_factory.mktemp("comfyui"))
    try:
        server.wait_until_up()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def portrait(examples: Path) -> np.ndarray:
    """A degraded photograph with one face, H x W x 3, 8 bits."""
    return np.asarray(Image.open(examples / "portrait-degraded.jpg").convert("RGB"))


@pytest.fixture(scope="session")
def two_faces(portrait: np.ndarray) -> np.ndarray:
    return np.concatenate([portrait, portrait[:, ::-1]], axis=1)

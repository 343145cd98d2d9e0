"""Talks to a running ComfyUI over HTTP and its websocket."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

Prompt = dict[str, dict[str, Any]]
"""A workflow in the form the queue takes: node id to `class_type` and `inputs`."""

ANSWER_SECONDS = 60
RUN_SECONDS = 600

# Kind of the binary messages with a line for a node.
_TEXT = 3
_ENDS = {"execution_success": "success", "execution_error": "error", "execution_interrupted": "interrupted"}


@dataclass
class Run:
    """What came of a workflow.

    Attributes:
        status: `success`, `error`, `interrupted`, or `refused` where it was not even queued.
        outputs: what each output node told the page.
        events: the messages of the websocket, in order; binary ones as ("binary", kind).
        error: the message of the node that failed, or the reasons of a refusal.
        said: the last line that each node showed in itself.
    """

    status: str
    outputs: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, Any]] = field(default_factory=list)
    error: str = ""
    said: dict[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> list[Any]:
        """The content of all messages of one kind."""
        return [content for name, content in self.events if name == kind]

    @property
    def executed(self) -> set[str]:
        """Ids of the nodes that ran, and did not come from the cache."""
        cached = {node for content in self.of("execution_cached") for node in content["nodes"]}
        return {content["node"] for content in self.of("executing") if content["node"]} - cached


class Client:
    """A ComfyUI that answers at a URL such as http://127.0.0.1:8188."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def get(self, path: str) -> dict[str, Any]:
        return json.loads(self._read(path))

    def post(self, path: str, body: Any) -> dict[str, Any]:
        """The answer to some JSON, a refusal's too; empty where there is none."""
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read()
        return json.loads(text) if text.strip() else {}

    def run(self, prompt: Prompt, during: Callable[[str, Any], None] | None = None) -> Run:
        """Queue a workflow and follow it to its end.

        Args:
            prompt: the workflow.
            during: called with each message of the websocket.
        """
        import websocket

        client = uuid.uuid4().hex
        address = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={client}"
        channel = websocket.create_connection(address, timeout=RUN_SECONDS)
        run = Run("")
        try:
            answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
            if "prompt_id" not in answer or answer.get("node_errors"):
                return Run("refused", error=json.dumps(answer))
            while not run.status:
                _take(run, channel.recv(), answer["prompt_id"], during)
        finally:
            channel.close()
            if not run.status:
                self.clear_queue()
        run.outputs = self._history(answer["prompt_id"])["outputs"]
        return run

    def clear_queue(self) -> None:
        """Stop what runs and forget what waits; returns when ComfyUI is idle."""
        self.post("/queue", {"clear": True})
        deadline = time.monotonic() + RUN_SECONDS
        while self.get("/queue")["queue_running"]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.url} has not stopped within {RUN_SECONDS} seconds")
            self.post("/interrupt", {})
            time.sleep(0.2)

    def pictures(self, run: Run, node: str) -> list[np.ndarray]:
        """The pictures that a PreviewImage or SaveImage node made, H x W (x C), 8 bits."""
        return [self.picture(record) for record in run.outputs[node]["images"]]

    def picture(self, record: dict[str, str]) -> np.ndarray:
        """A picture in the way ComfyUI speaks of one: its `filename`, `subfolder` and `type`."""
        return np.asarray(Image.open(BytesIO(self._read(f"/view?{urllib.parse.urlencode(record)}"))))

    def _read(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=ANSWER_SECONDS) as answer:
            return answer.read()

    def _history(self, prompt_id: str) -> dict[str, Any]:
        for _ in range(100):
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(0.05)
        raise RuntimeError(f"ComfyUI has forgotten the run {prompt_id}")


def _text_of(body: bytes) -> tuple[str, str]:
    """The id of a node, preceded by its length in bytes, and the line that it shows."""
    end = 4 + int.from_bytes(body[:4], "big")
    return body[4:end].decode(), body[end:].decode()


def _take(run: Run, message: str | bytes, prompt_id: str, during: Callable[[str, Any], None] | None) -> None:
    kind: str = "binary"
    content: Any
    if isinstance(message, bytes):
        content = int.from_bytes(message[:4], "big")
        if content == _TEXT:
            node, text = _text_of(message[4:])
            run.said[node] = text
    else:
        told = json.loads(message)
        kind, content = told["type"], told["data"]
    run.events.append((kind, content))
    if during is not None:
        during(kind, content)
    if kind in _ENDS and isinstance(content, dict) and content["prompt_id"] == prompt_id:
        run.status = _ENDS[kind]
        run.error = content.get("exception_message", "")

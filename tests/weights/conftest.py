"""A machine of its own for every test, and a web server that can behave badly."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import save

from gpen_blocks.weights import digest, places, store
from gpen_blocks.weights.registry import ModelRecord, Source
from gpen_blocks.weights.transfer import Patience


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without models, caches or ComfyUI, whose facexlib is freshly installed."""
    home = tmp_path / "home"
    package = tmp_path / "site-packages" / "facexlib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('facexlib must not be imported')", encoding="utf-8")
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.setenv("WIN_PD_OVERRIDE_LOCAL_APPDATA", str(home / "AppData"))
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "GPEN_MODELS_DIR", "MODELSCOPE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(home / "hf"))
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, "facexlib", raising=False)
    monkeypatch.setattr(places, "_host", None)
    monkeypatch.setattr(digest, "_session", {})
    monkeypatch.setattr(store, "_said", set())
    return home


@pytest.fixture
def hasty() -> Patience:
    """Gives bad connections up at once: the tests are about what happens then."""
    return Patience(stall=0.4, attempts=3, pause=0.01)


@pytest.fixture
def make_checkpoint() -> Callable[..., bytes]:
    return _checkpoint


def _checkpoint(seed: int = 0, size: int = 500) -> bytes:
    """A small but whole safetensors file."""
    generator = torch.Generator().manual_seed(seed)
    return save({"weight": torch.randn(size, generator=generator)}, metadata={"seed": str(seed)})


@pytest.fixture
def make_record() -> Callable[..., ModelRecord]:
    return _record


def _record(content: bytes, *sources: str, hashed: bool = True, file: str = "toy.safetensors") -> ModelRecord:
    """A record for `content`; without size and hash where it is not `hashed`."""
    return ModelRecord(
        name=file.rpartition(".")[0],
        kind="generator",
        description="a toy",
        file=file,
        licence="toy licence",
        licence_note="For play only.",
        sources=tuple(Source.parse(source) for source in sources),
        bytes=len(content) if hashed else None,
        sha256=hashlib.sha256(content).hexdigest() if hashed else None,
        task="restoration",
        template="gpen",
    )


@dataclass
class Served:
    """A file and the ways in which its server misbehaves.

    Attributes:
        content: the file.
        etag: its version, or None for a server that names none.
        ranges: whether parts of it can be asked for.
        lie_about_range: turns the offset asked for into the one that is sent.
        cuts: for one answer after the other, the byte of the file before which the connection breaks.
        stalls: for one answer after the other, the byte of the file before which it stands still.
        drip: send one byte at a time, with a pause.
        statuses: what the first requests are answered with instead.
        length: whether answers say how long they are.
        headers: more headers, or other ones.
        redirect: where the file is instead.
    """

    content: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    lie_about_range: Callable[[int], int] | None = None
    cuts: list[int] = field(default_factory=list)
    stalls: list[int] = field(default_factory=list)
    drip: float = 0.0
    statuses: list[int] = field(default_factory=list)
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    redirect: str | None = None


class Server:
    """A web server on this machine; `files` says what it has, `requests` what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def serve(self, path: str, content: bytes, **ways: Any) -> str:
        """Offer a file, misbehaving as the fields of `Served` say; gives its address."""
        self.files[path] = Served(content, **ways)
        return self.url + path

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("range") for _, headers in self.requests]

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append((self.path, headers))
                served = server.files.get(self.path)
                if served is None:
                    self.send_error(404)
                elif served.statuses:
                    self.send_error(served.statuses.pop(0))
                elif served.redirect:
                    self.send_response(302)
                    self.send_header("Location", served.redirect)
                    self.end_headers()
                else:
                    _answer(self, served, headers, server.closing)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler


def _answer(handler: BaseHTTPRequestHandler, served: Served, headers: dict[str, str], closing: threading.Event) -> None:
    start, total = 0, len(served.content)
    wanted = headers.get("range", "")
    same = headers.get("if-range") in (None, served.etag)
    if served.ranges and wanted and same:
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= total:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{total}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if served.lie_about_range:
            start = served.lie_about_range(start)
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    else:
        handler.send_response(200)
    if served.etag:
        handler.send_header("ETag", served.etag)
    if served.length:
        handler.send_header("Content-Length", str(total - start))
    for name, value in {"Content-Type": "application/octet-stream", **served.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    _send_body(handler, served, start, closing)


def _send_body(handler: BaseHTTPRequestHandler, served: Served, start: int, closing: threading.Event) -> None:
    end = min(served.cuts.pop(0), len(served.content)) if served.cuts else len(served.content)
    if served.drip:
        for position in range(start, end):
            handler.wfile.write(served.content[position : position + 1])
            handler.wfile.flush()
            if closing.wait(served.drip):
                return
        return
    if served.stalls:
        handler.wfile.write(served.content[start : served.stalls.pop(0)])
        handler.wfile.flush()
        closing.wait(30)
        return
    handler.wfile.write(served.content[start:end])


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()

"""`gpen models`: what it prints, what it asks, and what its exit codes say."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from gpen_blocks.gpen.cli import models
from gpen_blocks.weights import digest, places, registry
from gpen_blocks.weights.errors import DownloadError, GPENError

REGISTRY = """
[licences.toys]
name = "toys only"
note = "For play, and for [nothing] else."

[[models]]
name = "gpen-lite-256"
kind = "generator"
description = "bundled"
file = "gpen-lite-256.safetensors"
sha256 = "{bundled}"
licence = "toys"
bundled = true
task = "restoration"
template = "ffhq"

[[models]]
name = "toy"
kind = "generator"
description = "a toy"
file = "toy.safetensors"
bytes = {size}
sha256 = "{sha256}"
sources = ["{url}/toy.safetensors"]
licence = "toys"
task = "restoration"
template = "gpen"

[[models]]
name = "unproven"
kind = "generator"
description = "a toy without a hash"
file = "unproven.safetensors"
sources = ["{url}/toy.safetensors"]
licence = "toys"
task = "restoration"
template = "gpen"
"""


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; a file whose name begins with `slow` begins and then stands still."""

    def do_GET(self) -> None:
        if self.path.startswith("/slow"):
            content = Path(self.directory, "toy.safetensors").read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:1000])
            self.wfile.flush()
            time.sleep(30)
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a server on this machine, and the file it has."""
    folder = tmp_path / "served"
    folder.mkdir()
    save_file({"weight": torch.arange(2000.0)}, folder / "toy.safetensors")
    http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_address[1]}", folder / "toy.safetensors"
    http.shutdown()
    http.server_close()


def write_registry(path: Path, served: tuple[str, Path]) -> Path:
    url, file = served
    text = REGISTRY.format(
        url=url,
        size=file.stat().st_size,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        bundled=hashlib.sha256((places.BUNDLED / "gpen-lite-256.safetensors").read_bytes()).hexdigest(),
    )
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def machine(served, tmp_path, monkeypatch) -> Iterator[Path]:
    """A machine with a small registry and an empty folder for models; gives that folder."""
    monkeypatch.setattr(registry, "REGISTRY_FILE", write_registry(tmp_path / "registry.toml", served))
    for variable in ("HOME", "USERPROFILE", "WIN_PD_OVERRIDE_LOCAL_APPDATA", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.setenv("GPEN_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(digest, "_session", {})
    registry.records.cache_clear()
    registry._names.cache_clear()
    yield tmp_path / "models"
    registry.records.cache_clear()
    registry._names.cache_clear()


def gpen_models(*arguments: str, answer: str = "", code: int = 0) -> str:
    """Run the command; gives what it printed. Errors for the user leave it as they are, for `main`."""
    result = CliRunner().invoke(models.app, list(arguments), input=answer)
    if result.exception is not None and isinstance(result.exception, GPENError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def one_line(output: str) -> str:
    return " ".join(output.split())


def test_list_shows_what_is_here_and_what_can_be_fetched():
    output = gpen_models("list")
    assert "bundled" in output and "toys only" in output
    assert "gpen models download MODEL" in one_line(output)
    rows = [line for line in output.splitlines() if "toy " in line]
    assert len(rows) == 1 and "download" in rows[0]


def test_list_as_json_is_for_programs(machine):
    gpen_models("download", "toy", "--yes")
    entries = {entry["name"]: entry for entry in json.loads(gpen_models("list", "--json"))}
    assert list(entries) == ["gpen-lite-256", "toy", "unproven"]
    assert entries["toy"]["path"] == str(machine / "toy.safetensors") and entries["toy"]["verified"] is True
    assert entries["unproven"]["path"] is None and entries["unproven"]["verified"] is None


def test_download_shows_the_licence_once_and_asks(machine, served):
    output = gpen_models("download", "toy", "unproven", answer="y\n")
    assert output.count("For play, and for [nothing] else.") == 1
    assert output.index("For play") < output.index("under these terms")
    assert "No SHA-256 is published for unproven.safetensors" in one_line(output)
    assert (machine / "toy.safetensors").read_bytes() == served[1].read_bytes()
    assert (machine / "unproven.safetensors").exists()


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_declining_fetches_nothing(machine, answer):
    gpen_models("download", "toy", answer=answer, code=1)
    assert not machine.exists()


def test_a_model_that_is_here_is_not_fetched_again(machine, served):
    gpen_models("download", "toy", "--yes")
    served[1].unlink()
    assert "is already here" in one_line(gpen_models("download", "TOY"))


def test_a_mirror_can_be_named(machine, served):
    """Its file is verified like any other."""
    url = registry.get("toy").sources[0].location.rpartition("/")[0]
    served[1].rename(served[1].with_name("elsewhere.safetensors"))
    with pytest.raises(DownloadError):
        gpen_models("download", "toy", "--yes")
    gpen_models("download", "toy", "--yes", "--source", f"{url}/elsewhere.safetensors")
    assert (machine / "toy.safetensors").is_file()
    assert "one NAME" in gpen_models("download", "toy", "unproven", "--source", url, code=2)


def test_a_folder_can_be_named(tmp_path):
    gpen_models("download", "toy", "--yes", "--folder", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "toy.safetensors").exists()


def test_errors_reach_the_user_as_their_own(served):
    with pytest.raises(GPENError, match="Did you mean toy"):
        gpen_models("download", "toyy", "--yes")
    served[1].unlink()
    with pytest.raises(GPENError, match="answers 404"):
        gpen_models("download", "toy", "--yes")
    with pytest.raises(GPENError, match="gpen models download toy"):
        gpen_models("path", "toy")


def test_verify_tells_whole_from_damaged_files(machine, served):
    gpen_models("download", "toy", "unproven", "--yes")
    output = one_line(gpen_models("verify"))
    assert "verified toy" in output and "verified gpen-lite-256" in output and "unverified unproven" in output
    path = machine / "toy.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    status = path.stat()
    path.write_bytes(bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "rejected toy" in one_line(gpen_models("verify", "toy", code=1))
    gpen_models("verify", "unproven", "gpen-lite-256")
    path.unlink()
    assert "missing toy" in one_line(gpen_models("verify", "toy", code=1))
    gpen_models("verify")


def test_convert_and_path(tmp_path, machine, served):
    torch.save({"g_ema": {"weight": torch.arange(3.0)}}, tmp_path / "mine.pth")
    gpen_models("convert", str(tmp_path / "mine.pth"))
    assert (tmp_path / "mine.safetensors").exists()
    with pytest.raises(GPENError, match="already exists"):
        gpen_models("convert", str(tmp_path / "mine.pth"))
    gpen_models("convert", str(tmp_path / "mine.pth"), "--overwrite")
    gpen_models("convert", str(tmp_path / "mine.pth"), "--output", str(tmp_path / "other.safetensors"))
    machine.mkdir()
    shutil.copy(served[1], machine / "toy.safetensors")
    assert gpen_models("path", "toy") == f"{machine / 'toy.safetensors'}\n"


CHILD = """
import signal
import sys
from pathlib import Path
from gpen_blocks.weights import registry
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with Ctrl-C ignored
registry.REGISTRY_FILE = Path(sys.argv.pop(1))
from gpen_blocks.gpen.cli.models import app
app()
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process alone")
def test_ctrl_c_says_how_to_go_on(tmp_path, machine, served):
    """Exit code 130, a word about going on, and a part that the same command completes."""
    slow = tmp_path / "slow.toml"
    text = (tmp_path / "registry.toml").read_text(encoding="utf-8")
    slow.write_text(text.replace("/toy.safetensors", "/slow.safetensors"), encoding="utf-8")
    command = [sys.executable, "-c", CHILD, str(slow), "download", "toy", "--yes"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part, end = machine / "toy.safetensors.part", time.monotonic() + 60
    while not part.exists() or part.stat().st_size < 1000:
        assert time.monotonic() < end and process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command again to resume" in one_line(errors) and "Traceback" not in errors
    assert not (machine / "toy.safetensors").exists() and part.stat().st_size == 1000
    gpen_models("download", "toy", "--yes")
    assert (machine / "toy.safetensors").read_bytes() == served[1].read_bytes()

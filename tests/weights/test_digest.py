"""A file is read once, and again as soon as it may be another one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from gpen_blocks.weights import digest
from gpen_blocks.weights.errors import WeightsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ein größeres Modell.bin"
    path.write_bytes(b"first")
    return path


@pytest.fixture
def next_process(monkeypatch: pytest.MonkeyPatch):
    """Forget what only this process knows."""
    return lambda: monkeypatch.setattr(digest, "_session", {})


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def poison(path: Path, word: str = "f" * 64) -> None:
    """Change what is remembered: only this shows whether a file was read or recalled."""
    memory = json.loads(digest.memory_file().read_text(encoding="utf-8"))
    memory["files"][str(path)]["sha256"] = word
    digest.memory_file().write_text(json.dumps(memory), encoding="utf-8")


def test_a_file_is_read_once_and_remembered_across_processes(file, next_process):
    assert digest.sha256_of(file) == sha256(b"first")
    next_process()
    poison(file)
    assert digest.sha256_of(file) == "f" * 64, "it was read again"
    assert digest.sha256_of(file, fresh=True) == sha256(b"first")


def test_a_changed_size_is_noticed(file):
    digest.sha256_of(file)
    file.write_bytes(b"second")
    assert digest.sha256_of(file) == sha256(b"second")


def test_a_changed_time_is_noticed(file):
    digest.sha256_of(file)
    status = file.stat()
    file.write_bytes(b"FIRST")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert digest.sha256_of(file) == sha256(b"FIRST")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"format": 99, "files": {}}', "[" * 100_000, "\x00\xff"])
def test_a_damaged_memory_is_tolerated_and_mended(file, next_process, content):
    digest.memory_file().parent.mkdir(parents=True)
    digest.memory_file().write_text(content, encoding="utf-8")
    assert digest.sha256_of(file) == sha256(b"first")
    next_process()
    poison(file)
    assert digest.sha256_of(file) == "f" * 64


@pytest.mark.parametrize("entry", [3, [], {}, {"size": 5, "mtime_ns": 0, "sha256": "0"}, {"sha256": None}])
def test_a_damaged_entry_is_tolerated(file, next_process, entry):
    digest.sha256_of(file)
    next_process()
    memory = {"format": 1, "files": {str(file): entry}}
    digest.memory_file().write_text(json.dumps(memory), encoding="utf-8")
    assert digest.sha256_of(file) == sha256(b"first")


def test_a_folder_that_cannot_be_written_costs_a_reading_and_no_more(file, home):
    digest.memory_file().parent.parent.mkdir(parents=True)
    digest.memory_file().parent.write_text("a file where the folder should be", encoding="utf-8")
    assert digest.sha256_of(file) == sha256(b"first")


def test_files_that_are_gone_are_forgotten(file, tmp_path):
    digest.sha256_of(file)
    other = tmp_path / "other.bin"
    other.write_bytes(b"other")
    file.unlink()
    digest.sha256_of(other)
    assert list(json.loads(digest.memory_file().read_text(encoding="utf-8"))["files"]) == [str(other)]


def test_no_temporary_file_is_left(file):
    digest.sha256_of(file)
    assert [entry.name for entry in digest.memory_file().parent.iterdir()] == ["hashes.json"]


@pytest.mark.parametrize("name", ["missing.bin", "folder"])
def test_what_cannot_be_read_is_one_sentence(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(WeightsError, match="cannot be read"):
        digest.sha256_of(tmp_path / name)

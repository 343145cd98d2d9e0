"""What this process may use of the machine, as Linux tells it, also in a container with limits of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gpen_blocks.gpen import devices
from gpen_blocks.gpen.devices import free_memory, usable_cores

CPU = torch.device("cpu")


@pytest.fixture
def container(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(devices, "_CGROUP", str(tmp_path))
    return tmp_path


def test_a_container_limits_the_free_memory(container):
    whole = free_memory(CPU)
    (container / "memory.max").write_text("1000000\n", encoding="ascii")
    (container / "memory.stat").write_text("anon 300000\nfile 500000\nkernel 50000\nshmem 1\n", encoding="ascii")
    assert free_memory(CPU) == 1000000 - 350001
    (container / "memory.max").write_text("max\n", encoding="ascii")
    assert (free_memory(CPU) is None) == (whole is None)
    if whole is not None:
        assert (free_memory(CPU) or 0) > 1000000


@pytest.mark.parametrize(
    ("limit", "cores"), [("150000 100000", 1), ("300000 100000", 3), ("10000 100000", 1), ("max 100000", 8), ("", 8)]
)
def test_a_container_limits_the_cores(container, monkeypatch, limit, cores):
    monkeypatch.setattr(devices.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    (container / "cpu.max").write_text(limit, encoding="ascii")
    assert usable_cores() == cores

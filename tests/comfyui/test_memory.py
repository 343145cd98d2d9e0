"""Models in a real ComfyUI: built once, put away, back without the disk; work that can be watched and stopped."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from prompts import node, succeed

from gpen_blocks.nodes.progress import BAR_STEPS
from gpen_blocks.weights import checkpoint, store

# Each test has pictures and settings of its own, so that nothing comes from ComfyUI's cache of outputs.
MODEL = "gpen-of-mine.pth"


@pytest.fixture(scope="module")
def checkpoint_file(comfyui) -> Iterator[Path]:
    """The bundled generator as a file of the user's, in the old format of torch, which is read byte by byte."""
    path = comfyui.base / "models" / "gpen" / MODEL
    write_checkpoint(path, 1.0)
    yield path
    path.unlink()


def write_checkpoint(path: Path, scale: float) -> None:
    tensors = dict(checkpoint.read(store.resolve("gpen-lite-256").path).tensors)
    name = next(name for name, tensor in tensors.items() if name.endswith("bias") and tensor.ndim == 1)
    tensors[name] = tensors[name] * scale
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


@pytest.fixture
def prompt(comfyui, portrait, checkpoint_file):
    """The chain on the photograph, with the user's own file."""
    return {
        "model": node("GPENLoadModel", model=MODEL, precision="fp32", backend="auto"),
        "detector": node("GPENLoadFaceDetector", detector="face-detector-lite"),
        "image": node("LoadImage", image=comfyui.put("one.png", portrait)),
        "restore": node(
            "GPENFaceRestore",
            image=["image", 0],
            gpen_model=["model", 0],
            face_detector=["detector", 0],
            strength=1.0,
        ),
        "out": node("PreviewImage", images=["restore", 0]),
    }


def bytes_read(comfyui) -> int:
    """What the process has read from files so far."""
    status = Path(f"/proc/{comfyui.process.pid}/io")
    if not status.exists():
        pytest.skip("only Linux tells how much a process has read")
    return int(status.read_text(encoding="ascii").split("rchar:")[1].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a process has read")
def test_the_checkpoint_is_read_once(comfyui, prompt, checkpoint_file):
    """Neither a second run with other settings reads it, nor one after everything was unloaded and forgotten."""
    size = checkpoint_file.stat().st_size
    start = bytes_read(comfyui)
    first = succeed(comfyui, prompt)
    after_first = bytes_read(comfyui)
    assert after_first - start > size

    prompt["restore"]["inputs"]["strength"] = 0.9
    second = succeed(comfyui, prompt)
    assert second.executed >= {"restore", "out"} and not second.executed & {"model", "detector", "image"}
    comfyui.post("/free", {"unload_models": True, "free_memory": True})
    # ComfyUI does so after the next run at the latest.
    plain = node("EmptyImage", width=8, height=8, batch_size=1, color=0)
    succeed(comfyui, {"plain": plain, "out": node("PreviewImage", images=["plain", 0])})
    prompt["restore"]["inputs"]["strength"] = 1.0
    third = succeed(comfyui, prompt)
    assert third.executed >= {"model", "detector", "restore"}
    # What is read besides is the picture, twice.
    assert bytes_read(comfyui) - after_first < size
    one, other = comfyui.pictures(first, "out")[0], comfyui.pictures(third, "out")[0]
    assert (one == other).all()
    assert "memory leak" not in comfyui.text_of_log()


def test_the_same_workflow_is_not_run_again(comfyui, prompt):
    prompt["restore"]["inputs"]["strength"] = 0.8
    succeed(comfyui, prompt)
    assert not succeed(comfyui, prompt).executed & set(prompt)


def test_a_changed_file_is_loaded_anew(comfyui, prompt, checkpoint_file):
    prompt["restore"]["inputs"]["strength"] = 0.7
    first = succeed(comfyui, prompt)
    write_checkpoint(checkpoint_file, 3.0)
    second = succeed(comfyui, prompt)
    assert second.executed >= {"model", "restore", "out"} and "detector" not in second.executed
    assert (comfyui.pictures(first, "out")[0] != comfyui.pictures(second, "out")[0]).any()
    write_checkpoint(checkpoint_file, 1.0)
    third = succeed(comfyui, prompt)
    assert (comfyui.pictures(first, "out")[0] == comfyui.pictures(third, "out")[0]).all()


def many_crops(prompt: dict, count: int, strength: float) -> dict:
    """Restoring so many crops one by one."""
    return {
        "model": prompt["model"],
        "image": prompt["image"],
        "many": node("RepeatImageBatch", image=["image", 0], amount=count),
        "restore": node(
            "GPENRestoreFaces",
            gpen_model=["model", 0],
            crops=["many", 0],
            strength=strength,
            keep_grayscale=False,
            batch_size=1,
        ),
        "out": node("PreviewImage", images=["restore", 0]),
    }


def test_every_chunk_is_told_with_a_picture(comfyui, prompt):
    run = succeed(comfyui, many_crops(prompt, 4, 0.9))
    steps = [content for content in run.of("progress") if content["node"] == "restore"]
    assert (steps[-1]["value"], steps[-1]["max"]) == (BAR_STEPS, BAR_STEPS)
    # Binary kind 1 is a preview, 4 one with a description.
    assert len([kind for kind in run.of("binary") if kind in (1, 4)]) == 4


def test_long_work_stops_between_two_chunks(comfyui, prompt):
    stopped_at = []

    def interrupt(kind: str, content: Any) -> None:
        if kind == "progress" and content["node"] == "restore" and not stopped_at:
            stopped_at.append(time.monotonic())
            comfyui.post("/interrupt", {})

    run = comfyui.run(many_crops(prompt, 64, 0.8), interrupt)
    assert run.status == "interrupted" and not run.outputs
    done = max(content["value"] for content in run.of("progress") if content["node"] == "restore")
    assert done < BAR_STEPS / 2
    succeed(comfyui, many_crops(prompt, 1, 0.8))

"""In a real ComfyUI: one bar from 0 to 100 % for each block, and a stop that is obeyed within two seconds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfyui_client import Prompt, Run
from PIL import Image
from prompts import blocks, finished, frequency_blend, load, local_adaptive, node, prepared, preview, whole

pytestmark = pytest.mark.slow

# Seconds from the request to the end of the block, and where the bar is when the stop comes.
OBEYED, MOMENT = 2.0, 0.4
FRAMES, SIDE, LARGE = 20, (1024, 512), (4800, 2400)


@pytest.fixture(scope="module")
def pictures(comfyui, two_faces, portrait):
    """Names of a frame with two faces, and of a large picture with two faces and noise."""
    frame = comfyui.put("stop-frame.png", np.asarray(Image.fromarray(two_faces).resize(SIDE)))
    large = np.asarray(Image.fromarray(two_faces).resize(LARGE)).astype(np.int16)
    noise = np.random.default_rng(0).integers(-6, 7, large.shape)
    return frame, comfyui.put("stop-large.png", np.clip(large + noise, 0, 255).astype(np.uint8))


def chain(pictures: tuple[str, str], many: bool) -> Prompt:
    """The chain block by block, on many frames or on a large picture; no output node."""
    prompt = blocks(blend=frequency_blend(), enhance=local_adaptive("blend"))
    frame, large = pictures
    loaded = {"one": load(frame), "image": node("RepeatImageBatch", image=["one", 0], amount=FRAMES)}
    prompt.pop("out")
    prompt |= loaded if many else {"image": load(large)}
    prompt["paste"]["inputs"] |= {"crops": ["enhance", 0], "match_grain": 0.5}
    prompt |= {
        "prepare": prepared(levels=1.0, deblock=1.0, faces=["detect", 0]),
        "finish": finished("paste", sigma=2.0, reference=["image", 0]),
        "whole": whole(),
        "steady": whole(frames_of_one_shot=True),
        "film": node("CreateVideo", images=["image", 0], fps=10.0),
        "video": node(
            "GPENRestoreVideo",
            video=["film", 0],
            gpen_model=["model", 0],
            face_detector=["detector", 0],
            strength=1.0,
        ),
        "spectrum": node("GPENFrequencySpectrum", image=["image", 0], dark=True),
        "colour": node("GPENColorize", image=["image", 0], face_detector=["detector", 0], strength=1.0, recolor=True),
        "select": node("GPENSelectFaces", faces=["detect", 0], order="largest", indices="", min_face_size=0),
    }
    prompt["select"]["inputs"]["image"] = ["image", 0]
    return prompt


def upstream(prompt: Prompt, name: str) -> Prompt:
    """A block with all it needs."""
    found: Prompt = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        found[one] = prompt[one]
        links = [value[0] for value in prompt[one]["inputs"].values() if isinstance(value, list)]
        waiting += [link for link in links if link not in found]
    return found


SLOT = {"detect": 1, "select": 2, "video": 1}
# A value that changes nothing, but makes ComfyUI run the block again.
AGAIN = {
    "detect": "score_threshold",
    "align": "size",
    "restore": "strength",
    "blend": "middle_gain",
    "enhance": "strength",
    "paste": "strength",
    "prepare": "deblock",
    "finish": "mix",
    "whole": "strength",
    "steady": "strength",
    "video": "strength",
    "spectrum": "dark",
    "colour": "strength",
    "select": "min_face_size",
}


def runnable(prompt: Prompt, name: str) -> Prompt:
    """A block with all it needs, and a preview of one picture of what it makes."""
    first = node("ImageFromBatch", image=[name, SLOT.get(name, 0)], batch_index=0, length=1)
    return {**upstream(prompt, name), "first": first, "out": preview("first")}


def seconds_computed(process: Any) -> float:
    """Time that a process has spent on a processor; on a busy machine, less than has passed."""
    status = Path(f"/proc/{process.pid}/stat")
    if not status.exists():
        return time.monotonic()
    user, system = status.read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Stop:
    """Stops the run once the bar of a node has got so far, and measures until the node has ended.

    A node that ends before gets no stop; its whole time counts, since no stop could have taken longer.
    """

    def __init__(self, comfyui: Any, name: str) -> None:
        self._comfyui, self._name = comfyui, name
        self._began: tuple[float, float] | None = None
        self.sent = False
        self.seconds: float | None = None

    def __call__(self, kind: str, content: Any) -> None:
        if kind == "progress" and content["node"] == self._name and not self.sent:
            self._began = self._began or self._now()
            # At 100 % the block is done.
            if MOMENT <= content["value"] / content["max"] < 1:
                self._began, self.sent = self._now(), True
                self._comfyui.post("/interrupt", {})
        elif (
            self._began and self.seconds is None and kind in ("execution_interrupted", "execution_success", "executing")
        ):
            self.seconds = min(now - then for now, then in zip(self._now(), self._began, strict=True))

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), seconds_computed(self._comfyui.process)


def bar(run: Run, name: str) -> list[float]:
    """What the bar of a node showed, 0..1."""
    return [content["value"] / content["max"] for content in run.of("progress") if content["node"] == name]


def changed(prompt: Prompt, name: str) -> Prompt:
    """The workflow with a value of a block that ComfyUI has not seen, so that it runs the block again."""
    key, block = AGAIN[name], prompt[name]
    value = block["inputs"][key]
    new = not value if isinstance(value, bool) else value + 64 if isinstance(value, int) else abs(value - 0.001)
    return {**prompt, name: node(block["class_type"], **block["inputs"] | {key: new})}


@pytest.mark.parametrize("name", list(AGAIN))
def test_one_bar_from_0_to_100_and_a_stop_within_two_seconds(comfyui, pictures, name):
    prompt = chain(pictures, many=True)
    run = comfyui.run(runnable(prompt, name))
    assert run.status == "success", run.error
    shown = bar(run, name)
    assert shown == sorted(shown) and shown.count(1.0) == 1 and shown[-1] == 1.0 and len(shown) > 1
    obeys(comfyui, prompt, name)


@pytest.mark.parametrize(
    "name", ["detect", "paste", "prepare", "finish", "whole", "video", "spectrum", "colour", "select"]
)
def test_a_stop_is_obeyed_within_a_large_picture(comfyui, pictures, name):
    obeys(comfyui, chain(pictures, many=False), name)


def obeys(comfyui: Any, prompt: Prompt, name: str) -> None:
    stop = Stop(comfyui, name)
    run = comfyui.run(runnable(changed(prompt, name), name), stop)
    assert run.status == ("interrupted" if stop.sent else "success"), run.error
    assert stop.seconds is not None and stop.seconds < OBEYED

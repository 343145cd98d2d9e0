"""In a real ComfyUI: one bar from 0 to 100 % for each block, and a stop that is obeyed within two seconds."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest
from comfyui_client import Prompt, Run
from PIL import Image
from prompts import blocks, finished, frequency_blend, load, local_adaptive, node, prepared, preview, whole

pytestmark = pytest.mark.slow

# Seconds from the request to the end of the run.
OBEYED = 2.0
# When the stop comes, as shares of the time that the block takes.
MOMENTS = (0.15, 0.5, 0.85)
FRAMES, SIDE, LARGE = 20, (1024, 512), (4800, 3600)


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
        "spectrum": node("GPENFrequencySpectrum", image=["image", 0], dark=True),
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


SLOT = {"detect": 1, "select": 2}
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
    "spectrum": "dark",
    "select": "min_face_size",
}


def runnable(prompt: Prompt, name: str) -> Prompt:
    """A block with all it needs, and a preview of one picture of what it makes."""
    first = node("ImageFromBatch", image=[name, SLOT.get(name, 0)], batch_index=0, length=1)
    return {**upstream(prompt, name), "first": first, "out": preview("first")}


class Timed:
    """When a node began and ended, and a stop some seconds after its beginning."""

    def __init__(self, comfyui: Any, name: str, stop_after: float | None = None) -> None:
        self._comfyui, self._name, self._stop_after = comfyui, name, stop_after
        self.began = self.ended = self.stopped = 0.0

    def __call__(self, kind: str, content: Any) -> None:
        now = time.monotonic()
        if kind == "executing" and content["node"] == self._name:
            self.began = now
            if self._stop_after is not None:
                threading.Timer(self._stop_after, self._stop).start()
        elif self.began and not self.ended and kind in ("executing", "execution_interrupted", "execution_success"):
            self.ended = now

    def _stop(self) -> None:
        self.stopped = time.monotonic()
        self._comfyui.post("/interrupt", {})


def bar(run: Run, name: str) -> list[float]:
    """What the bar of a node showed, 0..1."""
    return [content["value"] / content["max"] for content in run.of("progress") if content["node"] == name]


@pytest.mark.parametrize("many", [True, False], ids=["many frames", "large picture"])
@pytest.mark.parametrize("name", list(AGAIN))
def test_one_bar_and_an_end_within_two_seconds(comfyui, pictures, name, many):
    prompt = chain(pictures, many)
    watch = Timed(comfyui, name)
    run = comfyui.run(runnable(prompt, name), watch)
    assert run.status == "success", run.error
    shown, seconds = bar(run, name), watch.ended - watch.began
    assert shown == sorted(shown) and shown.count(1.0) == 1 and shown[-1] == 1.0
    told = {}
    for turn, moment in enumerate(MOMENTS, start=1):
        key = AGAIN[name]
        value = prompt[name]["inputs"][key]
        changed = not value if isinstance(value, bool) else value + (64 * turn if key == "size" else turn)
        if isinstance(value, float):
            changed = value - 0.001 * turn
        again = runnable(
            {**prompt, name: node(prompt[name]["class_type"], **prompt[name]["inputs"] | {key: changed})}, name
        )
        watch = Timed(comfyui, name, moment * seconds)
        run = comfyui.run(again, watch)
        if run.status == "interrupted":
            told[moment] = watch.ended - watch.stopped
            assert 1.0 not in bar(run, name)
    print(
        f"{name:10s} {'many' if many else 'large':6s} {seconds:6.2f} s",
        {m: round(t, 2) for m, t in told.items()},
        f"{len(shown)} steps",
        flush=True,
    )
    assert all(late < OBEYED for late in told.values()), told

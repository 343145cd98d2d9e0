"""The example pictures in a real ComfyUI: the whole chain with the preset that suits each restores every face."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from pictures import same
from PIL import Image
from prompts import load, models, node, preview, succeed, whole

NAMES = ("old-print", "group", "small-face", "diffusion-face", "snapshot-1990s")


@pytest.mark.parametrize("name", NAMES)
def test_the_chain_restores_every_face(comfyui: Any, examples: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.syspath_prepend(str(examples))
    example = importlib.import_module("make_pictures").EXAMPLES[name]
    before = np.asarray(Image.open(examples / f"{name}.jpg").convert("RGB"))
    prompt = {
        **models(),
        "image": load(comfyui.put(f"{name}.png", before)),
        "preset": node("GPENPreset", preset=example.preset),
        "restore": whole(preset=["preset", 0]),
        "out": preview("restore"),
    }
    run = succeed(comfyui, prompt)
    assert run.said["restore"] == ("1 face restored." if example.faces == 1 else f"{example.faces} faces restored.")
    (after,) = comfyui.pictures(run, "out")
    assert not same(before, after[..., :3])

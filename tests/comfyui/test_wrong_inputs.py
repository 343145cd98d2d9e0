"""Inputs that do not fit, in a real ComfyUI: every block tells them in ComfyUI's words, none by a tensor's shape."""

from __future__ import annotations

import re

import pytest
from comfyui_client import Prompt
from prompts import blocks, finished, frequency_blend, load, local_adaptive, node, prepared, preview

# As Python and torch write a shape, and as the engine's docstrings do.
_SHAPE = re.compile(r"\(\d+, \d+|torch|\b[BN] x |tensor")


def scaled(source: str, width: int, height: int, slot: int = 0) -> dict:
    return node("ImageScale", image=[source, slot], upscale_method="area", width=width, height=height, crop="disabled")


def twice(source: str) -> dict:
    return node("RepeatImageBatch", image=[source, 0], amount=2)


def mask(width: int, height: int) -> dict:
    return node("SolidMask", value=1.0, width=width, height=height)


def given(prompt: Prompt, place: str, **inputs: object) -> Prompt:
    """The prompt with other inputs at one block."""
    return {**prompt, place: {**prompt[place], "inputs": prompt[place]["inputs"] | inputs}}


CHAIN: Prompt = blocks()
CASES: dict[str, tuple[Prompt, str]] = {
    "align, another size": (
        given(CHAIN, "align", image=["small", 0]),
        "image holds 1 picture of 320 x 240, but the faces were found in 1 picture of 512 x 512; connect to image",
    ),
    "align, another number": (
        given(CHAIN, "align", image=["two", 0]),
        "image holds 2 pictures of 512 x 512, but the faces were found in 1 picture of 512 x 512; connect to image",
    ),
    "select": (
        {
            **CHAIN,
            "out": node(
                "GPENSelectFaces", faces=["detect", 0], order="largest", indices="", min_face_size=0, image=["small", 0]
            ),
        },
        "image holds 1 picture of 320 x 240, but the faces were found in",
    ),
    "restore, squeezed crops": (
        {**given(CHAIN, "restore", crops=["squeezed", 0]), "squeezed": scaled("align", 512, 300)},
        "crops holds 1 picture of 512 x 300, but crops of faces are square; connect the crops of GPEN Align Faces",
    ),
    "blend, another number": (
        {**blocks(blend=frequency_blend(base="pair")), "pair": twice("align")},
        "base holds 2 pictures of 256 x 256, but detail holds 1 picture; connect 1 picture.",
    ),
    "blend, another alignment": (
        {
            **blocks(blend=frequency_blend(base="pair", detail="couple")),
            "pair": twice("align"),
            "couple": twice("restore"),
        },
        "detail holds 2 pictures of 256 x 256, but alignment belongs to 1 crop; connect all crops",
    ),
    "local adaptive, squeezed crops": (
        {**blocks(enhance=local_adaptive("squeezed")), "squeezed": scaled("restore", 300, 512)},
        "crops holds 1 picture of 300 x 512, but crops of faces are square",
    ),
    "local adaptive, another alignment": (
        {**blocks(enhance=local_adaptive("pair")), "pair": twice("restore")},
        "crops holds 2 pictures of 256 x 256, but alignment belongs to 1 crop; connect all crops",
    ),
    "paste, another number": (
        blocks(pair=twice("restore")),
        "crops holds 2 pictures of 256 x 256, but alignment belongs to 1 crop; connect all crops",
    ),
    "paste, squeezed crops": (
        blocks(squeezed=scaled("restore", 256, 200)),
        "crops holds 1 picture of 256 x 200, but crops of faces are square",
    ),
    "paste, another picture": (
        given(CHAIN, "paste", image=["small", 0]),
        "image holds 1 picture of 320 x 240, but the crops were cut from 1 picture of 512 x 512; connect to image",
    ),
    "prepare, faces of another picture": (
        {**CHAIN, "prepare": prepared("small", faces=["detect", 0]), "out": preview("prepare")},
        "image holds 1 picture of 320 x 240, but the faces were found in",
    ),
    "finish, a mask of another size": (
        {"finish": finished("image", mask=["mask", 0]), "mask": mask(64, 48), "out": preview("finish")},
        "mask holds 1 picture of 64 x 48, but image holds 1 picture of 512 x 512; resize mask to 512 x 512",
    ),
    "inpaint, a mask of another size": (
        {
            **CHAIN,
            "fill": node(
                "GPENInpaint",
                image=["image", 0],
                mask=["mask", 0],
                face_detector=["detector", 0],
                elsewhere="leave",
                gpen_model=["model", 0],
            ),
            "mask": mask(64, 48),
            "out": preview("fill"),
        },
        "mask holds 1 picture of 64 x 48, but image holds 1 picture of 512 x 512; resize mask to 512 x 512",
    ),
    "parts, faces of another picture": (
        {
            **CHAIN,
            "parts": node(
                "GPENFaceMasks",
                image=["small", 0],
                faces=["detect", 0],
                **dict.fromkeys(("brows", "eyes", "nose", "lips", "skin", "hair", "glasses"), False),
                grow=0,
                feather=0,
            ),
            "shown": node("MaskToImage", mask=["parts", 0]),
            "out": preview("shown"),
        },
        "image holds 1 picture of 320 x 240, but the faces were found in",
    ),
    "finish, a reference of another number": (
        {"finish": finished("image", reference=["two", 0]), "out": preview("finish")},
        "reference holds 2 pictures of 512 x 512, but image holds 1 picture of 512 x 512; connect 1 picture.",
    ),
    "finish, a reference of another size": (
        {"finish": finished("image", reference=["small", 0]), "out": preview("finish")},
        "reference holds 1 picture of 320 x 240, but image holds 1 picture of 512 x 512; resize reference to 512 x 512",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_fit_is_told_in_the_words_of_comfyui(comfyui, portrait, case):
    prompt, told = CASES[case]
    more = {"image": load(comfyui.put("one.png", portrait)), "small": scaled("image", 320, 240), "two": twice("image")}
    run = comfyui.run({**prompt, **more})
    assert run.status == "error", run.error
    assert told in run.error
    assert not _SHAPE.search(run.error)

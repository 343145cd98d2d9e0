"""The line that a block says in itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import load_networks
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.nodes import told

SMALL, LARGE = (400, 600), (4000, 6000)


def faces(number: int, size: tuple[int, int] = SMALL) -> Faces:
    return Faces(tuple(Face((0, 0, 9 + n, 9), 1.0, np.zeros((5, 2)), 0) for n in range(number)), (size,))


@pytest.mark.parametrize(
    ("found", "heads", "least", "line"),
    [
        (faces(1), 0, 0, "1 face found."),
        (faces(0), 0, 0, "No face was found."),
        (faces(0), 0, 100, "No face of 100 pixels or more was found."),
        (faces(0, LARGE), 0, 0, "No face was found; faces under 49 pixels were not searched (set min_face_size"),
        (faces(2), 1, 0, "2 faces found; 1 head on the side or upside down is left out: turn on rotated to include"),
    ],
)
def test_detecting(found, heads, least, line):
    assert told.detected(found, heads, least).startswith(line)


def test_selecting():
    assert told.selected(faces(0), faces(0), faces(0), [], "", []) == "No face was found, so none is selected."
    assert told.selected(faces(3), faces(3), faces(1), range(3), "1", []) == "1 of 3 faces selected."
    line = told.selected(faces(3), faces(2), faces(0), range(2), "5", ["outside the regions", "under 40 pixels"])
    assert line.startswith(
        "0 of 3 faces selected. 1 has no number: outside the regions or under 40 pixels. No face has"
    )
    assert line.endswith("the numbers go from 0 to 1.")
    assert "no face has a number" in told.absent_numbers("0-9", [])
    assert told.absent_numbers("0-9", []).startswith("No face has the number 0, 1, 2 ...:")


def test_cutting_and_pasting():
    assert told.cut(0) == "There is no face: the crop is black." and told.cut(2) == "2 crops cut."
    assert told.pasted(()) == "There is no face: nothing was pasted."
    assert told.pasted((None, "its mask is empty")) == "1 crop pasted; skipped: crop 1 (its mask is empty)."
    assert "and 2 more" in told.pasted(("x",) * 5)


def test_blending(portrait):
    crops = torch.nn.functional.interpolate(torch.cat([portrait, portrait.flip(-1), portrait.roll(99, -2)]), (64, 96))
    assert told.other_crops(crops * 0.5, crops) == "" == told.other_crops(crops[..., :60, :90], crops)
    assert told.other_crops(crops[:1] * 0, crops[:1]) == (
        "detail hardly looks like base: connect the same crops, before and after."
    )
    assert told.other_crops(crops.flip(2), crops).startswith("detail 0, 1, 2 hardly looks like base 0, 1, 2: connect")
    assert told.other_crops(crops[[2, 1, 0]], crops).startswith(
        "detail 0, 2 hardly looks like base 0, 2: the crops seem"
    )
    assert told.other_crops(crops, crops * 0) == ""


@pytest.fixture(scope="module")
def networks():
    return load_networks("gpen-lite-256", "face-detector-lite", settings=Settings())


@pytest.fixture(scope="module")
def portrait(examples):
    from gpen_blocks.gpen.images import read_picture

    return read_picture(examples / "portrait-degraded.jpg").pixels


@pytest.mark.slow
def test_restoring(networks, portrait):
    def line(images: torch.Tensor, indices: str = "", **settings: object) -> str:
        chosen = replace(Settings(), **settings)
        return told.restored(restore_batch(images, networks, chosen, indices=indices), chosen, indices)

    empty = torch.full_like(portrait, 0.4)
    assert line(portrait) == "1 face restored."
    assert line(empty) == "No face was found."
    assert line(portrait, min_face_size=150) == "No face was restored; 1 left alone: smaller than 150 pixels."
    assert line(torch.cat([portrait, empty])) == "1 face restored. 1 of 2 images has no face."
    left = "The image was not prepared either: it has no face to restore."
    assert line(empty, levels=0.5) == f"No face was found. {left}" and line(portrait, "3", deblock=1.0).endswith(left)
    assert line(torch.cat([portrait, empty]), exposure=0.5) == (
        "1 face restored. 1 of 2 images has no face. 1 of 2 images was not prepared: it has no face to restore."
    )
    assert line(portrait, levels=0.5, strength=0.0) == "No face was restored; 1 left alone: the strength is 0."
    assert line(portrait, "3") == (
        "No face was restored; 1 left alone: not among the chosen faces. "
        "No face has the number 3: the numbers go from 0 to 0."
    )


def test_restoring_crops():
    assert told.crops_restored(2, [], 2, "gpen-lite-256") == "2 crops restored."
    line = told.crops_restored(40, [1, 5, 8, 39], 32, "gpen-bfr-512")
    assert line.startswith("4 of 32 crops (1, 5, 8 ...) do not look like aligned faces: ") and "gpen-bfr-512" in line
    assert "1 of 1 crop (0) does not look like an aligned face: " in told.crops_restored(1, [0], 1, "x")


def face_told(image: int, number: int | None, skipped: str | None = None) -> dict:
    return {"image": image, "number": number, "coloured": skipped is None} | ({"skipped": skipped} if skipped else {})


@pytest.mark.parametrize(
    ("found", "images", "indices", "line"),
    [
        ([], 1, "", "No face was found, so none is coloured."),
        ([face_told(0, 0), face_told(0, 1)], 1, "", "2 faces coloured."),
        (
            [face_told(1, 0), face_told(1, 1, "it is in colour already")],
            3,
            "",
            "1 face coloured; 1 left alone: it is in colour already. 2 of 3 images have no face.",
        ),
        ([face_told(0, 0, "not among the chosen faces"), face_told(0, 1)], 1, "1", "1 face coloured."),
        (
            [face_told(0, 0, "not among the chosen faces")],
            1,
            "4",
            "No face is coloured; 1 left alone: not among the chosen faces. No face has the number 4",
        ),
    ],
)
def test_redrawing(found, images, indices, line):
    assert told.redrawn(found, images, "coloured", indices).startswith(line)


def test_masks_scratches_and_maps():
    assert told.parts_masked(["eyes", "lips"], 2, 1) == "eyes, lips of 2 faces in 1 image."
    assert told.parts_masked([], 2, 1) == "No part is chosen: the mask is black."
    assert told.parts_masked(["eyes"], 0, 1) == "No face was found: the mask is black."
    assert told.proposed([0.0, 0.0]) == "No scratch was found: the mask is black."
    assert told.proposed([0.02, 0.0]).startswith("1.00% of the pixels proposed; look at the mask")
    assert told.drawn(1) == "1 face drawn."
    assert told.mapped(0, True) == "There is no face: the map is black."
    assert told.mapped(2, True) == "2 maps made by the face parser."
    assert "since no face parser is here" in told.mapped(1, False)

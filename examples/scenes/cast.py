"""The people of the example pictures: faces that a network made, of no living person."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .people import Person, cut_out

HERE = Path(__file__).resolve().parent
FACES, PORTRAITS = HERE.parent / "faces", HERE / "portraits"

# Head and hair of the one whom GrabCut does not separate from her background.
_CURLS = [
    *[(130, 8), (90, 36), (62, 70), (40, 100), (26, 140), (20, 220), (24, 330), (36, 430), (50, 512), (430, 512)],
    *[(456, 430), (468, 340), (460, 280), (440, 215), (424, 150), (404, 100), (378, 64), (334, 28), (290, 8), (200, 4)],
]
_PORTRAITS = {
    "glasses": (FACES / "face1.jpg", ()),
    "beard": (FACES / "face2.jpg", ()),
    "curls": (FACES / "face3.jpg", _CURLS),
    "grandmother": (PORTRAITS / "grandmother.jpg", ()),
    "short_hair": (PORTRAITS / "short-hair.jpg", ()),
}


@cache
def person(name: str) -> Person:
    """Cut one of them out of its portrait."""
    file, outline = _PORTRAITS[name]
    return cut_out(file, outline)

"""The people of the example pictures: faces that a network made, of no living person."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .people import Person, cut_out

FACES = Path(__file__).resolve().parents[1] / "faces"

# Head and hair of the one whom GrabCut does not separate from her background.
_CURLS = [
    *[(130, 8), (90, 36), (62, 70), (40, 100), (26, 140), (20, 220), (24, 330), (36, 430), (50, 512), (430, 512)],
    *[(456, 430), (468, 340), (460, 280), (440, 215), (424, 150), (404, 100), (378, 64), (334, 28), (290, 8), (200, 4)],
]
_PORTRAITS = {
    "glasses": ("face1.jpg", ()),
    "beard": ("face2.jpg", ()),
    "curls": ("face3.jpg", _CURLS),
    "grandmother": ("face4.jpg", ()),
    "short_hair": ("face5.jpg", ()),
}


@cache
def person(name: str) -> Person:
    """Cut one of them out of its portrait."""
    file, outline = _PORTRAITS[name]
    return cut_out(FACES / file, outline)

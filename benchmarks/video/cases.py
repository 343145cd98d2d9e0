"""The videos that are measured: which stills, motions and damages, and faces of which size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks, find_faces
from gpen_blocks.gpen.types import Face

from .motion import DAMAGES, TALKING, WAYS, Scene

SIZE = (240, 320)
"""Of the frames, (height, width)."""
# Widths in pixels of the faces in the frames, one after another.
_WIDTHS = (64, 48, 88)
# Part of a still that is used: a square around the face, in sizes of its box.
_AROUND = 2.2


@dataclass(frozen=True)
class Case:
    """One video.

    Attributes:
        name: of the still, for the figures.
        path: of the still.
        way, damage: names in `WAYS` and `DAMAGES`.
        width: of the face's box in the frames, in pixels at rest.
    """

    name: str
    path: Path
    way: str
    damage: str
    width: int

    def __str__(self) -> str:
        return f"{self.name} {self.way} {self.damage} {self.width}"


def all_cases(stills: Sequence[tuple[str, Path]], *, each: int) -> list[Case]:
    """Some motions of each still, all of them by turns, with damages and widths by turns."""
    ways, damages, cases = list(WAYS), list(DAMAGES), []
    for n, (name, path) in enumerate(stills):
        for k in range(each):
            way = (n * each + k) % len(ways)
            damage = damages[(way + n) % len(damages)]
            cases.append(Case(name, path, ways[way], damage, _WIDTHS[(n + k) % len(_WIDTHS)]))
    return cases


def make_scene(case: Case, networks: Networks, settings: Settings) -> tuple[Scene, Face]:
    """The scene of a case, and its face in pixels of the still."""
    template = networks.generator.template
    pixels = read_picture(case.path).pixels
    found = find_faces(pixels, networks.detector.module, settings, template=template).selected
    largest = max(found, key=lambda face: face.size)
    still = _around(pixels[0].permute(1, 2, 0).numpy(), largest)
    own = torch.from_numpy(still).permute(2, 0, 1)[None]
    face = max(
        find_faces(own, networks.detector.module, settings, template=template).selected, key=lambda one: one.size
    )
    talking = TALKING.get(case.way, Scene.talking)
    return Scene(still, WAYS[case.way], SIZE, scale=case.width / face.width, talking=talking), face


def _around(still: np.ndarray, face: Face) -> np.ndarray:
    x0, y0, x1, y1 = face.box
    side = round(_AROUND * face.size)
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    height, width = still.shape[:2]
    rows = (max(0, -top), max(0, top + side - height))
    columns = (max(0, -left), max(0, left + side - width))
    wide = np.pad(still, (rows, columns, (0, 0)), mode="symmetric")
    top, left = top + rows[0], left + columns[0]
    return np.ascontiguousarray(wide[top : top + side, left : left + side])

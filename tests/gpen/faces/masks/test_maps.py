"""Maps of parts, sketched from landmarks and colours or found by a parser."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.faces.landmarks.find import find_in_crops
from gpen_blocks.gpen.faces.masks.maps import parsed_maps, sketch_map
from gpen_blocks.gpen.faces.masks.parsing import PARSENET_CLASSES, FaceParser
from gpen_blocks.gpen.faces.masks.parts import template_landmarks
from gpen_blocks.gpen.models import choose_landmarker
from gpen_blocks.gpen.tasks.maps import CLASSES


@pytest.fixture(scope="module")
def sketched() -> tuple[np.ndarray, np.ndarray]:
    from gpen_blocks.weights import places

    path = places.BUNDLED.parents[1] / "examples" / "faces" / "sharp.jpg"
    crop = np.asarray(Image.open(path).convert("RGB").resize((256, 256)))
    images = torch.from_numpy(crop.copy()).movedim(-1, 0)[None].float() / 255
    points = find_in_crops(choose_landmarker()[0].module, images, template_landmarks(1, 256, "ffhq"))[0]
    return sketch_map(crop, points), points


def test_a_sketch_has_each_part_at_its_landmarks(sketched):
    found, points = sketched
    assert found.shape == (256, 256) and found.dtype == np.uint8

    def part_at(point: np.ndarray) -> str:
        x, y = point.round().astype(int)
        return CLASSES[found[y, x]]

    assert part_at(points[36:42].mean(axis=0)) == "r_eye"  # the first eye is on the left of the picture
    assert part_at(points[42:48].mean(axis=0)) == "l_eye"
    assert part_at(points[19]) == "r_brow" and part_at(points[24]) == "l_brow"
    assert part_at(points[30]) == "nose"
    assert part_at((points[51] + points[62]) / 2) == "u_lip"
    assert part_at((points[57] + points[66]) / 2) == "l_lip"
    assert part_at(points[8] - (0, 8)) == "skin"
    assert 0.05 < (found == CLASSES.index("hair")).mean() < 0.6
    assert (found[4, [4, -5]] == CLASSES.index("background")).any()


def test_a_sketch_of_no_landmarks_is_refused():
    with pytest.raises(ImageError, match="68 landmarks"):
        sketch_map(np.zeros((64, 64, 3), np.uint8), np.zeros((5, 2)))
    with pytest.raises(ImageError, match="coincide"):
        sketch_map(np.zeros((64, 64, 3), np.uint8), np.zeros((68, 2)))


def test_a_parsers_classes_come_in_the_order_of_the_map():
    """Parsers order their classes in their own ways, and each name keeps its number in the map."""
    order = (*PARSENET_CLASSES[3:], *PARSENET_CLASSES[:3])

    class Stripes(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, shown: torch.Tensor) -> torch.Tensor:
            stripe = torch.arange(shown.shape[-1]) * 19 // shown.shape[-1]
            scores = torch.nn.functional.one_hot(stripe, 19).T.float()
            return scores[None, :, None].expand(len(shown), 19, shown.shape[-2], shown.shape[-1])

    parser = FaceParser(Stripes(), order, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    (found,) = parsed_maps(parser, torch.rand(1, 3, 64, 64))
    named = [CLASSES[label] for label in found[0, np.arange(19) * 512 // 19 + 10]]
    assert tuple(named) == order

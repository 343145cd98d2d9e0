"""Faces chosen by a mask, by boxes or by the segments of other packs."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.nodes.core_faces import to_boxes
from gpen_blocks.nodes.regions import within


def face(box: tuple, image: int = 0) -> Face:
    return Face(box, 0.5, np.zeros((5, 2)), image)


FACES = Faces((face((0, 0, 10, 20)), face((50, 50, 70, 90)), face((4, 4, 8, 8), 1)), ((100, 80), (100, 80), (100, 80)))


class Segment(NamedTuple):
    """The fields of ComfyUI-Impact-Pack's SEG."""

    cropped_image: Any
    cropped_mask: Any
    confidence: float
    crop_region: tuple
    bbox: tuple
    label: str
    control_net_wrapper: Any


def segment(region: tuple, mask: Any = None, bbox: tuple | None = None) -> Segment:
    return Segment(None, mask, 0.9, region, bbox or region, "face", None)


def masks(number: int, *rectangles: tuple) -> torch.Tensor:
    """Masks of 80 x 100 with 1 in rectangles (image, x0, y0, x1, y1)."""
    made = torch.zeros(number, 100, 80)
    for image, x0, y0, x1, y1 in rectangles:
        made[image, y0:y1, x0:x1] = 1
    return made


def test_own_boxes_as_regions_keep_every_face():
    assert within(FACES, to_boxes(FACES)).faces == FACES.faces


def kept(regions: Any) -> list[int]:
    chosen = within(FACES, regions)
    assert chosen.sizes == FACES.sizes
    return [FACES.faces.index(one) for one in chosen]


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        (None, [0, 1, 2]),
        ({"x": 0, "y": 0, "width": 30, "height": 30}, [0, 2]),
        ([{"x": 55, "y": 60, "width": 20, "height": 20}], [1]),
        ([[], [{"x": 0, "y": 0, "width": 80, "height": 100}], []], [2]),
        ([], []),
        ([[], [], []], []),
    ],
)
def test_boxes_are_for_all_images_or_for_each(regions, expected):
    assert kept(regions) == expected


def test_regions_of_another_batch_are_told():
    with pytest.raises(ImageError, match="boxes for 2 images, but the faces are of 3"):
        within(FACES, [[], []])


@pytest.mark.parametrize(
    "regions",
    ["here", 7, [1, 2, 30, 40], [{"x": 0, "y": 0}], {"x": 0, "y": 0, "width": "wide", "height": 1}, [[{}], [], []]],
)
def test_regions_that_are_no_boxes_are_told(regions):
    with pytest.raises(ImageError, match="a box needs numbers x, y, width, height"):
        within(FACES, regions)


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        (masks(1, (0, 0, 0, 40, 40)), [0, 2]),
        (masks(1, (0, 0, 0, 40, 40))[0], [0, 2]),
        (masks(3, (0, 40, 40, 80, 100), (1, 0, 0, 40, 40)), [1, 2]),
        (masks(1, (0, 0, 0, 40, 40)) * 0.4, []),
        (masks(1, (0, 5, 10, 6, 11)), [0]),
        (masks(3), []),
    ],
)
def test_a_mask_takes_faces_whose_centre_it_covers(regions, expected):
    """The centre of the first face is (5, 10)."""
    assert kept(regions) == expected


def test_segments_take_faces_by_their_mask_else_by_their_box():
    corner = np.zeros((30, 20), np.float32)
    corner[10, 5] = 1
    assert kept(((100, 80), [segment((0, 0, 20, 30), corner)])) == [0]
    assert kept(((100, 80), [segment((50, 60, 70, 80), torch.ones(20, 20))])) == [1]
    assert kept(((100, 80), [segment((0, 0, 80, 100), None, (0, 0, 8, 8))])) == [2]
    assert kept(((100, 80), [])) == []


@pytest.mark.parametrize(
    ("regions", "sentence"),
    [
        (torch.zeros(1, 64, 64), "1 mask of 64 x 64, but the faces are of images of 80 x 100"),
        (masks(2), "2 masks, but the faces are of 3 images"),
        (masks(1) * float("nan"), "NaN"),
        (((50, 50), []), "SEGS of an image of 50 x 50"),
        (((100, 80), [{"bbox": 1}]), "SEGS are a size and a list"),
        ((1, 2, 3), "SEGS are a size and a list"),
    ],
)
def test_masks_and_segments_that_do_not_fit_are_told(regions, sentence):
    with pytest.raises(ImageError, match=sentence):
        within(FACES, regions)

"""torchvision is the witness for what boxes that overlap are worth."""

from __future__ import annotations

import pytest
import torch

from gpen_blocks.gpen.faces.detection.boxes import box_iou, nms


def some(count: int, seed: int) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    corners = 100 * torch.rand(count, 2, generator=chance)
    return torch.cat([corners, corners + 60 * torch.rand(count, 2, generator=chance)], dim=1)


@pytest.mark.parametrize("count", [0, 1, 7, 300])
def test_overlaps_are_those_of_torchvision(count):
    from torchvision.ops import box_iou as reference

    boxes, others = some(count, 0), some(40, 1)
    torch.testing.assert_close(box_iou(boxes, others), reference(boxes, others))


@pytest.mark.parametrize("count", [0, 1, 2, 500])
@pytest.mark.parametrize("threshold", [0.0, 0.4, 0.9, 1.0])
def test_the_same_boxes_are_chosen_as_by_torchvision(count, threshold):
    from torchvision.ops import nms as reference

    boxes = some(count, 2)
    scores = torch.rand(count, generator=torch.Generator().manual_seed(3))
    assert torch.equal(nms(boxes, scores, threshold), reference(boxes, scores, threshold))


def test_of_equals_the_first_is_the_better_one():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60]])
    assert nms(boxes, torch.tensor([0.5, 0.5, 0.5]), 0.4).tolist() == [0, 2]


def test_boxes_without_an_area_overlap_nothing():
    point = torch.tensor([[5.0, 5, 5, 5]])
    assert box_iou(point, point).tolist() == [[0.0]]
    assert box_iou(point, torch.tensor([[0.0, 0, 10, 10]])).tolist() == [[0.0]]
    assert nms(point.repeat(3, 1), torch.tensor([0.1, 0.9, 0.5]), 0.4).tolist() == [1, 2, 0]


def test_a_crowd_needs_no_matrix_of_its_square(monkeypatch):
    """Thousands of boxes of one crowd, mostly apart: never more overlaps at once than there are boxes."""
    count, sizes = 4_000, []

    def measured(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        sizes.append(len(first) * len(second))
        return box_iou(first, second)

    monkeypatch.setattr("gpen_blocks.gpen.faces.detection.boxes.box_iou", measured)
    boxes = some(count, 4) + 900 * torch.rand(count, 1, generator=torch.Generator().manual_seed(5))
    chosen = nms(boxes, torch.rand(count, generator=torch.Generator().manual_seed(6)), 0.4)
    assert len(chosen) > count / 4 and max(sizes) < count
    kept = boxes[chosen]
    assert box_iou(kept, kept).fill_diagonal_(0).max() <= 0.4

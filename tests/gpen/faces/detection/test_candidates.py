"""Many detections to one box a face: heads that touch, boxes inside boxes, and which way heads lie."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from any_points import seeded
from hypothesis import given
from hypothesis import strategies as st

from gpen_blocks.gpen.faces.detection.candidates import Candidates, beside_much_larger, best_framed, merge, quarter_of

UPRIGHT = torch.tensor([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.75], [0.65, 0.75]])


def candidates(*rows: tuple[tuple[float, float, float, float], float]) -> Candidates:
    """Upright heads in these boxes, with these scores."""
    boxes = torch.tensor([box for box, _ in rows], dtype=torch.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    return Candidates(
        boxes,
        torch.tensor([score for _, score in rows]),
        boxes[:, None, :2] + UPRIGHT * sides[:, None],
        torch.ones(len(boxes)),
        sides[:, 0],
        torch.zeros(len(boxes), dtype=torch.bool),
    )


def test_detections_of_one_head_vote():
    merged = merge(candidates(((0, 0, 100, 120), 0.9), ((4, 0, 104, 120), 0.9)))
    assert merged.boxes.tolist() == [pytest.approx([2, 0, 102, 120])]


def test_two_heads_that_touch_stay_where_they_are():
    """A box between the two overlaps both, and moves neither: it votes for the one it is nearer to, at most."""
    left, right, between = (0, 0, 100, 120), (70, 0, 170, 120), (24, 0, 124, 120)
    merged = merge(candidates((left, 0.99), (right, 0.98), (between, 0.6)))
    assert len(merged.scores) == 2
    assert merged.boxes[0, 0] < 12
    assert merged.boxes[1].tolist() == pytest.approx(list(right), abs=1e-3)


def test_a_detection_votes_for_one_head_alone():
    """One that overlaps both of two heads enough for a vote draws the nearer one, and the other not by a pixel."""
    left, right, between = (0, 0, 100, 120), (44, 0, 144, 120), (20, 0, 120, 120)
    merged = merge(candidates((left, 0.9), (right, 0.8), (between, 0.7)))
    assert merged.boxes[0].tolist() == pytest.approx([20 * 0.7 / 1.6, 0, 100 + 20 * 0.7 / 1.6, 120], abs=1e-3)
    assert merged.boxes[1].tolist() == pytest.approx(list(right), abs=1e-3)


def test_detections_that_take_a_head_to_lie_otherwise_do_not_vote():
    """One that sees it upside down, in the same box, moves neither its box nor its landmarks."""
    both = candidates(((0, 0, 100, 120), 0.9), ((6, 0, 106, 120), 0.85))
    turned = replace(both, landmarks=torch.stack([both.landmarks[0], 120 - both.landmarks[1]]))
    merged = merge(turned)
    assert len(merged.scores) == 1
    torch.testing.assert_close(merged.landmarks[0], both.landmarks[0])
    assert merged.boxes[0].tolist() == pytest.approx([0, 0, 100, 120])
    assert merge(both).boxes[0].tolist() != pytest.approx([0, 0, 100, 120])


def test_nothing_merges_to_nothing():
    assert len(merge(candidates()).scores) == 0


def test_the_box_that_looks_more_like_a_face_wins_over_a_confident_part_of_it():
    """And the other way round, whichever comes first."""
    head, eye = (0.0, 0.0, 200.0, 240.0), (20.0, 40.0, 120.0, 140.0)
    assert best_framed(candidates((eye, 0.7), (head, 0.8))).boxes.tolist() == [list(head)]
    assert best_framed(candidates((head, 0.7), (eye, 0.8))).boxes.tolist() == [list(eye)]


def test_a_small_face_before_a_large_one_stays():
    """A child held before somebody's chest lies within no face, and a far smaller box within one is a face of its own
    only beside it.
    """
    kept = best_framed(candidates(((0, 0, 200, 240), 0.9), ((230, 100, 290, 170), 0.8)))
    assert len(kept.scores) == 2


@pytest.mark.parametrize(("angle", "quarter"), [(0, 0), (40, 0), (-40, 0), (90, 1), (130, 1), (180, 2), (-90, 3)])
def test_quarter_turns_are_read_off_the_landmarks(angle, quarter):
    """Angles are clockwise as the viewer sees it, y pointing down."""
    a = math.radians(angle)
    turn = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]])
    assert quarter_of((UPRIGHT @ turn.mT)[None]).tolist() == [quarter]


def test_a_box_beside_a_face_is_no_second_one_and_a_head_that_touches_is():
    face = (0.0, 0.0, 100.0, 120.0)
    aside, touching = (40.0, -10.0, 140.0, 110.0), (80.0, -10.0, 180.0, 110.0)
    assert len(best_framed(candidates((face, 0.99), (aside, 0.98))).scores) == 1
    assert len(best_framed(candidates((face, 0.99), (touching, 0.98))).scores) == 2


def test_what_lies_on_or_beside_a_much_larger_head_is_told():
    boxes = torch.tensor([[100.0, 100, 400, 460], [395, 260, 415, 285], [900, 260, 920, 285], [410, 200, 510, 320]])
    assert beside_much_larger(boxes).tolist() == [False, True, False, False]


_EDGES = st.one_of(st.floats(-1e3, 5e3), st.sampled_from([0.0, 1e-7, 100.0, 100.00001, 1e6]))


@pytest.mark.slow
@seeded
@given(st.lists(st.tuples(_EDGES, _EDGES, _EDGES, _EDGES, st.sampled_from([0.3, 0.8, 1.0])), max_size=12))
def test_any_boxes_leave_the_best_and_nothing_new(rows):
    """Empty, mirrored in order, coincident, tiny and huge boxes: what stays was there, and the surest of all stays."""
    boxes = [
        ((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), score)
        for x0, y0, x1, y1, score in rows
        if x0 != x1 and y0 != y1
    ]
    found = candidates(*boxes)
    merged = merge(found)
    assert torch.isfinite(merged.boxes).all() and len(merged.scores) <= len(boxes)
    kept = best_framed(found)
    given_boxes = {tuple(box) for box in found.boxes.tolist()}
    assert all(tuple(box) in given_boxes for box in kept.boxes.tolist())
    assert kept.scores.tolist() == sorted(kept.scores.tolist(), reverse=True)
    if boxes:
        assert float(kept.scores[0]) == float(found.scores.max())
    assert beside_much_larger(found.boxes).shape == (len(boxes),)

"""What holds of every face, however odd its points and boxes are: an answer that is whole, or an error that says so."""

import numpy as np
import pytest
import torch
from any_points import boxes, five_landmarks, points, seeded, shapes
from hypothesis import given
from hypothesis import strategies as st

from gpen_blocks.gpen.errors import GPENError, ImageError, SettingsError
from gpen_blocks.gpen.faces.align import align_faces, estimate_similarity, landmark_fault, usable_faces
from gpen_blocks.gpen.faces.change import measure_changes
from gpen_blocks.gpen.faces.detection.tiles import Pyramid, plan_tiles, reduce
from gpen_blocks.gpen.faces.masks import contour
from gpen_blocks.gpen.faces.masks.parts import crop_landmarks, part_gains, part_masks
from gpen_blocks.gpen.faces.masks.paste_masks import draw_masks
from gpen_blocks.gpen.faces.paste import paste_faces
from gpen_blocks.gpen.faces.select import FaceOrder, select_faces
from gpen_blocks.gpen.pixels.warp import bounds, compose, invert, warp
from gpen_blocks.gpen.types import Face, Faces

WIDTH, HEIGHT = 200, 160


def picture(count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))


@seeded
@given(points(12))
def test_a_hull_holds_all_its_points(cloud):
    """Its corners are some of them, none lies outside, and distances are those of a metric."""
    try:
        hull = contour.convex_hull(cloud)
    except ImageError:
        extent = np.ptp(cloud, axis=0).max()
        assert not (np.isfinite(extent) and extent > 0)
        return
    extent = np.ptp(cloud, axis=0).max()
    assert all((corner == cloud).all(axis=1).any() for corner in hull)
    assert contour.signed_distance(hull, cloud).max() <= 1e-6 * extent
    asked = hull.mean(axis=0) + extent * np.random.default_rng(0).normal(size=(40, 2))
    distance = contour.signed_distance(hull, asked)
    assert np.isfinite(distance).all()
    steps = np.linalg.norm(asked[1:] - asked[:-1], axis=1)
    assert (np.abs(np.diff(distance)) <= steps + 1e-5 * extent).all()


@seeded
@given(shapes(9), st.floats(0.01, 1e4), st.floats(-1e3, 1e3))
def test_distances_move_and_grow_with_the_outline(shape, scale, shift):
    if np.ptp(shape, axis=0).max() < 1e-3:
        return
    asked = np.random.default_rng(0).normal(size=(20, 2))
    plain = contour.signed_distance(contour.convex_hull(shape), asked)
    moved = contour.signed_distance(contour.convex_hull(shape * scale + shift), asked * scale + shift)
    np.testing.assert_allclose(moved, plain * scale, atol=1e-5 * scale * (1 + abs(shift) / scale * 1e-4))


@seeded
@given(five_landmarks())
def test_an_outline_holds_its_five_landmarks(five):
    try:
        outline = contour.head_outline(five)
    except ImageError:
        extent = np.ptp(five, axis=0).max()
        assert not np.isfinite(extent) or extent < 1e-6 * np.abs(five).max()
        return
    assert contour.signed_distance(outline, five.astype(np.float64)).max() <= 1e-5 * np.ptp(outline, axis=0).max()


@seeded
@given(points(68))
def test_an_outline_holds_its_68_landmarks(points68):
    try:
        outline = contour.landmark_outline(points68)
    except ImageError:
        return
    assert contour.signed_distance(outline, points68).max() <= 1e-5 * np.ptp(outline, axis=0).max()


@pytest.mark.slow
@seeded
@given(st.one_of(points(5), points(68)))
def test_masks_of_parts_are_whole_or_refused(landmarks):
    try:
        masks = part_masks(landmarks[None], 48)
    except ImageError:
        return
    for mask in masks.values():
        assert mask.shape == (1, 1, 48, 48)
        assert 0 <= float(mask.min()) <= float(mask.max()) <= 1
    gains = part_gains(landmarks[None], 48, {"eyes": 2.0, "skin": 0.5})
    assert 0.5 - 1e-5 <= float(gains.min()) <= float(gains.max()) <= 2 + 1e-5


@seeded
@given(st.lists(five_landmarks(), min_size=1, max_size=4), st.sampled_from(["gpen", "ffhq"]))
def test_a_similarity_is_a_turn_and_a_scale(sets, template):
    """Where landmarks can be laid on the template the matrix has a way back; else it is said why."""
    for five in sets:
        five = five.astype(np.float32)
        if landmark_fault(five, template) is None:
            matrix = estimate_similarity(five, np.random.default_rng(0).normal(size=(5, 2)))
            a, b, c, d = matrix[:, :2].ravel()
            assert a == pytest.approx(d, abs=1e-5 * abs(a) + 1e-12) and b == pytest.approx(
                -c, abs=1e-5 * abs(a) + 1e-12
            )


@seeded
@given(
    st.lists(five_landmarks(), min_size=1, max_size=3),
    st.none() | points(68),
    st.sampled_from(["landmarks", "ellipse"]),
)
def test_every_face_is_pasted_or_told(sets, points68, mode):
    """What is usable is cut, masked, pasted and measured; a pixel beyond the masks never moves."""
    images = picture()
    faces = tuple(
        Face((0, 0, 9, 9), 0.9, five, landmarks68=points68 if n == 0 else None) for n, five in enumerate(sets)
    )
    usable, unusable = usable_faces(Faces(faces, ((HEIGHT, WIDTH),)), "gpen")
    assert len(usable) + len(unusable) == len(faces)
    crops, alignments = align_faces(images, usable, 32, "gpen")
    assert not crops.numel() or 0 <= float(crops.min()) <= float(crops.max()) <= 1
    for alignment in alignments:
        back = compose(alignment.inverse, alignment.matrix)
        np.testing.assert_allclose(back[:, :2], np.eye(2), atol=1e-6)
    masks, faults = draw_masks(alignments, 32, mode)
    assert len(masks) == len(faults) == len(alignments)
    for mask, fault in zip(masks, faults, strict=True):
        assert bool(mask.any()) == (fault is None)
        assert 0 <= float(mask.amin()) <= float(mask.amax()) <= 1
    result, coverage = paste_faces(images, 1 - crops, alignments, masks=masks)
    assert torch.isfinite(result).all()
    outside = (coverage == 0).expand_as(images)
    assert torch.equal(result[outside], images[outside])
    for change, fault in zip(measure_changes(images, result, alignments, masks), faults, strict=True):
        assert fault is None or change is None
        assert change is None or (0 <= change.share <= 1 and 0 <= change.mean <= change.largest <= 255)
    five = crop_landmarks(alignments, 32)
    assert np.isfinite(five).all() and len(five) == len(alignments)


@seeded
@given(points(3), st.sampled_from(["bilinear", "bicubic"]), st.sampled_from(["reflection", "zeros"]))
def test_every_affine_map_is_sampled(corners, mode, border):
    """From every map that has a way back, pixels are finite and about within the picture's range."""
    matrix = np.stack([corners[1] - corners[0], corners[2] - corners[0], corners[0]], axis=1) / [16, 16, 1]
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix[:, :2]) > 1e6:
        return
    np.testing.assert_allclose(compose(invert(matrix), matrix)[:, :2], np.eye(2), atol=1e-3)
    x0, y0, x1, y1 = bounds(matrix, (17, 23))
    assert x0 <= x1 and y0 <= y1
    sampled = warp(picture(), matrix, (17, 23), mode=mode, border=border)
    assert sampled.shape == (1, 3, 17, 23)
    assert -0.5 <= float(sampled.min()) <= float(sampled.max()) <= 1.5


@seeded
@given(
    st.lists(st.tuples(boxes(), st.floats(0, 1), st.integers(0, 2)), max_size=8),
    st.sampled_from(FaceOrder.__args__),
    st.sampled_from(["", "0", "1-3", "7"]),
    st.sampled_from([0.0, 5.0, 1e6]),
    st.integers(0, 3),
)
def test_a_selection_parts_the_faces(found, order, indices, min_face_size, max_faces):
    """Every face is either selected or rejected, whatever its box; what is selected is large enough and of numbers."""
    sizes = ((HEIGHT, WIDTH),) * 3
    faces = Faces(tuple(Face(box, score, np.zeros((5, 2)), image) for box, score, image in found), sizes)
    selected, rejected = select_faces(faces, order, indices, min_face_size, max_faces)
    assert sorted(map(id, (*selected, *rejected))) == sorted(map(id, faces))
    assert all(np.isfinite(face.box).all() and face.size >= min_face_size for face in selected)
    assert all(len(selected.of_image(image)) <= (max_faces or 8) for image in range(3))
    again, _ = select_faces(Faces(faces.faces[::-1], sizes), order, "", min_face_size)
    assert len(again) == len(select_faces(faces, order, "", min_face_size)[0])


@seeded
@given(boxes(), points(5), points(68))
def test_faces_hold_what_they_are_given(box, five, points68):
    face = Face(box, 0.5, five, landmarks68=points68)
    np.testing.assert_array_equal(face.box, box)
    np.testing.assert_array_equal(face.landmarks, five.astype(np.float32))
    with pytest.raises(ValueError):
        face.landmarks[0] = 0
    with pytest.raises(ValueError, match="must have shape"):
        Face(box, 0.5, points68)


@seeded
@given(st.integers(1, 6000), st.integers(1, 6000), st.floats(0, 500))
def test_tiles_cover_the_picture_on_every_level(height, width, min_face_size):
    """The spans of both axes reach from border to border without a gap, and no tile is larger than memory is for."""
    levels: dict[float, list] = {}
    for tile in plan_tiles((height, width), min_face_size):
        levels.setdefault(tile.scale, []).append(tile)
        assert max(tile.seen) <= 1408 + 256 + 32
    assert len(levels[min(levels)]) == 1
    for tiles in levels.values():
        for spans, length in (({(t.x0, t.x1) for t in tiles}, width), ({(t.y0, t.y1) for t in tiles}, height)):
            reached = 0
            for start, stop in sorted(spans):
                assert start <= reached and start < stop
                reached = stop
            assert reached == length


@seeded
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([2, 4, 8]))
def test_reducing_keeps_the_range_and_every_pixel(height, width, block):
    images = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    small = reduce(images, block)
    assert small.shape == (1, 3, -(-height // block), -(-width // block))
    assert float(images.min()) <= float(small.min()) <= float(small.max()) <= float(images.max())
    for tile in plan_tiles((height, width), 0):
        assert Pyramid(images).cut(tile, 0, 1).shape[2:] == tile.seen


@seeded
@given(st.text(max_size=12))
def test_indices_are_read_or_refused(text):
    try:
        select_faces(Faces((), ((10, 10),)), indices=text)
    except SettingsError as error:
        assert isinstance(error, GPENError) and "0,2-4" in str(error)

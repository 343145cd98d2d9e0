"""Outlines of faces: pose, hull and distance."""

import json
from pathlib import Path

import numpy as np
import pytest

from gpen_blocks.gpen.faces.masks import contour


def turned_head(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """2 x 3: a head of 100 px eye distance, turned by degrees."""
    a, b, c = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return 100 * (about_z @ about_x @ about_y)[:2]


@pytest.mark.parametrize("angles", [(0, 0, 0), (35, 0, 0), (-60, 10, 5), (10, -25, 160)])
def test_the_pose_of_a_turned_head_is_found(angles):
    """Turned, nodding, tilted and upside-down heads: the projection comes back from five landmarks."""
    projection = turned_head(*angles)
    centre, found = contour.pose_head(contour._HEAD_LANDMARKS @ projection.T + [200, 150])
    np.testing.assert_allclose(found, projection, atol=1e-6)
    np.testing.assert_allclose(centre, [200, 150], atol=1e-6)


@pytest.mark.parametrize("yaw", [0, 40, -80])
def test_the_outline_is_the_silhouette_of_the_head(yaw):
    """Every point of the ellipsoid projects into the outline, and some of them onto it."""
    projection = turned_head(yaw)
    outline = contour.head_outline(contour._HEAD_LANDMARKS @ projection.T)
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    surface = contour._HEAD_CENTRE + contour._HEAD_AXES * directions / np.linalg.norm(directions, axis=1)[:, None]
    distance = contour.signed_distance(outline, surface @ projection.T)
    assert distance.max() < 1.5  # a polygon of 32 corners cuts up to 0.7 px off an ellipse of this size
    assert distance.max() > -2


def test_a_profile_nose_is_inside():
    """In profile the nose lies outside of the ellipsoid, but not outside of the face."""
    landmarks = contour._HEAD_LANDMARKS @ turned_head(80).T
    assert contour.signed_distance(contour.head_outline(landmarks), landmarks).max() < -15


def test_68_landmarks_reach_from_chin_to_forehead():
    jaw = np.stack([np.linspace(-80, 80, 17), 100 - np.linspace(-1, 1, 17) ** 2 * 100], axis=1)
    brows = np.stack([np.linspace(-60, 60, 10), np.full(10, -20)], axis=1)
    nose, eyes, mouth = np.tile([0, 30], (9, 1)), np.tile([0, 0], (12, 1)), np.tile([0, 65], (20, 1))
    outline = contour.landmark_outline(np.concatenate([jaw, brows, nose, eyes, mouth]))
    assert outline[:, 1].max() == pytest.approx(100)
    assert -90 < outline[:, 1].min() < -60


def test_hull_and_distance_of_a_square():
    """Inner points leave the hull; distance is Euclidean, also around corners, and negative inside."""
    points = np.array([[0, 0], [10, 0], [10, 10], [0, 10], [5, 5], [3, 9]], np.float64)
    hull = contour.convex_hull(points)
    assert sorted(map(tuple, hull)) == [(0, 0), (0, 10), (10, 0), (10, 10)]
    asked = np.array([[5, 5], [5, 12], [13, 14], [1, 5]])
    np.testing.assert_allclose(contour.signed_distance(hull, asked), [-5, 2, 5, -1], rtol=1e-6)
    np.testing.assert_allclose(contour.signed_distance(hull[::-1], asked), [-5, 2, 5, -1], rtol=1e-6)


@pytest.fixture(scope="module")
def coinciding() -> list[np.ndarray]:
    """Outlines of real faces, in units of the crop, with corners that coincide up to rounding."""
    file = Path(__file__).parents[3] / "data" / "outlines_with_coinciding_corners.json"
    return [np.array(outline) for outline in json.loads(file.read_text(encoding="utf-8"))]


def test_an_edge_of_no_length_has_a_distance(coinciding):
    """Distances are finite, and those to the same outline without its doubled corners."""
    asked = np.random.default_rng(0).uniform(-0.5, 1.5, (500, 2))
    for outline in coinciding:
        distance = contour.signed_distance(outline, asked)
        assert (distance < 0).any() and (distance > 0).any()
        once = outline[np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1) > 1e-9]
        assert len(once) < len(outline)
        np.testing.assert_allclose(distance, contour.signed_distance(once, asked), atol=1e-6)
        np.testing.assert_allclose(distance, distance_by_hand(once, asked), atol=1e-6)


def distance_by_hand(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance to the nearest edge of a convex outline, negative inside."""
    edges = np.roll(outline, -1, axis=0) - outline
    to_points = points[:, None] - outline
    along = ((to_points * edges).sum(axis=-1) / (edges**2).sum(axis=-1)).clip(0, 1)
    nearest = np.linalg.norm(to_points - along[..., None] * edges, axis=-1).min(axis=1)
    sides = edges[:, 0] * to_points[..., 1] - edges[:, 1] * to_points[..., 0]
    return np.where((sides >= 0).all(axis=1) | (sides <= 0).all(axis=1), -nearest, nearest)


def test_the_last_bit_of_a_landmark_changes_nothing(coinciding):
    """Hull and distance follow their points continuously, whichever way rounding falls."""
    asked = np.random.default_rng(0).uniform(-0.5, 1.5, (500, 2))
    rng = np.random.default_rng(1)
    for outline in coinciding:
        expected = contour.signed_distance(contour.convex_hull(outline), asked)
        for _ in range(5):
            nudged = np.nextafter(outline, outline + rng.choice([-1.0, 0.0, 1.0], outline.shape))
            distance = contour.signed_distance(contour.convex_hull(nudged), asked)
            np.testing.assert_allclose(distance, expected, atol=1e-6)


@pytest.mark.parametrize("corners", [2, 3, 8, 40])
def test_near_a_hull_the_distance_is_exact(corners):
    """Inside, and outside up to the reach; beyond it, only that it is beyond."""
    generator = np.random.default_rng(corners)
    hull = contour.convex_hull(100 * generator.normal(size=(corners, 2)))
    asked = 500 * generator.uniform(-1, 1, (40, 50, 2))
    exact, near = contour.signed_distance(hull, asked), contour.hull_distance(hull, asked, 60.0)
    reached = exact < 60
    np.testing.assert_allclose(near[reached], exact[reached], atol=1e-3)
    assert near.shape == (40, 50) and (near[~reached] >= 60 - 1e-3).all() and reached.any()

"""Outlines of a face around its landmarks.

Convention: points are (x, y) with y downwards; outlines are K x 2 float64, in the coordinates of the landmarks.
"""

from __future__ import annotations

import numpy as np

from ...errors import ImageError

# The five landmarks of a mean head in units of its eye distance, origin between the eyes: x to the viewer's right, y
# down, z towards the viewer. Shape from motion (Tomasi and Kanade 1992, scaled orthography, left and right alike) on
# RetinaFace landmarks of 300 generated portraits turned by up to 33 degrees; residual 0.016 eye distances.
_HEAD_LANDMARKS = np.array(
    [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], [0.0, 0.50, 0.36], [-0.45, 1.02, 0.0], [0.45, 1.02, 0.0]]
)
# The face as an ellipsoid in the same units: cheekbone to cheekbone and hairline to chin of the mean adult face
# (Farkas, Anthropometry of the Head and Face, 1994: 137 and 185 mm with 63 mm between the pupils), and as deep as wide.
_HEAD_CENTRE = np.array([0.0, 0.38, -0.85])
_HEAD_AXES = np.array([1.09, 1.47, 1.09])
# Radius around each landmark, in eye distances: the tip of a nose in profile is outside the ellipsoid.
_LANDMARK_RADIUS = 0.25
# Distance from brow to hairline divided by that from eyes to mouth, without the soft edge.
_FOREHEAD = 0.8

_ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


def head_outline(landmarks: np.ndarray) -> np.ndarray:
    """Outline of a face from its five landmarks.

    1. Fit a mean head to the landmarks (scaled orthographic projection), which handles turned, nodding and tilted
       heads.
    2. Compute the silhouette of an ellipsoid around that head, an ellipse in closed form.
    3. Return the convex hull of the ellipse and of a disc around each landmark.

    Args:
        landmarks: 5 x 2.

    Raises:
        ImageError: landmarks are not finite, or all of them coincide.
    """
    landmarks = np.asarray(landmarks, np.float64)
    _frame(landmarks)
    centre, projection = pose_head(landmarks)
    # The ellipsoid is c + D u with |u| <= 1; its shadow P c + P D u is the ellipse whose shape is P D (P D)^T.
    axes, lengths, _ = np.linalg.svd(projection * _HEAD_AXES)
    ellipse = centre + projection @ _HEAD_CENTRE + (_CIRCLE * lengths) @ axes.T
    radius = _LANDMARK_RADIUS * np.linalg.norm(projection, 2)
    discs = (landmarks[:, None] + radius * _CIRCLE).reshape(-1, 2)
    return convex_hull(np.concatenate([ellipse, discs]))


def pose_head(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pose of the mean head under scaled orthographic projection.

    Returns:
        The projection of the point between the eyes, and the 2 x 3 matrix that maps a point of the head to an offset
        from it; its rows are orthogonal, with the frontal eye distance in pixels as their length.
    """
    landmarks = np.asarray(landmarks, np.float64)
    model = np.concatenate([_HEAD_LANDMARKS, np.ones((5, 1))], axis=1)
    affine = np.linalg.lstsq(model, landmarks, rcond=None)[0].T
    u, lengths, v = np.linalg.svd(affine[:, :3], full_matrices=False)
    projection = lengths.mean() * (u @ v)
    centre = landmarks.mean(axis=0) - projection @ _HEAD_LANDMARKS.mean(axis=0)
    return centre, projection


def landmark_outline(landmarks68: np.ndarray) -> np.ndarray:
    """Outline of a face from its 68 landmarks: along the jaw, and in half an ellipse over the brows to the hairline.

    Args:
        landmarks68: 68 x 2 in iBUG order.

    Raises:
        ImageError: landmarks are not finite, or all of them coincide.
    """
    points = np.asarray(landmarks68, np.float64)
    _frame(points)
    jaw, brows, eyes, mouth = points[:17], points[17:27], points[36:48], points[48:68]
    up = eyes.mean(axis=0) - mouth.mean(axis=0)
    middle, across = (jaw[0] + jaw[16]) / 2, (jaw[16] - jaw[0]) / 2
    top = brows.mean(axis=0) + _FOREHEAD * up - middle
    arc = middle + _CIRCLE[:, :1] * across + _CIRCLE[:, 1:].clip(0) * top
    return convex_hull(np.concatenate([points, arc]))


def convex_hull(points: np.ndarray) -> np.ndarray:
    """Convex hull by `cv2.convexHull`; K x 2, each corner once, in order. Collinear points give their two ends.

    Raises:
        ImageError: points are not finite, or all of them coincide.
    """
    import cv2  # imported here, since pictures without a face do not need it

    points = np.asarray(points, np.float64)
    origin, extent = _frame(points)
    # OpenCV computes in float32 and merges corners that coincide up to rounding.
    around = ((points - origin) / extent).astype(np.float32)
    corners = np.asarray(cv2.convexHull(around, returnPoints=False), np.int64)[:, 0]
    return points[corners]


def signed_distance(outline: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Distance of points to an outline by `cv2.pointPolygonTest`, negative inside.

    It is exact to 1e-7 of the outline's extent for edges of any length; a distance transform on a grid of 512 has an
    error of 0.003 of the side, and is slower.

    Args:
        outline: K x 2, in order.
        points: ... x 2.

    Returns:
        The shape of `points` without its last axis.

    Raises:
        ImageError: the outline is not finite, or all its points coincide.
    """
    import cv2

    origin, extent = _frame(outline)
    corners = ((outline - origin) / extent).astype(np.float32)
    asked = ((points - origin) / extent).reshape(-1, 2).tolist()
    inside = [cv2.pointPolygonTest(corners, point, True) for point in asked]
    return -extent * np.array(inside).reshape(points.shape[:-1])


def hull_distance(hull: np.ndarray, points: np.ndarray, reach: float) -> np.ndarray:
    """`signed_distance` to a convex outline, exact up to `reach`; farther points get some value from `reach` on.

    The largest distance to the lines of the edges is the distance inside, and at most the distance outside. So only the
    points in between are asked for one by one.

    Args:
        hull: K x 2, from `convex_hull`.
        points: ... x 2.
        reach: in units of the points.

    Raises:
        ImageError: the outline is not finite, or all its points coincide.
    """
    _frame(hull)
    following = np.roll(hull, -1, axis=0)
    edges = following - hull
    outwards = np.stack([edges[:, 1], -edges[:, 0]], axis=1) / np.linalg.norm(edges, axis=1, keepdims=True)
    if (hull[:, 0] * following[:, 1] - hull[:, 1] * following[:, 0]).sum() < 0:  # the corners go round the other way
        outwards = -outwards
    distance = (points @ outwards.T - (hull * outwards).sum(axis=1)).max(axis=-1)
    asked = (distance > 0) & (distance < reach)
    distance[asked] = signed_distance(hull, points[asked])
    return distance


def _frame(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Minimum coordinates of points and the longer side of their box, for normalisation to single precision."""
    origin, end = points.min(axis=0), points.max(axis=0)
    extent = float((end - origin).max()) if np.isfinite([origin, end]).all() else 0.0
    if extent == 0:
        raise ImageError(
            "The landmarks along an outline of a face are not finite or all coincide; leave that face out."
        )
    return origin, extent

"""What the bundled detector and classifier are held to, on pictures that are not theirs to choose."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen_blocks.gpen.degradation.faces import read_faces, to_images
from gpen_blocks.gpen.faces.detection.candidates import quarter_of
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.faces.detection.detector import FaceDetector
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import load_detector
from gpen_blocks.weights import store

pytestmark = pytest.mark.slow

SHARED = Path(__file__).resolve().parents[5] / "shared"
PUBLISHED = SHARED / "weights" / "detection_mobilenet0.25_Final.pth"
# The bundled one, and the published one with the same second look.
DETECTORS = {"bundled": "face-detector-lite"} | ({"published": str(PUBLISHED)} if PUBLISHED.is_file() else {})


@pytest.fixture(scope="module", params=DETECTORS.values(), ids=list(DETECTORS))
def detector(request) -> FaceDetector:
    return load_detector(request.param).module


def test_the_published_detector_is_tried_too(shared):
    """Skipped, it tells that all the others try the bundled one alone."""
    assert set(DETECTORS) == {"bundled", "published"}


def scenery(every: int) -> np.ndarray:
    """Backgrounds without faces, N x 256 x 256 x 3; soft shapes of all colours where there is no ../shared."""
    table = SHARED / "data" / "backgrounds-256.parquet"
    if table.is_file():
        return read_faces(table, every=every)
    coarse = np.random.default_rng(0).integers(0, 256, (12, 9, 9, 3), dtype=np.uint8)
    return np.stack([cv2.resize(plane, (256, 256), interpolation=cv2.INTER_CUBIC) for plane in coarse])


def test_thresholds_are_those_of_the_registry():
    record = store.registry.get("face-detector-lite")
    assert load_detector("face-detector-lite").module.score_threshold == record.score_threshold == 0.8


def test_what_was_taken_for_faces_before_is_none(detector, shared):
    for path in sorted((shared / "data" / "field").glob("no-face-*.jpg")):
        assert len(detect(read_picture(path).pixels, detector)) == 0, path.name


def test_pictures_without_a_face_have_none(detector, shared):
    tiles = read_faces(shared / "data" / "negatives-256.parquet", every=24)
    found = [len(detect(to_images(part), detector, refine=False)) for part in np.array_split(tiles, 6)]
    assert sum(found) == 0


@pytest.mark.parametrize("width", [64, 160, 400])
def test_a_face_that_fills_the_picture_is_one(detector, aligned_faces, width):
    side = round(width / 0.53)
    for face in aligned_faces[: 10 if width < 400 else 4]:
        shown = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA if side < 256 else cv2.INTER_CUBIC)
        assert len(detect(to_images(shown[None]), detector, refine=False)) == 1


def laid(scene: np.ndarray, face: np.ndarray, centre: tuple[int, int], side: int) -> None:
    """Lay a head, cut out by an oval, on a scene."""
    y, x = np.mgrid[0:side, 0:side]
    oval = np.clip((1 - np.hypot((x - side / 2) / (0.38 * side), (y - side / 2) / (0.46 * side))) * 10, 0, 1)[..., None]
    left, top = centre[0] - side // 2, centre[1] - side // 2
    part = scene[top : top + side, left : left + side]
    head = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA if side < 256 else cv2.INTER_CUBIC)
    part[:] = head * oval + part * (1 - oval)


def test_two_heads_that_touch_are_two(detector, aligned_faces):
    random = np.random.default_rng(0)
    backgrounds = scenery(25)
    for index in range(12):
        scene = cv2.resize(backgrounds[index % len(backgrounds)], (400, 400))
        side = int(random.integers(70, 190))
        apart = round(random.uniform(0.56, 0.7) * side)
        x, y = 200 - apart // 2, 200 + int(random.integers(-20, 20))
        laid(scene, aligned_faces[index], (x, y), side)
        laid(scene, aligned_faces[-1 - index], (x + apart, y + int(random.integers(-10, 10))), side)
        found = [face for face in detect(to_images(scene[None]), detector, refine=False) if face.width > 0.3 * side]
        centres = sorted((face.box[0] + face.box[2]) / 2 for face in found)
        assert centres == [pytest.approx(x, abs=0.2 * side), pytest.approx(x + apart, abs=0.2 * side)]


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("rotated", [False, True])
def test_heads_are_upright_in_their_crops_or_left_alone(detector, aligned_faces, turn, rotated):
    backgrounds = scenery(40)
    for index in range(4):
        scene = cv2.resize(backgrounds[index], (480, 480))
        laid(scene, aligned_faces[20 + index], (240, 240), 200)
        image = to_images(np.rot90(scene, turn).copy()[None])
        found = [face for face in detect(image, detector, rotated=rotated) if face.width > 60 and not face.wrong_way]
        quarters = [int(quarter_of(torch.tensor(face.landmarks)[None])) for face in found]
        assert all(quarter == (-turn) % 4 for quarter in quarters)
        assert len(quarters) == 1 or not rotated

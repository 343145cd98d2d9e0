"""Detection with the bundled detector and, where they are at hand, with the real weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.ops import nms

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.faces.detection.detector import FaceDetector, build_detector
from gpen_blocks.gpen.faces.detection.retinaface import anchors, decode_boxes, decode_landmarks
from gpen_blocks.gpen.models import load_detector
from gpen_blocks.gpen.training.detector.evaluate_detector import compare
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.weights import checkpoint


@pytest.fixture(scope="module")
def bundled() -> FaceDetector:
    return load_detector("face-detector-lite").module


@pytest.fixture(scope="module")
def real(shared) -> FaceDetector:
    return build_detector(checkpoint.read(shared / "weights" / "detection_mobilenet0.25_Final.pth").tensors)


@pytest.fixture(scope="module")
def solvay(shared) -> Tensor:
    picture = np.asarray(Image.open(shared / "data" / "real" / "Solvay_conference_1927.png").convert("RGB"))
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def golden(shared) -> dict[str, Tensor]:
    return checkpoint.read(shared / "golden" / "alignment_solvay.safetensors").tensors


@pytest.fixture(scope="module")
def expected(golden, solvay) -> Faces:
    found = zip(golden["boxes"].tolist(), golden["scores"].tolist(), golden["landmarks"].numpy(), strict=True)
    return Faces(tuple(Face(tuple(box), score, points) for box, score, points in found), (tuple(solvay.shape[2:]),))


@pytest.fixture(scope="module")
def portrait() -> Tensor:
    """Eileen Collins, by NASA, in the public domain: 1 x 3 x 512 x 512, her face 90 px wide."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the portrait")
    return torch.from_numpy(data.astronaut().copy()).permute(2, 0, 1)[None].float() / 255


FACE_BOX = (181.0, 58.0, 271.0, 174.0)  # hers


def assert_face_at(face: Face, box: tuple[float, ...], tolerance: float) -> None:
    """The centre of the face's box is that of `box`, and its width too, within a part of the width."""
    width = box[2] - box[0]
    centre = [(face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2]
    assert centre == pytest.approx([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], abs=tolerance * width)
    assert face.width == pytest.approx(width, rel=2 * tolerance)


def paste(scene: Tensor, portrait: Tensor, at: tuple[int, int], scale: float) -> tuple[float, ...]:
    """Put the head at (x, y) of the scene; gives the face's box there."""
    head = portrait[:, :, 0:256, 96:352]
    side = round(256 * scale)
    x, y = at
    scene[:, :, y : y + side, x : x + side] = F.interpolate(
        head, size=(side, side), mode="bilinear", antialias=scale < 1, align_corners=False
    )
    x0, y0, x1, y1 = FACE_BOX
    return (x + (x0 - 96) * scale, y + y0 * scale, x + (x1 - 96) * scale, y + y1 * scale)


def test_real_weights_give_the_reference_numbers_in_one_pass(real, solvay, golden):
    """Preprocessing, anchors, decoding and NMS are those of facexlib."""
    scores, boxes, landmarks = (output[0] for output in real(solvay))
    chosen = (scores > 0.9).nonzero()[:, 0]
    at = anchors(*solvay.shape[2:])[chosen]
    found = decode_boxes(boxes[chosen], at)
    kept = nms(found, scores[chosen], 0.4)
    assert len(kept) == 29
    torch.testing.assert_close(found[kept], golden["boxes"], atol=0.02, rtol=0)
    points = decode_landmarks(landmarks[chosen], at)[kept]
    torch.testing.assert_close(points, golden["landmarks"], atol=0.02, rtol=0)
    torch.testing.assert_close(scores[chosen][kept], golden["scores"], atol=1e-4, rtol=0)


def test_real_weights_find_29_faces_with_levels_merged(real, solvay, expected):
    result = compare(detect(solvay, real), expected)
    assert (result.found, result.false) == (29, 0)
    assert result.landmark_error < 0.06


def test_bundled_detector_meets_its_bounds_on_the_group_photograph(bundled, solvay, expected):
    result = compare(detect(solvay, bundled), expected)
    assert result.found >= 28
    assert result.false == 0
    assert result.landmark_error < 0.07


def test_bundled_detector_finds_the_portrait_alone(bundled, portrait):
    (face,) = detect(portrait, bundled)
    assert_face_at(face, FACE_BOX, 0.15)
    left, right, nose, left_mouth, right_mouth = face.landmarks
    assert left[0] < nose[0] < right[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left[1], right[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_black_and_white_portrait_is_found(bundled, portrait):
    (face,) = detect(portrait.mean(1, keepdim=True).expand(-1, 3, -1, -1), bundled)
    assert_face_at(face, FACE_BOX, 0.15)


@pytest.mark.slow
@pytest.mark.parametrize("turn", [1, 2, 3])
def test_turned_heads_are_found_when_asked(bundled, portrait, turn):
    """Landmarks keep their meaning: turned back, the left eye is the viewer's left eye."""
    (upright,) = detect(portrait, bundled)
    (face,) = detect(portrait.rot90(turn, (2, 3)), bundled, rotated=True)
    points = torch.from_numpy(face.landmarks.copy())
    for _ in range(turn):  # a quarter turn clockwise
        points = torch.stack([512 - points[:, 1], points[:, 0]], dim=1)
    eyes = np.linalg.norm(upright.landmarks[0] - upright.landmarks[1])
    assert np.abs(points.numpy() - upright.landmarks).max() < 0.2 * eyes


def test_upright_head_gives_one_face_when_rotations_are_searched_too(bundled, portrait):
    (face,) = detect(portrait, bundled, rotated=True)
    assert_face_at(face, FACE_BOX, 0.15)
    assert face.landmarks[0, 0] < face.landmarks[1, 0]


@pytest.mark.slow
def test_small_face_in_a_large_picture_is_found(bundled, portrait):
    """12 megapixels, a face 60 px wide."""
    scene = torch.full((1, 3, 3000, 4000), 0.4)
    box = paste(scene, portrait, (2900, 1700), 60 / 90)
    (face,) = detect(scene, bundled, min_face_size=32)
    assert_face_at(face, box, 0.2)


@pytest.mark.slow
def test_face_that_fills_a_large_picture_is_found_once(bundled, portrait):
    scene = F.interpolate(portrait[:, :, 30:240, 120:330], size=(2200, 2200), mode="bilinear")
    (face,) = detect(scene, bundled, min_face_size=32)
    scale = 2200 / 210
    assert_face_at(face, tuple((v - o) * scale for v, o in zip(FACE_BOX, (120, 30, 120, 30), strict=True)), 0.2)


@pytest.mark.parametrize("x", [700, 740, 920, 960, 1000])
def test_face_on_a_tile_border_is_one_whole_face(bundled, portrait, x):
    """Half a face in one tile must neither survive nor double the whole one in the next: tiles of this scene end at
    832 and 1088.
    """
    scene = torch.full((1, 3, 512, 2700), 0.4)
    box = paste(scene, portrait, (x, 100), 1.0)
    (face,) = detect(scene, bundled)
    assert_face_at(face, box, 0.15)


def test_images_of_a_batch_are_searched_apart(bundled, portrait):
    batch = torch.cat([portrait, torch.zeros_like(portrait), portrait.flip(3)])
    found = detect(batch, bundled)
    assert [face.image_index for face in found] == [0, 2]
    assert found.sizes == ((512, 512),) * 3
    (alone,) = detect(portrait, bundled)
    np.testing.assert_allclose(found.faces[0].landmarks, alone.landmarks, atol=0.05)


@pytest.mark.slow
def test_limits_are_kept(bundled, portrait):
    """Threshold, minimum size and maximum count."""
    scene = torch.full((1, 3, 600, 1200), 0.4)
    paste(scene, portrait, (40, 40), 1.5)
    paste(scene, portrait, (700, 100), 0.5)
    both = detect(scene, bundled)
    assert len(both) == 2
    assert both.faces[0].score >= both.faces[1].score
    assert len(detect(scene, bundled, max_faces=1)) == 1
    (large,) = detect(scene, bundled, min_face_size=120)
    assert large.size >= 120
    assert not len(detect(scene, bundled, score_threshold=1.0))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 700), (33, 47)])
def test_tiny_images_hold_no_face(bundled, size):
    found = detect(torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)), bundled, rotated=True)
    assert len(found) == 0
    assert found.sizes == (size,)


def test_empty_batch_gives_no_faces(bundled):
    assert detect(torch.zeros(0, 3, 64, 64), bundled).sizes == ()


@pytest.mark.parametrize(
    ("images", "word"),
    [
        (torch.full((1, 3, 32, 32), float("nan")), "NaN"),
        (torch.full((1, 3, 32, 32), float("inf")), "infinity"),
        (torch.zeros(1, 1, 32, 32), "B x 3 x H x W"),
        (torch.zeros(3, 32, 32), "B x 3 x H x W"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "uint8"),
        (torch.zeros(1, 3, 0, 32), "3, 0, 32"),
    ],
)
def test_unusable_images_are_refused_in_a_sentence(bundled, images, word):
    with pytest.raises(ImageError, match=word):
        detect(images, bundled)


@pytest.mark.slow
def test_progress_counts_to_its_total_and_interrupts(bundled, portrait):
    calls: list[tuple[int, int]] = []
    detect(portrait, bundled, rotated=True, progress=lambda done, total: calls.append((done, total)))
    counts = [done for done, _ in calls]
    assert counts == sorted(counts) and len(set(counts)) > 10
    assert {total for _, total in calls} == {counts[-1]}

    with pytest.raises(KeyboardInterrupt):
        detect(portrait, bundled, progress=_interrupting(after=1))


def _interrupting(after: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    return progress

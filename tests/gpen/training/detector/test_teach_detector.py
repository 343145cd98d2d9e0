"""The teaching of the detector: what it is shown, what it is measured with, and what the script writes."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
import torch
from command import run_gpen
from PIL import Image

from gpen_blocks.gpen.degradation.faces import group_weights, read_faces
from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.faces.detection.detector import build_detector
from gpen_blocks.gpen.faces.detection.refine import CROP, MEAN_SHAPE, LandmarkRefiner, crop_frames, refine_landmarks
from gpen_blocks.gpen.faces.detection.retinaface import anchors
from gpen_blocks.gpen.training.detector.backgrounds import cut_tiles
from gpen_blocks.gpen.training.detector.distill import HEAD_REACH, _near_heads, head_loss
from gpen_blocks.gpen.training.detector.evaluate_detector import compare
from gpen_blocks.gpen.training.detector.teach_refiner import label_landmarks
from gpen_blocks.gpen.training.shared.ema import MovingAverage, warm_cosine
from gpen_blocks.gpen.training.shared.face_crops import CropMaker
from gpen_blocks.gpen.training.shared.scenes import SCENE, Augmenter, compose_scenes
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.weights import checkpoint


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    """Smooth random pictures that stand in for faces and backgrounds where only the mechanics count."""
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((256, 256), Image.Resampling.BICUBIC)) for one in small])


@pytest.fixture
def parquet(tmp_path, pictures):
    pa = pytest.importorskip("pyarrow", reason="the teaching script reads parquet")
    import pyarrow.parquet as pq

    rows = []
    for picture in pictures:
        coded = io.BytesIO()
        Image.fromarray(picture).save(coded, "PNG")
        rows.append({"bytes": coded.getvalue(), "path": None})
    path = tmp_path / "pictures.parquet"
    pq.write_table(pa.table({"image": rows}), path)
    return path


def test_scenes_repeat_with_the_seed(pictures):
    first, again, other = (compose_scenes(pictures, pictures, 4, seed) for seed in (3, 3, 4))
    assert first.clean.shape == first.shown.shape == (4, SCENE, SCENE, 3)
    for name in ("clean", "shown", "heads"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.clean != other.clean).any()


@pytest.mark.slow
def test_only_the_students_view_has_altered_heads_and_their_places_are_known(pictures):
    """Where no head is, both see the same, unless the whole scene is out of focus."""
    scenes = compose_scenes(pictures, pictures, 40, 5)
    assert (scenes.clean != scenes.shown).any()
    y, x = np.mgrid[0:SCENE, 0:SCENE] + 0.5
    alike = 0
    for clean, shown, heads in zip(scenes.clean, scenes.shown, scenes.heads, strict=True):
        places = heads[heads[:, 2] > 0]
        near = np.zeros((SCENE, SCENE), bool)
        for place_x, place_y, size in places:
            near |= np.hypot(x - place_x, y - place_y) < 1.6 * size
        alike += bool((clean == shown)[~near].all())
    assert alike >= 30


def test_away_from_heads_nothing_is_a_face_to_the_student():
    heads = torch.tensor([[[40.0, 40.0, 20.0], [0.0, 0.0, 0.0]]])
    near = _near_heads(heads, 64)[0, :, 0]
    centres = anchors(64, 64)[:, :2]
    distance = (centres - torch.tensor([40.0, 40.0])).norm(dim=1)
    assert torch.equal(near, distance < HEAD_REACH * 20)


def test_groups_of_people_are_shown_equally_often(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="tables are parquet files")
    import pyarrow.parquet as pq

    path = tmp_path / "faces.parquet"
    pq.write_table(pa.table({"image": [b""] * 4, "group": ["a", "a", "a", "b"]}), path)
    weights = group_weights(path)
    assert weights.mean() == pytest.approx(1)
    assert weights[:3].sum() == pytest.approx(weights[3])


def test_tiles_are_cut_from_large_pictures_only(tmp_path, pictures):
    Image.fromarray(np.tile(pictures[0], (2, 2, 1))).save(tmp_path / "large.png")
    Image.fromarray(pictures[0][:100]).save(tmp_path / "small.png")
    tiles = cut_tiles(tmp_path, 0)
    assert tiles.shape == (24, 256, 256, 3)
    np.testing.assert_array_equal(tiles, cut_tiles(tmp_path, 0))


def test_spoiling_keeps_shape_and_type(pictures):
    augmenter = Augmenter(0)
    for _ in range(40):
        spoilt = augmenter.degrade(augmenter.adjust_tone(pictures[0])[0], 1.0)
        assert spoilt.shape == pictures[0].shape
        assert spoilt.dtype == np.uint8


def test_crops_show_the_landmarks_where_they_are_said_to_be(pictures):
    """A face with bright dots for landmarks: where a crop is undisturbed, the dots lie at its landmarks."""
    points = np.array(MEAN_SHAPE, np.float32) * 100 + 78
    face = np.full((256, 256, 3), 40, np.uint8)
    y, x = np.mgrid[0:256, 0:256] + 0.5
    for point in points:
        face[np.hypot(x - point[0], y - point[1]) < 6] = 255
    maker = CropMaker(face[None], points[None], pictures, 0)
    crops, found = maker.batch(60)
    assert crops.shape == (60, CROP, CROP)
    at = np.clip((found * CROP - 0.5).round().astype(int), 0, CROP - 1)
    bright = np.stack([crop[p[:, 1], p[:, 0]].mean() - np.median(crop) for crop, p in zip(crops, at, strict=True)])
    assert np.median(bright) > 40


def test_frames_lay_the_mean_shape_on_turned_and_scaled_landmarks():
    shape = torch.tensor(MEAN_SHAPE)
    angle = torch.tensor(2.0)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    landmarks = shape @ turn.mT * 70 + torch.tensor([300.0, 120.0])
    (frame,) = crop_frames(landmarks[None])
    torch.testing.assert_close(shape @ frame[:, :2].mT + frame[:, 2], landmarks, atol=1e-3, rtol=0)


def test_refiner_that_answers_the_mean_shape_leaves_a_face_alone():
    """The way to the crop and back, in all corners of a picture and turned."""

    class Mean(LandmarkRefiner):
        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            return torch.tensor(MEAN_SHAPE).expand(len(crops), -1, -1)

    shape = np.array(MEAN_SHAPE, np.float32)
    turned = shape[:, ::-1] * [-1, 1]
    faces = np.stack([shape * 30 - 8, turned * 90 + 60, shape * 3 + 100, shape * 400]).astype(np.float32)
    # The mean shape is its own mirror image but for rounding.
    np.testing.assert_allclose(refine_landmarks(torch.rand(3, 90, 120), faces, Mean()), faces, rtol=0.01, atol=0.3)


def test_labels_of_a_mirrored_face_are_the_mirrored_labels(shared):
    """Both views are averaged, so nothing of the teacher's own lopsidedness is left."""
    teacher = build_detector(checkpoint.read(shared / "weights" / "detection_mobilenet0.25_Final.pth").tensors)
    faces = read_faces(shared / "data" / "faces-256.parquet", 3)
    points, sure = label_landmarks(faces, teacher.network)
    mirrored, _ = label_landmarks(np.ascontiguousarray(faces[:, :, ::-1]), teacher.network)
    assert sure.all()
    np.testing.assert_allclose(mirrored[:, [1, 0, 2, 4, 3]] * [-1, 1] + [256, 0], points, atol=0.1)


def test_head_loss_is_least_where_the_student_agrees():
    torch.manual_seed(0)
    wanted = (torch.randn(1, 50, 4), torch.randn(1, 50, 2) * 3, torch.randn(1, 50, 10))
    agreeing = head_loss(wanted, wanted)
    for index in range(3):
        answers = [part + torch.randn_like(part) if i == index else part for i, part in enumerate(wanted)]
        assert head_loss((answers[0], answers[1], answers[2]), wanted) > agreeing


def test_average_starts_at_the_weights_and_follows_them():
    module = torch.nn.Linear(1, 1)
    average = MovingAverage(module)
    with torch.no_grad():
        module.weight.add_(1)
    before = average.tensors["weight"].clone()
    average.update(module)
    assert before < average.tensors["weight"] <= module.weight


def test_learning_rate_rises_and_falls():
    rates = [warm_cosine(step, 100, 10) for step in range(100)]
    assert rates.index(max(rates)) == pytest.approx(10, abs=2)
    assert rates[-1] < 0.02


def test_comparison_counts_found_missed_and_false():
    def face(x: float, shift: float = 0.0) -> Face:
        points = np.array([[0, 0], [10, 0], [5, 5], [2, 10], [8, 10]], np.float32) + [x + shift, 0]
        return Face((x, 0, x + 20, 20), 0.9, points)

    expected = Faces((face(0), face(100), face(200)), ((50, 300),))
    result = compare(Faces((face(1, 1.0), face(99), face(50)), ((50, 300),)), expected)
    assert (result.expected, result.found, result.false) == (3, 2, 1)
    assert result.landmark_error == pytest.approx((0.2 + 0.1) / 2)
    assert (result + result).found == 4


def test_a_device_that_is_none_is_told_before_any_work(tmp_path):
    files = [
        "--faces",
        tmp_path,
        "--backgrounds",
        tmp_path,
        "--teacher",
        tmp_path,
        "--output",
        tmp_path / "a.safetensors",
    ]
    with pytest.raises(SettingsError, match="'quantum' is not a device"):
        run_gpen("teach", "detector", *files, "--device", "quantum")


def test_a_run_either_teaches_or_measures(tmp_path):
    files = ["--faces", tmp_path, "--backgrounds", tmp_path, "--teacher", tmp_path]
    for task in ([], ["--output", tmp_path, "--evaluate", tmp_path]):
        assert "--output to teach, or --evaluate" in run_gpen("teach", "detector", *files, *task, code=2)


@pytest.mark.slow
def test_script_teaches_writes_and_measures(parquet, tmp_path, shared, caplog):
    """The whole recipe, a few steps of it: the written file is a detector with a refiner."""
    teacher = shared / "weights" / "detection_mobilenet0.25_Final.pth"
    given = ["--faces", shared / "data" / "faces-256.parquet", "--backgrounds", parquet, "--teacher", teacher]
    output = tmp_path / "detector.safetensors"
    caplog.set_level(logging.INFO)
    few = ["--scenes", 4, "--steps", 2, "--crops", 8, "--refiner-steps", 2, "--limit", 20]
    run_gpen("teach", "detector", *given, "--output", output, *few)
    written = checkpoint.read(output)
    assert written.metadata["network"] == "retinaface_mobile0.25"
    assert build_detector(written.tensors).refiner is not None
    bundled = shared / "weights" / "face-detector-lite-v0.safetensors"
    run_gpen("teach", "detector", *given, "--evaluate", bundled, "--limit", 20, "--boxes", 64)
    assert "of 2 found" in caplog.text

"""The teaching of the face classifier: what it is shown, and what the script writes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from command import run_gpen

from gpen_blocks.gpen.degradation.faces import read_faces
from gpen_blocks.gpen.faces.detection.classify import CROP, FaceClassifier, load_classifier
from gpen_blocks.gpen.faces.layers import normalize
from gpen_blocks.gpen.training.detector.classifier_data import NO_FACE, ClassifierCrops, MinedBoxes, reshaped
from gpen_blocks.gpen.training.detector.teach_classifier import _draw, classifier_loss
from gpen_blocks.weights import checkpoint


@pytest.fixture
def maker() -> ClassifierCrops:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (6, 256, 256, 3), dtype=np.uint8)
    boxes = np.tile(np.array([60, 50, 190, 220], np.float32), (6, 1))
    mined = MinedBoxes(np.array([0, 3]), np.array([[20, 30, 90, 110], [-10, 200, 60, 280]], np.float32), np.ones(2))
    return ClassifierCrops(pictures, boxes, pictures, mined, 1, np.ones(6))


@pytest.mark.slow
def test_crops_of_every_kind_are_made_and_labelled(maker):
    crops, labels = maker.batch(300)
    assert crops.shape == (300, CROP, CROP, 3) and crops.dtype == np.uint8
    assert set(labels.tolist()) == {NO_FACE, 0, 1, 2, 3}


def test_the_label_says_which_way_the_head_is_turned(maker):
    """A picture that is bright above: upright the crop is so too; turned clockwise, it is bright to the right."""
    bright_above = np.full((256, 256, 3), 20, np.uint8)
    bright_above[:128] = 230
    maker.faces = bright_above[None].repeat(6, 0)
    sides = {0: np.s_[:20, 44:84], 1: np.s_[44:84, -20:], 2: np.s_[-20:, 44:84], 3: np.s_[44:84, :20]}
    maker._mask = lambda square: np.ones((256, 256), np.float32)
    maker._face = lambda *, altered: (setattr(maker, "_box", maker.boxes[0]), (maker.faces[0], maker.boxes[0]))[1]
    for quarter, where in sides.items():
        canvas = np.zeros((128, 128, 3), np.float32)
        maker._paste(canvas, quarter, 1.0, np.zeros(2), square=True)
        lit = {other: float(canvas[side].mean()) for other, side in sides.items()}
        assert max(lit, key=lambda other: lit[other]) == quarter, lit
        assert lit[quarter] > canvas.mean(), where


def test_a_mirrored_sideways_head_is_turned_the_other_way():
    labels = torch.tensor([0, 1, 2, 3, NO_FACE])
    crops = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 64, 64, 3).clone()
    crops[:, :, :32] += 100  # bright to the left
    images, targets = _draw(crops, labels, torch.Generator().manual_seed(0))
    mirrored = images[:, :, :, 32:].mean((1, 2, 3)) > images[:, :, :, :32].mean((1, 2, 3))
    assert 0 < int(mirrored.sum()) < len(mirrored)
    assert set(targets[mirrored].tolist()) == set(targets[~mirrored].tolist()) == {NO_FACE, 0, 1, 2, 3}


def test_reshaping_moves_the_box_with_the_head():
    """Marks at the middles of the box's edges stay there."""
    face = np.zeros((256, 256, 3), np.uint8)
    box = np.array([60, 50, 190, 220], np.float32)
    face[50:220, 60:190] = 200
    moved, found = reshaped(face, box, np.random.default_rng(3))
    rows, columns = (np.flatnonzero(moved[..., 0].max(axis) > 100) for axis in (1, 0))
    seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    np.testing.assert_allclose(seen, found.clip(0, 256), atol=2)


def test_loss_counts_the_turn_of_faces_alone():
    answers = torch.zeros(2, 5)
    answers[:, 0] = torch.tensor([20.0, -20.0])
    answers[0, 2] = 20
    labels = torch.tensor([1, NO_FACE])
    right = classifier_loss(answers, labels)
    assert right < 1e-6
    answers[1, 3] = 20
    assert classifier_loss(answers, labels) == right
    assert classifier_loss(answers, torch.tensor([2, NO_FACE])) > 1
    assert torch.isfinite(classifier_loss(answers, torch.tensor([NO_FACE, NO_FACE])))


def test_a_flat_crop_gives_finite_numbers():
    classifier = FaceClassifier().eval()
    with torch.inference_mode():
        assert torch.isfinite(classifier(normalize(torch.zeros(1, 3, CROP, CROP)))).all()


@pytest.mark.slow
def test_script_teaches_writes_and_measures(tmp_path, shared, caplog):
    """The whole recipe, a few steps of it: the written file is a classifier."""
    pa = pytest.importorskip("pyarrow", reason="tables are parquet files")
    import pyarrow.parquet as pq

    few = tmp_path / "backgrounds.parquet"
    pq.write_table(pq.read_table(shared / "data" / "backgrounds-256.parquet").slice(0, 16), few)
    assert len(read_faces(few)) == 16 and pa
    teacher, output = shared / "weights" / "detection_mobilenet0.25_Final.pth", tmp_path / "classifier.safetensors"
    caplog.set_level(logging.INFO)
    arguments = ["--faces", shared / "data" / "faces-256.parquet", "--limit", 20, "--backgrounds", few]
    arguments += ["--teacher", teacher, "--mined-by", shared / "weights" / "face-detector-lite-v0.safetensors"]
    arguments += ["--crops", 40, "--held-out", 20, "--steps", 2, "--output", output]
    run_gpen("teach", "classifier", *arguments)
    assert load_classifier(checkpoint.read(output).tensors)
    assert "faces turned right" in caplog.text

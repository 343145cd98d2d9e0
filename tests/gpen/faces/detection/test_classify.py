"""The second look at found boxes, with the bundled classifier."""

from __future__ import annotations

import pytest
import torch

from gpen_blocks.gpen.degradation.faces import to_images
from gpen_blocks.gpen.errors import CheckpointError
from gpen_blocks.gpen.faces.detection.classify import CROP, FaceClassifier, classify, crop_matrix, load_classifier
from gpen_blocks.gpen.models import load_detector


@pytest.fixture(scope="module")
def classifier() -> FaceClassifier:
    module = load_detector("face-detector-lite").module.classifier
    assert module is not None
    return module


@pytest.fixture(scope="module")
def held_out(aligned_faces) -> torch.Tensor:
    """Each face in a picture of its own."""
    return to_images(aligned_faces)


# The box of a face in an aligned picture of 256 px, about.
BOX = torch.tensor([[61.0, 52.0, 196.0, 226.0]])


def test_crop_is_centred_on_the_box_and_shows_its_surroundings():
    matrix = crop_matrix(torch.tensor([10.0, 20.0, 110.0, 120.0])).numpy()
    centre = matrix @ [(CROP - 1) / 2, (CROP - 1) / 2, 1]
    assert centre == pytest.approx([60, 70])
    assert matrix[0, 0] * CROP == pytest.approx(170)


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_faces_are_told_and_which_way_up_they_are(classifier, held_out, turn):
    """`rot90` turns against the clock; the answer counts with it."""
    box = torch.tensor([[BOX[0, 0], BOX[0, 1], BOX[0, 2], BOX[0, 3]]])
    for _ in range(turn):
        x0, y0, x1, y1 = box[0].tolist()
        box = torch.tensor([[y0, 256 - x1, y1, 256 - x0]])
    likeness, quarters = zip(*(classify(face.rot90(turn, (1, 2)), box, classifier) for face in held_out), strict=True)
    assert (torch.cat(likeness) > 0.5).float().mean() >= 0.95
    assert (torch.cat(quarters).argmax(1) == (-turn) % 4).float().mean() >= 0.95


def test_parts_of_a_face_and_its_surroundings_are_none(classifier, held_out, shared):
    """An eye, a cheek, hair, as if each were a head of its own; a share of many faces, which only ../shared has."""
    boxes = torch.tensor([[80.0, 95.0, 125.0, 135.0], [60.0, 150.0, 110.0, 200.0], [90.0, 0.0, 150.0, 50.0]])
    likeness = torch.stack([classify(face, boxes, classifier)[0] for face in held_out])
    assert (likeness < 0.5).float().mean() >= 0.95


def test_flat_and_noisy_areas_are_no_face(classifier):
    noise = torch.rand(3, 200, 200, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor([[50.0, 50.0, 150.0, 170.0], [-30.0, -20.0, 60.0, 70.0]])
    for image in (noise, torch.full((3, 200, 200), 0.5), torch.zeros(3, 200, 200)):
        assert (classify(image, boxes, classifier)[0] < 0.5).all()


def test_no_box_gives_no_answer(classifier):
    likeness, quarters = classify(torch.zeros(3, 8, 8), torch.zeros(0, 4), classifier)
    assert likeness.shape == (0,)
    assert quarters.shape == (0, 4)


def test_other_tensors_are_refused():
    with pytest.raises(CheckpointError, match="classifier"):
        load_classifier({"head.weight": torch.zeros(1)})

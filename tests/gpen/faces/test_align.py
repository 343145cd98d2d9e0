"""Alignment against the reference's numbers and by its own properties."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.faces.align import (
    TEMPLATES,
    align_faces,
    crop_aligned,
    crop_to_image_matrix,
    estimate_similarity_matrix,
)
from gpen_blocks.gpen.types import Alignment, Face, Faces

LANDMARKS = np.array([[45, 50], [72, 48], [60, 66], [48, 82], [70, 80]], np.float32)


def faces_at(landmarks: np.ndarray, size: tuple[int, int]) -> Faces:
    (x0, y0), (x1, y1) = landmarks.min(axis=0), landmarks.max(axis=0)
    return Faces((Face((x0, y0, x1, y1), 0.9, landmarks),), (size,))


@pytest.fixture(scope="module")
def golden(shared):
    return load_file(shared / "golden" / "alignment_solvay.safetensors")


@pytest.fixture(scope="module")
def solvay(shared, golden) -> tuple[torch.Tensor, Faces]:
    pixels = np.asarray(Image.open(shared / "data" / "real" / "Solvay_conference_1927.png").convert("RGB"))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    found = zip(golden["boxes"], golden["scores"], golden["landmarks"], strict=True)
    return image, Faces(tuple(Face(tuple(b), s, p) for b, s, p in found), ((568, 1328),))


@pytest.mark.parametrize("size", [256, 512])
def test_matrices_are_the_references(solvay, golden, size):
    """Template, order of points and estimator are GPEN's: every matrix within 1e-4."""
    _image, faces = solvay
    np.testing.assert_allclose(TEMPLATES["gpen"] * size, golden[f"template_{size}"], atol=1e-9)
    matrices = estimate_similarity_matrix(np.stack([face.landmarks for face in faces]), TEMPLATES["gpen"] * size)
    np.testing.assert_allclose(matrices, golden[f"matrix_{size}"], atol=1e-4, rtol=0)
    inverses = [
        Alignment(matrix, "gpen", size, (568, 1328), face).inverse for matrix, face in zip(matrices, faces, strict=True)
    ]
    np.testing.assert_allclose(inverses, golden[f"inverse_{size}"], atol=1e-4, rtol=0)


def test_crops_are_the_references(solvay, golden):
    """Interpolation and pixel centres are OpenCV's: crops within 1/255 of the reference's on average."""
    image, faces = solvay
    crops, _ = align_faces(image, Faces(faces.faces[:4], faces.sizes), 512, "gpen")
    reference = golden["crops_512_bgr"][..., ::-1].transpose(0, 3, 1, 2) / 255
    assert np.abs(crops.numpy() - reference).mean() < 0.3 / 255


@pytest.mark.filterwarnings("ignore:.*estimate:FutureWarning")
@pytest.mark.parametrize("size", [256, 512])
def test_matrices_are_those_of_another_implementation(size):
    """Umeyama's estimate by scikit-image, for faces of any size and turn."""
    transform = pytest.importorskip("skimage.transform")
    chance, target = np.random.default_rng(0), TEMPLATES["gpen"] * size
    for _ in range(29):
        turn, scale = chance.uniform(-np.pi, np.pi), chance.uniform(0.1, 4)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = scale * (target + chance.normal(0, size / 30, (5, 2))) @ rotation.T + chance.uniform(0, 2000, 2)
        expected = transform.SimilarityTransform()
        assert expected.estimate(points, target)
        np.testing.assert_allclose(
            estimate_similarity_matrix(points, target), expected.params[:2], atol=1e-6, rtol=1e-9
        )


def test_crops_are_opencvs(examples):
    """GPEN's script cuts with `cv2.warpAffine`: an enlarged crop is within a third of a level of its crop."""
    pixels = np.asarray(Image.open(examples / "portrait.png").convert("RGB"))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    points = np.array([[206, 112], [248, 110], [229, 136], [212, 152], [246, 151]], np.float32)
    crops, (alignment,) = align_faces(image, faces_at(points, (512, 512)), 512, "gpen")
    reference = cv2.warpAffine(
        pixels, alignment.matrix, (512, 512), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    assert np.abs(crops[0].permute(1, 2, 0).numpy() * 255 - reference).mean() < 0.5
    assert crops.std() > 0.1


def test_similarity_is_recovered():
    """A known turn, scale and shift come back exactly, one set of points or many."""
    turn = np.array([[1.2, -0.7], [0.7, 1.2]])
    target = LANDMARKS.astype(np.float64) @ turn.T + np.array([3, -8])
    matrix = estimate_similarity_matrix(LANDMARKS.astype(np.float64), target)
    np.testing.assert_allclose(matrix, np.column_stack([turn, np.array([3, -8])]), atol=1e-10)
    many = estimate_similarity_matrix(np.stack([LANDMARKS, LANDMARKS[::-1]]), target)
    np.testing.assert_allclose(many[0], estimate_similarity_matrix(LANDMARKS, target), atol=1e-5)


def test_similarity_never_mirrors():
    """Swapped eyes give a poor fit, not a mirrored face."""
    mirrored = LANDMARKS * np.array([-1, 1], np.float32)
    assert np.linalg.det(estimate_similarity_matrix(mirrored, TEMPLATES["ffhq"] * 256)[:, :2]) > 0


@pytest.mark.parametrize("landmarks", [np.full((5, 2), 7.0), np.full((5, 2), np.nan)])
def test_unusable_landmarks_are_named(landmarks):
    with pytest.raises(ImageError, match="landmarks"):
        align_faces(torch.rand(1, 3, 64, 64), faces_at(landmarks, (64, 64)), 64)


def test_landmarks_fall_on_the_template():
    """Where the fit is exact, a mark painted on a landmark appears at the template's point, to a tenth of a pixel."""
    points = (TEMPLATES["ffhq"] * 60 + np.array([20, 30])).astype(np.float32)
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(110.0), indexing="ij")
    nose_x, nose_y = points[2]
    spot = torch.exp(-((x - nose_x) ** 2 + (y - nose_y) ** 2) / 8).expand(1, 3, -1, -1)
    crops, (alignment,) = align_faces(spot, faces_at(points, (120, 110)), 240, "ffhq")
    v, u = torch.meshgrid(torch.arange(240.0), torch.arange(240.0), indexing="ij")
    weight = crops[0, 0] / crops[0, 0].sum()
    centroid = np.array([(weight * u).sum(), (weight * v).sum()])
    np.testing.assert_allclose(centroid, alignment.matrix @ np.array([nose_x, nose_y, 1]), atol=0.1)


def test_a_shifted_image_gives_the_same_crop():
    image, points = torch.rand(1, 3, 300, 300), LANDMARKS + 90
    shifted = torch.roll(image, (9, 5), dims=(2, 3))
    for size in (64, 256):  # reduced and enlarged
        crops, _ = align_faces(image, faces_at(points, (300, 300)), size)
        again, _ = align_faces(shifted, faces_at(points + np.array([5, 9], np.float32), (300, 300)), size)
        torch.testing.assert_close(crops, again, atol=1e-3, rtol=0)


def test_a_large_face_is_not_aliased():
    """A face of 600 px in a crop of 64 is averaged, not sampled: fine stripes become grey."""
    stripes = (torch.arange(700) % 2).float().expand(1, 3, 700, -1)
    crops, _ = align_faces(stripes, faces_at(LANDMARKS * 7 - 90, (700, 700)), 64)
    assert crops[..., 16:48, 16:48].std() < 0.01


def test_a_face_at_the_border_has_no_black_wedge():
    image = torch.full((1, 3, 60, 60), 0.75)
    crops, _ = align_faces(image, faces_at(LANDMARKS - 40, (60, 60)), 96)
    torch.testing.assert_close(crops, torch.full_like(crops, 0.75))


def test_every_image_of_a_batch_gives_its_own_faces():
    images = torch.stack([torch.full((3, 100, 100), value) for value in (0.2, 0.4, 0.6)])
    found = tuple(Face((0, 0, 9, 9), 0.9, LANDMARKS, index) for index in (0, 2, 2))
    crops, alignments = align_faces(images, Faces(found, ((100, 100),) * 3), 32)
    assert [round(float(crop.mean()), 3) for crop in crops] == [0.2, 0.6, 0.6]
    assert [alignment.image_index for alignment in alignments] == [0, 2, 2]


def test_crop_to_image_undoes_the_alignment_at_any_size():
    _, (alignment,) = align_faces(torch.rand(1, 3, 100, 100), faces_at(LANDMARKS, (100, 100)), 64)
    corner = crop_to_image_matrix(alignment, 256) @ [-0.5, -0.5, 1]
    np.testing.assert_allclose(alignment.matrix @ [*corner, 1], [-0.5, -0.5], atol=1e-9)
    assert crop_aligned(torch.rand(1, 3, 100, 100), alignment, 256).shape == (1, 3, 256, 256)


def test_no_face_gives_no_crop():
    crops, alignments = align_faces(torch.rand(2, 3, 8, 9), Faces((), ((8, 9), (8, 9))), 32)
    assert crops.shape == (0, 3, 32, 32)
    assert alignments == ()


def test_what_does_not_fit_is_refused():
    faces = faces_at(LANDMARKS, (100, 100))
    with pytest.raises(ImageError, match="detect on the images"):
        align_faces(torch.rand(1, 3, 100, 90), faces, 64)
    with pytest.raises(ImageError, match="B x 3 x H x W"):
        align_faces(torch.rand(1, 4, 100, 100), faces, 64)
    with pytest.raises(SettingsError, match="gpen, ffhq"):
        align_faces(torch.rand(1, 3, 100, 100), faces, 64, "arcface")

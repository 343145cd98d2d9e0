"""The bundled 68-point network: on real pictures, turned, mirrored, enlarged, in batches, and in the chain."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gpen_blocks.gpen.degradation.faces import read_faces
from gpen_blocks.gpen.devices import on_device
from gpen_blocks.gpen.errors import CheckpointError, ImageError
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.faces.landmarks.find import build_landmarker, find_in_crops, find_landmarks68
from gpen_blocks.gpen.faces.landmarks.small68 import CROP_SHAPE, LOOKS, MIRRORED68, Landmarker68
from gpen_blocks.gpen.faces.masks.parts import crop_landmarks, five_of_68, template_landmarks
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import choose_landmarker, load_detector, load_generator
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.weights import checkpoint


@pytest.fixture(scope="module")
def landmarker() -> Landmarker68:
    loaded, notes = choose_landmarker()
    assert loaded.name == "face-landmarks-lite" and not notes
    assert isinstance(loaded.module, Landmarker68)
    return loaded.module


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    return read_picture(examples / "portrait.png").pixels


@pytest.fixture(scope="module")
def face(portrait) -> Face:
    (found,) = detect(portrait, load_detector("face-detector-lite").module)
    return found


def points_of(landmarker: Landmarker68, image: torch.Tensor, *faces: Face) -> np.ndarray:
    found = find_landmarks68(landmarker, image, Faces(faces, ((image.shape[-2], image.shape[-1]),) * len(image)))
    return np.stack([one.landmarks68 for one in found if one.landmarks68 is not None])


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of two sets of 68 landmarks in eye distances of the first."""
    left, right = five_of_68(one)[..., :2, :].reshape(-1, 2, 2).mean(axis=0)
    return float(np.linalg.norm(one - other, axis=-1).mean() / np.linalg.norm(right - left))


def test_the_file_is_small():
    loaded, _ = choose_landmarker()
    assert loaded.path.stat().st_size < 2_000_000


@pytest.mark.parametrize("spoil", ["truncated", "other shape"])
def test_an_altered_file_is_refused(landmarker, spoil):
    state = dict(landmarker.state_dict())
    if spoil == "truncated":
        state.pop("maps.bias")
    else:
        state["maps.weight"] = torch.zeros(69, 48, 1, 1)
    with pytest.raises(CheckpointError, match="incomplete or altered"):
        build_landmarker(state)


def test_mirroring_twice_changes_nothing():
    mirrored = np.array(MIRRORED68)
    np.testing.assert_array_equal(mirrored[mirrored], np.arange(68))
    np.testing.assert_allclose(CROP_SHAPE[[1, 0, 2, 4, 3]] * [-1, 1] + [1, 0], CROP_SHAPE, atol=1e-9)


def test_the_points_lie_on_the_features_of_the_portrait(landmarker, portrait, face):
    """Eyes, nose and mouth where the detector has them; chin below, brows above; dark pupils, red lips."""
    (points,) = points_of(landmarker, portrait, face)
    eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
    assert np.linalg.norm(five_of_68(points) - face.landmarks, axis=1).max() < 0.15 * eyes
    assert points[8, 1] > points[57, 1] > points[33, 1] > points[27, 1] > points[17:27, 1].mean()
    assert points[0, 0] < points[36, 0] < points[45, 0] < points[16, 0]

    def colour(x: float, y: float) -> torch.Tensor:
        x, y = round(float(x)), round(float(y))
        return portrait[0, :, y - 1 : y + 2, x - 1 : x + 2].mean(dim=(1, 2))

    cheek = colour(*(points[[2, 31]].mean(axis=0)))
    for around in (slice(36, 42), slice(42, 48)):
        assert colour(*points[around].mean(axis=0)).mean() < 0.7 * cheek.mean()
    lip = colour(*points[[57, 66]].mean(axis=0))
    assert lip[0] - lip[1] > cheek[0] - cheek[1]


def test_mirrored_faces_get_mirrored_points(landmarker, portrait, face):
    width = portrait.shape[-1]
    mirrored = replace(face, landmarks=face.landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [width - 1, 0])
    (points,) = points_of(landmarker, portrait, face)
    (reflected,) = points_of(landmarker, portrait.flip(-1), mirrored)
    assert apart(points, reflected[list(MIRRORED68)] * [-1, 1] + [width - 1, 0]) < 0.005


def test_turned_and_enlarged_faces_get_the_same_points(landmarker, portrait, face):
    (points,) = points_of(landmarker, portrait, face)
    height = portrait.shape[-2]
    turned = replace(face, landmarks=np.stack([height - 1 - face.landmarks[:, 1], face.landmarks[:, 0]], axis=1))
    (found,) = points_of(landmarker, portrait.rot90(-1, (2, 3)), turned)
    assert apart(points, np.stack([found[:, 1], height - 1 - found[:, 0]], axis=1)) < 0.005
    large = F.interpolate(portrait, scale_factor=2.0, mode="bicubic", align_corners=False).clamp(0, 1)
    (found,) = points_of(landmarker, large, replace(face, landmarks=(face.landmarks + 0.5) * 2 - 0.5))
    assert apart(points, (found + 0.5) / 2 - 0.5) < 0.01


def test_errors_of_the_five_landmarks_hardly_matter(landmarker, portrait, face):
    """A tenth of the eye distance off: less than a third of that is left."""
    (points,) = points_of(landmarker, portrait, face)
    eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
    for shift in ((0.1, 0), (-0.1, 0), (0, 0.1), (0, -0.1)):
        moved = replace(face, landmarks=face.landmarks + np.array(shift) * eyes)
        assert apart(points, points_of(landmarker, portrait, moved)[0]) < 0.03


def test_small_and_damaged_faces_keep_their_points(landmarker, portrait, face):
    """Reduced to a face 32 pixels wide, with noise: a twentieth of the eye distance."""
    (points,) = points_of(landmarker, portrait, face)
    scale = 32 / face.width
    small = F.interpolate(portrait, scale_factor=scale, mode="bicubic", antialias=True, recompute_scale_factor=False)
    noise = torch.randn(small.shape, generator=torch.Generator().manual_seed(0))
    small = (small + 0.03 * noise).clamp(0, 1)
    scale = small.shape[-1] / portrait.shape[-1]
    (found,) = points_of(landmarker, small, replace(face, landmarks=(face.landmarks + 0.5) * scale - 0.5))
    assert apart(points, (found + 0.5) / scale - 0.5) < 0.05


def test_all_faces_go_through_the_network_together(landmarker, portrait, face):
    """Thirty faces of two images: one pass for each look, and each face's points are those it has alone."""
    images = torch.cat([portrait, portrait.flip(-2)])
    below = replace(face, image_index=1, landmarks=face.landmarks * [1, -1] + [0, portrait.shape[-2] - 1])
    passes = []
    with landmarker.register_forward_hook(lambda _, crops, answer: passes.append(len(crops[0]))):
        points = points_of(landmarker, images, *([face] * 15 + [below] * 15))
    assert passes == [60] * LOOKS
    (alone,) = points_of(landmarker, portrait, face)
    (other,) = points_of(landmarker, images, below)
    assert apart(alone, points[7]) < 1e-3 and apart(other, points[22]) < 1e-3


def test_five_equal_points_are_refused(landmarker, portrait):
    with pytest.raises(ImageError, match="coincide"):
        points_of(landmarker, portrait, Face((0, 0, 9, 9), 0.9, np.zeros((5, 2))))


@pytest.mark.parametrize("template", ["gpen", "ffhq"])
def test_crops_without_alignment_tell_their_own_points(landmarker, portrait, face, template):
    """Starting from where either template has the five, the points are those found in the photograph."""
    (known,) = find_landmarks68(landmarker, portrait, Faces((face,), ((portrait.shape[-2], portrait.shape[-1]),)))
    crops, alignments = align_faces(
        portrait, Faces((known,), ((portrait.shape[-2], portrait.shape[-1]),)), 256, template
    )
    found = find_in_crops(landmarker, crops, template_landmarks(1, 256))
    assert apart(crop_landmarks(alignments, 256)[0], found[0]) < 0.02
    assert find_in_crops(landmarker, crops[:0], template_landmarks(0, 256)).shape == (0, 68, 2)


def test_the_chain_gives_every_face_its_points(portrait):
    models = load_generator("gpen-lite-256"), load_detector("face-detector-lite")
    loaded, _ = choose_landmarker()
    networks = Networks(*models, loaded, place=on_device(torch.device("cpu")))
    batch = restore_batch(portrait, networks, Settings(local_enhance=0.6))
    assert all(alignment.face.landmarks68 is not None for alignment in batch.alignments)
    assert crop_landmarks(batch.alignments, 256).shape == (1, 68, 2)


@pytest.mark.slow
def test_an_independent_network_agrees(landmarker, shared):
    """On held-out faces, the mean distance from a network of other origin is under a twentieth of the eye distance."""
    pytest.importorskip("pyarrow")
    runtime = pytest.importorskip("onnxruntime")
    pictures = read_faces(shared / "data" / "faces-256.parquet", 151)[::10]
    detector = load_detector("face-detector-lite").module
    session = runtime.InferenceSession(shared / "weights" / "pfld68_teacher.onnx", providers=["CPUExecutionProvider"])
    distances = []
    for picture in torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255:
        (best, *_) = detect(picture[None], detector, max_faces=1)
        (points,) = points_of(landmarker, picture[None], best)
        low, high = points.min(axis=0), points.max(axis=0)
        side, middle = 1.1 * (high - low).max(), (low + high) / 2
        theta = torch.tensor(
            [[side / 256, 0, (2 * middle[0] + 1) / 256 - 1], [0, side / 256, (2 * middle[1] + 1) / 256 - 1]]
        )
        grid = F.affine_grid(theta[None].float(), [1, 3, 112, 112], align_corners=False)
        crop = F.grid_sample(picture[None], grid, padding_mode="border", align_corners=False)
        (answer,) = session.run(None, {session.get_inputs()[0].name: crop.numpy()})[:1]
        other = (answer.reshape(68, 2) - 0.5) * side + middle
        distances.append(apart(points, other))
    assert np.mean(distances) < 0.05


def test_weights_are_half_precision_on_disk():
    loaded, _ = choose_landmarker()
    tensors = checkpoint.read(loaded.path).tensors.values()
    assert {tensor.dtype for tensor in tensors if tensor.is_floating_point()} == {torch.float16}

"""68 landmarks: facexlib's real 98-point network with random weights, and its geometry with known heat maps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from trained import trained

from gpen_blocks import Restorer
from gpen_blocks.gpen.devices import on_device
from gpen_blocks.gpen.errors import CheckpointError, ImageError, ModelNotFoundError
from gpen_blocks.gpen.faces.align import TEMPLATES
from gpen_blocks.gpen.faces.landmarks import wflw98
from gpen_blocks.gpen.faces.landmarks.find import build_landmarker, find_landmarks68
from gpen_blocks.gpen.faces.landmarks.wflw98 import Landmarker98, find_peaks, to_68
from gpen_blocks.gpen.models import load_detector, load_generator, load_landmarker
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks
from gpen_blocks.gpen.types import Face, Faces
from gpen_blocks.weights import store

# The mirror image of a face: which point each one becomes, as both data sets number them.
MIRRORED_98 = [
    *range(32, -1, -1),
    *(46, 45, 44, 43, 42, 50, 49, 48, 47, 37, 36, 35, 34, 33, 41, 40, 39, 38),
    *(51, 52, 53, 54, 59, 58, 57, 56, 55),
    *(72, 71, 70, 69, 68, 75, 74, 73, 64, 63, 62, 61, 60, 67, 66, 65),
    *(82, 81, 80, 79, 78, 77, 76, 87, 86, 85, 84, 83),
    *(92, 91, 90, 89, 88, 95, 94, 93, 97, 96),
]
MIRRORED_68 = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


@pytest.fixture(scope="module")
def fan():
    from facexlib.alignment.awing_arch import FAN

    torch.manual_seed(0)
    return trained(FAN(num_modules=4, num_landmarks=98, device="cpu"))


@pytest.fixture(scope="module")
def path(fan, tmp_path_factory):
    """A file as training codes write it: the tensors under "state_dict", the optimiser's beside them."""
    path = tmp_path_factory.mktemp("models") / "alignment_WFLW_4HG.pth"
    optimizer = {"state": {0: {"step": 9, "square_avg": torch.zeros(64)}}, "param_groups": [{"lr": 1e-4}]}
    torch.save({"epoch": 60, "state_dict": fan.state_dict(), "optimizer": optimizer}, path)
    return path


@pytest.fixture(scope="module")
def loaded(path):
    return load_landmarker(str(path))


@pytest.fixture(scope="module")
def portrait(examples):
    pixels = np.asarray(Image.open(examples / "portrait.png").convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


def face_at(size: float, x: float, y: float, degrees: float = 0.0, image_index: int = 0) -> Face:
    """An upright face, turned: FFHQ's five landmarks in a square of `size` pixels around (x, y)."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATES["ffhq"] - 0.5) * size @ turn.T + [x, y]
    low, high = points.min(axis=0), points.max(axis=0)
    return Face((*low, *high), 0.9, points, image_index)


@pytest.mark.slow
def test_a_checkpoint_loads_as_facexlibs_network(fan, loaded):
    assert loaded.name == "alignment_WFLW_4HG" and not loaded.module.training
    mine, theirs = loaded.module.network.state_dict(), fan.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_the_network_is_that_of_facexlib(fan, loaded):
    """The published tensors belong to facexlib's code: ours must make of them exactly what it makes."""
    crops = torch.rand(2, 3, 256, 256)
    with torch.inference_mode():
        for ours, theirs in zip(loaded.module.network(crops), fan(crops)[0], strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("spoil", ["foreign", "truncated", "other points"])
def test_what_is_not_the_network_is_refused(fan, spoil):
    state = dict(fan.state_dict())
    if spoil == "foreign":
        state = {"body.weight": torch.zeros(1)}
    elif spoil == "truncated":
        state.pop("m2.b1_4.conv1.weight")
    else:
        state["l3.weight"] = torch.zeros(69, 256, 1, 1)
    with pytest.raises(CheckpointError, match="landmark checkpoint"):
        build_landmarker(state)


def test_another_kind_of_model_is_refused_by_name():
    with pytest.raises(ModelNotFoundError, match="is a detector model, but a landmarks model is needed"):
        load_landmarker("face-detector-lite")


def test_peaks_are_those_of_facexlib(monkeypatch):
    """On the same heat maps, with peaks anywhere inside and the two sets' origins half a pixel apart."""
    from facexlib.alignment import awing_arch

    monkeypatch.setattr(np, "float", float, raising=False)  # which facexlib 0.3 uses and numpy has dropped
    generator = torch.Generator().manual_seed(1)
    centres = 3 + 57 * torch.rand(3, 98, 2, 1, 1, generator=generator)
    maps = bumps(centres) + 0.01 * torch.rand(3, 98, 64, 64, generator=generator)
    theirs = awing_arch.calculate_points(maps.numpy())
    np.testing.assert_array_equal(find_peaks(maps).numpy() + 0.5, theirs)


def bumps(centres: torch.Tensor) -> torch.Tensor:
    """Gaussians of one pixel on 64 x 64, from N x K x 2 x 1 x 1 centres."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    return torch.exp(-((x - centres[:, :, 0]) ** 2 + (y - centres[:, :, 1]) ** 2) / 2)


def test_peaks_in_corners_stay_in_the_map():
    """Where facexlib's own reads beyond the map, or fails."""
    corners = torch.tensor([[0.0, 0.0], [63.0, 0.0], [0.0, 63.0], [63.0, 63.0]])
    peaks = find_peaks(bumps(corners.view(1, 4, 2, 1, 1)))[0]
    assert float((peaks - corners).abs().max()) == 0.25
    assert float(peaks.min()) == -0.25 and float(peaks.max()) == 63.25


class _SpotFinder(nn.Module):
    """Heat maps of one trained to find coloured spots: of red the first 40 points, of green 40, of blue the others."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, crops: torch.Tensor) -> list[torch.Tensor]:
        colours = F.avg_pool2d(crops, 4) * self.scale
        channels = torch.tensor([0] * 40 + [1] * 40 + [2] * 19)
        return [torch.zeros(1), colours[:, channels]]


@pytest.mark.parametrize("degrees", [0, 30, 180, -100])
@pytest.mark.parametrize("size", [90, 600])
def test_a_spot_is_found_where_it_was_painted(size, degrees):
    """From the photograph through crop, heat map and peak back: within a quarter of a heat map's pixel each way."""
    face = face_at(size, 380.3, 411.8, degrees)
    eye, nose, mouth = face.landmarks[[0, 2, 4]] + np.array([[1.3, 0.4], [-2.2, 1.1], [0.6, -1.7]])
    y, x = torch.meshgrid(torch.arange(820.0), torch.arange(760.0), indexing="ij")
    spots = [torch.exp(-((x - u) ** 2 + (y - v) ** 2) / (0.03 * size) ** 2) for u, v in (eye, nose, mouth)]
    faces = Faces((face,), ((820, 760),))
    (found,) = find_landmarks68(Landmarker98(_SpotFinder()), torch.stack(spots)[None], faces)
    assert found.landmarks68 is not None
    expected = np.stack([eye] * 40 + [nose] * 40 + [mouth] * 18)
    cell = 2.96 * 0.246 * size / 64  # the crop is 2.96 eye distances wide, and FFHQ's are 0.246 of its side
    offset = np.linalg.norm(found.landmarks68 - to_68(expected), axis=1)
    assert offset.max() < 0.25 * 2**0.5 * cell + 0.1
    assert (found.box, found.score, found.landmarks.tolist()) == (face.box, face.score, face.landmarks.tolist())


class _FixedMaps(nn.Module):
    """The same heat maps for every crop."""

    def __init__(self, maps: torch.Tensor) -> None:
        super().__init__()
        self.maps = nn.Parameter(maps)

    def forward(self, crops: torch.Tensor) -> list[torch.Tensor]:
        return [self.maps.expand(len(crops), -1, -1, -1)]


def test_known_peaks_become_points_of_each_image():
    """Faces of two images, more than one pass takes, keep their order; in crops of 87 px points err by under 0.5 px."""
    generator = torch.Generator().manual_seed(2)
    centres = 5 + 53 * torch.rand(1, 99, 2, 1, 1, generator=generator)
    faces = Faces(
        tuple(face_at(120, 150 + 7.3 * n, 140 - 3.1 * n, 11 * n, image_index=n // 6) for n in range(11)),
        ((300, 320), (300, 320)),
    )
    told = []
    found = find_landmarks68(
        Landmarker98(_FixedMaps(bumps(centres))), torch.rand(2, 3, 300, 320), faces, lambda *done: told.append(done)
    )
    assert told == [(8, 11), (11, 11)]
    in_map = to_68(centres[0, :98, :, 0, 0].numpy())
    for before, after in zip(faces, found, strict=True):
        assert after.image_index == before.image_index and after.landmarks68 is not None
        # An independent way there: the middle of the crop is known by its surroundings, its side by the face.
        eyes, mouth = before.landmarks[:2].mean(axis=0), before.landmarks[3:].mean(axis=0)
        across = before.landmarks[1] - before.landmarks[0]
        across /= np.linalg.norm(across)
        down = np.array([-across[1], across[0]])
        matrix = wflw98._crop_to_image_matrix(before.landmarks)
        middle = matrix @ [127.5, 127.5, 1]
        assert abs((middle - eyes) @ across) < 1.5
        assert 0.65 < (middle - eyes) @ down / ((mouth - eyes) @ down) < 0.8
        side = 256 * np.linalg.norm(matrix[:, 0])
        cells = (in_map + 0.5) / 64 - 0.5
        expected = middle + side * (cells[:, :1] * across + cells[:, 1:] * down)
        assert np.linalg.norm(after.landmarks68 - expected, axis=1).max() < 0.5


def test_the_crop_holds_a_face_as_wflws_training_pictures_do():
    """Eyes a third of the side apart; turned heads are cut at about the scale of the frontal one, the ear included."""
    frontal = wflw98._crop_to_image_matrix(face_at(512, 0, 0).landmarks)
    eye_distance = np.linalg.norm(np.diff(face_at(512, 0, 0).landmarks[:2], axis=0))
    side = 256 * np.linalg.norm(frontal[:, 0])
    assert 0.32 < eye_distance / side < 0.36
    head = np.array([[-0.5, 0, 0], [0.5, 0, 0], [0, 0.5, 0.36], [-0.45, 1.02, 0], [0.45, 1.02, 0]])
    ear = np.array([1.09, 0.1, -0.85])
    for yaw in (-60, -30, 30, 60):
        c, s = np.cos(np.deg2rad(yaw)), np.sin(np.deg2rad(yaw))
        project = np.array([[c, 0, s], [0, 1, 0]]) * eye_distance
        matrix = wflw98._crop_to_image_matrix(head @ project.T)
        assert abs(256 * np.linalg.norm(matrix[:, 0]) / side - 1) < 0.15
        visible = ear * [-np.sign(yaw), 1, 1] @ project.T
        u, v = np.linalg.solve(matrix[:, :2], visible - matrix[:, 2])
        assert 8 < u < 248 and 8 < v < 248


def test_the_map_keeps_left_and_right():
    """A mirrored face gives mirrored landmarks: 98 mirrored and mapped are 68 mapped and mirrored."""
    points = np.random.default_rng(0).random((4, 98, 2))
    assert sorted(MIRRORED_98) == list(range(98)) and sorted(MIRRORED_68) == list(range(68))
    assert to_68(points).shape == (4, 68, 2)
    np.testing.assert_array_equal(to_68(points[:, MIRRORED_98]), to_68(points)[:, MIRRORED_68])


def test_the_map_is_facexlibs_but_for_the_brows():
    """facexlib takes the middle of the brow where the brow is wide; all other points are the same."""
    from facexlib.alignment import landmark_98_to_68

    points = np.random.default_rng(0).random((98, 2)).astype(np.float32)
    ours, theirs = to_68(points), landmark_98_to_68(points)
    same = (ours == theirs).all(axis=1)
    assert [n for n in range(68) if not same[n]] == list(range(18, 26))


def test_foreign_images_are_refused(loaded):
    faces = Faces((face_at(60, 50, 50),), ((100, 100),))
    with pytest.raises(ImageError, match="found on"):
        find_landmarks68(loaded.module, torch.rand(1, 3, 90, 100), faces)
    with pytest.raises(ImageError, match="found on"):
        find_landmarks68(loaded.module, torch.rand(2, 3, 100, 100), faces)


def test_no_face_needs_no_network(loaded):
    none = Faces((), ((100, 100),))
    assert find_landmarks68(loaded.module, torch.rand(1, 3, 100, 100), none) == none


@pytest.mark.slow
def test_points_are_those_of_facexlibs_own_chain(fan, loaded, monkeypatch):
    """facexlib's `get_landmarks` on the same crop, carried back by hand: colours and scale are what it takes."""
    monkeypatch.setattr(np, "float", float, raising=False)
    inside = F.pad(torch.ones(60, 60), (2, 2, 2, 2))

    def raise_inside(_layer: nn.Module, _input: object, maps: torch.Tensor) -> torch.Tensor:
        return maps + 100 * inside  # facexlib's chain fails where a peak lies in the border

    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(3))
    face = face_at(180, 120, 130)
    matrix = wflw98._crop_to_image_matrix(face.landmarks)
    crop = wflw98._cut(image, 0, matrix)
    with fan.l3.register_forward_hook(raise_inside), loaded.module.network.l3.register_forward_hook(raise_inside):
        (found,) = find_landmarks68(loaded.module, image, Faces((face,), ((256, 256),)))
        with torch.inference_mode():
            theirs = fan.get_landmarks((crop[0].permute(1, 2, 0).flip(-1) * 255).numpy())
    in_image = to_68(theirs - 0.5) @ matrix[:, :2].T + matrix[:, 2]
    assert found.landmarks68 is not None and found.landmarks68.std() > 10
    np.testing.assert_allclose(found.landmarks68, in_image, atol=1e-3)


def test_the_chain_follows_the_landmarker_it_is_given(loaded, portrait):
    """The mask follows the 68 points, here drawn together in the crop's middle; else the five do."""
    middle = 32 + 8 * torch.rand(1, 99, 2, 1, 1, generator=torch.Generator().manual_seed(4))
    small = replace(loaded, module=Landmarker98(_FixedMaps(bumps(middle))))
    models = load_generator("gpen-lite-256"), load_detector("face-detector-lite")
    place = on_device(torch.device("cpu"))
    settings = Settings(frequency_blend=0.0)  # or the portrait, which is sharp, stays as it is
    asked = restore_batch(portrait, Networks(*models, small, place=place), settings)
    plain = restore_batch(portrait, Networks(*models, place=place), settings)
    (alignment,) = asked.alignments
    assert alignment.face.landmarks68 is not None and asked.faces.faces == (alignment.face,)
    assert torch.equal(asked.before, plain.before)
    assert 0 < asked.mask.sum() < 0.7 * plain.mask.sum()


def test_a_missing_or_foreign_file_is_told_and_the_bundled_network_does(path, monkeypatch):
    """A file that bears the published name and is not the published one is not used by itself."""
    if store.find("wflw-4hg"):
        pytest.skip("the published file is on this machine")
    monkeypatch.setenv("GPEN_MODELS_DIR", str(path.parent))
    restorer = Restorer("gpen-lite-256", "face-detector-lite", device="cpu", landmarks68=True)
    result = restorer.restore(np.zeros((64, 64, 3), np.uint8))
    (note,) = [note for note in result.report["notes"] if "landmarks" in note]
    assert (
        "not the 98-point one, found the landmarks" in note and "alignment_WFLW_4HG.pth" in note and "ignored" in note
    )

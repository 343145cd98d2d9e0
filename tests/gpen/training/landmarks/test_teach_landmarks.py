"""The teaching of the 68-point network: labels, crops, the loop that survives a kill, and what the script writes."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from command import run_gpen

from gpen_blocks.gpen.degradation.faces import read_faces
from gpen_blocks.gpen.errors import MissingPackageError, TrainingError
from gpen_blocks.gpen.faces.align import TEMPLATES
from gpen_blocks.gpen.faces.landmarks.find import build_landmarker, find_in_crops
from gpen_blocks.gpen.faces.landmarks.small68 import CROP, CROP_SHAPE, MIRRORED68, Landmarker68, mirror
from gpen_blocks.gpen.faces.masks.parts import five_of_68
from gpen_blocks.gpen.models import choose_landmarker
from gpen_blocks.gpen.training.landmarks import label_landmarks, teach_landmarks
from gpen_blocks.gpen.training.landmarks.evaluate_landmarks import evaluate_landmarker
from gpen_blocks.gpen.training.landmarks.landmark_data import crop_maker, eye_distance, ibug_of_mesh, read_labels
from gpen_blocks.gpen.training.landmarks.teach_landmarks import Teaching, draw
from gpen_blocks.weights import checkpoint


class _SpotLabeller:
    """Sees every point of the mesh where the picture is brightest; None in a dark picture."""

    def process(self, picture: np.ndarray) -> SimpleNamespace:
        light = picture.astype(np.float64).sum(axis=2)
        if light.max() < 100:
            return SimpleNamespace(multi_face_landmarks=None)
        y, x = np.mgrid[: light.shape[0], : light.shape[1]] + 0.5
        weight = np.where(light > light.max() / 2, light, 0) / np.where(light > light.max() / 2, light, 0).sum()
        spot = SimpleNamespace(x=(weight * x).sum() / light.shape[1], y=(weight * y).sum() / light.shape[0])
        return SimpleNamespace(multi_face_landmarks=[SimpleNamespace(landmark=[spot] * label_landmarks.MESH_POINTS)])


def test_labels_are_laid_back_from_all_views():
    """A spot is labelled where it is, whatever the views' zoom, turn and mirroring; a face nobody sees has no label."""
    y, x = np.mgrid[0:256, 0:256]
    spot = 255 * np.exp(-((x - 90) ** 2 + (y - 141) ** 2) / 50)
    faces = np.stack([np.dstack([spot] * 3), np.zeros((256, 256, 3))]).astype(np.uint8)
    mesh, spread = label_landmarks.label_faces(faces, _SpotLabeller())
    np.testing.assert_allclose(mesh[0], np.broadcast_to([90.0, 141.0], (2, 478, 2)), atol=0.15)
    assert spread[0] < 0.2 and np.isnan(spread[1]) and np.isnan(mesh[1]).all()


def test_the_labeller_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(MissingPackageError, match="environment of its own"):
        label_landmarks.open_labeller()


def test_jaw_brows_and_bridge_are_divided_evenly():
    points = ibug_of_mesh(np.random.default_rng(0).random((2, 478, 2)))
    assert points.shape == (2, 68, 2)
    line = np.linspace(0, 1, 478)[:, None] * [3.0, 4.0]
    brow = [70, 63, 105, 66, 107], [46, 53, 52, 65, 55]
    mesh = line.copy()
    for edge in brow:
        mesh[edge] = np.array([0, 0.1, 0.5, 0.7, 1])[:, None] * [20.0, 0.0]
    np.testing.assert_allclose(ibug_of_mesh(mesh)[17:22], np.linspace(0, 1, 5)[:, None] * [20.0, 0.0], atol=1e-9)


def test_labels_that_views_disagree_on_are_left_out(tmp_path):
    mesh = np.random.default_rng(0).random((3, 2, 478, 2)) * 200
    reach = np.array([0.0, 200.0, np.nan])
    np.savez(tmp_path / "labels.npz", mesh=mesh, spread=reach)
    points, sure = read_labels(tmp_path / "labels.npz")
    assert points.shape == (3, 68, 2) and sure.tolist() == [True, False, False]
    plain, mirrored = ibug_of_mesh(mesh[:, 0]), ibug_of_mesh(mesh[:, 1])
    np.testing.assert_allclose(points, (plain + mirrored[:, list(MIRRORED68)]) / 2, rtol=1e-5)


@pytest.fixture
def one_thread():
    """Small batches: several threads would mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """68 landmarks of a face in a picture of 256 x 256: a ring, with the five where an upright face has them."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    ring = 128 + 60 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    five = CROP_SHAPE * 190 + 33
    ring[36:42], ring[42:48], ring[30], ring[48], ring[54] = five
    return ring


def test_crops_show_all_68_points_where_they_are_said_to_be(points):
    face = np.full((256, 256, 3), 40, np.uint8)
    y, x = np.mgrid[0:256, 0:256]
    for point in points:
        face[np.hypot(x - point[0], y - point[1]) < 5] = 255
    crops, found = crop_maker(face[None], points[None], np.zeros((1, 256, 256, 3), np.uint8), 0).batch(60)
    assert crops.shape == (60, CROP, CROP) and found.shape == (60, 68, 2)
    at = np.clip((found * CROP - 0.5).round().astype(int), 0, CROP - 1)
    bright = [crop[p[:, 1], p[:, 0]].mean() - np.median(crop) for crop, p in zip(crops, at, strict=True)]
    assert np.median(bright) > 40
    # An upright face lies in the crop as the network expects it.
    middle = np.median(five_of_68(found), axis=0)
    np.testing.assert_allclose(middle, CROP_SHAPE, atol=0.02)


def test_a_batch_keeps_points_with_their_pictures():
    """A bright dot stays under its landmark when mirrored, and some crops are covered in part."""
    crops = torch.full((8, CROP, CROP), 90, dtype=torch.uint8)
    crops[:, 20:23, 10:13] = 255
    targets = torch.zeros(8, 68, 2)
    targets[:] = torch.tensor([11.5 / CROP, 21.5 / CROP])
    images, moved = draw(crops, targets, torch.Generator().manual_seed(0))
    x, y = (moved[:, 0] * CROP).long().unbind(dim=-1)
    at = images[torch.arange(len(images)), 0, y, x]
    assert set(x.tolist()) == {11, 52} and (at > 3).float().mean() > 0.8
    flat = images.flatten(1).sort(dim=1).values
    assert len(images) == teach_landmarks.BATCH and flat.isfinite().all()


@pytest.mark.slow
def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path, one_thread):
    random = torch.Generator().manual_seed(0)
    crops = torch.randint(0, 256, (40, CROP, CROP), generator=random, dtype=torch.uint8)
    targets = torch.rand(40, 68, 2, generator=random)
    whole = Teaching(3, seed=5)
    whole.advance(crops, targets, 3)
    first = Teaching(3, seed=5)
    first.advance(crops, targets, 1)
    first.save(tmp_path / "run.state")
    second = Teaching(3, seed=99)
    second.load(tmp_path / "run.state")
    second.advance(crops, targets, 3)
    assert all(torch.equal(one, second.average.tensors[name]) for name, one in whole.average.tensors.items())


def test_what_is_no_state_of_such_a_run_is_refused(tmp_path):
    (tmp_path / "run.state").write_bytes(b"no state")
    torch.save({"step": 1}, tmp_path / "other.state")
    for name in ("run.state", "other.state"):
        with pytest.raises(TrainingError, match="not the state of a training run"):
            Teaching(3, seed=5).load(tmp_path / name)


@pytest.mark.slow
def test_teaching_learns_one_crop(one_thread):
    """A dozen steps bring the points of a single crop nearer, mirrored or not."""
    random = torch.Generator().manual_seed(0)
    crops = torch.randint(0, 256, (1, 8, 8), generator=random, dtype=torch.uint8)
    crops = crops.repeat_interleave(8, 1).repeat_interleave(8, 2)
    targets = 0.2 + 0.6 * torch.rand(1, 68, 2, generator=random)
    teaching = Teaching(18, seed=1)
    first = teaching.advance(crops, targets, 3)
    teaching.advance(crops, targets, 15)
    assert teaching.advance(crops, targets, 18) < 0.9 * first
    torch.testing.assert_close(mirror(mirror(targets)), targets)


@pytest.mark.slow
def test_script_teaches_writes_and_measures(tmp_path, shared, caplog):
    """A few steps of the whole recipe with made-up labels; what it wrote is measured."""
    pytest.importorskip("pyarrow")
    data = shared / "data"
    mesh = np.random.default_rng(0).random((20, 2, 478, 2)) * 120 + 60
    np.savez(tmp_path / "labels.npz", mesh=mesh, spread=np.zeros(20))
    given = ["--faces", data / "faces-256.parquet", "--labels", tmp_path / "labels.npz", "--limit", 20]
    given += ["--backgrounds", data / "backgrounds-256.parquet"]
    output = tmp_path / "landmarks.safetensors"
    caplog.set_level(logging.INFO)
    run_gpen("teach", "landmarks", *given, "--output", output, "--crops", 8, "--steps", 2)
    written = checkpoint.read(output)
    assert written.metadata["network"] == "landmarks68" and output.stat().st_size < 2_000_000
    assert isinstance(build_landmarker(written.tensors), Landmarker68)
    run_gpen("teach", "landmarks", *given, "--evaluate", output)
    assert "24 px: mean" in caplog.text


def test_the_network_is_measured_on_three_kinds_of_pictures(shared):
    """Labels a tenth of the eye distance from the network's own answers on clean pictures give about that error."""
    pytest.importorskip("pyarrow")
    loaded, _ = choose_landmarker()
    pictures = read_faces(shared / "data" / "faces-256.parquet", 4)
    rough = np.repeat(TEMPLATES["ffhq"][None] * 256, 4, axis=0)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
    own = find_in_crops(loaded.module, images, rough)
    moved = own + [0.1 * eye_distance(own).mean(), 0]
    errors = evaluate_landmarker(loaded.module, pictures, moved)
    assert list(errors) == ["clean", "spoilt", "24 px"]
    assert np.abs(errors["clean"] - 0.1).max() < 0.03 and (errors["24 px"] > 0.05).all()

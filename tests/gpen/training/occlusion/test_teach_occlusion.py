"""The teaching of the network for what stands before faces: what it is shown, what counts, what the script writes."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run_gpen
from torch import Tensor, nn

from gpen_blocks.gpen.degradation.degrade import Pair
from gpen_blocks.gpen.degradation.faces import read_faces
from gpen_blocks.gpen.faces.masks.occlusion import CROP, load_occlusion
from gpen_blocks.gpen.training.occlusion import compositions
from gpen_blocks.gpen.training.occlusion.compositions import DRAW, KINDS, Compositions
from gpen_blocks.gpen.training.occlusion.teach_occlusion import _draw, _sources, measure, occlusion_loss
from gpen_blocks.weights import checkpoint


def make(kind: str, face: int = 150, tile: int = 30, seed: int = 4) -> Compositions:
    """Compositions of one kind on faces and tiles of one grey each."""
    faces, tiles = (np.full((2, 256, 256, 3), value, np.uint8) for value in (face, tile))
    return Compositions(faces, tiles, seed, np.ones(2), {kind: 1.0})


@pytest.fixture
def undamaged(monkeypatch):
    """Crops as composed, in even light."""
    monkeypatch.setattr(compositions, "degrade", lambda picture, *_: Pair(picture, [], picture))
    monkeypatch.setattr(Compositions, "_light", lambda self: np.ones((CROP, CROP, 1), np.float32))
    monkeypatch.setattr(Compositions, "_made_harder", lambda self, picture, framing: picture)


def test_a_third_or_a_quarter_of_the_crops_shows_a_face_with_nothing_before_it():
    assert sum(KINDS.values()) == pytest.approx(1)
    assert 0.25 <= KINDS["none"] <= 0.35
    assert set(KINDS) == {"none", *DRAW}


@pytest.mark.parametrize("kind", KINDS)
def test_crops_of_every_kind_and_their_targets(kind):
    crops, targets = make(kind).batch(6)
    assert crops.shape == (6, CROP, CROP, 3) and crops.dtype == np.uint8
    assert targets.shape == (6, CROP, CROP, 2) and targets.dtype == np.uint8
    assert set(np.unique(targets[..., 1])) == {0, 1}
    assert 0.2 < targets[..., 1].mean() < 0.5
    before_faces = (targets[..., 0] > 127) & (targets[..., 1] > 0)
    assert before_faces.any() == (kind != "none")
    again, _ = make(kind).batch(6)
    np.testing.assert_array_equal(crops, again)


@pytest.mark.parametrize("kind", DRAW)
def test_nothing_but_what_the_target_names_and_its_shadow_differs_from_the_face(kind, undamaged):
    crops, targets = make(kind).batch(12)
    brighter = crops.max(axis=-1).astype(int) > 151  # shadows only darken
    outside = targets[..., 0] == 0
    # Tinted glass of up to an eighth is no occluder, and lightens.
    assert (brighter & outside).sum() == 0 or kind == "glasses"


def test_what_is_drawn_is_where_the_target_says(undamaged):
    """A microphone: where it fully covers, the grey of the face is gone."""
    crops, targets = make("microphone", face=255).batch(8)
    fully = targets[..., 0] == 255
    assert fully.sum() > 500
    assert (crops[fully].astype(int).max(axis=-1) >= 254).mean() < 0.1
    assert np.median(crops[targets[..., 0] == 0]) > 250


def test_the_loss_is_nothing_for_the_truth_and_much_for_its_opposite():
    covered, face = torch.zeros(2, 1, 16, 16), torch.zeros(2, 1, 16, 16)
    face[:, :, 2:14, 2:14] = 1
    covered[0, :, 4:8, 4:8] = 1
    logits = (covered * 2 - 1) * 20
    assert occlusion_loss(logits, covered, face) < 1e-4
    assert occlusion_loss(-logits, covered, face) > 5
    inside, beside = logits.clone(), logits.clone()
    inside[0, 0, 10:12, 10:12] = 20
    beside[0, 0, 14:16, 14:16] = 20
    assert occlusion_loss(inside, covered, face) > 4 * occlusion_loss(beside, covered, face) > 0
    assert torch.isfinite(occlusion_loss(logits, covered, face * 0))


class Bright(nn.Module):
    """Takes what is brighter than the mean for covered."""

    def forward(self, crops: Tensor) -> Tensor:
        return crops[:, :1] * 100


def test_the_overlap_is_intersection_over_union_inside_the_face():
    crops, targets = (torch.zeros(2, CROP, CROP, channels, dtype=torch.uint8) for channels in (3, 2))
    targets[:, 20:120, 20:120, 1] = 1
    crops[:, 40:60, 20:120] = 200  # said: 2000 pixels, and some beside the face that do not count
    crops[:, 0:10] = 200
    targets[0, 50:70, 20:120, 0] = 255  # true: 2000 pixels, of which 1000 are said; nothing in the second
    overlap = measure(Bright(), crops, targets)  # pyright: ignore[reportArgumentType]
    assert overlap.ious.tolist() == pytest.approx([1000 / 3000])
    assert overlap.pooled == pytest.approx(1000 / 5000)
    assert overlap.uncovered == pytest.approx((7000 + 8000) / (9000 + 10000))
    assert overlap.false_alarms.tolist() == pytest.approx([0.2])
    assert str(overlap).startswith("IoU 0.333 on average of 1 compositions, 0.200 of all pixels, 0.495 on average")
    assert str(measure(Bright(), crops[1:], targets[1:])).startswith("1 of 1 face with")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("halved", "side"), [(False, 8), (True, 4)])
def test_crops_are_mirrored_and_halved_with_their_targets(halved, side):
    crops, targets = torch.zeros(1, 8, 8, 3, dtype=torch.uint8), torch.zeros(1, 8, 8, 2, dtype=torch.uint8)
    crops[:, :, :4], targets[:, :, :4, 0], targets[:, :4, :, 1] = 200, 255, 1
    images, covered, face = _draw(crops, targets, torch.Generator().manual_seed(0), halved=halved)
    assert images.shape[2:] == covered.shape[2:] == face.shape[2:] == (side, side)
    left = images[:, 0, :, : side // 2].mean((1, 2)) > images[:, 0, :, side // 2 :].mean((1, 2))
    assert 0 < int(left.sum()) < len(left)
    assert torch.equal(left, covered[:, 0, :, : side // 2].mean((1, 2)) == 1)
    assert face[:, 0, : side // 2].min() == 1 and face[:, 0, side // 2 :].max() == 0


def few_of(table: Path, folder: Path, count: int) -> Path:
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(table).slice(0, count), folder / table.name)
    return folder / table.name


@pytest.mark.slow
def test_script_teaches_writes_goes_on_and_measures(tmp_path, shared, caplog):
    """The whole recipe, a few steps of it: the written file is a network, and a second call goes on."""
    pytest.importorskip("pyarrow", reason="tables are parquet files")
    tiles, faces = (
        few_of(shared / "data" / "negatives-256.parquet", tmp_path, 20),
        shared / "data" / "faces-256.parquet",
    )
    (_, others, _), (held, held_others, _) = _sources(faces, [tiles], 20)
    assert len(held) == len(held_others) == 2 and len(others) == 18
    np.testing.assert_array_equal(held, read_faces(faces, 20)[::10])
    output = tmp_path / "occlusion.safetensors"
    caplog.set_level(logging.INFO)
    arguments = ["--faces", faces, "--limit", 20, "--backgrounds", tiles, "--held-out", 10, "--device", "cpu"]
    run_gpen("teach", "occlusion", *arguments, "--crops", 8, "--steps", 2, "--output", output)
    assert load_occlusion(checkpoint.read(output).tensors)
    run_gpen("teach", "occlusion", *arguments, "--crops", 8, "--steps", 3, "--output", output)
    assert checkpoint.read_metadata(output)["steps"] == "3 of 3"
    caplog.clear()
    run_gpen("teach", "occlusion", *arguments, "--evaluate", output)
    assert [record.message.split(":")[0] for record in caplog.records if "IoU" in record.message] == ["all", *DRAW]

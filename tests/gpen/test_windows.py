"""A batch goes through the chain in windows: with the same result as in one go, and faces found elsewhere."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen import pipeline
from gpen_blocks.gpen.errors import GPENError, ImageError
from gpen_blocks.gpen.pipeline import restore_batch, restore_window
from gpen_blocks.gpen.presets import Preset
from gpen_blocks.gpen.report import batch_report
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import load_networks
from gpen_blocks.gpen.types import Face, Faces

FRAMES = 7


@pytest.fixture(scope="module")
def networks():
    return load_networks(
        "gpen-lite-256", "face-detector-lite", settings=Settings(), device=torch.device("cpu"), backend="eager"
    )


@pytest.fixture(scope="module")
def portrait(examples):
    pixels = np.asarray(Image.open(examples / "portrait-degraded.jpg").convert("RGB").resize((256, 256)))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def frames(portrait):
    """Frames that differ, with a face each, except for the third, in which there is none."""
    moved = [torch.roll(portrait * (1 - 0.03 * n), (n, 2 * n), (2, 3)) for n in range(FRAMES)]
    moved[2] = torch.full_like(portrait, 0.5)
    return torch.cat(moved)


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of two faces of 256 x 256, and a note of each."""
    monkeypatch.setattr(pipeline, "_WINDOW_CROP_BYTES", 2 * 3 * 256 * 256 * 4)
    own, seen = pipeline.restore_window, []

    def noted(images, faces, *rest, **named):
        seen.append((len(images), len(faces)))
        return own(images, faces, *rest, **named)

    monkeypatch.setattr(pipeline, "restore_window", noted)
    return seen


def outcome(batch):
    return [(record.face.image_index, record.left_alone, record.change, record.noise) for record in batch.records]


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"levels": 1.0, "white_balance": "lab", "deblock": 1.0, "finish_sigma": 1.0}])
def test_windows_change_no_bit(networks, frames, small_windows, changes):
    settings = Settings(min_face_size=40, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_WINDOW_CROP_BYTES", 1 << 40)
        whole = restore_batch(frames, networks, settings, batch_size=2)
    assert small_windows == [(FRAMES, FRAMES - 1)]
    small_windows.clear()
    parts = restore_batch(frames, networks, settings, batch_size=2)
    assert [count for _, count in small_windows] == [2, 2, 2]
    assert all(length <= 3 for length, _ in small_windows)
    for name in ("images", "mask", "before", "after"):
        assert torch.equal(getattr(whole, name), getattr(parts, name)), name
    assert torch.equal(whole.draw_face_masks(), parts.draw_face_masks())
    assert outcome(whole) == outcome(parts) and whole.prepared == parts.prepared
    assert [face.image_index for face in parts.faces] == [0, 1, 3, 4, 5, 6]
    assert [record.face for record in parts.records] == list(parts.faces)
    assert torch.equal(parts.images[2], frames[2])


def test_a_batch_in_which_nothing_changes_is_the_same_tensor(networks, frames, small_windows):
    batch = restore_batch(frames, networks, Settings(min_face_size=40, strength=0.0))
    assert batch.images is frames and len(small_windows) == 3
    assert len(batch.records) == FRAMES - 1 and not any(record.change.share for record in batch.records)


def test_windows_are_bounded_by_faces_and_by_images(monkeypatch):
    """One image is never split; images without a face are in no window unless between two with one."""
    images = torch.zeros(20, 3, 8, 8)

    def face(index):
        return Face((0, 0, 4, 4), 1.0, np.zeros((5, 2)), index)

    faces = Faces(tuple(map(face, (1, 1, 2, 4, 4, 4, 4, 5, 18))), ((8, 8),) * 20)
    monkeypatch.setattr(pipeline, "_WINDOW_CROP_BYTES", 3 * 3 * 16 * 16 * 4)
    monkeypatch.setattr(pipeline, "_WINDOW_IMAGE_BYTES", 10 * images[:1].nbytes)
    assert list(pipeline._windows(faces, images, 16, 0)) == [(1, 3), (4, 5), (5, 6), (18, 19)]
    # Whole passes of two.
    assert list(pipeline._windows(faces, images, 16, 2)) == [(1, 2), (2, 3), (4, 5), (5, 6), (18, 19)]
    assert list(pipeline._windows(Faces((), faces.sizes), images, 16, 0)) == []


def test_each_face_has_a_mask_of_its_own(networks, portrait):
    pair = torch.cat([portrait, portrait.flip(-1)], dim=3)
    batch = restore_batch(pair, networks, Settings(min_face_size=40))
    masks = batch.draw_face_masks()
    assert masks.shape == (2, 1, 256, 512)
    assert torch.allclose(1 - (1 - masks).prod(dim=0), batch.mask[0], atol=1e-6)
    for mask, face in zip(masks, batch.faces, strict=True):
        x, y = (round((face.box[side] + face.box[side + 2]) / 2) for side in (0, 1))
        assert mask[0, y, x] == pytest.approx(1, abs=1e-6)  # interpolated


def test_masks_that_no_memory_holds_are_refused_in_a_sentence(networks, portrait):
    """A mask for each face of a picture of 4 million by 4 million pixels takes 70 TB."""
    batch = restore_batch(portrait, networks, Settings(min_face_size=40))
    huge = replace(batch, images=torch.zeros(1).expand(1, 3, 1 << 22, 1 << 22))
    with pytest.raises(GPENError, match="not enough memory for a mask of 4194304 x 4194304 for 1 face;"):
        huge.draw_face_masks()


def test_faces_found_elsewhere_are_taken_instead_of_searching(networks, frames):
    found = restore_batch(frames, networks, Settings(min_face_size=40))
    calls = []
    given = restore_batch(
        frames,
        networks,
        # A minimum size that the automatic one of the search does not reach.
        Settings(),
        faces=found.faces,
        within=lambda faces: Faces(tuple(f for f in faces if f.image_index != 4), faces.sizes),
        progress=lambda stage, done, total: calls.append(stage),
    )
    assert "detect" not in calls
    assert [face.image_index for face in given.faces] == [0, 1, 3, 5, 6]
    assert given.found.reasons == ("outside the chosen regions",)
    assert torch.equal(given.images[0], found.images[0]) and torch.equal(given.images[4], frames[4])
    nobody = restore_batch(frames, networks, faces=found.faces, indices="1")
    assert nobody.images is frames and set(nobody.found.reasons) == {"not among the chosen faces"}
    with pytest.raises(ImageError, match="connect the images of these faces"):
        restore_batch(frames[:2], networks, faces=found.faces)


def test_a_window_of_known_faces_is_restored_by_one_call(networks, frames):
    """Frames can come one window after another; their records are those of the whole."""
    batch = restore_batch(frames, networks, Settings(min_face_size=40), batch_size=1)
    records = []
    for first in (0, 4):
        last = min(first + 4, FRAMES)
        done = restore_window(
            frames[first:last], batch.faces.window(first, last), networks, Settings(min_face_size=40), batch_size=1
        )
        assert torch.equal(done.images, batch.images[first:last])
        records += done.records
    assert [record.change for record in records] == [record.change for record in batch.records]


def test_a_face_that_is_left_alone_is_shown_as_it_stays(networks, examples):
    sharp = Image.open(examples / "faces" / "sharp.jpg").convert("RGB")
    images = torch.from_numpy(np.asarray(sharp).copy()).permute(2, 0, 1)[None].float() / 255
    batch = restore_batch(images, networks, Settings())
    assert [record.left_alone for record in batch.records] and batch.images is images
    assert torch.equal(batch.before, batch.after)


def test_a_finished_window_is_not_held_beside_the_next(networks, frames, small_windows, monkeypatch):
    """Two windows at once would be twice the working memory."""
    own, alive = pipeline.restore_window, []

    def watched(*args, **named):
        assert not [one for one in alive if one() is not None]
        result = own(*args, **named)
        alive.append(weakref.ref(result.before))
        return result

    monkeypatch.setattr(pipeline, "restore_window", watched)
    restore_batch(frames, networks, Settings(min_face_size=40))
    assert len(alive) > 1


def test_a_number_that_no_face_has_is_told(networks, portrait):
    batch = restore_batch(portrait, networks, Settings(), indices="0,7")
    notes = batch_report(batch, networks, Preset("natural"), indices="0,7")["notes"]
    assert notes[0] == "No face has the number 7: the numbers go from 0 to 0."

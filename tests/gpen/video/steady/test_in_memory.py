"""A batch of images as the frames of a shot."""

from __future__ import annotations

import pytest
import torch

from gpen_blocks.gpen.errors import SettingsError
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.types import Faces
from gpen_blocks.gpen.video.in_memory import restore_frames

FRAMES, CUT = 22, 12


@pytest.fixture
def shots(frames_of) -> torch.Tensor:
    """Two shots: in the second one the face is elsewhere, before another background."""
    frames = torch.stack(frames_of(FRAMES))
    frames[CUT:] = frames[CUT:].roll(100, -1)
    frames[CUT:, :, :, :120] = torch.linspace(0.05, 1, 120) * torch.tensor([0.2, 0.5, 1.0])[:, None, None]
    return frames


@pytest.mark.slow
def test_faces_go_on_through_a_shot_and_begin_anew_at_a_cut(shots, networks):
    told: list[str] = []
    batch = restore_frames(shots, networks, Settings(), progress=lambda stage, done, total: told.append(stage))
    assert [face.image_index for face in batch.faces] == list(range(FRAMES)), "one face in each image"
    assert len(batch.records) == FRAMES and all(record.left_alone is None for record in batch.records)
    size = networks.generator.module.config.size
    assert tuple(batch.before.shape) == tuple(batch.after.shape) == (2, 3, size, size), "one crop of each shot"
    assert (batch.before != batch.after).flatten(1).any(1).all()
    changed = (batch.images != shots).flatten(1).any(1)
    assert changed.all() and torch.equal(
        batch.images[batch.mask.expand_as(shots) == 0], shots[batch.mask.expand_as(shots) == 0]
    )
    assert set(batch.found.numbers.values()) == {0}
    assert {"detect", "restore", "detail", "paste"} <= set(told)


@pytest.mark.slow
def test_the_result_is_steadier_than_image_by_image(frames_of, networks):
    """The scene is at rest, and only its noise changes: what is left to move is what the restoration adds."""
    frames = torch.stack(frames_of(16))

    def flicker(after: torch.Tensor, mask: torch.Tensor) -> float:
        inside = (mask > 0.99).all(0).expand_as(after[0])
        return float(after[:, inside].diff(dim=0).abs().mean())

    steady = restore_frames(frames, networks, Settings())
    alone = restore_batch(frames, networks, Settings())
    assert flicker(steady.images, steady.mask) < 0.8 * flicker(alone.images, alone.mask)


@pytest.mark.slow
def test_faces_are_chosen_for_all_of_a_shot(shots, networks):
    def in_few_images(faces: Faces) -> Faces:
        assert len(faces.sizes) == FRAMES
        return Faces(tuple(face for face in faces if face.image_index < CUT), faces.sizes)

    batch = restore_frames(shots, networks, Settings(), within=in_few_images)
    assert [face.image_index for face in batch.faces] == list(range(CUT))
    assert len(batch.found.rejected) == FRAMES - CUT and torch.equal(batch.images[CUT:], shots[CUT:])
    nothing = restore_frames(shots, networks, Settings(), indices="3")
    assert nothing.images is shots and not len(nothing.before)
    with pytest.raises(SettingsError):
        restore_frames(shots, networks, Settings(), indices="x")

"""The second look at landmarks, by networks whose answers are known."""

from __future__ import annotations

import numpy as np
import torch

from gpen_blocks.gpen.faces.detection.refine import LOOKS, MEAN_SHAPE, MIRRORED, LandmarkRefiner, refine_landmarks

SHAPE = torch.tensor(MEAN_SHAPE)


def test_the_answers_for_a_crop_and_its_mirror_image_are_averaged():
    """One that errs to one side, and differently for each point, errs by half as much as in a single view."""
    error = 0.05 * torch.randn(5, 2)
    shift = torch.tensor([0.08, -0.04])

    class Lopsided(LandmarkRefiner):
        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            seen, other = SHAPE + shift + error, (SHAPE + shift - error)[list(MIRRORED)]
            reflected = torch.stack([1 - other[:, 0], other[:, 1]], dim=-1)
            half = len(crops) // 2
            return torch.cat([seen.expand(half, -1, -1), reflected.expand(half, -1, -1)])

    faces = (SHAPE * 50 + 20).expand(3, -1, -1)
    found = refine_landmarks(torch.rand(3, 120, 120), faces.numpy(), Lopsided())
    # Every look moves all five by what is left of the errors: the shift.
    np.testing.assert_allclose(found, faces + LOOKS * 50 * shift, atol=1e-3)


def test_it_is_shown_the_grey_it_was_taught_with():
    """BT.601's: a red and a green that are equally bright by it make a flat crop."""
    shown: list[torch.Tensor] = []

    class Noting(LandmarkRefiner):
        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            shown.append(crops)
            return SHAPE.expand(len(crops), -1, -1)

    image = torch.zeros(3, 100, 100)
    image[0, :, :50], image[1, :, 50:] = 0.8, 0.8 * 0.299 / 0.587
    refine_landmarks(image, (SHAPE * 80 + 10)[None].numpy(), Noting())
    assert len(shown) == LOOKS and shown[0].shape == (2, 1, 64, 64)
    assert torch.cat(shown).abs().max() < 0.01
    shown.clear()
    image[1] *= 1.1
    refine_landmarks(image, (SHAPE * 80 + 10)[None].numpy(), Noting())
    assert torch.cat(shown).abs().max() > 0.9

"""Where a photograph and its restored version meet."""

from __future__ import annotations

import torch

from gpen_blocks.gpen.detail.spectrum.analysis import measure_cutoff
from gpen_blocks.gpen.detail.spectrum.crossover import find_crossover
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.pixels.color import luma


def test_colour_is_believed_no_further_than_luma(examples):
    """Noise in the lightness alone ends it early, where the colours agree to the end."""
    portrait = read_picture(examples / "portrait.png").pixels
    noisy = (portrait + 0.12 * torch.randn(1, 1, 512, 512)).clamp(0, 1)
    (cutoffs,) = find_crossover(noisy, portrait).cutoff
    assert cutoffs[0] < 0.9 * float(measure_cutoff(luma(noisy)))
    assert cutoffs[1] <= cutoffs[0] and cutoffs[2] <= cutoffs[0]
    assert cutoffs.max() == cutoffs[0]

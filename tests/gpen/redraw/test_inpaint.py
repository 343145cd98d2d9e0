"""Only covered pixels are taken from the network, and no seam is seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from small_networks import SIZE, write_network

from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.pixels.fill import spread
from gpen_blocks.gpen.redraw import inpaint
from gpen_blocks.gpen.redraw.inpainting import _at_edge, _meet

FOUND_BY = {"detector": "face-detector-lite", "device": "cpu"}


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> str:
    return write_network(tmp_path_factory.mktemp("networks"), "inpainting")


@pytest.fixture
def portrait(examples) -> np.ndarray:
    return np.asarray(Image.open(examples / "portrait.png").convert("RGB"))


@pytest.fixture
def line() -> np.ndarray:
    """A scratch across the face and far into the background."""
    mask = np.zeros((512, 512), np.uint8)
    mask[20:480, 226:230] = 255
    return mask


def test_every_pixel_outside_of_the_mask_stays(network, portrait, line):
    scratched = portrait.copy()
    scratched[line > 0] = 255
    done = inpaint(scratched, line, model=network, **FOUND_BY)
    assert (done.image[line == 0] == scratched[line == 0]).all()
    assert (done.image[line > 0] != 255).any(axis=1).mean() > 0.95
    assert ((done.mask[0, 0].numpy() > 0) == (line > 0)).all()
    told = done.report["pixels"]
    assert told["covered"] == (line > 0).sum() and 0 < told["by_network"] < told["covered"]
    assert (
        f"{told['covered'] - told['by_network']} covered pixels outside of the chosen faces were filled by diffusion"
        in (done.report["notes"][0])
    )


def test_pixels_outside_of_faces_can_be_left(network, portrait, line):
    done = inpaint(portrait, line, model=network, elsewhere="leave", **FOUND_BY)
    filled = done.mask[0, 0].numpy() > 0
    assert done.report["pixels"]["by_network"] == filled.sum() < (line > 0).sum()
    assert (done.image[~filled] == portrait[~filled]).all()
    assert "were left" in done.report["notes"][0]


def test_what_is_shown_to_the_network_is_white_and_wide_enough(network, portrait, monkeypatch):
    """A hair's breadth in the mask is a stroke of the least width the network knows in the crop."""
    from gpen_blocks.gpen.redraw import inpainting as module

    seen = []
    real = module.restore_crops
    monkeypatch.setattr(
        module, "restore_crops", lambda net, crops, **more: seen.append(crops) or real(net, crops, **more)
    )
    mask = np.zeros((512, 512), np.uint8)
    mask[60:220, 228] = 255
    inpaint(portrait, mask, model=network, **FOUND_BY)
    white = (seen[0][0] == 1).all(dim=0)
    widths = white.sum(dim=1)
    assert widths.max() >= max(3, round(12 / 1024 * SIZE))
    assert white.any(dim=1).sum() > SIZE / 2


def test_the_answer_meets_the_photograph_along_the_hole():
    """An answer that is too bright by a constant, or by a slope, ends as the picture itself: no seam."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    crop = torch.stack([x, y, 0.5 * x + 0.2])[None]
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 20:44, 28:36] = 1
    for wrong in (torch.full_like(crop, 0.3), 0.2 * x.expand_as(crop)):
        met = _meet(crop + wrong, crop, hole)
        assert float((met - crop).abs()[(hole > 0).expand_as(crop)].max()) < 0.02
    assert float((_meet(crop, crop, hole) - crop).abs().max()) < 1e-6


def test_spread_keeps_what_is_known_and_fills_the_rest_smoothly():
    values, known = torch.rand(1, 2, 37, 50), torch.zeros(1, 1, 37, 50)
    known[..., :5, :] = 1
    filled = spread(values, known)
    assert torch.allclose(filled[..., :5, :], values[..., :5, :], atol=1e-6)
    assert float(filled.min()) >= 0 and float(filled.max()) <= 1
    assert float(filled[..., 20:, :].diff(dim=-2).abs().max()) < 0.1
    constant = spread(torch.full((1, 1, 20, 31), 0.25), (torch.rand(1, 1, 20, 31) > 0.9).float())
    assert torch.allclose(constant, torch.full_like(constant, 0.25), atol=1e-6)


def test_wide_holes_and_wrong_masks_are_told(network, portrait):
    wide = np.zeros((512, 512), np.uint8)
    wide[80:160, 200:260] = 255
    done = inpaint(portrait, wide, model=network, **FOUND_BY)
    assert any("taught strokes of up to 8%" in note for note in done.report["notes"])
    with pytest.raises(ImageError, match="The mask has 10 x 20 pixels, and the picture 512 x 512"):
        inpaint(portrait, np.ones((20, 10), np.uint8), model=network, **FOUND_BY)
    with pytest.raises(ImageError, match="covers nothing"):
        inpaint(portrait, np.zeros((512, 512), np.uint8), model=network, **FOUND_BY)
    with pytest.raises(SettingsError, match="elsewhere"):
        inpaint(portrait, wide, model=network, elsewhere="invent", **FOUND_BY)  # type: ignore[arg-type]


def test_a_face_without_a_scratch_is_not_touched(network, portrait):
    corner = np.zeros((512, 512), np.uint8)
    corner[500:510, 4:12] = 255
    done = inpaint(portrait, corner, model=network, **FOUND_BY)
    assert done.report["faces"][0]["skipped"] == "the mask covers nothing of it"
    assert done.report["pixels"]["by_network"] == 0


def test_what_a_mask_leaves_of_a_scratch_gives_no_colour():
    covered = torch.zeros(1, 1, 24, 24)
    covered[..., 4:20, 10:14] = 1
    photograph = torch.full((1, 3, 24, 24), 0.4)
    photograph[..., 3:21, 9:15] = 0.9  # white, one pixel wider than the mask
    answer = torch.full((1, 3, 24, 24), 0.35)
    met = _at_edge(answer, photograph, covered)
    assert torch.allclose(met[..., 4:20, 10:14], torch.tensor(0.4), atol=0.02)


def test_the_soft_edge_of_a_stroke_is_filled_in(portrait):
    line = cv2.line(np.zeros((512, 512), np.uint8), (205, 70), (235, 170), 255, 4, cv2.LINE_AA)
    share = line[..., None] / 255
    scratched = np.rint(portrait * (1 - share) + 255 * share).astype(np.uint8)
    done = inpaint(scratched, line, model="gpen-inpaint-lite", **FOUND_BY)
    seen = line > 0
    error, before = (np.abs(made[seen].astype(float) - portrait[seen]).mean() for made in (done.image, scratched))
    assert before > 50
    assert error < 15

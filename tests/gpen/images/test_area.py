"""Masks of what may change, from pictures and files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from gpen_blocks.gpen.errors import ImageError, NoPictureError
from gpen_blocks.gpen.images import area_of, mask_of
from gpen_blocks.gpen.jobs.areas import AreaFiles

SIZE = (2, 3)


def test_what_is_excluded_is_taken_from_what_is_included():
    only = torch.tensor([[[[1.0, 1, 0], [0.5, 1, 0]]]])
    out = torch.tensor([[[[0.0, 1, 1], [0.5, 0, 0]]]])
    assert area_of(None, None, SIZE) is None
    assert area_of(only, None, SIZE) is only
    assert torch.equal(area_of(None, out, SIZE), 1 - out)  # type: ignore[arg-type]
    assert torch.equal(area_of(only, out, SIZE), torch.tensor([[[[1.0, 0, 0], [0.25, 1, 0]]]]))  # type: ignore[arg-type]
    # One for all and one for each.
    assert area_of(only, torch.zeros(4, 1, *SIZE), SIZE).shape == (4, 1, *SIZE)  # type: ignore[union-attr]
    with pytest.raises(ImageError, match="The mask not_here has 3 x 2 pixels, but the picture 4 x 2;"):
        area_of(None, out, (2, 4))


def test_a_mask_is_the_brightness_of_any_picture(tmp_path):
    values = np.array([[0, 128, 255], [255, 0, 64]], np.uint8)
    wanted = torch.from_numpy(values / 255).float()[None, None]
    Image.fromarray(values).save(tmp_path / "mask.png")
    Image.fromarray(np.dstack([values] * 3 + [255 - values])).save(tmp_path / "alpha.png")
    for given in (values, np.dstack([values] * 3), Image.fromarray(values), str(tmp_path / "mask.png")):
        torch.testing.assert_close(mask_of(given), wanted)
    torch.testing.assert_close(mask_of(tmp_path / "alpha.png"), wanted)
    with pytest.raises(ImageError):
        mask_of(tmp_path / "none.png")


def test_a_folder_has_a_mask_for_each_picture(tmp_path):
    folder, one = tmp_path / "masks", tmp_path / "one.png"
    folder.mkdir()
    Image.new("L", (3, 2), 255).save(folder / "a.png")
    Image.new("L", (3, 2), 0).save(one)
    areas = AreaFiles(only_here=folder, not_here=one)
    areas.require()
    assert areas.of(tmp_path / "in" / "a.jpg", SIZE).min() == 1  # type: ignore[union-attr]
    with pytest.raises(ImageError, match=r"masks has no mask for b\.jpg; it needs one such as b\.png"):
        areas.of(tmp_path / "b.jpg", SIZE)
    Image.new("L", (3, 2), 0).save(folder / "a.tif")
    with pytest.raises(ImageError, match="2 masks"):
        areas.of(tmp_path / "a.jpg", SIZE)
    assert AreaFiles().of(tmp_path / "a.jpg", SIZE) is None and AreaFiles().digests() == {}
    with pytest.raises(NoPictureError, match="the mask not_here"):
        AreaFiles(not_here=tmp_path / "gone.png").require()


def test_a_change_of_a_mask_is_seen(tmp_path):
    path = tmp_path / "mask.png"
    Image.new("L", (3, 2), 255).save(path)
    before = AreaFiles(path).digests()
    assert AreaFiles(path).digests() == before
    assert AreaFiles(not_here=path).digests() != before
    Image.new("L", (300, 200), 7).save(path)
    assert AreaFiles(path).digests() != before

"""How much of each face has changed."""

import pytest
import torch
from masks import face_masks

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.faces.align import TEMPLATES, align_faces
from gpen_blocks.gpen.faces.change import measure_changes
from gpen_blocks.gpen.types import Alignment, Face, Faces

SIZE = (160, 200)


def aligned(count: int, *places: tuple[float, float, float, int]) -> tuple[tuple[Alignment, ...], torch.Tensor]:
    """Upright faces at (x, y, side of the crop, image), and their masks."""
    faces = [
        Face(
            (x - side / 3, y - side / 3, x + side / 3, y + side / 3), 0.9, side * (TEMPLATES["ffhq"] - 0.5) + [x, y], n
        )
        for x, y, side, n in places
    ]
    _, alignments = align_faces(torch.zeros(count, 3, *SIZE), Faces(tuple(faces), (SIZE,) * count), 64, "ffhq")
    return alignments, face_masks(alignments, 64)


def test_share_and_amounts_are_those_of_the_pixels_within_the_mask():
    """Half of the picture moves by 10 levels in one channel and by 4 in another: so does half of an upright face."""
    alignments, masks = aligned(1, (100, 80, 90, 0))
    before = torch.full((1, 3, *SIZE), 0.5)
    after = before.clone()
    after[:, 0, :, :100] += 10 / 255
    after[:, 2, :, :100] -= 4 / 255
    (change,) = measure_changes(before, after, alignments, masks)
    assert change is not None
    assert change.share == pytest.approx(0.5, abs=0.03)
    assert change.mean == pytest.approx(change.share * 14 / 3, rel=1e-3)
    assert change.largest == pytest.approx(10, rel=1e-3)


def test_what_no_file_shows_is_no_change():
    """Under half a level of 255 is nothing; over it is."""
    alignments, masks = aligned(1, (100, 80, 90, 0))
    before = torch.full((1, 3, *SIZE), 0.5)
    for step, share in ((0.0, 0), (0.4, 0), (0.6, 1)):
        (change,) = measure_changes(before, before + step / 255, alignments, masks)
        assert change is not None and change.share == share
        assert change.mean == pytest.approx(step, abs=1e-4)


def test_each_face_answers_for_its_own_pixels():
    """What changed of a neighbour, also where masks overlap, and in another image, does not count."""
    alignments, masks = aligned(2, (70, 80, 110, 0), (125, 80, 60, 0), (70, 80, 110, 1))
    before = torch.full((2, 3, *SIZE), 0.5)
    after = before.clone()
    after[0, :, :, 125:] += 0.1  # within the small face alone
    large, small, other = measure_changes(before, after, alignments, masks)
    assert large is not None and small is not None and other is not None
    assert small.share > 0.4
    assert large.share < 0.03
    assert other.share == 0


def test_the_same_face_found_twice_is_told_twice():
    alignments, masks = aligned(1, (100, 80, 90, 0), (100, 80, 90, 0))
    before = torch.full((1, 3, *SIZE), 0.5)
    for change in measure_changes(before, before + 0.1, alignments, masks):
        assert change is not None and change.share == 1


def test_a_face_without_a_pixel_has_no_change():
    """Beyond the picture, with an empty mask, and hidden by a larger face."""
    alignments, masks = aligned(1, (100, 80, 90, 0), (-500, 80, 90, 0), (100, 80, 90, 0), (100, 84, 3, 0))
    masks[2] = 0
    before = torch.full((1, 3, *SIZE), 0.5)
    first, *others = measure_changes(before, before + 0.1, alignments, masks)
    assert first is not None and first.share == 1
    assert others == [None, None, None]


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(ImageError, match="same shape"):
        measure_changes(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5), (), torch.zeros(0, 1, 8, 8))

"""A crop whose face is not where the network expects it is told from one whose face is, however damaged."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gpen_blocks.gpen.degradation.degrade import degrade
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.detect import detect
from gpen_blocks.gpen.faces.framing import misplaced_crops
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import load_detector, load_landmarker

SIZE = 256


@pytest.fixture(scope="module")
def crops(examples: Path) -> torch.Tensor:
    """Aligned crops of the examples, N x 3 x S x S."""
    detector, found = load_detector("face-detector-lite").module, []
    for path in (examples / "portrait-degraded.jpg", *sorted((examples / "faces").glob("*.jpg"))):
        images = read_picture(path).pixels
        found.append(align_faces(images, detect(images, detector), SIZE, "ffhq")[0])
    return torch.cat(found)


def misplaced(crops: torch.Tensor, template: str = "ffhq") -> tuple[int, ...]:
    landmarker = load_landmarker("face-landmarks-lite").module
    return misplaced_crops(crops, template, landmarker, lambda: load_detector("face-detector-lite").module)


def each(crops: torch.Tensor, change) -> torch.Tensor:
    """The crops after a change of H x W x 3 uint8."""
    pictures = (crops.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    return torch.stack([torch.from_numpy(change(picture)) for picture in pictures]).permute(0, 3, 1, 2).float() / 255


def moved(picture: np.ndarray, degrees: float = 0, zoom: float = 1, right: float = 0) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((SIZE / 2 - 0.5,) * 2, degrees, zoom)
    matrix[0, 2] += right * SIZE
    return cv2.warpAffine(picture, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT_101)


def test_aligned_crops_pass_for_either_template_and_size(crops):
    assert len(crops) >= 4
    assert misplaced(crops) == () and misplaced(crops, "gpen") == ()
    assert misplaced(torch.nn.functional.interpolate(crops, (512, 512), mode="bilinear")) == ()


@pytest.mark.slow
@pytest.mark.parametrize("version", range(4))
def test_damaged_ones_pass(crops, version):
    assert misplaced(each(crops, lambda picture: degrade(picture, version).degraded)) == ()


def test_a_crop_of_one_colour_passes():
    """The black one stands for no face."""
    for value in (0.0, 0.5, 1.0):
        assert misplaced(torch.full((1, 3, SIZE, SIZE), value)) == ()


@pytest.mark.parametrize("change", [{"degrees": 45}, {"zoom": 0.6}, {"right": 0.15}])
def test_a_face_that_is_turned_or_elsewhere_or_of_another_size_is_found(crops, change):
    assert misplaced(each(crops, lambda picture: moved(picture, **change))) == tuple(range(len(crops)))


def test_only_the_wrong_ones_of_a_batch_are_found(crops):
    wrong = each(crops[:1], lambda picture: moved(picture, zoom=0.6))
    assert misplaced(torch.cat([crops[:2], wrong, crops[2:]])) == (2,)


def test_the_search_can_be_stopped(crops):
    class StoppedError(Exception):
        pass

    def stop(*_):
        raise StoppedError

    with pytest.raises(StoppedError):
        misplaced_crops(crops, "ffhq", load_landmarker("face-landmarks-lite").module, lambda: pytest.fail(), stop)

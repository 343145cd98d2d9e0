"""The search for one turned head, also where memory is short, on a pretended CUDA device."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from pretend_cuda import DEVICE, PretendCuda, move
from torch import Tensor, nn

from gpen_blocks.gpen.errors import GPENError
from gpen_blocks.gpen.faces.detection import tiles
from gpen_blocks.gpen.faces.detection.candidates import Candidates, quarter_of
from gpen_blocks.gpen.faces.detection.detect import detect
from gpen_blocks.gpen.faces.detection.detector import FaceDetector
from gpen_blocks.gpen.faces.detection.search import search_turned
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import load_detector


@pytest.fixture
def detector() -> FaceDetector:
    """A detector of this test's own."""
    return copy.deepcopy(load_detector("face-detector-lite").module)


@pytest.fixture(scope="module")
def lying(examples) -> tuple[Tensor, Tensor]:
    """A head that is turned clockwise by 90 degrees, 3 x H x W, and its box."""
    portrait = read_picture(examples / "portrait-degraded.jpg").pixels
    (face,) = detect(portrait, load_detector("face-detector-lite").module)
    x0, y0, x1, y1 = face.box
    height = portrait.shape[2]
    return portrait[0].rot90(-1, (1, 2)), torch.tensor([height - y1, x0, height - y0, x1])


def limit(network: nn.Module, fits: Callable[[Tensor], bool]) -> list[tuple[int, ...]]:
    """Let a network run out of memory at what does not fit; the shapes it was asked for."""
    asked: list[tuple[int, ...]] = []

    def check(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        asked.append(tuple(inputs[0].shape))
        if not fits(inputs[0]):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    network.register_forward_pre_hook(check)
    return asked


def assert_found(head: Candidates | None, box: Tensor) -> None:
    assert head is not None and int(quarter_of(head.landmarks)) == 1
    assert (head.boxes[0] - box).abs().max() < 0.15 * (box[2] - box[0])


def test_a_lying_head_is_found_where_its_landmarks_say_so(detector, lying):
    image, box = lying
    assert_found(search_turned(image, detector, box, 1, threshold=0.4), box)
    assert search_turned(image, detector, box, 3, threshold=0.4) is None


def test_where_memory_is_short_its_surroundings_are_searched_in_halves(detector, lying, monkeypatch):
    image, box = lying
    whole = search_turned(image, detector, box, 1, threshold=0.4)
    monkeypatch.setattr(tiles, "COARSEST_SIDE", 100)
    monkeypatch.setattr(tiles, "OVERLAP", 120)
    asked = limit(detector.network, lambda x: max(x.shape[2:]) < max(asked[0][2:]) or len(asked) > 1)
    halved = search_turned(image, detector, box, 1, threshold=0.4)
    assert len(asked) == 3 and asked[1][2] * asked[1][3] < asked[0][2] * asked[0][3]
    assert whole is not None and halved is not None
    assert_found(halved, box)
    assert (whole.boxes - halved.boxes).abs().max() < 4


def test_where_they_do_not_fit_it_is_a_sentence(detector, lying):
    image, box = lying
    move(detector)
    limit(detector.network, lambda x: False)
    with PretendCuda(), pytest.raises(GPENError, match="not enough memory on cuda:0 to search for faces"):
        search_turned(image, detector, box, 1, threshold=0.4)


def test_it_is_searched_on_the_device_of_the_detector(detector, lying):
    image, box = lying
    here = search_turned(image, detector, box, 1, threshold=0.4)
    move(detector)
    with PretendCuda():
        assert next(detector.parameters()).device == DEVICE
        there = search_turned(image, detector, box, 1, threshold=0.4)
    assert here is not None and there is not None
    torch.testing.assert_close(there.boxes, here.boxes, rtol=0, atol=1e-3)

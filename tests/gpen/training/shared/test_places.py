"""Teaching happens on the device that is asked for; torch's `meta`, where nothing is computed, stands for a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gpen_blocks.gpen.faces.detection.classify import FaceClassifier
from gpen_blocks.gpen.faces.detection.refine import LandmarkRefiner
from gpen_blocks.gpen.faces.detection.retinaface import RetinaFace
from gpen_blocks.gpen.training.detector.distill import teach_detector
from gpen_blocks.gpen.training.detector.teach_classifier import teach_classifier
from gpen_blocks.gpen.training.detector.teach_refiner import teach_refiner
from gpen_blocks.gpen.training.landmarks.teach_landmarks import CROP, Teaching
from gpen_blocks.gpen.training.shared.places import beside, in_bfloat16
from gpen_blocks.gpen.training.shared.scenes import MOST_HEADS, SCENE, Scenes

ELSEWHERE = torch.device("meta")


def teach_a_refiner(network: Any, device: torch.device) -> None:
    crops, points = torch.zeros(4, 64, 64, dtype=torch.uint8), torch.full((4, 5, 2), 0.5)
    teach_refiner(network, crops, points, 2, 0, device=device)


def teach_a_classifier(network: Any, device: torch.device) -> None:
    crops, labels = torch.zeros(4, 64, 64, 3, dtype=torch.uint8), torch.arange(4)
    teach_classifier(network, crops, labels, 2, 0, device=device)


def teach_a_detector(network: Any, device: torch.device) -> None:
    pictures = np.zeros((2, SCENE, SCENE, 3), np.uint8)
    scenes = Scenes(pictures, pictures, np.zeros((2, MOST_HEADS, 3), np.float32))
    teach_detector(network, RetinaFace("mobile0.25"), scenes, 1, 0, device=device)


TAUGHT: dict[str, tuple[Callable[[], nn.Module], Callable[[Any, torch.device], None]]] = {
    "refiner": (LandmarkRefiner, teach_a_refiner),
    "classifier": (FaceClassifier, teach_a_classifier),
    "detector": (lambda: RetinaFace("mobile0.25"), teach_a_detector),
}


def watch(network: nn.Module) -> set[str]:
    """The kinds of devices that a network's first convolution is fed from."""
    seen: set[str] = set()
    first = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    first.register_forward_pre_hook(lambda _, inputs: seen.add(inputs[0].device.type))
    return seen


@pytest.mark.parametrize("build, teach", TAUGHT.values(), ids=TAUGHT)
def test_a_network_is_taught_on_the_device_that_is_asked_for(build, teach):
    network = build()
    seen = watch(network)
    # Elsewhere there are no values, and sooner or later one is asked for.
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        teach(network, ELSEWHERE)
    assert seen == {"meta"}


def test_landmarks_are_taught_there_too():
    teaching = Teaching(2, 0, device=ELSEWHERE)
    seen = watch(teaching.network)
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        teaching.advance(torch.zeros(4, CROP, CROP, dtype=torch.uint8), torch.full((4, 68, 2), 0.5), 1)
    assert seen == {"meta"}


def test_afterwards_a_network_lies_on_the_processor():
    network = LandmarkRefiner()
    teach_a_refiner(network, torch.device("cpu"))
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


def test_numbers_are_those_that_the_device_has():
    here, there = nn.Linear(2, 2), nn.Linear(2, 2, device=ELSEWHERE)
    with in_bfloat16(here):
        assert here(torch.zeros(1, 2)).dtype == torch.bfloat16
    with in_bfloat16(there):
        (x,) = beside(there, torch.zeros(1, 2))
        answer: Tensor = there(x)
        assert answer.dtype == torch.float32 and answer.device == ELSEWHERE

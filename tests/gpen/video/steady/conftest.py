"""A face that moves in a known way, and the networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from video.motion import DAMAGES, WAYS, Scene

from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks, load_networks
from gpen_blocks.gpen.video.steady import Tracks, follow

Frames = Callable[[int], list[torch.Tensor]]
SIZE = (180, 320)


@pytest.fixture(scope="session")
def networks() -> Networks:
    device = torch.device("cpu")
    return load_networks("gpen-lite-256", "face-detector-lite", settings=Settings(), device=device, backend="eager")


@pytest.fixture(scope="session")
def scene(examples: Path) -> Scene:
    still = read_picture(examples / "faces" / "face1.jpg").pixels[0].permute(1, 2, 0).numpy()
    return Scene(still, WAYS["rest"], SIZE, scale=0.3)


@pytest.fixture
def frames_of(scene: Scene) -> Frames:
    """The first frames of the scene, damaged."""

    def make(count: int) -> list[torch.Tensor]:
        return [
            torch.from_numpy(DAMAGES["noisy"].apply(scene.frame(time), time)).permute(2, 0, 1) for time in range(count)
        ]

    return make


@pytest.fixture(scope="session")
def followed(scene: Scene, networks: Networks) -> Tracks:
    """The face in 30 frames."""
    frames = (torch.from_numpy(DAMAGES["noisy"].apply(scene.frame(time), time)).permute(2, 0, 1) for time in range(30))
    return follow(enumerate(frames), networks, Settings())

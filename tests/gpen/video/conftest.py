"""A clip with a face, and the models for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from videos import make_clip_of_face

from gpen_blocks.gpen.restorer import Restorer


@pytest.fixture(scope="session")
def restorer() -> Restorer:
    return Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager")


@pytest.fixture(scope="session")
def clip(examples, tmp_path_factory) -> Path:
    return make_clip_of_face(tmp_path_factory.mktemp("clips") / "clip.mkv", examples)

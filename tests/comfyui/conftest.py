"""Pictures for the tests of the nodes in a real ComfyUI, which `COMFYUI_PATH` names (see tests/conftest.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from comfyui_server import module_in_comfyui
from PIL import Image

pytest_pycollect_makemodule = module_in_comfyui


@pytest.fixture(scope="session")
def portrait(examples: Path) -> np.ndarray:
    """A degraded photograph with one face, H x W x 3, 8 bits."""
    return np.asarray(Image.open(examples / "portrait-degraded.jpg").convert("RGB"))


@pytest.fixture(scope="session")
def two_faces(portrait: np.ndarray) -> np.ndarray:
    return np.concatenate([portrait, portrait[:, ::-1]], axis=1)

"""Whether a restored face is still the same person's, as a recognizer sees it."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpen_blocks.gpen.errors import GPENError
from gpen_blocks.gpen.faces.identity import load_recogniser
from gpen_blocks.gpen.types import Alignment

from .measures import crops_of

# Side of dlib's face chips, and half their width in those of a crop with FFHQ's alignment, about the same part of a
# face.
_CHIP = 150
_FILE = "models/dlib_face_recognition_resnet_model_v1.dat"


class Recognition:
    """Compares faces with those of the truth, by ArcFace if its file is on this machine, otherwise by dlib's network.

    `pip install dlib-bin face-recognition-models` brings the latter (King 2017; 99.4 % on Labeled Faces in the Wild,
    where two pictures of one person are nearer than 0.6).

    Attributes:
        name: of the measure; None if there is no recognizer.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self._network: Any = None
        try:
            self._network, self.name = load_recogniser(torch.device("cpu")), "similarity (ArcFace)"
        except GPENError:
            models = importlib.util.find_spec("face_recognition_models")
            if models and models.submodule_search_locations and importlib.util.find_spec("dlib"):
                dlib = importlib.import_module("dlib")
                path = Path(models.submodule_search_locations[0]) / _FILE
                self._network = dlib.face_recognition_model_v1(str(path))
                self.name = "distance (dlib)"

    def vectors(self, video: torch.Tensor, alignments: Sequence[Alignment]) -> np.ndarray:
        """One vector for each fourth frame."""
        crops = crops_of(video, alignments)[::4]
        if "dlib" not in str(self.name):
            return self._network(crops).numpy()
        inner = crops[..., 24:232, 24:232]
        chips = torch.nn.functional.interpolate(inner, (_CHIP, _CHIP), mode="bilinear", antialias=True)
        levels = (chips.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        return np.array([self._network.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in levels])

    def compare(self, video: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Mean over the frames, given the vectors of both, and how far the face goes from its own mean on the way."""
        own = video.mean(axis=0)
        if "dlib" in str(self.name):
            values = np.linalg.norm(video - truth, axis=1), np.linalg.norm(video - own, axis=1)
        else:
            values = (video * truth).sum(axis=1), video @ own / np.linalg.norm(own)
        return {
            f"identity, {self.name}": float(values[0].mean()),
            f"identity along the track, {self.name}": float(values[1].mean()),
        }

"""What several measurements of videos share: where figures go, networks, cases, and the restorations to compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpen_blocks.gpen.restored import RestoredBatch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks, load_networks
from gpen_blocks.gpen.video.steady import SteadyChain, SteadyState, Tracks, follow, smooth

from .cases import Case, all_cases

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "video"
STILLS = ("face1", "face2", "face3")
FRAMES, WINDOW = 32, 8
UPPER = slice(0, 3)
"""Eyes and nose among five landmarks: the corners of a mouth move by themselves."""


def load() -> tuple[Networks, Settings]:
    """The bundled networks, in plain PyTorch on one thread."""
    torch.set_num_threads(1)
    settings, device = Settings(), torch.device("cpu")
    return load_networks(
        "gpen-lite-256", "face-detector-lite", settings=settings, device=device, backend="eager"
    ), settings


def choose_cases(stills: Path | None) -> list[Case]:
    """Three of each example face, or one of each still of a folder."""
    if stills:
        paths = sorted(path for path in stills.iterdir() if path.is_file())
        return all_cases([(f"photograph {n}", path) for n, path in enumerate(paths, 1)], each=1)
    return all_cases([(name, ROOT / "examples" / "faces" / f"{name}.jpg") for name in STILLS], each=3)


def as_video(frames: list[np.ndarray]) -> torch.Tensor:
    """Frames H x W x 3 as T x 3 x H x W."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def restore_steadily(
    given: torch.Tensor, true: np.ndarray, networks: Networks, settings: Settings
) -> tuple[Tracks, torch.Tensor, torch.Tensor]:
    """The track of the face with these landmarks, T x 5 x 2, and the restored frames and masks."""
    tracks = smooth(follow(enumerate(given), networks, settings), networks.generator.template)
    off = np.abs(tracks.landmarks - true[tracks.frame]).max(axis=(1, 2))
    tracks = tracks.take(np.flatnonzero(tracks.track == tracks.track[off.argmin()]))
    chain, state, parts = SteadyChain(tracks, networks, settings), SteadyState(), []
    for first in range(0, FRAMES, WINDOW):
        part, state = chain.restore(given[first : first + WINDOW], range(first, first + WINDOW), state)
        parts.append(part)
    return tracks, torch.cat([part.images for part in parts]), torch.cat([part.mask for part in parts])


def nearest_faces(true: np.ndarray, alone: RestoredBatch) -> np.ndarray:
    """Landmarks T x 5 x 2 of the faces that were found alone, the nearest to the true ones; NaN if there is none."""
    nearest = np.full_like(true, np.nan)
    for time, wanted in enumerate(true):
        there = [one.landmarks for one in alone.faces.of_image(time)]
        if there:
            nearest[time] = min(there, key=lambda points: float(np.abs(points - wanted).max()))
    return nearest


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """With three digits after the point."""
    return {name: rounded(value) if isinstance(value, dict) else round(value, 3) for name, value in values.items()}


def write(path: Path, told: dict[str, Any]) -> None:
    """Write figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8", newline="\n")

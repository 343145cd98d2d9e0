"""Measures how steady restored faces of a video are: figures go to docs/video/steady.json, pictures beside it.

    python benchmarks video             # all, about an hour of one core
    python benchmarks video --quick     # one of each kind of motion

Stills of examples/ move and bend in known ways, and are damaged frame by frame with new noise each. The input, each
frame restored alone, the steady restoration and the truth are compared.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from gpen_blocks.gpen.errors import GPENError
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.identity import Recogniser, load_recogniser
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks, find_faces, load_networks
from gpen_blocks.gpen.video.steady import SteadyChain, SteadyState, follow, smooth

from .measures import Unsteadiness, crops_of, effective_resolution, fidelity, fine_contrast, jitter
from .motion import DAMAGES, WAYS, Scene

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "video"
STILLS = ("face1", "face2", "face3")
SIZE, SCALE, FRAMES, WINDOW = (240, 320), 0.36, 48, 8
# The case that is drawn, and its frames in the strip.
_DRAWN, _STRIP = ("face1", "turn", "noisy"), range(16, 32, 2)


def main() -> None:
    """Measure, keep the numbers, and draw the pictures."""
    parser = argparse.ArgumentParser("python benchmarks video", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one still and one damage for each motion")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings()
    networks = load_networks(
        "gpen-lite-256", "face-detector-lite", settings=settings, device=torch.device("cpu"), backend="eager"
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    every = itertools.product(STILLS, WAYS, DAMAGES)
    cases = [("face1", way, "noisy") for way in WAYS] if options.quick else list(every)
    results = {" ".join(case): measure(case, networks, settings) for case in cases}
    (FOLDER / "steady.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n")


def measure(case: tuple[str, str, str], networks: Networks, settings: Settings) -> dict[str, Any]:
    """All measures of one still, motion and damage, by video."""
    still, way, damage = case
    pixels = read_picture(ROOT / "examples" / "faces" / f"{still}.jpg").pixels
    scene = Scene(pixels[0].permute(1, 2, 0).numpy(), WAYS[way], SIZE, scale=SCALE)
    truth = _video([scene.frame(time) for time in range(FRAMES)])
    given = _video([DAMAGES[damage].apply(scene.frame(time), time) for time in range(FRAMES)])
    template = networks.generator.template
    alone = restore_batch(given, networks, settings)
    tracks = smooth(follow(enumerate(given), networks, settings), template)
    chain, state, parts = SteadyChain(tracks, networks, settings), SteadyState(), []
    for first in range(0, FRAMES, WINDOW):
        part, state = chain.restore(given[first : first + WINDOW], range(first, first + WINDOW), state)
        parts.append(part)
    steady, masks = torch.cat([part.images for part in parts]), torch.cat([part.mask for part in parts])
    alignments = align_faces(truth, tracks.faces_of(range(FRAMES))[0], 256, template)[1]
    videos = {"input": given, "alone": alone.images, "steady": steady, "truth": truth}

    (face,) = find_faces(pixels, networks.detector.module, settings, template=template).selected
    true = np.stack([scene.to_frame(face.landmarks.astype(float), time) for time in range(FRAMES)])
    at_100 = 100 / (face.width * SCALE)
    found = {
        "alone": np.stack([alone.faces.of_image(time)[0].landmarks for time in range(FRAMES)]),
        "steady": tracks.landmarks,
    }
    unsteady = Unsteadiness(scene, truth, masks)
    result: dict[str, Any] = {}
    for name, video in videos.items():
        inside, rim = unsteady.deviations(video)
        result[name] = {
            "warping error": unsteady.warping_error(video),
            "deviation inside": inside,
            "deviation at the rim": rim,
            "effective resolution": effective_resolution(video, alignments),
            "fine contrast": fine_contrast(video, masks),
            **({"fidelity": fidelity(video, truth, masks)} if name != "truth" else {}),
            **({"jitter": jitter(found[name], true) * at_100} if name in found else {}),
            **_identity(video, truth, alignments),
        }
    if case == _DRAWN:
        _draw(list(videos.values()), true.mean(axis=1))
    print(*case, {name: round(one["warping error"], 2) for name, one in result.items()}, flush=True)
    return _rounded(result)


def _identity(video: torch.Tensor, truth: torch.Tensor, alignments: Sequence[Any]) -> dict[str, float]:
    """Similarity of the faces to the true ones; nothing if the recognizer is not on this machine."""
    recogniser = _recogniser()
    if recogniser is None:
        return {}
    vectors = [recogniser(crops_of(frames, alignments)) for frames in (video, truth)]
    return {"identity": float((vectors[0] * vectors[1]).sum(dim=1).mean())}


def _recogniser() -> Recogniser | None:
    try:
        return load_recogniser(torch.device("cpu"))
    except GPENError:
        return None


def _draw(videos: list[torch.Tensor], way: np.ndarray) -> None:
    """The face over time, and a row of pixels through its eyes over time, of input, alone, steady and truth."""
    levels = [(video.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy() for video in videos]
    places = [(round(float(y)), round(float(x))) for x, y in way]
    strip = [
        np.concatenate([video[t, y - 55 : y + 55, x - 50 : x + 50] for t in _STRIP for y, x in places[t : t + 1]], 1)
        for video in levels
    ]
    slices = [
        np.stack([frame[y - 18, 60:260] for frame, (y, _) in zip(video, places, strict=True)]) for video in levels
    ]
    for name, rows, across, down in (
        ("strip.jpg", np.concatenate(strip), 2, 2),
        ("slices.png", np.concatenate(slices, 1), 2, 6),
    ):
        large = rows.repeat(down, axis=0).repeat(across, axis=1)
        Image.fromarray(large).save(FOLDER / name, quality=88)


def _video(frames: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _rounded(value) if isinstance(value, dict) else round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    main()

"""Measures how steady restored faces of a video are: figures go to docs/video/steady.json, pictures beside it.

    python benchmarks video                                       # nine videos, ten minutes of one core
    python benchmarks video --quick                               # three videos
    python benchmarks video --stills FOLDER --figures held.json   # other stills, each once; no pictures

Stills of examples/ move and bend in known ways, and are damaged frame by frame with new noise each. The input, each
frame restored alone, the steady restoration and the truth are compared.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.pixels.warp import matrix_scale
from gpen_blocks.gpen.restored import RestoredBatch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks, load_networks
from gpen_blocks.gpen.video.steady import SteadyChain, SteadyState, Tracks, follow, smooth

from .cases import Case, all_cases, make_scene
from .measures import Unsteadiness, agreeing_resolution, effective_resolution, fidelity, fine_contrast, jitter
from .motion import DAMAGES
from .recognition import Recognition
from .summary import summarize

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "video"
STILLS = ("face1", "face2", "face3")
FRAMES, WINDOW = 32, 8
# The case that is drawn, and its frames in the strip.
_DRAWN, _STRIP = ("face1", "turn"), range(16, 32, 2)
# Eyes and nose: the corners of a mouth move by themselves.
_UPPER = slice(0, 3)


def main() -> None:
    """Measure, keep the numbers, and draw the pictures."""
    parser = argparse.ArgumentParser("python benchmarks video", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only those of the first still")
    parser.add_argument("--stills", type=Path, help="folder with other stills, of which each is measured once")
    parser.add_argument("--figures", type=Path, default=FOLDER / "steady.json", help="where the figures go")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings()
    networks = load_networks(
        "gpen-lite-256", "face-detector-lite", settings=settings, device=torch.device("cpu"), backend="eager"
    )
    if options.stills:
        paths = sorted(path for path in options.stills.iterdir() if path.is_file())
        cases = all_cases([(f"photograph {n}", path) for n, path in enumerate(paths, 1)], each=1)
    else:
        cases = all_cases([(name, ROOT / "examples" / "faces" / f"{name}.jpg") for name in STILLS], each=3)
    cases = [case for case in cases if not options.quick or case.name == STILLS[0]]
    recognition, results = Recognition(), {}
    for case in cases:
        results[str(case)] = measure(case, networks, settings, recognition)
        told = {"summary": summarize(list(results.values())), "videos": results}
        options.figures.parent.mkdir(parents=True, exist_ok=True)
        options.figures.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8", newline="\n")


def measure(case: Case, networks: Networks, settings: Settings, recognition: Recognition) -> dict[str, Any]:
    """All measures of one video."""
    scene, face = make_scene(case, networks, settings)
    truth = _video([scene.frame(time) for time in range(FRAMES)])
    given = _video([DAMAGES[case.damage].apply(scene.frame(time), time) for time in range(FRAMES)])
    alone = restore_batch(given, networks, settings)
    true = np.stack([scene.to_frame(face.landmarks.astype(float), time) for time in range(FRAMES)])
    tracks, steady, masks = _restored_steadily(given, true, networks, settings)
    template = networks.generator.template
    faces = tracks.faces_of(range(FRAMES))[0]
    alignments = align_faces(truth, faces, 256, template)[1]
    # Crops as large as in the frame: in larger ones, all that is finer than its pixels would be chance.
    in_frame = round(float(np.median([256 / matrix_scale(alignment.matrix) for alignment in alignments])))
    fitting = align_faces(truth, faces, in_frame, template)[1]
    videos = {"input": given, "alone": alone.images, "steady": steady, "truth": truth}
    unsteady, jitters = (
        Unsteadiness(scene, truth, masks),
        _jitters(true, 100 / (face.width * scene.scale), alone, tracks),
    )
    vectors = {name: recognition.vectors(video, alignments) for name, video in videos.items() if recognition.name}
    result: dict[str, Any] = {}
    for name, video in videos.items():
        inside, rim = unsteady.deviations(video)
        result[name] = {
            "warping error": unsteady.warping_error(video),
            "deviation inside": inside,
            "deviation at the rim": rim,
            "agreeing resolution": agreeing_resolution(video, truth, fitting),
            "effective resolution": effective_resolution(video, fitting),
            "fine contrast": fine_contrast(video, masks),
            **({"fidelity": fidelity(video, truth, masks)} if name != "truth" else {}),
            **({"jitter": jitters[name]} if name in jitters else {}),
            **(recognition.compare(vectors[name], vectors["truth"]) if vectors else {}),
        }
    if (case.name, case.way) == _DRAWN:
        _draw(list(videos.values()), true.mean(axis=1))
    print(case, {name: round(one["warping error"], 2) for name, one in result.items()}, jitters, flush=True)
    return _rounded(result)


def _restored_steadily(
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


def _jitters(true: np.ndarray, scale: float, alone: RestoredBatch, tracks: Tracks) -> dict[str, float]:
    """Jitter of eyes and nose in pixels, times a scale."""
    nearest = np.full_like(true, np.nan)
    for time, wanted in enumerate(true):
        there = [one.landmarks for one in alone.faces.of_image(time)]
        if there:
            nearest[time] = min(there, key=lambda points: float(np.abs(points - wanted).max()))
    found = {"alone": nearest, "steady": tracks.landmarks}
    return {name: jitter(points[:, _UPPER], true[:, _UPPER]) * scale for name, points in found.items()}


def _draw(videos: list[torch.Tensor], way: np.ndarray) -> None:
    """The face over time, and a row of pixels through its eyes over time, of input, alone, steady and truth."""
    levels = [(video.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy() for video in videos]
    places = [(round(float(y)), round(float(x))) for x, y in way]
    strip = [
        np.concatenate([video[t, y - 55 : y + 55, x - 50 : x + 50] for t in _STRIP for y, x in places[t : t + 1]], 1)
        for video in levels
    ]
    slices = [
        np.stack([frame[y - 10, 60:260] for frame, (y, _) in zip(video, places, strict=True)]) for video in levels
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

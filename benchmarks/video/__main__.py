"""Measures how steady restored faces of a video are: figures go to docs/video/steady.json, pictures beside it.

    python benchmarks video                                       # nine videos, ten minutes of one core
    python benchmarks video --quick                               # three videos
    python benchmarks video --stills FOLDER --figures held.json   # other stills, each once; no pictures

Stills of examples/ move and bend in known ways, and are damaged frame by frame with new noise each. The input, each
frame restored alone, the steady restoration and the truth are compared.
"""

from __future__ import annotations

import argparse
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
from gpen_blocks.gpen.stages import Networks
from gpen_blocks.gpen.video.steady import Tracks

from .cases import Case, make_scene
from .common import (
    FOLDER,
    FRAMES,
    STILLS,
    UPPER,
    as_video,
    choose_cases,
    load,
    nearest_faces,
    restore_steadily,
    rounded,
    write,
)
from .measures import Unsteadiness, agreeing_resolution, effective_resolution, fidelity, fine_contrast, jitter
from .motion import DAMAGES
from .recognition import Recognition
from .summary import summarize

# The case that is drawn, and its frames in the strip.
_DRAWN, _STRIP = ("face1", "turn"), range(16, 32, 2)


def main() -> None:
    """Measure, keep the numbers, and draw the pictures."""
    parser = argparse.ArgumentParser("python benchmarks video", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="only those of the first still")
    parser.add_argument("--stills", type=Path, help="folder with other stills, of which each is measured once")
    parser.add_argument("--figures", type=Path, default=FOLDER / "steady.json", help="where the figures go")
    options = parser.parse_args()
    networks, settings = load()
    cases = choose_cases(options.stills)
    cases = [case for case in cases if not options.quick or case.name == STILLS[0]]
    recognition, results = Recognition(), {}
    for case in cases:
        results[str(case)] = measure(case, networks, settings, recognition)
        write(options.figures, {"summary": summarize(list(results.values())), "videos": results})


def measure(case: Case, networks: Networks, settings: Settings, recognition: Recognition) -> dict[str, Any]:
    """All measures of one video."""
    scene, face = make_scene(case, networks, settings)
    truth = as_video([scene.frame(time) for time in range(FRAMES)])
    given = as_video([DAMAGES[case.damage].apply(scene.frame(time), time) for time in range(FRAMES)])
    alone = restore_batch(given, networks, settings)
    true = np.stack([scene.to_frame(face.landmarks.astype(float), time) for time in range(FRAMES)])
    tracks, steady, masks = restore_steadily(given, true, networks, settings)
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
    return rounded(result)


def _jitters(true: np.ndarray, scale: float, alone: RestoredBatch, tracks: Tracks) -> dict[str, float]:
    """Jitter of eyes and nose in pixels, times a scale."""
    found = {"alone": nearest_faces(true, alone), "steady": tracks.landmarks}
    return {name: jitter(points[:, UPPER], true[:, UPPER]) * scale for name, points in found.items()}


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


if __name__ == "__main__":
    main()

"""Measures live use beside each frame alone and the steady way of files: figures go to docs/video/live.json.

    python benchmarks video.live                                       # nine videos, ten minutes of one core
    python benchmarks video.live --stills FOLDER --figures held.json   # other stills, each once

The videos are those of `python benchmarks video`, and faces come and go as in `python benchmarks video.popping`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpen_blocks.gpen.devices import select_device
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.pixels.warp import matrix_scale
from gpen_blocks.gpen.presets import DEFAULT_NAME, load_preset
from gpen_blocks.gpen.restorer import Restorer
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks
from gpen_blocks.gpen.video.live import LiveVideo
from gpen_blocks.gpen.video.steady import LiveFollower

from .cases import Case, make_scene
from .common import (
    FOLDER,
    FRAMES,
    ROOT,
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
from .measures import Unsteadiness, agreeing_resolution, fidelity, fine_contrast, jitter, lag, misplacement
from .motion import DAMAGES
from .popping import SCENES, jumps, make_frames
from .summary import medians_of

RATE = 25
# Bounds as shares of the figures of frames restored alone, and jitter in pixels at a face of 100 pixels.
_BOUNDS = {"jitter": 0.3, "warping error": 0.6}
_JITTER_PIXELS = 0.2


def main() -> None:
    """Measure, and keep the numbers."""
    parser = argparse.ArgumentParser("python benchmarks video.live", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--stills", type=Path, help="folder with other stills, of which each is measured once")
    parser.add_argument("--figures", type=Path, default=FOLDER / "live.json", help="where the figures go")
    options = parser.parse_args()
    networks, settings = load()
    results: dict[str, Any] = {}
    popping = {} if options.stills else {name: measure_popping(name, networks, settings) for name in SCENES}
    for case in choose_cases(options.stills):
        results[str(case)] = measure(case, networks, settings)
        told = {"summary": summarize(list(results.values())), "videos": results}
        write(options.figures, {**told, **({"popping": popping} if popping else {})})


def measure(case: Case, networks: Networks, settings: Settings) -> dict[str, Any]:
    """All measures of one video."""
    scene, face = make_scene(case, networks, settings)
    truth = as_video([scene.frame(moment) for moment in range(FRAMES)])
    given = as_video([DAMAGES[case.damage].apply(scene.frame(moment), moment) for moment in range(FRAMES)])
    true = np.stack([scene.to_frame(face.landmarks.astype(float), moment) for moment in range(FRAMES)])
    alone = restore_batch(given, networks, settings)
    tracks, steady, masks = restore_steadily(given, true, networks, settings)
    live, landmarks, milliseconds = restore_live(given, true, networks, settings)
    template = networks.generator.template
    alignments = align_faces(truth, tracks.faces_of(range(FRAMES))[0], 256, template)[1]
    in_frame = round(float(np.median([256 / matrix_scale(alignment.matrix) for alignment in alignments])))
    fitting = align_faces(truth, tracks.faces_of(range(FRAMES))[0], in_frame, template)[1]
    unsteady, scale = Unsteadiness(scene, truth, masks), 100 / (face.width * scene.scale)
    found = {"alone": nearest_faces(true, alone), "steady": tracks.landmarks, "live": landmarks}
    result: dict[str, Any] = {}
    for name, video in {"input": given, "alone": alone.images, "steady": steady, "live": live}.items():
        inside, rim = unsteady.deviations(video)
        result[name] = {
            "warping error": unsteady.warping_error(video),
            "deviation inside": inside,
            "deviation at the rim": rim,
            "agreeing resolution": agreeing_resolution(video, truth, fitting),
            "fine contrast": fine_contrast(video, masks),
            "fidelity": fidelity(video, truth, masks),
        }
        if name in found:
            points, known = found[name][:, UPPER], true[:, UPPER]
            result[name] |= {
                "jitter": jitter(points, known) * scale,
                "lag": lag(points, known),
                "misplacement": misplacement(points, known) * scale,
            }
    result["live"]["milliseconds"] = milliseconds
    print(case, {name: (round(one["warping error"], 2), one.get("jitter")) for name, one in result.items()}, flush=True)
    return rounded(result)


def restore_live(
    given: torch.Tensor, true: np.ndarray, networks: Networks, settings: Settings
) -> tuple[torch.Tensor, np.ndarray, float]:
    """The frames, one after another, the landmarks T x 5 x 2 of the true face, and the median time of one core."""
    restorer = Restorer.of_networks(networks, load_preset(DEFAULT_NAME), select_device("cpu"))
    assert restorer.settings == settings
    live, frames, taken = LiveVideo(restorer), [], []
    landmarks = np.full_like(true, np.nan)
    for number, frame in enumerate(given):
        begun = time.process_time()
        frames.append(live.restore_image(frame[None], time=number / RATE).images)
        taken.append(time.process_time() - begun)
        there = [face.landmarks for face in live.faces]
        if there:
            landmarks[number] = min(there, key=lambda points: float(np.abs(points - true[number]).max()))
    return torch.cat(frames), landmarks, 1000 * statistics.median(taken)


def measure_popping(name: str, networks: Networks, settings: Settings) -> dict[str, float]:
    """How the strength changes where a face comes and goes within a shot."""
    found = []
    for still in STILLS:
        pixels = read_picture(ROOT / "examples" / "faces" / f"{still}.jpg").pixels[0].permute(1, 2, 0).numpy()
        found.append(live_strengths(make_frames(pixels, name), networks, settings))
    steps = [np.abs(np.diff(one)) for one in found]
    print(name, [round(float(one.max()), 3) for one in steps], flush=True)
    return {
        "jumps": sum(map(jumps, found)),
        "largest step": round(max(float(one.max()) for one in steps), 3),
        "share of frames with a face": round(float(np.mean([one > 0 for one in found])), 3),
    }


def live_strengths(frames: list[torch.Tensor], networks: Networks, settings: Settings) -> np.ndarray:
    """Strength in each frame; the largest, since there is one face."""
    follower = LiveFollower(networks, settings)
    shares = [follower.add(frame, 1 / RATE).share for frame in frames]
    return np.array([float(share.max(initial=0)) for share in shares])


def summarize(videos: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, and how many videos keep the bounds live."""
    shares = {
        measure: [video["live"][measure] / video["alone"][measure] for video in videos]
        for measure in (*_BOUNDS, "agreeing resolution", "fine contrast")
    }
    kept = {
        f"{measure} at most {bound} of alone": sum(share <= bound for share in shares[measure])
        for measure, bound in _BOUNDS.items()
    }
    kept[f"jitter at most {_JITTER_PIXELS} px"] = sum(video["live"]["jitter"] <= _JITTER_PIXELS for video in videos)
    kept["warping error at most the input's"] = sum(
        video["live"]["warping error"] <= video["input"]["warping error"] for video in videos
    )
    return {
        "videos": len(videos),
        "medians": medians_of(videos),
        "videos that keep a bound": kept,
        "largest jitter, px": max(video["live"]["jitter"] for video in videos),
        "shares of alone, least and largest": {
            measure: [round(min(values), 3), round(max(values), 3)] for measure, values in shares.items()
        },
    }


if __name__ == "__main__":
    main()

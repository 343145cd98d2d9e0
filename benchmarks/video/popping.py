"""Measures whether faces pop in or out within a shot: figures go to docs/video/popping.json.

    python benchmarks video.popping          # three stills, a minute of one core each

A face leaves the frame and comes back, turns away, is hidden, or cannot be seen for some frames. What counts is the
strength with which it is restored in each frame: that of frames found alone is 0 or 1. No network restores anything.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks, find_faces, load_networks
from gpen_blocks.gpen.video.steady import follow, smooth

from .motion import DAMAGES, Scene, rest

ROOT = Path(__file__).resolve().parents[2]
STILLS = ("face1", "face2", "face3")
SIZE, SCALE, FRAMES = (180, 320), 0.3, 88
# Change of the strength from one frame to the next that is seen as a jump.
JUMP = 0.3


def leaves(time: float) -> tuple[float, float, float, float]:
    """Out of the frame on the right within a second, and in again after another."""
    x, y, size, angle = rest(time)
    away = 1 / (1 + math.exp(-(time - 24) / 3)) - 1 / (1 + math.exp(-(time - 62) / 3))
    return x + 250 * away, y, size, angle


def hidden(frame: np.ndarray, time: int, first: int, last: int) -> np.ndarray:
    """Somebody's back passes before the camera."""
    part = np.clip((time - first) / (last - first), 0, 1)
    middle = round(-120 + part * (frame.shape[1] + 240))
    result = frame.copy()
    result[:, max(0, middle - 110) : max(0, middle + 110)] = (0.2, 0.25, 0.3)
    return result


def turned(frame: np.ndarray, time: int) -> np.ndarray:
    """The head turns away until it is a narrow stripe, and back."""
    narrow = 1 - 0.85 * math.exp(-(((time - 44) / 10) ** 4))
    width = frame.shape[1]
    matrix = np.array([[narrow, 0, (1 - narrow) * width / 2], [0, 1, 0]])
    return cv2.warpAffine(frame, matrix, width_and_height(frame), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)


def unseen(frame: np.ndarray, time: int) -> np.ndarray:
    """The camera loses its focus for four frames, again and again."""
    return cv2.GaussianBlur(frame, (0, 0), 9.0) if time % 16 in (5, 6, 7, 8) else frame


def width_and_height(frame: np.ndarray) -> tuple[int, int]:
    """As OpenCV wants it."""
    return frame.shape[1], frame.shape[0]


Change = Callable[[np.ndarray, int], np.ndarray]
SCENES: dict[str, tuple[Callable[[float], tuple[float, float, float, float]], Change]] = {
    "leaves and comes back": (leaves, lambda frame, time: frame),
    "turns away and back": (rest, turned),
    "hidden for a moment": (rest, lambda frame, time: hidden(frame, time, 20, 44)),
    "hidden for a second": (rest, lambda frame, time: hidden(frame, time, 10, 78)),
    "out of focus again and again": (rest, unseen),
}


def make_frames(still: np.ndarray, name: str) -> list[torch.Tensor]:
    """The frames of a scene, 3 x H x W each."""
    way, change = SCENES[name]
    scene = Scene(still, way, SIZE, scale=SCALE)
    frames = (DAMAGES["noisy"].apply(change(scene.frame(time), time), time) for time in range(FRAMES))
    return [torch.from_numpy(frame).permute(2, 0, 1) for frame in frames]


def strengths(frames: list[torch.Tensor], networks: Networks, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Strength in each frame, of frames found alone and of tracks; the largest, since there is one face."""
    template, detector = networks.generator.template, networks.detector.module
    alone = [float(len(find_faces(one[None], detector, settings, template=template).selected) > 0) for one in frames]
    tracks = smooth(follow(enumerate(frames), networks, settings), template)
    steady = np.zeros(len(frames))
    np.maximum.at(steady, tracks.frame, tracks.share)
    assert len(tracks.cuts) == 1, "the scene is one shot"
    return np.array(alone), steady


def jumps(strength: np.ndarray) -> int:
    """How many times the strength jumps."""
    return int((np.abs(np.diff(strength)) > JUMP).sum())


def main() -> None:
    """Measure, and keep the numbers."""
    parser = argparse.ArgumentParser("python benchmarks video.popping", description=(__doc__ or "").partition("\n")[0])
    parser.parse_args()
    torch.set_num_threads(1)
    settings, device = Settings(), torch.device("cpu")
    networks = load_networks("gpen-lite-256", "face-detector-lite", settings=settings, device=device, backend="eager")
    results: dict[str, dict[str, dict[str, float]]] = {}
    for name in SCENES:
        found = []
        for still in STILLS:
            pixels = read_picture(ROOT / "examples" / "faces" / f"{still}.jpg").pixels[0].permute(1, 2, 0).numpy()
            found.append(strengths(make_frames(pixels, name), networks, settings))
        results[name] = {
            way: {
                "jumps": sum(map(jumps, own)),
                "largest step": round(max(float(np.abs(np.diff(one)).max()) for one in own), 3),
                "share of frames with a face": round(float(np.mean([one > 0 for one in own])), 3),
            }
            for way, own in zip(("alone", "steady"), zip(*found, strict=True), strict=True)
        }
        print(name, results[name], flush=True)
    told = {"frames": FRAMES * len(STILLS), "scenes": results}
    text = json.dumps(told, indent=1) + "\n"
    (ROOT / "docs" / "video" / "popping.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()

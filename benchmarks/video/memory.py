"""Measures the peak memory of `gpen video` over the length of a video: it should not grow.

    python benchmarks video.memory                        # 10 s, 1 min and 10 min; half an hour of two cores
    python benchmarks video.memory --seconds 10 60        # shorter

A still of examples/ moves smoothly before the camera. Each length is restored by a process of its own, whose largest
resident set (`ru_maxrss`) the system reports, with the time it took. Writes docs/video/memory.json.
Needs an operating system with wait4.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from gpen_blocks.gpen.images import read_picture

from .motion import DAMAGES, WAYS, Scene

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("--model", "gpen-lite-256", "--detector", "face-detector-lite", "--device", "cpu")
# Frames that are drawn; longer videos show them again, forwards and backwards, so that there is no cut.
_DRAWN = 300
# What ru_maxrss counts in.
_UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Measure, and keep the numbers."""
    parser = argparse.ArgumentParser("python benchmarks video.memory", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60, 600])
    parser.add_argument("--rate", type=int, default=10, help="frames a second")
    parser.add_argument("--size", type=int, nargs=2, default=[640, 360], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--backend", default="eager")
    options = parser.parse_args()
    width, height = options.size
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in options.seconds:
            source = make_video(Path(folder) / f"{seconds}.mp4", seconds * options.rate, options.rate, (width, height))
            results.append({"seconds": seconds, **measure(source, options.backend)})
            source.unlink()
            print(json.dumps(results[-1]), flush=True)
    told = {"size": [width, height], "rate": options.rate, "backend": options.backend, "runs": results}
    target = ROOT / "docs" / "video" / "memory.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8", newline="\n")


def make_video(path: Path, frames: int, rate: int, size: tuple[int, int]) -> Path:
    """Write a video of one face that moves."""
    width, height = size
    still = read_picture(ROOT / "examples" / "faces" / "face1.jpg").pixels[0].permute(1, 2, 0).numpy()
    scene = Scene(still, WAYS["rest"], (height, width), scale=0.6 * height / still.shape[0])
    damaged = (DAMAGES["noisy"].apply(scene.frame(number), number) for number in range(min(frames, _DRAWN)))
    drawn = [(frame * 255).round().astype(np.uint8) for frame in damaged]
    around = [*range(len(drawn)), *range(len(drawn) - 2, 0, -1)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(drawn[around[number % len(around)]], format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def measure(source: Path, backend: str) -> dict[str, Any]:
    """Frames, seconds and peak memory in MB of a run of the command."""
    report, target = source.with_suffix(".json"), source.with_name(f"{source.stem}-out.mp4")
    command = [sys.executable, "-m", "gpen_blocks.gpen.cli", "video", str(source), "-o", str(target), *OPTIONS]
    began = time.perf_counter()
    process = subprocess.Popen([*command, "--backend", backend, "--report", str(report), "--overwrite"])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"gpen video ended with {process.returncode}.")
    told = json.loads(report.read_text(encoding="utf-8"))
    target.unlink()
    return {
        "frames": told["frames"],
        "restored_frames": sum(face["restored_frames"] for face in told["faces"]),
        "seconds_taken": round(seconds, 1),
        "peak_mb": round(usage.ru_maxrss * _UNIT / 1e6),
    }


if __name__ == "__main__":
    main()

"""Measures how fast a video is restored, by stage, and how long the network alone takes for its faces.

    python benchmarks video.speed                   # the bundled network, and one of the official shape of 512
    python benchmarks video.speed --only gpen-lite-256

One face moves in frames of 640 x 360. Stages work in several threads, and their seconds are those of their threads.
Ratios are of times within one run. Writes docs/video/speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from speed import networks

from gpen_blocks.gpen.backends import settled
from gpen_blocks.gpen.devices import usable_cores
from gpen_blocks.gpen.jobs.flow import Stage, flow
from gpen_blocks.gpen.restorer import Restorer
from gpen_blocks.gpen.video import following, frame_stages, restoring
from gpen_blocks.gpen.video.files import SegmentWriter

from .memory import ROOT, make_video

SIZE, RATE = (640, 360), 25
# Name, frames of its video, and faces that the network alone is timed with.
NETWORKS = {"gpen-lite-256": (600, 200), "official shape of 512": (120, 24)}


def main() -> None:
    """Measure, and keep the numbers."""
    parser = argparse.ArgumentParser("python benchmarks video.speed", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=NETWORKS)
    parser.add_argument("--frames", type=int, default=0, help="of each video; 0: the usual number")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (frames, faces) in NETWORKS.items():
            if options.only in (None, name):
                results.append(measure(name, Path(folder), options.frames or frames, faces))
                print(json.dumps(results[-1], indent=1), flush=True)
    target = ROOT / "docs" / "video" / "speed.json"
    told = {"size": SIZE, "cores": usable_cores(), "runs": results}
    target.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8", newline="\n")


def measure(name: str, folder: Path, frames: int, faces: int) -> dict[str, Any]:
    """Seconds of the whole, of each stage, and of the network alone before and after."""
    source, model = make_video(folder / "given.mp4", frames, RATE, SIZE), name
    if name.startswith("official"):
        model = str(folder / "gpen-512.safetensors")
        save_file(networks.official_tensors(512), model)
    restorer = Restorer(model, "face-detector-lite", device="cpu")
    loads, alone = [os.getloadavg()[0]], [network_seconds(restorer, frames, faces)]
    seconds: defaultdict[str, float] = defaultdict(float)
    began = time.perf_counter()
    with stages_timed(seconds):
        report = restorer.restore_video(source, folder / "restored.mp4", overwrite=True)
    taken = time.perf_counter() - began
    alone.append(network_seconds(restorer, frames, faces))
    loads.append(os.getloadavg()[0])
    return {
        "network": name,
        "backend": report["backend"],
        "frames": frames,
        "restored frames": sum(face["restored_frames"] for face in report["faces"]),
        "seconds": round(taken, 1),
        "frames a second": round(frames / taken, 2),
        "network alone, seconds": [round(one, 1) for one in alone],
        "whole over network": round(taken / min(alone), 3),
        "milliseconds of a frame": {stage: round(1000 * value / frames, 1) for stage, value in seconds.items()},
        "loads": [round(load, 1) for load in loads],
    }


def network_seconds(restorer: Restorer, frames: int, faces: int) -> float:
    """Seconds for a face in each frame, by the network alone, on all cores, as a video uses it; timed with fewer."""
    module, threads = restorer.generator.module, torch.get_num_threads()
    crops = networks.faces(module.config.size, 1)

    def run(_: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            module(crops)

    torch.set_num_threads(1)
    try:
        with settled(module, faces=frames), ThreadPoolExecutor(usable_cores()) as pool:
            list(pool.map(run, range(2 * usable_cores())))  # warms
            began = time.perf_counter()
            list(pool.map(run, range(faces)))
            return (time.perf_counter() - began) * frames / faces
    finally:
        torch.set_num_threads(threads)


@contextmanager
def stages_timed(seconds: defaultdict[str, float]) -> Iterator[None]:
    """Add up the seconds of what is done to frames, by stage."""

    def timed(name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def work(*args: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return run(*args, **options)
            finally:
                seconds[name] += time.perf_counter() - began

        return work

    def timed_flow(items: Any, stages: Sequence[Stage], **options: Any) -> Any:
        return flow(items, [replace(stage, run=timed(stage.name, stage.run)) for stage in stages], **options)

    def decoded(read: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def frames(*args: Any, **options: Any) -> Iterator[Any]:
            own = read(*args, **options)
            step = timed("decode", lambda: next(own, None))
            yield from iter(step, None)

        return frames

    with (
        patch.object(following, "flow", timed_flow),
        patch.object(frame_stages, "flow", timed_flow),
        patch.object(following, "read_frames", decoded(following.read_frames)),
        patch.object(restoring, "read_frames", decoded(restoring.read_frames)),
        patch.object(following.Follower, "add", timed("follow", following.Follower.add)),
        patch.object(SegmentWriter, "write", timed("encode", SegmentWriter.write)),
    ):
        yield


if __name__ == "__main__":
    main()

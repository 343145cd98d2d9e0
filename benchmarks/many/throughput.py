"""A hundred portraits, file to file: as a job, in a plain loop, and with a process for each; the network beside them.

python benchmarks many.throughput loop IN OUT DEVICE    # one picture after another, as JSON
python benchmarks many.throughput network MODEL FACES AT_ONCE DEVICE    # the network alone, as JSON
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from speed.apart import apart, timed

from gpen_blocks.gpen.devices import usable_cores

from . import commands, photographs

# Each round takes all ways in turn. The first round is also measured: files and modules are read before it.
_ROUNDS = 3
# A process for each picture takes seconds of start for each; the time for all is that of these, multiplied.
_FEW = 4
JOB, LOOP, LOOP_WITHOUT_START, PROCESSES = "job", "plain loop", "plain loop without start", "a process for each picture"


def measure(number: int, given: Path | None, device: str = "cpu", *, rounds: int = _ROUNDS) -> dict[str, Any]:
    """Seconds of each way for so many portraits of 1024 x 1024 with the bundled network.

    Returns:
        Seconds on the clock and of the processors, for each round, and ratios to the job within a round.
    """
    taken: dict[str, list[float]] = {JOB: [], LOOP: [], LOOP_WITHOUT_START: [], PROCESSES: []}
    worked: dict[str, list[float]] = {JOB: [], LOOP: [], PROCESSES: []}
    loads, stages, pictures = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = folder / "report.json"
        files = photographs.make(folder / "in", number, given=given)
        timed(commands.restore(files[0], folder / "warm.jpg", device=device))
        for _ in range(rounds):
            loads.append(_load())
            wall, work = timed(commands.restore(folder / "in", folder / "job", "--report", str(report), device=device))
            _require_results(folder / "job", files)
            taken[JOB].append(wall)
            worked[JOB].append(work)
            (folder / "loop").mkdir()
            start = os.times()
            began = time.perf_counter()
            inner = apart("many.throughput", "loop", folder / "in", folder / "loop", device)
            taken[LOOP].append(time.perf_counter() - began)
            worked[LOOP].append(_children_since(start))
            taken[LOOP_WITHOUT_START].append(inner["seconds"])
            _require_results(folder / "loop", files)
            several = [
                timed(commands.restore(file, folder / "one" / file.name, device=device)) for file in files[:_FEW]
            ]
            taken[PROCESSES].append(sum(wall for wall, _ in several) * number / len(several))
            worked[PROCESSES].append(sum(work for _, work in several) * number / len(several))
            for done in ("job", "loop", "one"):
                shutil.rmtree(folder / done)
            pictures = json.loads(report.read_text(encoding="utf-8"))["pictures"]
            stages.append(_stages(pictures))
            print({way: round(seconds[-1], 1) for way, seconds in taken.items()}, flush=True)
    rows = [
        {
            "way": way,
            "best": round(min(seconds), 2),
            "median": round(median(seconds), 2),
            "work": round(min(worked[way]), 2) if way in worked else None,
            "job over it": round(median(job / other for job, other in zip(taken[JOB], seconds, strict=True)), 3),
            "rounds": [round(value, 2) for value in seconds],
        }
        for way, seconds in taken.items()
    ]
    return {
        "pictures": number,
        "started alone": _FEW,
        "given": bool(given),
        "compiled": not sys.dont_write_bytecode,
        "loads": loads,
        "faces": sum(len(picture["faces"]) for picture in pictures),
        "restored": sum(face["restored"] for picture in pictures for face in picture["faces"]),
        "backends": sorted({picture["backend"] for picture in pictures}),
        "stages": min(stages, key=lambda seconds: sum(seconds.values())),
        "rows": rows,
    }


def measure_large(number: int, given: Path | None, device: str = "cpu") -> dict[str, Any]:
    """A job with a network of the official shape of 512, and that network alone for as many faces.

    The network is measured before and after the job: on a CPU, with all cores for one face and with a face on each
    core; on a GPU, in passes of 1 and 8 faces.
    """
    from safetensors.torch import save_file
    from speed.networks import official_tensors

    quarter = max(number // 4, 1)  # two ways, before and after the job
    alone: dict[int, list[float]] = {1: [], usable_cores() if device == "cpu" else 8: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, report = folder / "gpen-512.safetensors", folder / "report.json"
        save_file(official_tensors(512), model)
        photographs.make(folder / "in", number, given=given)

        def measure_network() -> None:
            for at_once, seconds in alone.items():
                told = apart("many.throughput", "network", model, quarter, at_once, device)
                seconds.append(told["seconds"] / quarter)
                print({"at once": at_once, **told}, flush=True)

        loads = [_load()]
        measure_network()
        wall, work = timed(
            commands.restore(folder / "in", folder / "job", "--report", str(report), model=str(model), device=device)
        )
        print({"job": wall}, flush=True)
        measure_network()
        loads.append(_load())
        pictures = json.loads(report.read_text(encoding="utf-8"))["pictures"]
    faces = sum(len(picture["faces"]) for picture in pictures)
    best = min(sum(seconds) / len(seconds) for seconds in alone.values())
    return {
        "pictures": number,
        "faces": faces,
        "backends": sorted({picture["backend"] for picture in pictures}),
        "loads": loads,
        "job": round(wall, 2),
        "work": round(work, 2),
        "network, a face": {f"{at_once} at once": [round(s, 4) for s in seconds] for at_once, seconds in alone.items()},
        "network": round(best * faces, 2),
        "job over network": round(wall / (best * faces), 3),
        "stages": _stages(pictures),
    }


def _stages(pictures: list[dict[str, Any]]) -> dict[str, float]:
    """Mean seconds of each stage of a picture, where others run beside it."""
    names = pictures[0]["seconds"]
    return {name: round(sum(one["seconds"].get(name, 0) for one in pictures) / len(pictures), 4) for name in names}


def _require_results(folder: Path, files: list[Path]) -> None:
    missing = [file.name for file in files if not (folder / file.name).is_file()]
    if missing:
        raise RuntimeError(f"{len(missing)} results are missing, such as {missing[0]}")


def _load() -> float:
    return round(os.getloadavg()[0], 1)


def _children_since(start: os.times_result) -> float:
    now = os.times()
    return now.children_user + now.children_system - start.children_user - start.children_system


def main() -> None:
    """One way, in this process."""
    way, *rest = sys.argv[1:]
    print(json.dumps({"loop": _loop, "network": _network}[way](*rest)))


def _loop(source: str, output: str, device: str) -> dict[str, float]:
    from gpen_blocks import Restorer

    restorer = Restorer(commands.MODEL, commands.DETECTOR, device=device)
    began = time.perf_counter()
    for file in sorted(Path(source).iterdir()):
        restorer.restore(file).save(Path(output) / file.name)
    return {"seconds": time.perf_counter() - began}


def _network(model: str, faces: str, at_once: str, device: str) -> dict[str, Any]:
    """Seconds for so many faces, so many of them at once, with the backend that a job chooses."""
    import torch
    from speed import networks

    from gpen_blocks.gpen.backends import backend_of, settled
    from gpen_blocks.gpen.devices import wait_for
    from gpen_blocks.gpen.models import load_generator

    place, together = torch.device(device), int(at_once)
    on_cpu = place.type == "cpu"
    threads = max(usable_cores() // together, 1)
    torch.set_num_threads(threads)
    module = load_generator(model, device=place).module.to(place)
    crops = networks.faces(module.config.size, 1 if on_cpu else together).to(place)

    def run(_: int) -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            module(crops)
        wait_for(place)

    passes = int(faces) if on_cpu else -(-int(faces) // together)
    with settled(module, faces=100), ThreadPoolExecutor(together if on_cpu else 1) as pool:
        list(pool.map(run, range(together)))  # warms
        began = time.perf_counter()
        list(pool.map(run, range(passes)))
        seconds = time.perf_counter() - began
        backend = backend_of(module)
    return {"seconds": seconds * int(faces) / (passes * len(crops)), "backend": backend}


if __name__ == "__main__":
    main()

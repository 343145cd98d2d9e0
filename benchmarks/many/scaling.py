"""Whether workers hold each other up, and what Ray costs: 1 to 8 workers with a network that only waits.

Detection, detail, pasting, reading, writing and the journal are real and share the cores of this machine, so pictures
are small and the network is that of 256 pixels. It waits as long as that of 512 pixels takes on one core, as it would
for workers with a device of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from speed.apart import apart

from gpen_blocks.gpen.devices import usable_cores
from gpen_blocks.gpen.jobs.entries import name_of
from gpen_blocks.gpen.jobs.job import in_shard
from gpen_blocks.gpen.jobs.journal import FILE

from . import commands, photographs
from .worker import ENVIRONMENT

WORKERS = (1, 2, 4, 8)
THREADS, PROCESSES, RAY = "threads of a process", "processes with a shard each", "Ray"
WAYS = (THREADS, PROCESSES, RAY)


def measure(
    number: int, ways: tuple[str, ...] = WAYS, *, seconds: float = 0.0, sizes: tuple[int, ...] = WORKERS
) -> dict[str, Any]:
    """Pictures a second of some numbers of workers, from the first picture that is begun to the last in the journal.

    Args:
        number: pictures of 512 x 512 with a face each; a multiple of the number of workers.
        ways: what the workers are.
        seconds: how long the network waits for a face; 0: as long as that of 512 pixels takes here on one core.
        sizes: numbers of workers.

    Returns:
        Rows with the share of what as many times one worker of the same way would do.
    """
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = seconds or _seconds_on_one_core(folder / "gpen-512.safetensors")
        _draw_equal_shards(folder / "in", number)
        for way in ways:
            for workers in sizes:
                row = _Run(folder / f"{way}-{workers}", folder / "in", seconds).measure(way, workers, number)
                alone = next((one["a picture"] for one in rows if one["way"] == way), row["a picture"])
                row["of linear"] = round(alone / workers / row["a picture"], 3)
                rows.append(row)
                print(row, flush=True)
    return {"pictures": number, "network": seconds, "rows": rows}


def _seconds_on_one_core(model: Path) -> float:
    """What a face of 512 pixels takes the network, while the other cores do the same."""
    from safetensors.torch import save_file
    from speed.networks import official_tensors

    save_file(official_tensors(512), model)
    cores = usable_cores()
    return round(apart("many.throughput", "network", model, 2 * cores, cores, "cpu")["seconds"] / 2, 2)


def _draw_equal_shards(folder: Path, number: int) -> None:
    """Draw pictures such that each number of shards gets parts of the same size, since the largest part would count."""
    files = photographs.make(folder, min(number, 16), side=512)
    most = max(WORKERS)
    full = dict.fromkeys(range(1, most + 1), 0)
    index = 0
    while sum(full.values()) < number:
        file = folder / f"q{index:05d}.jpg"
        index += 1
        shard = next(shard for shard in full if in_shard(name_of(file), (shard, most)))
        if full[shard] < number // most:
            full[shard] += 1
            os.link(files[index % len(files)], file)
    for file in files:
        file.unlink()


class _Run:
    """One job.

    Args:
        folder: a folder for its results and notes.
        source: its pictures.
        seconds: that it waits for a face.
    """

    def __init__(self, folder: Path, source: Path, seconds: float) -> None:
        self._folder, self._source, self._seconds = folder, source, seconds
        self._output, self._log = folder / "out", folder / "log"
        self._log.mkdir(parents=True)

    def measure(self, way: str, workers: int, number: int) -> dict[str, Any]:
        """Do the job; raises RuntimeError if a picture has no result."""
        started = time.time()
        if way == PROCESSES:
            self._run([("--shard", f"{shard}/{workers}", "--workers", "1") for shard in range(1, workers + 1)])
        elif way == THREADS:
            self._run([("--workers", str(workers))])
        else:
            # One core more, which the engine leaves to the reading of names.
            self._run([("--engine", "ray", "--workers", "1")], cores=workers + 1)
        results = sum(1 for path in self._output.iterdir() if path.suffix == ".jpg")
        if results != number:
            raise RuntimeError(f"{results} results instead of {number}")
        notes = [json.loads(note.read_text(encoding="ascii")) for note in self._log.glob("*.json")]
        began = min(note["began"] for note in notes)
        seconds = (self._output / FILE).stat().st_mtime - began
        # Threads of one process note the work of all.
        work = sum(note["work"] for note in notes)
        return {
            "way": way,
            "workers": workers,
            "start": round(began - started, 2),
            "seconds": round(seconds, 2),
            "a picture": round(seconds / number, 4),
            "work a picture": round(work / number, 3),
            "load": round(os.getloadavg()[0], 1),
        }

    def _run(self, options: list[tuple[str, ...]], cores: int = 0) -> None:
        """Run commands beside each other; those of several processes begin their work together."""
        begin = self._folder / "begin"
        told = {"seconds": self._seconds, "log": str(self._log), "begin": None if cores else str(begin), "cores": cores}
        environment = {**os.environ, ENVIRONMENT: json.dumps(told)}
        with ExitStack() as stack:
            running = []
            for index, more in enumerate(options):
                said = stack.enter_context((self._folder / f"said-{index}.txt").open("w+", encoding="utf-8"))
                command = commands.benchmark(
                    "many.worker", "wait", "restore", self._source, "--output", self._output,
                    *commands.options(), *more,
                )  # fmt: skip
                running.append((subprocess.Popen(command, env=environment, stdout=said, stderr=said), said))
            while not cores and sum(1 for _ in self._log.glob("*.ready")) < len(running):
                self._require_none_failed(running)
                time.sleep(0.05)
            begin.touch()
            for process, _ in running:
                process.wait()
            self._require_none_failed(running)

    @staticmethod
    def _require_none_failed(running: list[tuple[subprocess.Popen, Any]]) -> None:
        for process, said in running:
            if process.poll():
                said.seek(0)
                raise RuntimeError(f"a worker ended with {process.returncode}: {said.read()[-2000:]}")

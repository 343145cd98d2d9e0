"""What Ray costs: a job with it and without it, and 1 to 8 workers whose pictures only wait.

    python benchmarks many.ray_costs 8 40 1.37    # workers, pictures for each, seconds of each; as JSON

With a network that waits, as in `scaling`, 8 workers would share the cores of this machine for everything else. Here
the whole picture waits, as long as the network takes. What remains is Ray: names that go out, rows that come back, and
workers that wait for the next batch.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from speed.apart import apart

from gpen_blocks.gpen.jobs.entries import Entry, Recipe
from gpen_blocks.gpen.jobs.ray_engine import require_ray, restore_on_ray
from gpen_blocks.gpen.jobs.ray_worker import Setup, Worker
from gpen_blocks.gpen.jobs.rows import from_table, to_table
from gpen_blocks.gpen.jobs.storage import Place

from . import scaling

_WORKERS = (1, 2, 4, 8)
# Pictures of a worker: enough that the last ones, when some workers have nothing left, count little.
_EACH = 40
_ROUNDS = 3


def measure(pictures: int, seconds: float) -> dict[str, Any]:
    """Compare one worker with and without Ray, and workers that only wait with one of them.

    Args:
        pictures: number of pictures with and without Ray; a multiple of 8.
        seconds: of the network for a face, and of a picture that only waits; 0: see `scaling.measure`.
    """
    rounds = []
    for _ in range(_ROUNDS):
        found = scaling.measure(pictures, (scaling.THREADS, scaling.RAY), seconds=seconds, sizes=(1,))
        seconds = found["network"]
        rounds.append(found["rows"])
    more = [with_ray["a picture"] - alone["a picture"] for alone, with_ray in rounds]
    rows: list[dict[str, Any]] = []
    for workers in _WORKERS:
        row = {"way": "Ray", "workers": workers, **apart("many.ray_costs", workers, _EACH, seconds)}
        first = rows[0] if rows else row
        row["of linear"] = round(first["a picture"] / workers / row["a picture"], 3)
        rows.append(row)
        print(row, flush=True)
    return {
        "one worker": {
            "pictures": pictures,
            "rounds": rounds,
            "more a picture": {"median": round(median(more), 4), "each": [round(value, 4) for value in more]},
        },
        "pictures of a worker": _EACH,
        "wait": seconds,
        "rows": rows,
    }


class Waiting(Worker):
    """Waits for each picture instead of restoring it, and tells when it began.

    All begin together: here they share two cores to start on, and elsewhere each has a machine.

    Args:
        setup: what it is told; as options of `restore_files`: `seconds` of each picture, `together`, the number of
            workers, and `folder`, where each notes that it is there.
    """

    def __init__(self, setup: Setup) -> None:
        told = setup.restoring
        self._seconds, self._together, self._folder = told["seconds"], told["together"], Path(told["folder"])
        (self._folder / f"{os.getpid()}.ready").touch()

    def __call__(self, batch: Any) -> Any:
        """A row for each picture."""
        while sum(1 for _ in self._folder.glob("*.ready")) < self._together:
            time.sleep(0.01)
        return to_table([(self._wait(entry), []) for entry, _ in from_table(batch)])

    def _wait(self, entry: Entry) -> Entry:
        began = time.time()
        time.sleep(self._seconds)
        return replace(entry, state="done", report={"began": began, "ended": time.time()})


def wait_on_ray(workers: int, each: int, seconds: float) -> dict[str, float]:
    """Run a job of workers that wait.

    Returns:
        Seconds from the beginning until all workers are there (`start`), from there until the last row is back
        (`seconds`), for each picture (`a picture`), and of a worker for each picture beside its wait (`beside`).
    """
    ray = require_ray(None)
    ray.cloudpickle.register_pickle_by_value(sys.modules[Waiting.__module__])  # workers do not have this file
    number = workers * each
    entries = [Entry(source=f"/in/{index:06d}.jpg", output=f"/out/{index:06d}.jpg") for index in range(number)]
    started = time.time()
    # Workers that wait need no core; one more is what the engine leaves to Ray.
    ray.init(num_cpus=workers + 1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            told = {"seconds": seconds, "together": workers, "folder": folder}
            setup = Setup({}, told, Recipe({}, {}), workers=1)
            batches = restore_on_ray(entries, setup, Place.of(Path(folder)), worker=Waiting)
            reports = [row.report for rows in batches for row, _ in rows if row.report]
            ended = time.time()
    finally:
        ray.shutdown()
    if len(reports) != number:
        raise RuntimeError(f"{len(reports)} pictures came back instead of {number}")
    began = min(report["began"] for report in reports)
    waited = sum(report["ended"] - report["began"] for report in reports)
    return {
        "start": round(began - started, 2),
        "seconds": round(ended - began, 2),
        "a picture": round((ended - began) / number, 4),
        "beside": round((workers * (ended - began) - waited) / number, 4),
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    print(json.dumps(wait_on_ray(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))

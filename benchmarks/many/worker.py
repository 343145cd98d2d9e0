"""`gpen` with another worker, which takes no time of the processors: what remains is the work on the job itself.

    python benchmarks many.worker copy restore IN -o OUT ...     # results are copies of their pictures
    python benchmarks many.worker wait restore IN -o OUT ...     # the network waits instead of computing

For `wait`, the environment variable `GPEN_BENCH` holds JSON: `seconds` a face; `log`: a folder where each process
notes when its work begins and what the processors do for it; `begin`: a file whose appearance begins the work, or null;
and with `--engine ray`, `cores`: the number of cores that Ray is told of.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gpen_blocks.gpen.files import write_whole
from gpen_blocks.gpen.jobs import restoring
from gpen_blocks.gpen.jobs.ownership import write_files
from gpen_blocks.gpen.jobs.tasks import Outcome, Task
from gpen_blocks.gpen.restorer import Restorer

ENVIRONMENT = "GPEN_BENCH"
_restore_files = restoring.restore_files


class WaitingNetwork(torch.nn.Module):
    """Gives back what it is given, after as long as a network would take.

    Args:
        network: the network in whose place it stands.
        seconds: for each face.
    """

    def __init__(self, network: Any, seconds: float) -> None:
        super().__init__()
        self.config, self._bytes, self._seconds = network.config, network.activation_bytes(), seconds

    def activation_bytes(self) -> int:
        """As `Generator.activation_bytes`."""
        return self._bytes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Wait for each face."""
        time.sleep(self._seconds * len(x))
        return x.clone()


def restore_waiting(tasks: Iterable[Task], restorer: Restorer, **options: Any) -> Iterator[Outcome]:
    """`restore_files`, with a network that waits."""
    told = json.loads(os.environ[ENVIRONMENT])
    networks = restorer.networks
    module = networks.generator.module
    if not isinstance(module, WaitingNetwork):
        generator = replace(networks.generator, module=WaitingNetwork(module, told["seconds"]))
        restorer.networks = replace(networks, generator=generator)
    note = Path(told["log"]) / f"{os.getpid()}-{threading.get_ident()}-{time.time_ns()}.json"
    note.with_suffix(".ready").touch()
    while told["begin"] and not Path(told["begin"]).exists():
        time.sleep(0.002)
    began, worked = time.time(), time.process_time()
    yield from _restore_files(tasks, restorer, **options)
    note.write_text(json.dumps({"began": began, "work": time.process_time() - worked}), encoding="ascii")


def restore_copying(tasks: Iterable[Task], restorer: Restorer, **options: Any) -> Iterator[Outcome]:
    """`restore_files` for the first picture; the others get a copy of their file, and the report of the first."""
    first: Outcome | None = None
    for task in tasks:
        if first is None or first.report is None:
            (first,) = _restore_files([task], restorer, **options)
            yield first
            continue
        report = {**first.report, "output": str(task.targets.main)}
        write_files(task, partial(_copy, task, report), options["announce"])
        yield Outcome(task, report, None, first.seconds)


def _copy(task: Task, report: dict[str, Any]) -> dict[str, Any]:
    write_whole(task.targets.main, lambda temporary: shutil.copyfile(task.source, temporary))
    return report


def install_waiting() -> None:
    """Let this process restore with a network that waits; Ray calls it in each of its workers."""
    restoring.restore_files = restore_waiting


def main() -> None:
    """Run `gpen`."""
    way = sys.argv.pop(1)
    if way == "copy":
        restoring.restore_files = restore_copying
    else:
        install_waiting()
    from gpen_blocks.gpen.cli.commands import app

    if "ray" in sys.argv:
        _begin_ray()
    app()


def _begin_ray() -> None:
    import ray

    told = json.loads(os.environ[ENVIRONMENT])
    ray.init(
        num_cpus=told["cores"],
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={
            "env_vars": {
                ENVIRONMENT: os.environ[ENVIRONMENT],
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path]),
            },
            "worker_process_setup_hook": "many.worker.install_waiting",
        },
    )


if __name__ == "__main__":
    main()

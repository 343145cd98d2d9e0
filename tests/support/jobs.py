"""A job as `gpen restore` leaves it, of small pictures, and with a worker that only brightens squares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.files import write_whole
from gpen_blocks.gpen.jobs.collect import Job
from gpen_blocks.gpen.jobs.entries import Recipe
from gpen_blocks.gpen.jobs.job import Order, list_work
from gpen_blocks.gpen.jobs.journal import Journal
from gpen_blocks.gpen.jobs.ownership import write_files
from gpen_blocks.gpen.jobs.recording import run_job
from gpen_blocks.gpen.jobs.tasks import Announce, Outcome, Task

Faces = Sequence[Mapping[str, Any]]


def a_face(
    x: float, y: float, side: float, *, change: float = 5.0, left_alone: str = "", **more: Any
) -> dict[str, Any]:
    """A face of a report; `change` is in 8-bit levels."""
    told = {"skipped": left_alone} if left_alone else {"changed": {"share": 1.0, "mean": change, "max": change}}
    return {"box": [x, y, x + side, y + side], "score": 0.9, "restored": not left_alone, **told, **more}


def write_noise(path: Path, width: int = 200, height: int = 120, seed: int = 0) -> None:
    """A picture of soft noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(40, 160, (max(2, height // 8), max(2, width // 8), 3), np.uint8)
    Image.fromarray(small).resize((width, height)).save(path)


def _brighten(tasks: Iterable[Task], announce: Announce, found: Mapping[str, Faces]) -> Iterator[Outcome]:
    for task in tasks:
        faces = found.get(task.source.name, ())
        try:
            image = Image.open(task.source).convert("RGB")
        except OSError:
            yield Outcome(task, error=ImageError(f"{task.source} is not a known picture."))
            continue
        pixels = np.asarray(image).copy()
        for face in faces:
            if face["restored"]:
                x0, y0, x1, y1 = map(int, face["box"])
                part = pixels[y0:y1, x0:x1]
                part[:] = np.minimum(part + float(face["changed"]["mean"]), 255)
        size = {"width": image.width, "height": image.height}
        numbered = [{"number": number, **face} for number, face in enumerate(faces)]
        report = {"faces": numbered, "size": size, "prepared": [None], "notes": ["A note."]}
        write = partial(_write, task.targets.main, Image.fromarray(pixels), report)
        yield Outcome(task, write_files(task, write, announce), seconds=0.1)


def _write(path: Path, image: Image.Image, report: dict[str, Any]) -> dict[str, Any]:
    write_whole(path, partial(image.save, format=Image.registered_extensions()[path.suffix.lower()]))
    return report


def run_small_job(sources: Path, output: Path, found: Mapping[str, Faces], *, limit: int = 0) -> None:
    """Run a job on all files of a folder; `found` has the faces by the names of files."""
    jobs = [Job(path, path.relative_to(sources)) for path in sorted(sources.rglob("*")) if path.is_file()]
    order = Order(output, Recipe({"strength": 1.0}, {"gpen": "0" * 64}), limit=limit)
    journal = Journal.open(output)
    work = list_work(jobs, order, journal)
    for _ in run_job(work, order, journal, partial(_brighten, found=found)):
        pass
    journal.close()

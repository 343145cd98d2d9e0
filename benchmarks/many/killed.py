"""Kill a job at random moments, again and again, and compare what it leaves with an uninterrupted run.

    python benchmarks many.killed --pictures 60 --kills 50

After each kill, every result must be whole, with the bytes of the uninterrupted run, and every picture that the journal
calls done must have such a result. The killed process is a fork of this one, which has loaded the models, so that
kills fall into the work and not into the imports. Needs an operating system with fork.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.jobs.entries import name_of, sha256_of
from gpen_blocks.gpen.jobs.journal import FILE, Journal
from gpen_blocks.gpen.restorer import Restorer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OPTIONS = ("--model", "gpen-lite-256", "--detector", "face-detector-lite", "--device", "cpu", "--backend", "eager")


@dataclass
class Found:
    """What the kills found.

    Attributes:
        kills: number of processes that were killed in their work.
        jobs: number of jobs that were brought to their end.
        results: number of results that were compared after kills.
    """

    kills: int = 0
    jobs: int = 0
    results: int = 0


def draw_pictures(folder: Path, number: int, seed: int = 0) -> None:
    """Write pictures of a face at several sizes and in several formats, and some without a face."""
    chance = random.Random(seed)
    folder.mkdir(parents=True)
    with Image.open(EXAMPLES / "portrait-degraded.jpg") as opened:
        face = opened.convert("RGB")
    for index in range(number):
        side, suffix = chance.choice((128, 192, 256)), chance.choice((".jpg", ".png", ".webp", ".tif"))
        picture = face.resize((side, side)) if index % 6 else Image.new("RGB", (side, side), (index, 90, 120))
        picture.putpixel((0, 0), (index % 256, index // 256, 0))  # no two are the same
        picture.save(folder / f"picture{index:03d}{suffix}")


def load_models() -> None:
    """Load the models into this process, from which the others are forked."""
    Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager")


def begin(words: Sequence[object], log: Path) -> int:
    """Run `gpen` in a fork of this process; returns the id of the process."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        with log.open("a", encoding="utf-8", buffering=1) as file:
            sys.stdout = sys.stderr = file
            try:
                app([str(word) for word in words], standalone_mode=True)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException:
                traceback.print_exc()
    finally:
        os._exit(code)


def end_of(process: int) -> int:
    """Wait for a process; returns its exit code, or minus the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def kill_after(process: int, seconds: float) -> bool:
    """Kill a process with SIGKILL; returns whether it was still running."""
    time.sleep(seconds)
    if os.waitpid(process, os.WNOHANG)[0]:
        return False
    os.kill(process, signal.SIGKILL)
    return end_of(process) == -signal.SIGKILL


def results_of(folder: Path) -> dict[str, bytes]:
    """All visible files but the journal, by their names."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith((".", FILE)))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def compare(folder: Path, expected: dict[str, bytes]) -> int:
    """Check what a job has left; returns the number of results.

    Raises:
        AssertionError: a result is not whole, or the journal is not true.
    """
    found = results_of(folder)
    for name, content in found.items():
        assert content == expected[name], f"{name} is not the result of the uninterrupted run"
    if not (folder / FILE).exists():
        assert not found, "there are results without a journal"
        return 0
    with contextlib.closing(Journal.read(folder)) as journal:
        entries, faces = journal.entries(), journal.faces()
    for entry in entries.values():
        if entry.state == "done":
            output = Path(entry.output or "")
            assert output.relative_to(name_of(folder)).as_posix() in found, f"{output} is called done and is not there"
            assert output.stat().st_size == entry.output_size and entry.sha256 == sha256_of(entry.source)
            assert sum(face.source == entry.source for face in faces) == entry.faces
        assert entry.state != "failed", entry.why
    return len(found)


def kill_jobs(folder: Path, pictures: int, kills: int, seed: int = 0) -> Found:
    """Kill jobs on some pictures as often as asked; a job that ends begins anew.

    Raises:
        AssertionError: what a killed process left is not right.
    """
    chance, found, log = random.Random(seed), Found(), folder / "log.txt"
    draw_pictures(folder / "in", pictures)
    load_models()
    start = time.monotonic()
    assert end_of(begin(("restore", folder / "in", "-o", folder / "whole", *OPTIONS), log)) == 0, log.read_text()
    longest = (time.monotonic() - start) / 4
    expected = results_of(folder / "whole")
    assert len(expected) == pictures
    number = 0
    while found.kills < kills:
        output = folder / f"out{number}"
        process = begin(("restore", folder / "in", "-o", output, *OPTIONS), log)
        found.kills += kill_after(process, chance.uniform(0, longest))
        found.results += compare(output, expected)
        if len(results_of(output)) == pictures:
            finish(folder, output, expected, log)
            number, found.jobs = number + 1, found.jobs + 1
    if (folder / f"out{number}").exists():
        finish(folder, folder / f"out{number}", expected, log)
        found.jobs += 1
    return found


def finish(folder: Path, output: Path, expected: dict[str, bytes], log: Path) -> None:
    """Bring a job to its end without a kill, and check everything."""
    for _ in range(2):
        assert end_of(begin(("restore", folder / "in", "-o", output, *OPTIONS), log)) == 0, log.read_text()
    assert f"{len(expected)} were there already." in log.read_text().splitlines()[-1]
    assert compare(output, expected) == len(expected)
    with contextlib.closing(Journal.read(output)) as journal:
        assert all(entry.state == "done" for entry in journal.entries().values())


def main() -> None:
    """Kill and compare; ends with an error at the first difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_jobs(Path(folder), options.pictures, options.kills, options.seed)
    seconds = round(time.monotonic() - start)
    print(json.dumps({"pictures": options.pictures, **asdict(found), "differences": 0, "seconds": seconds}))


if __name__ == "__main__":
    main()

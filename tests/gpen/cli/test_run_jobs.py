"""Reading ahead and writing behind: every picture is told in its turn, whatever happens to the others."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import typer
from PIL import Image

from gpen_blocks.gpen.cli.files import Job, ReadAhead
from gpen_blocks.gpen.cli.run import Interrupted, Outcome, run_jobs
from gpen_blocks.gpen.errors import ImageError

JOBS = [Job(Path(f"{number}.png"), Path(f"{number}.png")) for number in range(4)]


def outcome(job: Job) -> Outcome:
    return f"{job.source} done", {"notes": []}


def test_what_is_left_to_a_thread_goes_on_beside_the_next_job(capsys):
    """The writing of the first ends only when the work on the second has begun: one after the other would never end."""
    begun = threading.Event()

    def write(job: Job) -> Outcome:
        assert job is JOBS[-1] or begun.wait(20)
        return outcome(job)

    def work(job: Job, show: object) -> Future[Outcome]:
        if job is not JOBS[0]:
            begun.set()
        return pool.submit(write, job)

    with ThreadPoolExecutor(1) as pool:
        reports, failures = run_jobs(JOBS, work)
    assert failures == 0
    assert [report["file"] for report in reports] == [str(job.source) for job in JOBS]
    assert capsys.readouterr().out.split() == [word for job in JOBS for word in (str(job.source), "done")]


def test_a_failure_belongs_to_its_own_picture():
    def write(job: Job) -> Outcome:
        if job is JOBS[1]:
            raise ImageError("the disk is full")
        return outcome(job)

    def work(job: Job, show: object) -> Future[Outcome] | Outcome:
        if job is JOBS[2]:
            raise ImageError("no picture")
        return outcome(job) if job is JOBS[3] else pool.submit(write, job)

    with ThreadPoolExecutor(1) as pool:
        reports, failures = run_jobs(JOBS, work)
    assert failures == 2
    assert [report.get("error") for report in reports] == [None, "the disk is full", "no picture", None]


def test_an_interrupt_lets_the_writing_end(capsys):
    written = []

    def work(job: Job, show: object) -> Future[Outcome]:
        if job is JOBS[1]:
            raise KeyboardInterrupt
        return pool.submit(lambda: written.append(job) or outcome(job))

    with ThreadPoolExecutor(1) as pool, pytest.raises(typer.Exit) as ended:
        run_jobs(JOBS, work)
    assert ended.value.exit_code == 130 and written == [JOBS[0]]
    assert isinstance(ended.value, Interrupted) and [one["file"] for one in ended.value.reports] == ["0.png"]
    said = capsys.readouterr()
    assert "0.png done" in said.out and "Interrupted at 1.png" in said.err


def test_reading_ahead(tmp_path, monkeypatch):
    """One picture ahead and no further; a large or an unreadable one only in its turn."""
    jobs = []
    for number, side in enumerate((8, 8, 40, 8, 0)):
        path = tmp_path / f"{number}.png"
        if side:
            Image.new("RGB", (side, side)).save(path)
        else:
            path.write_text("no picture", encoding="utf-8")
        jobs.append(Job(path, Path(path.name)))
    monkeypatch.setattr(ReadAhead, "_LARGEST", 100)
    with ThreadPoolExecutor(1) as pool:
        ahead = ReadAhead(jobs, pool)
        assert not ahead.alone
        sizes, waiting = [], []
        for job in jobs[:-1]:
            sizes.append(ahead.read(job).result().pixels.shape[-1])
            waiting.append([other.source.name for other in ahead._begun])
        with pytest.raises(ImageError):
            ahead.read(jobs[-1]).result()
    assert sizes == [8, 8, 40, 8]
    assert waiting == [["1.png"], [], ["3.png"], []]

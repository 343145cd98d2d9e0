"""Reading ahead and writing behind: every picture is told in its turn, whatever happens to the others."""

from __future__ import annotations

import json
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import typer

from gpen_blocks.gpen.cli.logs import logging_to
from gpen_blocks.gpen.cli.run import Outcome, Run
from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.jobs.collect import Job, PassedOver

JOBS = [Job(Path(f"{number}.png"), Path(f"{number}.png")) for number in range(4)]


def outcome(job: Job) -> Outcome:
    return f"{job.source} done", {"notes": [], "faces": [{"restored": True}]}


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
        run = Run(JOBS)
        run.work(work)
    assert run.failures == 0
    assert [report["file"] for report in run.reports] == [str(job.source) for job in JOBS]
    said = capsys.readouterr().out.splitlines()
    assert said[:-1] == [f"{job.source} done" for job in JOBS]
    assert said[-1] == "4 restored, 0 without a face, 0 failed."


def test_a_failure_belongs_to_its_own_picture(tmp_path, capsys):
    """Whatever is raised, and wherever: the others go on, and the report tells of all of them in their order."""

    def write(job: Job) -> Outcome:
        if job is JOBS[1]:
            raise MemoryError
        return outcome(job)

    def work(job: Job, show: object) -> Future[Outcome] | Outcome:
        if job is JOBS[2]:
            raise RuntimeError("avif:\nno such frame")
        return pool.submit(write, job)

    report = tmp_path / "report.json"
    run = Run(JOBS, [PassedOver(Path("notes.txt"), "other")] * 2, report=report)
    with ThreadPoolExecutor(1) as pool, pytest.raises(typer.Exit) as ended:
        run.work(work, faults={JOBS[0]: ImageError("its result already exists.")})
    assert ended.value.exit_code == 1 and run.failures == 3
    kept = json.loads(report.read_text(encoding="utf-8"))
    assert [(one.get("error_type"), one.get("error")) for one in kept["pictures"]] == [
        ("ImageError", "its result already exists."),
        ("MemoryError", "MemoryError"),
        ("RuntimeError", "RuntimeError: avif: no such frame"),
        (None, None),
    ]
    assert kept["summary"] == {"restored": 1, "left_alone": 0, "without_a_face": 0, "failed": 3}
    assert kept["passed_over"] == [{"file": "notes.txt", "reason": "file that is not a picture"}] * 2
    said = capsys.readouterr()
    assert "1 restored, 0 without a face, 3 failed; skipped: 2 files that are not pictures." in said.out
    assert "--log FILE keeps the traceback of each error." in said.out
    assert "RuntimeError: avif: no such frame" in said.err and "Traceback" not in said.err


@pytest.mark.parametrize("pictures", [4, 6])
def test_a_note_of_many_pictures_is_not_repeated_for_each(pictures, capsys):
    """The end tells how many have it; of a few pictures, each has its own."""
    jobs = [Job(Path(f"{number}.png"), Path(f"{number}.png")) for number in range(pictures)]

    def work(job: Job, show: object) -> Outcome:
        notes = ["The model is small.", f"{job.source} was turned.", *["It is grey."] * (job is jobs[0])]
        return f"{job.source} done", {"notes": notes, "faces": [{"restored": True}]}

    Run(jobs).work(work)
    said = capsys.readouterr().out
    assert said.count("was turned") == pictures and said.count("It is grey.") == 1
    if pictures == 4:
        assert said.count("  The model is small.\n") == 4 and "pictures:" not in said
    else:
        assert said.count("  The model is small.\n") == 1
        assert said.endswith("6 pictures: The model is small.\n6 restored, 0 without a face, 0 failed.\n")


def test_names_cannot_write_on_the_terminal(capsys):
    job = Job(Path("a\n\x1b[2J\u202egpj.png"), Path("a.png"))

    def work(job: Job, show: object) -> Outcome:
        raise ImageError(f"{job.source} cannot be read.")

    with pytest.raises(typer.Exit):
        Run([job]).work(work)
    said = capsys.readouterr().err
    assert said == r"a\u000a\u001b[2J\u202egpj.png: a\u000a\u001b[2J\u202egpj.png cannot be read." + "\n"


def test_the_log_keeps_the_traceback(tmp_path, capsys):
    def work(job: Job, show: object) -> Outcome:
        raise ZeroDivisionError("in the fourth step")

    with logging_to(tmp_path / "new" / "run.log"), pytest.raises(typer.Exit):
        Run(JOBS[:1]).work(work)
    kept = (tmp_path / "new" / "run.log").read_text(encoding="utf-8")
    assert "0.png" in kept and "Traceback" in kept and 'raise ZeroDivisionError("in the fourth step")' in kept
    assert "--log" not in capsys.readouterr().out
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(b"precious")
    with pytest.raises(ImageError, match=r"must have the suffix \.log"), logging_to(picture):
        pass
    assert picture.read_bytes() == b"precious"


def test_an_interrupt_lets_the_writing_end(tmp_path, capsys):
    written = []

    def work(job: Job, show: object) -> Future[Outcome]:
        if job is JOBS[1]:
            raise KeyboardInterrupt
        return pool.submit(lambda: written.append(job) or outcome(job))

    report = tmp_path / "report.json"
    with ThreadPoolExecutor(1) as pool, pytest.raises(typer.Exit) as ended:
        Run(JOBS, report=report).work(work)
    assert ended.value.exit_code == 130 and written == [JOBS[0]]
    assert [one["file"] for one in json.loads(report.read_text(encoding="utf-8"))["pictures"]] == ["0.png"]
    said = capsys.readouterr()
    assert "0.png done" in said.out and "Interrupted at 1.png" in said.err


def test_what_ends_the_program_ends_it_and_leaves_the_report(tmp_path):
    def work(job: Job, show: object) -> Outcome:
        if job is JOBS[2]:
            raise SystemExit(3)
        return outcome(job)

    report = tmp_path / "report.json"
    with pytest.raises(SystemExit) as ended:
        Run(JOBS, report=report).work(work)
    assert ended.value.code == 3
    told = json.loads(report.read_text(encoding="utf-8"))["pictures"]
    assert [one["file"] for one in told] == ["0.png", "1.png"]


def test_a_report_that_cannot_be_written_at_the_end_is_told(tmp_path, capsys):
    report = tmp_path / "folder" / "report.json"

    def work(job: Job, show: object) -> Outcome:
        report.parent.write_text("a file where the folder was", encoding="utf-8")
        return outcome(job)

    run = Run(JOBS, report=report)
    with pytest.raises(typer.Exit):
        run.work(work)
    assert len(run.reports) == len(JOBS) and "report.json cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="names of files are texts on Windows")
def test_a_name_that_is_no_utf8_is_told_in_report_and_log(tmp_path, capsys, monkeypatch):
    # pytest keeps what is logged, and cannot hand such a name from process to process.
    monkeypatch.setattr(logging.getLogger("gpen_blocks"), "propagate", False)
    job = Job(Path(os.fsdecode(b"caf\xe9.png")), Path("cafe.png"))

    def work(job: Job, show: object) -> Outcome:
        raise ImageError(f"{job.source} cannot be read.")

    report = tmp_path / "report.json"
    with logging_to(tmp_path / "run.log"), pytest.raises(typer.Exit):
        Run([job], report=report).work(work)
    assert "caf\\udce9.png cannot be read." in capsys.readouterr().err
    (entry,) = json.loads(report.read_text(encoding="utf-8"))["pictures"]
    assert os.fsencode(entry["file"]) == b"caf\xe9.png"
    assert "caf\\udce9.png cannot be read." in (tmp_path / "run.log").read_text(encoding="utf-8")

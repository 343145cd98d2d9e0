"""What a killed job leaves is known for its own, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from copied_jobs import FACE, RECIPE, call, pictures, states

from gpen_blocks.gpen.errors import JobError
from gpen_blocks.gpen.jobs import announcements, recording
from gpen_blocks.gpen.jobs.announcements import PATTERN, Announcements, read_announcements
from gpen_blocks.gpen.jobs.collect import Job
from gpen_blocks.gpen.jobs.entries import Entry, name_of
from gpen_blocks.gpen.jobs.job import Order
from gpen_blocks.gpen.jobs.journal import FILE, Journal
from gpen_blocks.gpen.jobs.kept import kept_journal
from gpen_blocks.weights import files

NAMES = tuple(f"{number}.png" for number in range(6))
KILLED = 2  # the picture at which the process is killed, counted from 0
MOMENTS = {"before": 0, "amid": 1, "after": 4}
"""When, and how many of its four files have their names by then."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def order(tmp_path) -> Order:
    return Order(tmp_path / "out", RECIPE, endings=("-compare.png", "-faces"))


def files_of(name: str) -> list[str]:
    """The files of a picture in the order in which they are written."""
    stem = name.removesuffix(".png")
    return [name, f"{stem}-compare.png", f"{stem}-faces/face00-before.png", f"{stem}-faces/face00-after.png"]


def kill_in_work(jobs: list[Job], order: Order, in_place: int) -> None:
    """Begin a job in another process, which is killed when some files of one of its pictures have their names."""

    def work() -> None:
        put, groups = files._put_in_place, []

        def put_some(held: list[tuple[Path, Path]]) -> None:
            if len(held) < 4:  # the journal's own
                put(held)
                return
            groups.append(held)
            if len(groups) <= KILLED:
                put(held)
                return
            put(held[:in_place])
            os.kill(os.getpid(), signal.SIGKILL)

        files._put_in_place, recording._WRITE_EVERY = put_some, 3600.0
        call(jobs, order)

    killed_in(work)


def killed_in(work: Callable[[], object]) -> None:
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def left(order: Order) -> list[str]:
    """Results, by their names."""
    paths = (path for path in order.output.rglob("*") if path.is_file() and not path.name.startswith((".", FILE)))
    return sorted(path.relative_to(order.output).as_posix() for path in paths)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_job_does_again_only_what_is_not_whole(order, tmp_path, moment):
    jobs = pictures(tmp_path, *NAMES)
    kill_in_work(jobs, order, MOMENTS[moment])
    assert "done" not in states(order).values(), "the rows came before the kill, which then tells nothing"
    assert len(list(order.output.glob(PATTERN))) == 1
    assert len(left(order)) == 4 * KILLED + MOMENTS[moment]
    work, written = call(jobs, order)
    whole = KILLED + (moment == "after")
    assert written == list(NAMES[whole:]) and not work.faults and len(work.there) == whole
    with closing(Journal.read(order.output)) as journal:
        entries = journal.entries(reports=True)
        assert len(journal.faces()) == len(NAMES)
    for job in jobs:
        entry = entries[name_of(job.source)]
        assert entry.state == "done" and entry.faces == 1 and entry.report and entry.report["faces"] == [FACE]
        assert Path(entry.output or "").stat().st_size == entry.output_size
    assert left(order) == sorted(file for name in NAMES for file in files_of(name))
    assert not list(order.output.glob(PATTERN))
    assert call(jobs, order)[1] == []


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("place", range(4), ids=["main", "sheet", "before", "after"])
def test_what_somebody_put_there_after_a_kill_is_not_replaced_unasked(order, tmp_path, moment, place):
    jobs = pictures(tmp_path, *NAMES)
    kill_in_work(jobs, order, MOMENTS[moment])
    precious = order.output / files_of(NAMES[KILLED])[place]
    precious.parent.mkdir(exist_ok=True)
    precious.write_text("precious", encoding="utf-8")
    for _ in range(2):
        work, written = call(jobs, order)
        (fault,) = work.faults.values()
        assert "already exists, and this job did not write it; move it away, or pass --overwrite" in str(fault)
        assert NAMES[KILLED] not in written and precious.read_text(encoding="utf-8") == "precious"
    assert list(states(order).values()).count("done") == len(NAMES) - 1
    assert call(jobs, replace(order, overwrite=True))[1] == [NAMES[KILLED]]
    assert precious.read_bytes() == jobs[KILLED].source.read_bytes()


@pytest.mark.parametrize("place", range(4), ids=["main", "sheet", "before", "after"])
def test_what_somebody_put_there_for_a_picture_that_was_only_begun_is_not_replaced(order, tmp_path, place):
    jobs = pictures(tmp_path, *NAMES)
    kill_in_work(jobs, order, 0)
    assert states(order)[NAMES[-1]] == "working"
    precious = order.output / files_of(NAMES[-1])[place]
    precious.parent.mkdir(exist_ok=True)
    precious.write_text("precious", encoding="utf-8")
    assert call(jobs, order)[1] == list(NAMES[KILLED:-1])
    assert precious.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("place", range(4), ids=["main", "sheet", "before", "after"])
def test_what_somebody_changed_since_is_not_replaced_when_all_is_done_again(order, tmp_path, place):
    """Neither before the work begins nor while it goes on."""
    jobs = pictures(tmp_path, *NAMES)
    call(jobs, order)
    touched = [order.output / files_of(name)[place] for name in NAMES[:1]]
    again = replace(order, again=True)
    for path in touched:
        path.write_text("retouched by hand", encoding="utf-8")
    work, written = call(jobs, again)
    assert list(work.faults) == jobs[:1] and written == list(NAMES[1:])
    assert all(path.read_text(encoding="utf-8") == "retouched by hand" for path in touched)
    assert call(jobs, replace(again, overwrite=True))[1] == list(NAMES)


@pytest.mark.parametrize("place", range(4), ids=["main", "sheet", "before", "after"])
def test_what_somebody_puts_there_during_the_work_is_not_replaced(order, tmp_path, place, monkeypatch):
    jobs = pictures(tmp_path, *NAMES)
    precious = order.output / files_of(NAMES[KILLED])[place]
    announce = recording._Recorder.announce

    def disturb(self, task, report, written) -> None:
        precious.parent.mkdir(parents=True, exist_ok=True)
        precious.write_text("precious", encoding="utf-8")
        announce(self, task, report, written)

    monkeypatch.setattr(recording._Recorder, "announce", disturb)
    assert NAMES[KILLED] not in call(jobs, order)[1]
    assert precious.read_text(encoding="utf-8") == "precious" and states(order)[NAMES[KILLED]] == "failed"
    assert not list(order.output.rglob(".*.tmp"))


def test_a_job_killed_while_it_does_all_again_leaves_old_results_and_new_ones(order, tmp_path):
    jobs = pictures(tmp_path, *NAMES)
    call(jobs, order)
    for job in jobs:
        job.source.write_bytes(b"new " + job.source.read_bytes())
    kill_in_work(jobs, order, 1)
    work, written = call(jobs, order)
    assert written == list(NAMES[KILLED:]) and not work.faults
    assert all((order.output / NAMES[at]).read_bytes() == job.source.read_bytes() for at, job in enumerate(jobs))


def test_rows_that_could_not_be_written_are_not_lost(order, tmp_path, monkeypatch):
    jobs = pictures(tmp_path, *NAMES)
    put = Journal.put

    def fill(self, entries, faces=None) -> None:
        entries = list(entries)
        if any(entry.state == "done" for entry in entries):
            raise JobError("The journal cannot be written: database or disk is full.")
        put(self, entries, faces)

    with monkeypatch.context() as patched, pytest.raises(JobError, match="disk is full"):
        patched.setattr(recording, "_WRITE_EVERY", 0.0)
        patched.setattr(Journal, "put", fill)
        call(jobs, order)
    assert (
        "done" not in states(order).values() and left(order) == files_of(NAMES[0])[1:2] + sorted(files_of(NAMES[0]))[1:]
    )
    work, written = call(jobs, order)
    assert work.there == jobs[:1] and written == list(NAMES[1:])


def test_another_division_takes_over_what_a_killed_shard_has_done(order, tmp_path):
    jobs = pictures(tmp_path, *(f"{number}.png" for number in range(30)))
    kill_in_work(jobs, replace(order, shard=(1, 2)), 4)
    there = []
    for number in (1, 2, 3):
        work, written = call(jobs, replace(order, shard=(number, 3)))
        assert not work.faults
        there += [job for job in work.there if job.source.name not in written]
    assert len(there) == KILLED + 1 and set(states(order).values()) == {"done"}
    assert not list(order.output.glob(PATTERN))


def test_lines_of_another_form_are_passed_over_with_a_note(order, tmp_path):
    """As of another version, or of another program; whole lines beside them count."""
    jobs = pictures(tmp_path, *NAMES)
    kill_in_work(jobs, order, 0)
    (path,) = order.output.glob(PATTERN)
    good = path.read_bytes().splitlines(keepends=True)
    record = json.loads(good[0])
    wrong = [{"x": 1}, {}, [], None, 5, "a", {**record, "new": 1}, {name: record[name] for name in list(record)[1:]}]
    wrong += [{**record, name: {"a": 5}} for name in record if name != "report"]
    wrong += [{**record, "report": {"faces": value}} for value in (5, "a", [5], [{"a": 5}], [{**FACE, "box": [1]}])]
    path.write_bytes(
        b"".join([*(json.dumps(each).encode() + b"\n" for each in wrong), b"not JSON\n", *good[:-1], b"{"])
    )
    with kept_journal(order.output) as kept:
        (note,) = kept.journal.notes
        assert f"{len(wrong) + 1} lines of {path} are not of this version and were passed over." in note
        assert [entry.state for entry in kept.journal.entries().values()].count("done") == len(good) - 1
    assert not path.exists()
    with kept_journal(order.output) as kept:
        assert kept.journal.notes == ()
    assert len(call(jobs, order)[1]) == len(NAMES) - KILLED


def test_lines_are_dropped_and_a_torn_one_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(announcements, "_LARGEST", 5000)
    path, home = tmp_path / "lines.jsonl", str(tmp_path)
    lines = Announcements(path, home)
    entries = [
        Entry(source=f"/in/{number}.png", output=f"{home}/{number}.png", written={f"{home}/{number}.png": "ab"})
        for number in range(50)
    ]
    for number, entry in enumerate(entries):
        lines.add(entry)
        lines.drop(each.source for each in entries[: number - 1])
        assert path.stat().st_size < 6000
    assert read_announcements(path.read_bytes(), home).entries[-2:] == entries[-2:]
    moved, passed_over = read_announcements(path.read_bytes()[:-5], "/elsewhere")
    assert passed_over == 0
    assert moved[-1].written == {"/elsewhere/48.png": "ab"} and moved[-1].output == "/elsewhere/48.png"
    lines.close()
    assert path.exists()
    lines.drop(each.source for each in entries)
    lines.close()

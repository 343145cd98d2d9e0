"""What is left of a job, and what its journal keeps."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from copied_jobs import FACE, RECIPE, call, copy_files, pictures, states

from gpen_blocks.gpen.errors import ImageError, JobError
from gpen_blocks.gpen.jobs import exclusion
from gpen_blocks.gpen.jobs.entries import Entry, Recipe, name_of
from gpen_blocks.gpen.jobs.exclusion import only_process
from gpen_blocks.gpen.jobs.job import Order, WorkList, in_shard, list_work
from gpen_blocks.gpen.jobs.journal import FILE, Journal
from gpen_blocks.gpen.jobs.recording import run_job
from gpen_blocks.gpen.jobs.tasks import Announce, Outcome, Task


@pytest.fixture
def order(tmp_path) -> Order:
    return Order(tmp_path / "out", RECIPE)


def test_finished_pictures_are_not_done_again(order, tmp_path):
    jobs = pictures(tmp_path, "a.jpg", "b.png", "deep/c.jpg")
    work, written = call(jobs, order)
    assert written == ["a.jpg", "b.png", "c.jpg"] and not work.there
    assert call(jobs, order) == (WorkList({}, jobs), [])
    entry = Journal.read(order.output).entries(reports=True)[name_of(jobs[0].source)]
    assert (entry.state, entry.faces, entry.restored, entry.seconds) == ("done", 1, 1, 0.25)
    assert entry.output == str(order.output / "a.jpg") and entry.notes == ("copied",)
    assert entry.settings == RECIPE.digest and entry.models == RECIPE.models and entry.finished
    assert entry.report == {"output": entry.output, "faces": [FACE], "notes": ["copied"]}
    assert Journal.read(order.output).settings() == {RECIPE.digest: RECIPE.settings}
    (face, *_), three = Journal.read(order.output).faces(), Journal.read(order.output).pace()
    assert (face.x0, face.y1, face.restored, face.changed_share, face.identity) == (1.0, 4.0, True, 0.5, None)
    assert three[:2] == (3, 3)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda jobs, out: jobs[0].source.write_text("another", encoding="utf-8"), ["a.jpg"]),
        (lambda jobs, out: jobs[0].source.write_text("A.jpg", encoding="utf-8"), ["a.jpg"]),  # as long as before
        (lambda jobs, out: os.utime(jobs[0].source, (1, 1)), []),
        (lambda jobs, out: (out / "b.jpg").unlink(), ["b.jpg"]),
        (lambda jobs, out: jobs.extend(pictures(jobs[0].source.parent, "new.jpg")), ["new.jpg"]),
    ],
)
def test_what_changed_is_done_again(order, tmp_path, change, expected):
    jobs = pictures(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    call(jobs, order)
    change(jobs, order.output)
    assert call(jobs, order)[1] == expected
    assert call(jobs, order)[1] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"recipe": Recipe({"strength": 0.5}, RECIPE.models)},
        {"recipe": Recipe(RECIPE.settings, {"gpen": "1" * 64})},
        {"again": True},
    ],
)
def test_other_settings_or_models_do_everything_again_under_the_same_names(order, tmp_path, changed):
    jobs = pictures(tmp_path, "a.jpg", "a.png", "a.bmp")
    assert call(jobs, order)[1] == ["a.jpg", "a.png", "a-2.png"]
    other = replace(order, **changed)
    assert call(jobs[::-1], other, stop_after=1)[1] == ["a-2.png"]
    assert call(jobs, replace(other, again=False))[1] == ["a.jpg", "a.png"]


def test_another_pattern_gives_other_files(order, tmp_path):
    jobs = pictures(tmp_path, "a.jpg", "deep/a.jpg")
    call(jobs, order)
    flat = replace(order, pattern="{stem}-new{suffix}")
    assert call(jobs, flat)[1] == ["a-new.jpg", "a-new-2.jpg"]
    assert call(jobs[::-1], flat)[1] == []
    assert sorted(path.name for path in order.output.glob("*.jpg")) == ["a-new-2.jpg", "a-new.jpg", "a.jpg"]


def test_a_failed_picture_is_tried_again(order, tmp_path):
    jobs = pictures(tmp_path, "a.jpg", "b.jpg")
    jobs[0].source.write_bytes(b"")
    assert call(jobs, order)[1] == ["b.jpg"]
    entry = Journal.read(order.output).entries()[name_of(jobs[0].source)]
    assert entry.state == "failed" and entry.why == f"{jobs[0].source} is empty."
    jobs[0].source.write_text("now it is there", encoding="utf-8")
    assert call(jobs, order)[1] == ["a.jpg"]


def test_foreign_files_and_changed_results_are_not_replaced_unasked(order, tmp_path):
    jobs = pictures(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    order.output.mkdir()
    (order.output / "a.jpg").write_text("precious", encoding="utf-8")
    work, written = call(jobs, order)
    assert written == ["b.jpg", "c.jpg"]
    assert [str(fault) for fault in work.faults.values()] == [
        f"{order.output / 'a.jpg'} already exists, and this job did not write it; move it away, or pass "
        "--overwrite to replace it."
    ]
    (order.output / "b.jpg").write_text("retouched by hand", encoding="utf-8")
    again = replace(order, again=True)
    for _ in range(2):
        work, written = call(jobs, again)
        assert written == ["c.jpg"] and "already exists" in str(work.faults[jobs[0]])
        assert "was changed since it was restored" in str(work.faults[jobs[1]])
    assert (order.output / "a.jpg").read_text(encoding="utf-8") == "precious"
    assert (order.output / "b.jpg").read_text(encoding="utf-8") == "retouched by hand"
    assert call(jobs, replace(again, overwrite=True))[1] == ["a.jpg", "b.jpg", "c.jpg"]


@pytest.mark.parametrize("leads", ["nowhere", "to a file", "to its photograph"])
@pytest.mark.parametrize("name", ["a.jpg", "a-compare.png"])
def test_a_link_under_the_name_of_a_result_is_a_foreign_file(order, tmp_path, name, leads):
    """Nothing is written through it; `overwrite` replaces the link itself."""
    order = replace(order, endings=("-compare.png", "-faces"))
    jobs = pictures(tmp_path, "a.jpg", "b.jpg")
    there = jobs[0].source if leads == "to its photograph" else tmp_path / "elsewhere.jpg"
    if leads == "to a file":
        there.write_text("precious", encoding="utf-8")
    before = there.read_bytes() if there.exists() else None
    link = order.output / name
    order.output.mkdir()
    link.symlink_to(there)
    work, written = call(jobs, order)
    assert written == ["b.jpg"] and f"{link} already exists, and this job" in str(work.faults[jobs[0]])
    assert link.is_symlink() and (there.read_bytes() if there.exists() else None) == before
    assert call(jobs, replace(order, overwrite=True))[1] == ["a.jpg"]
    assert not link.is_symlink() and link.read_bytes() == b"a.jpg"
    assert (there.read_bytes() if there.exists() else None) == before
    link.unlink()
    link.symlink_to(there)
    assert call(jobs, replace(order, again=True))[1] == ["b.jpg"] and link.is_symlink()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jpg", "folder"), ("a-compare.png", "folder"), ("a-faces", "file"), ("a-faces", "link")],
)
def test_what_no_overwriting_helps_against_has_to_be_moved_away(order, tmp_path, name, kind, overwrite):
    """Also where an earlier call had its result there."""
    order = replace(order, endings=("-compare.png", "-faces"), overwrite=overwrite)
    jobs, path = pictures(tmp_path, "a.jpg", "b.jpg"), order.output / name
    (tmp_path / "elsewhere").mkdir()
    make = {
        "folder": lambda: path.mkdir(),
        "file": lambda: path.write_text("precious", encoding="utf-8"),
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
    }[kind]
    order.output.mkdir()
    make()
    told = f"{path} is a {kind}, which is in the way of the result; move it away."
    work, written = call(jobs, order)
    assert written == ["b.jpg"] and str(work.faults[jobs[0]]) == told
    path.rename(tmp_path / "moved")
    assert call(jobs, order)[1] == ["a.jpg"]
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make()
    work, written = call(jobs, replace(order, again=True))
    assert written == ["b.jpg"] and str(work.faults[jobs[0]]) == told
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_folder_of_results_may_be_a_link(order, tmp_path):
    (tmp_path / "there").mkdir()
    order.output.symlink_to(tmp_path / "there")
    jobs = pictures(tmp_path, "a.jpg", "deep/b.jpg")
    assert len(call(jobs, order)[1]) == 2 and call(jobs, order)[1] == []
    assert (tmp_path / "there/deep/b.jpg").exists() and len(call(jobs, replace(order, again=True))[1]) == 2


def test_an_interrupted_job_goes_on(order, tmp_path):
    jobs = pictures(tmp_path, *(f"{number:02d}.jpg" for number in range(40)))
    assert len(call(jobs, order, stop_after=7)[1]) == 7
    assert list(states(order).values()).count("done") == 7
    assert list(states(order).values()).count("waiting") == 33
    work, written = call(jobs, replace(order, limit=10))
    assert written == [f"{number:02d}.jpg" for number in range(7, 17)] and work.postponed == 23
    assert len(call(jobs, order)[1]) == 23


def test_results_in_the_folder_of_the_pictures_are_no_pictures_of_the_job(tmp_path):
    jobs = pictures(tmp_path, "a.jpg")
    order = Order(tmp_path, RECIPE, pattern="{stem}.new{suffix}")
    assert call(jobs, order)[1] == ["a.new.jpg"]
    assert call(pictures(tmp_path, "a.jpg", "a.new.jpg"), order) == (WorkList({}, jobs), [])


def test_shards_divide_the_work_and_agree_on_the_names(order, tmp_path):
    names = [f"{number}{suffix}" for number in range(20) for suffix in (".bmp", ".png")]
    jobs = pictures(tmp_path, *names)
    written = []
    for number in (3, 1, 2):
        work, some = call(jobs, replace(order, shard=(number, 3)))
        assert all(in_shard(name_of(job.source), (number, 3)) for job in work.todo) and some
        written += some
    assert sorted(written) == sorted(path.name for path in order.output.glob("*.png")) and len(set(written)) == 40
    assert call(jobs, order)[1] == []


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2/8", "2/8", False),
        ("2/8", "3/8", True),
        ("2/8", "3/4", False),
        ("2/8", "", False),
        ("", "2/8", False),
        ("", "", False),
    ],
)
def test_no_two_processes_have_the_same_pictures(tmp_path, first, second, together, monkeypatch):
    monkeypatch.setattr(exclusion, "_LOOK", 0.05)
    with only_process(tmp_path, first):
        if together:
            with only_process(tmp_path, second):
                pass
        else:
            what = f"shard {first} of the" if first else "all of the"
            told = f"working on {what} job in {tmp_path}; wait for it, or end it."
            with pytest.raises(JobError, match=told) as refused, only_process(tmp_path, second):
                pass
            assert ("such as 1/8 and 2/8" in str(refused.value)) == (second == "3/4")
            assert ("with --shard K/8." in str(refused.value)) == (first != "" and second == "")
    with only_process(tmp_path, second):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_a_killed_process_has_left_keeps_nobody_away(tmp_path):
    for name in ("all", "1-of-2"):
        (tmp_path / f".gpen-job-{name}.lock").touch()
    with only_process(tmp_path, "2/3"):
        assert [path.name for path in tmp_path.iterdir()] == [".gpen-job-2-of-3.lock"]


def test_a_name_that_is_no_utf8(order, tmp_path):
    jobs = pictures(tmp_path, os.fsdecode(b"caf\xe9.jpg"))
    assert len(call(jobs, order)[1]) == 1 and call(jobs, order)[1] == []


def test_a_full_disk_stops_the_job_and_the_picture_waits(order, tmp_path):
    jobs = pictures(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    journal = Journal.open(order.output)

    def fill(tasks: Iterator[Task], announce: Announce) -> Iterator[Outcome]:
        for outcome in copy_files(tasks, announce):
            if outcome.task.source.name != "b.jpg":
                yield outcome
                continue
            outcome.task.targets.main.unlink()
            error = ImageError("b.jpg cannot be written: No space left on device.")
            error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
            yield Outcome(outcome.task, error=error)

    with pytest.raises(JobError, match="is full, so the job stops"):
        list(run_job(list_work(jobs, order, journal), order, journal, fill))
    assert states(order) == {"a.jpg": "done", "b.jpg": "waiting", "c.jpg": "waiting"}
    assert call(jobs, order)[1] == ["b.jpg", "c.jpg"]


def test_short_memory_lets_a_picture_wait_and_the_job_go_on(order, tmp_path):
    jobs = pictures(tmp_path, "a.jpg", "b.jpg")
    journal = Journal.open(order.output)

    def starve(tasks: Iterator[Task], announce: Announce) -> Iterator[Outcome]:
        for task in tasks:
            if task.source.name == "a.jpg":
                yield Outcome(task, error=MemoryError())
            else:
                yield from copy_files(iter([task]), announce)

    list(run_job(list_work(jobs, order, journal), order, journal, starve))
    assert states(order) == {"a.jpg": "waiting", "b.jpg": "done"}


@pytest.mark.parametrize("endings", [(), ("-compare.png", "-faces")], ids=["main", "all"])
@pytest.mark.parametrize("made", [False, True], ids=["gone", "another"])
@pytest.mark.parametrize("moment", ["before", "amid"])
def test_a_folder_that_goes_away_stops_the_job_and_is_not_made_again(order, tmp_path, endings, made, moment):
    """Before the work on a picture, or while its files have temporary names; also if another folder gets the name."""
    order = replace(order, endings=endings)
    jobs = pictures(tmp_path, *(f"deep/{number}.jpg" for number in range(40)))
    journal, told = Journal.open(order.output), []

    def lose() -> None:
        order.output.rename(tmp_path / "moved")
        if made:
            order.output.mkdir()

    def disturb(tasks: Iterator[Task], announce: Announce) -> Iterator[Outcome]:
        def announce_late(task: Task, *about: Any) -> None:
            if task.source.name == "2.jpg" and moment == "amid":
                lose()
            announce(task, *about)

        yield from copy_files(tasks, announce_late)

    with pytest.raises(JobError, match="has lost its journal"):
        for outcome in run_job(list_work(jobs, order, journal), order, journal, disturb):
            told.append(outcome.task.source.name)
            assert outcome.error is None
            if len(told) == 2 and moment == "before":
                lose()
    assert told == ["0.jpg", "1.jpg"] if moment == "before" else told[-1] != "2.jpg"
    assert not [path for path in order.output.rglob("*") if not path.is_dir()] and order.output.exists() == made
    journal.close()
    if made:
        shutil.rmtree(order.output)
    (tmp_path / "moved").rename(order.output)
    assert len(call(jobs, order)[1]) == 38 and set(states(order).values()) == {"done"}


def test_a_file_that_changes_meanwhile_waits(order, tmp_path):
    jobs = pictures(tmp_path, "a.jpg")
    journal = Journal.open(order.output)

    def disturb(tasks: Iterator[Task], announce: Announce) -> Iterator[Outcome]:
        for outcome in copy_files(tasks, announce):
            outcome.task.source.write_text("something else", encoding="utf-8")
            yield outcome

    list(run_job(list_work(jobs, order, journal), order, journal, disturb))
    assert states(order) == {"a.jpg": "waiting"}
    assert call(jobs, order)[1] == ["a.jpg"]
    assert (order.output / "a.jpg").read_text(encoding="utf-8") == "something else"


@pytest.mark.parametrize("damage", ["text", "middle", "short", "version", "foreign", "empty", "bare"])
def test_a_journal_that_cannot_be_used_is_kept_and_what_can_be_read_is_taken_over(order, tmp_path, damage):
    jobs = pictures(tmp_path, *(f"{number:03d}.jpg" for number in range(200)))
    call(jobs, order)
    path = order.output / FILE
    content = path.read_bytes()
    if damage == "text":
        path.write_text("This was a journal. " * 1000, encoding="utf-8")
    elif damage == "middle":
        path.write_bytes(
            content[: len(content) // 2] + random.Random(0).randbytes(8192) + content[len(content) // 2 + 8192 :]
        )
    elif damage == "short":
        path.write_bytes(content[: len(content) * 2 // 3])
    elif damage in ("empty", "bare"):
        path.write_bytes(b"")
        if damage == "bare":
            with closing(sqlite3.connect(path)) as other:
                other.execute("VACUUM")
    else:
        with sqlite3.connect(path) as other:
            other.execute("UPDATE meta SET value = '99'" if damage == "version" else "DROP TABLE meta")
    with pytest.raises(JobError, match="cannot be read"):
        Journal.read(order.output)
    before = path.read_bytes()
    journal = Journal.open(order.output)
    assert (order.output / "gpen-job-aside-1.sqlite").read_bytes() == before
    (note,) = journal.notes
    taken = len(journal.entries())
    assert f"gpen-job-aside-1.sqlite; {taken} of its pictures" in note
    if damage in ("version", "foreign"):
        assert taken == 200
    elif damage != "middle":  # which pages hold rows depends on SQLite
        assert taken < 200
    journal.close()
    assert "these pictures fail since their results exist already; --overwrite does them again" in note
    work, written = call(jobs, order)
    assert len(work.there) == taken and not written and len(work.faults) == 200 - taken
    assert all("already exists" in str(fault) for fault in work.faults.values())
    assert len(call(jobs, replace(order, overwrite=True))[1]) == 200 - taken


def test_processes_that_begin_a_journal_at_the_same_time_find_one(tmp_path):
    """None takes a journal that another has just begun for damaged."""

    def begin(number: int) -> tuple[str, ...]:
        with Journal.open(tmp_path / "out") as journal:
            journal.put([Entry(source=f"/in/{number}.png")])
            return journal.notes

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(begin, range(8))) == [()] * 8
    with Journal.read(tmp_path / "out") as journal:
        assert len(journal.entries()) == 8
    assert [path.name for path in (tmp_path / "out").iterdir()] == [FILE]


def test_a_folder_under_the_name_of_the_journal_is_a_sentence(tmp_path):
    (tmp_path / FILE).mkdir()
    for begin in (Journal.open, Journal.read):
        with pytest.raises(JobError, match=r"gpen-job\.sqlite is a folder, where the journal of a job would be"):
            begin(tmp_path)


def test_a_folder_that_cannot_be_written_to_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with pytest.raises(JobError, match="cannot be written"):
        Journal.open(tmp_path / "file" / "out")
    with pytest.raises(JobError, match=r"no gpen-job\.sqlite"):
        Journal.read(tmp_path)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("dated", [False, True], ids=["same dates", "other dates"])
def test_a_folder_of_results_that_was_moved_goes_on(order, tmp_path, again, dated):
    order = replace(order, endings=("-compare.png", "-faces"))
    jobs = pictures(tmp_path, "a.jpg", "a.png", "deep/b.jpg")
    call(jobs, order)
    moved = replace(order, output=tmp_path / "another drive" / "results", again=again)
    moved.output.parent.mkdir()
    order.output.rename(moved.output)
    if dated:
        for path in moved.output.rglob("*.*"):
            os.utime(path, (1, 1))
    work, written = call(jobs, moved)
    assert not work.faults and (written == ["a.jpg", "a.png", "b.jpg"] if again else work.there == jobs)
    with Journal.read(moved.output) as journal:
        entries = journal.entries(reports=True)
    here = f"{moved.output}{os.sep}"
    assert len(entries) == 3
    for entry in entries.values():
        assert entry.report and entry.report["output"] == entry.output
        assert all(name.startswith(here) for name in (entry.output or "", *entry.beside, *entry.written))


def test_pictures_and_results_that_were_moved_together_are_known_again(order, tmp_path):
    """As on a drive that got another letter. A picture whose bytes are others than then is another one."""
    jobs = pictures(tmp_path / "drive/in", "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    order = replace(order, output=tmp_path / "drive/out")
    call(jobs, order)
    (tmp_path / "drive").rename(tmp_path / "letter")
    order = replace(order, output=tmp_path / "letter/out")
    jobs = pictures(tmp_path / "letter/in", "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    os.utime(jobs[1].source, (1, 1))
    jobs[2].source.write_bytes(b"C.jpg")
    work, written = call(jobs, order)
    assert work.there == [jobs[0], jobs[1], jobs[3]] and len(written) == 1
    assert call(jobs, order) == (WorkList({}, jobs), [])
    with Journal.read(order.output) as journal:
        assert {name_of(job.source) for job in jobs} <= journal.entries().keys()
        assert {face.source for face in journal.faces()} >= {name_of(job.source) for job in jobs}


def test_a_journal_with_absolute_paths_is_still_read(order, tmp_path):
    """Version 1 of the tables."""
    jobs = pictures(tmp_path, "a.jpg", "b.jpg")
    call(jobs, order)
    path = order.output / FILE
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("ALTER TABLE pictures DROP COLUMN written")
        old.execute("UPDATE pictures SET output = ? || output", (f"{order.output}/",))
        old.execute("UPDATE meta SET value = '1' WHERE name = 'tables'")
    before = path.read_bytes()
    assert set(states(order).values()) == {"done"} and path.read_bytes() == before
    order.output.rename(tmp_path / "new")
    (tmp_path / "new").rename(order.output)
    work, written = call(jobs, order)
    assert work.there == jobs and not written and not list(order.output.glob("*aside*"))
    with closing(sqlite3.connect(path)) as new:
        assert new.execute("SELECT output FROM pictures").fetchall() == [("a.jpg",), ("b.jpg",)]
    assert call(jobs, replace(order, again=True))[1] == ["a.jpg", "b.jpg"]

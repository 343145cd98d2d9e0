"""Jobs by URL and the workers of a cluster, without a cluster: lists of work, rows, journals kept elsewhere."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from command import run_gpen

from gpen_blocks.gpen.errors import JobError, NoPictureError, SettingsError
from gpen_blocks.gpen.jobs.collect import Job, collect
from gpen_blocks.gpen.jobs.entries import Entry, FaceEntry, Recipe, stamp_of
from gpen_blocks.gpen.jobs.inputs import find_inputs
from gpen_blocks.gpen.jobs.job import Order, WorkList, list_work
from gpen_blocks.gpen.jobs.journal import FILE, Journal
from gpen_blocks.gpen.jobs.kept import has_left_rows, journal_to_read, kept_journal
from gpen_blocks.gpen.jobs.ray_worker import Setup, Worker
from gpen_blocks.gpen.jobs.rows import FOLDER, RowFolder, from_table, to_table
from gpen_blocks.gpen.jobs.storage import Place, path_of
from gpen_blocks.gpen.model_files import model_hashes
from gpen_blocks.gpen.settings import Settings

arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed, so no storage was tried")

RECIPE = Recipe({"strength": 1.0}, {"gpen": "0" * 64})


@pytest.fixture
def root() -> Iterator[Place]:
    """A folder in the memory of fsspec, as an object store has it."""
    place = Place.of("fsspec+memory:///job")
    yield place
    place.delete()


def put(root: Place, *names: str) -> None:
    for name in names:
        (root / name).write(name.encode())


def names(jobs: list[Job]) -> list[str]:
    return [job.relative.as_posix() for job in jobs]


def test_pictures_are_collected_from_a_storage_as_from_a_folder(root, tmp_path):
    files = ["a.jpg", "a-restored.jpg", "b.txt", ".hidden.jpg", "deep/c 100%.png", "deep/.h/d.jpg", "out/e.jpg"]
    put(root / "in", *files)
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for recursive in (False, True):
        found = collect([f"{root}/in/"], recursive, path_of(f"{root}/in/out"))
        local = collect([str(tmp_path)], recursive, tmp_path / "out")
        assert names(found.jobs) == names(local.jobs) == (["a.jpg", "deep/c 100%.png"] if recursive else ["a.jpg"])
        assert sorted(one.reason for one in found.passed_over) == sorted(one.reason for one in local.passed_over)
    assert [str(job.source) for job in found.jobs] == [f"{root}/in/a.jpg", f"{root}/in/deep/c 100%.png"]


def test_one_picture_and_none_by_url(root):
    put(root, "in/a.jpg", "texts/b.txt")
    (job,) = collect([f"{root}/in/a.jpg"], False).jobs
    assert job == Job(path_of(f"{root}/in/a.jpg"), Path("a.jpg"))
    with pytest.raises(NoPictureError):
        collect([f"{root}/texts/"], False)


def test_a_list_of_names_may_hold_urls(root, tmp_path):
    (tmp_path / "list.txt").write_text(f"{root}/in/deep/a.jpg\ndeep/b.jpg\n")
    jobs = find_inputs([], str(tmp_path / "list.txt"), False, None).jobs
    assert jobs == [Job(path_of(f"{root}/in/deep/a.jpg"), Path("a.jpg")), Job(Path("deep/b.jpg"), Path("deep/b.jpg"))]
    with pytest.raises(SettingsError, match="is a URL; add --engine ray"):
        run_gpen("restore", "--files-from", tmp_path / "list.txt", "-o", tmp_path / "out")


def done(work: WorkList, order: Order, journal: Journal) -> list[str]:
    """Write each result, and tell the journal; returns their names below the output."""
    for job, targets in work.todo.items():
        entry = work.entries[str(job.source)]
        put_at = Place(str(targets.main))
        put_at.write(b"restored")
        source, result = stamp_of(job.source), stamp_of(targets.main)
        assert source and result
        journal.put(
            [
                replace(
                    entry,
                    state="done",
                    size=source.size,
                    mtime_ns=source.mtime_ns,
                    sha256=hashlib.sha256(Place(str(job.source)).read()).hexdigest(),
                    settings=order.recipe.digest,
                    models=order.recipe.models,
                    output_size=result.size,
                    output_mtime_ns=result.mtime_ns,
                )
            ]
        )
    return [str(targets.main).removeprefix(f"{order.output}/") for targets in work.todo.values()]


def test_a_job_by_url_does_only_what_is_left(root):
    put(root / "in", "a.jpg", "A.jpg", "deep/b.jpg", "c.gif")
    put(root / "out", "deep/b.jpg")
    order = Order(path_of(f"{root}/out"), RECIPE)

    def call(**changes: object) -> tuple[WorkList, list[str]]:
        changed = replace(order, **changes)
        with kept_journal(order.output) as kept:
            jobs = collect([f"{root}/in"], True, order.output).jobs
            work = list_work(jobs, changed, kept.journal)
            return work, done(work, changed, kept.journal)

    work, written = call()
    assert sorted(written) == ["A.jpg", "a-2.jpg", "c.png"]
    assert [str(fault) for fault in work.faults.values()] == [
        f"{root}/out/deep/b.jpg already exists, and this job did not write it; move it away, or pass "
        "--overwrite to replace it."
    ]
    (root / "out/deep/b.jpg").delete()
    assert call()[1] == ["deep/b.jpg"]
    work, written = call()
    assert written == [] and len(work.there) == 4
    (root / "in/a.jpg").write(b"another picture")
    assert call()[1] == ["a-2.jpg"]
    assert len(call(recipe=Recipe({"strength": 0.5}, RECIPE.models))[1]) == 4
    assert [file.name for file in (root / "out").files() if "." in file.name] == sorted(
        ["A.jpg", "a-2.jpg", "c.png", "deep/b.jpg", FILE]
    )


def test_a_result_never_takes_the_place_of_a_photograph(root):
    put(root, "a.jpg")
    with kept_journal(path_of(f"{root}")) as kept:
        work = list_work(collect([f"{root}"], False).jobs, Order(path_of(f"{root}"), RECIPE), kept.journal)
    assert not work.todo
    assert "would overwrite the photograph" in str(next(iter(work.faults.values())))


ENTRY = Entry(
    source="s3://b/ä.jpg",
    state="done",
    size=1,
    mtime_ns=1_700_000_000_000_000_000,
    sha256="ab",
    settings="cd",
    models={"gpen": "ef"},
    faces=1,
    restored=1,
    seconds=0.5,
    output="s3://b/out/ä.jpg",
    output_size=3,
    output_mtime_ns=4,
    beside=("s3://b/out/ä-compare.png",),
    notes=("One note.",),
    finished="2026-01-01T00:00:00+00:00",
    report={"faces": [{"box": [0, 1, 2, 3]}], "size": None},
)
FACES = [FaceEntry(source=ENTRY.source, number=0, x0=0.5, y0=1, x1=2, y1=3, score=0.9, restored=True, left_alone=None)]


def as_file(*rows: tuple[Entry, list[FaceEntry]]) -> bytes:
    from pyarrow import parquet

    sink = arrow.BufferOutputStream()
    parquet.write_table(to_table(rows), sink)
    return sink.getvalue().to_pybytes()


def test_rows_come_back_as_they_were():
    failed = (Entry(source="/x.jpg", state="failed", why="It is no picture."), [])
    assert list(from_table(to_table([(ENTRY, FACES), failed]))) == [(ENTRY, FACES), failed]


def test_a_table_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    whole = as_file((ENTRY, FACES))
    rows = RowFolder(Place.of(tmp_path / "rows"))
    assert rows.new() == []
    Place.of(tmp_path / "rows" / "1.parquet").write(whole[:-9])
    assert rows.new() == []
    Place.of(tmp_path / "rows" / "1.parquet").write(whole)
    assert rows.new() == [(ENTRY, FACES)]
    assert rows.new() == []


@pytest.mark.parametrize("remote", [False, True], ids=["folder", "storage"])
def test_rows_that_a_killed_call_left_reach_the_journal(root, tmp_path, remote):
    output = path_of(f"{root}/out") if remote else tmp_path / "out"
    with kept_journal(output) as kept:
        kept.journal.put([replace(ENTRY, state="working", output_size=None)])
    place = Place.of(str(output))
    (place / FOLDER / "20260101-a/rows/1.parquet").write(as_file((replace(ENTRY, state="failed", why="old"), [])))
    (place / FOLDER / "20260102-b/rows/1.parquet").write(as_file((ENTRY, FACES)))
    with journal_to_read(output) as journal:
        assert journal.entries(reports=True) == {ENTRY.source: ENTRY}
    assert has_left_rows(place)
    with kept_journal(output):
        pass
    assert not has_left_rows(place)
    with journal_to_read(output) as journal:
        assert journal.entries(reports=True) == {ENTRY.source: ENTRY}
        assert journal.faces() == FACES


def test_a_row_that_is_older_than_the_journal_changes_nothing(tmp_path):
    (Place.of(tmp_path) / FOLDER / "20260101-a/rows/1.parquet").write(as_file((replace(ENTRY, state="failed"), [])))
    with closing(Journal.open(tmp_path)) as journal:
        journal.put([replace(ENTRY, finished="2026-01-01T00:00:01+00:00")])
    with kept_journal(tmp_path) as kept:
        assert [entry.state for entry in kept.journal.entries().values()] == ["done"]


def test_without_a_job_there_is_nothing_to_read(root):
    with pytest.raises(JobError, match="There is no job in"), journal_to_read(path_of(f"{root}/none")):
        pass


def test_a_worker_that_cannot_start_tells_why(root):
    setup = Setup({"model": "no-such-model"}, {}, RECIPE, 1)
    ((entry, _),) = from_table(Worker(setup)(to_table([(Entry(source=f"{root}/a.jpg"), [])])))
    assert entry.state == "failed" and "no-such-model" in (entry.why or "")


def test_a_worker_with_other_models_than_the_job_is_unfit(root):
    setup = Setup({"model": "gpen-lite-256", "detector": "face-detector-lite"}, {}, RECIPE)
    ((entry, _),) = from_table(Worker(setup)(to_table([(Entry(source=f"{root}/a.jpg"), [])])))
    assert entry.state == "failed" and "other model files" in (entry.why or "") and "gpen-lite-256" in (entry.why or "")


def test_a_second_call_on_a_job_by_url_is_told_of_the_first(root, tmp_path):
    output = path_of(f"file://{tmp_path}/out")
    with kept_journal(output):
        with pytest.raises(JobError, match="Another call works on the job"), kept_journal(output):
            pass
        held = Place(f"{output}/.gpen-job.lock").read()
    with kept_journal(output):
        pass
    # A call that was killed on this machine, and one elsewhere that gives no sign of life.
    for holder, age in (
        (held.replace(str(os.getpid()).encode(), b"999999999"), 0),
        (b'{"host": "x", "process": 1}', 600),
    ):
        lock = tmp_path / "out" / ".gpen-job.lock"
        lock.write_bytes(holder)
        os.utime(lock, (time.time() - age, time.time() - age))
        with kept_journal(output):
            pass
        assert not lock.exists()


@pytest.mark.slow
def test_a_worker_writes_the_bytes_and_rows_of_files_also_by_url(root, tmp_path, examples):
    picture = (examples / "portrait-degraded.jpg").read_bytes()
    (root / "in/a b.jpg").write(picture)
    (root / "in/bad.jpg").write(b"no picture")
    (tmp_path / "a b.jpg").write_bytes(picture)
    options = {"model": "gpen-lite-256", "detector": "face-detector-lite", "backend": "eager", "device": "cpu"}
    recipe = Recipe({}, model_hashes(options["model"], options["detector"], Settings()))
    worker = Worker(Setup(options, {"compare": True, "save_faces": True}, recipe, 1))

    def entry(source: object, output: object) -> Entry:
        return Entry(source=str(source), output=f"{output}/x.jpg", beside=(f"{output}/x-c.png", f"{output}/x-faces"))

    given = [
        entry(tmp_path / "a b.jpg", tmp_path / "out"),
        entry(root / "in/a b.jpg", root / "out"),
        entry(root / "in/bad.jpg", root / "bad"),
        entry(root / "in/none.jpg", root / "none"),
    ]
    rows = list(from_table(worker(to_table((each, []) for each in given))))
    (here, here_faces), (there, there_faces), (bad, _), (none, _) = rows
    assert [entry.state for entry, _ in rows] == ["done", "done", "failed", "failed"]
    assert (root / "out/x.jpg").read() == (tmp_path / "out/x.jpg").read_bytes() != picture
    for name in ("x-c.png", "x-faces/face00-before.png", "x-faces/face00-after.png"):
        assert (root / "out" / name).read() == (tmp_path / "out" / name).read_bytes()
    assert there.sha256 == here.sha256 == hashlib.sha256(picture).hexdigest()
    assert there.size == here.size == len(picture)
    assert (there.output, there.beside) == (given[1].output, given[1].beside)
    assert there.output_size == here.output_size and there.models == here.models == recipe.models
    assert [replace(face, source="") for face in there_faces] == [replace(face, source="") for face in here_faces]
    assert here.report and there.report
    assert there.report["face_files"] == [f"{root}/out/x-faces/face00-{end}.png" for end in ("before", "after")]
    assert "/gpen-" not in str(rows), "a row names a copy that is gone"
    assert f"{root}/in/bad.jpg" in (bad.why or "") and "none.jpg does not exist" in (none.why or "")
    assert not (root / "bad").files()

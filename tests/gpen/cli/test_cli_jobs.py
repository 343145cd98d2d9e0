"""Jobs of `gpen restore`, and `gpen job`, as a user runs them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from command import run_gpen
from many.killed import OPTIONS, begin, draw_pictures, end_of, kill_jobs, load_models, results_of
from PIL import Image

from gpen_blocks.gpen.cli import bars, restoring
from gpen_blocks.gpen.errors import JobError, NoPictureError, SettingsError
from gpen_blocks.gpen.jobs import inputs, recording
from gpen_blocks.gpen.jobs.collect import Job
from gpen_blocks.gpen.jobs.journal import FILE, Journal

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@pytest.fixture
def photos(tmp_path) -> Path:
    """Six pictures, the first of which has no face."""
    draw_pictures(tmp_path / "in", 6)
    return tmp_path / "in"


def test_a_job_goes_on(photos, tmp_path):
    out, report = tmp_path / "out", tmp_path / "report.json"
    words = ("restore", photos, "-o", out, *OPTIONS)
    broken = photos / "broken.jpg"
    broken.write_text("no picture", encoding="utf-8")
    said = run_gpen(*words, "--limit", 3, "--report", report, code=1)
    assert "4 pictures are left because of --limit." in said and "broken.jpg is not a known picture" in said
    assert f"The same command tries failed pictures again; gpen job {out} lists them." in said
    said = run_gpen("job", out)
    assert said.startswith(f"{out}: 2 of 7 pictures done, 1 failed, 4 left.\n")
    assert "\nOf those done, 1 restored, 0 left alone, 1 without a face; 1 of 1 face restored.\n" in said
    assert f"failed: {broken}: {broken} is not a known picture" in said and "for what is left" in said
    shutil.copyfile(next(photos.glob("picture001.*")), broken)
    said = run_gpen(*words, "--report", report)
    assert "2 were there already." in said and "5 restored, 0 without a face, 0 failed." in said
    told = json.loads(report.read_text(encoding="utf-8"))
    assert [Path(one["file"]).name for one in told["pictures"]] == sorted(path.name for path in photos.iterdir())
    assert told["summary"] == {"restored": 6, "left_alone": 0, "without_a_face": 1, "failed": 0}
    assert all(one["settings"]["strength"] == 1.0 and one["faces"] is not None for one in told["pictures"])
    said = run_gpen("job", out)
    assert "7 of 7 pictures done, 0 failed, 0 left." in said and "goes on" not in said


def test_what_happened_to_a_finished_job_is_told(photos, tmp_path):
    """Sources that are gone, results that were changed, and a job of which only failures are left."""
    out, listed = tmp_path / "out", tmp_path / "list"
    broken = photos / "broken.jpg"
    broken.write_text("no picture", encoding="utf-8")
    listed.write_text("\n".join(map(str, [*photos.iterdir(), photos / "never.jpg"])), encoding="utf-8")
    words = ("restore", "--files-from", listed, "-o", out, *OPTIONS)
    run_gpen(*words, code=1)
    said = run_gpen("job", out)
    assert "the source is gone" not in said and "was changed" not in said and "taken up" not in said
    assert f"failed: {photos / 'never.jpg'}: The file is gone.\n" in said
    assert said.endswith("The command that began the job tries failed pictures again.\n") and "goes on" not in said
    results = sorted(results_of(out))
    for name in results[:2]:
        next(photos.glob(f"{Path(name).stem}.*")).unlink()
    (out / results[3]).write_text("retouched by hand", encoding="utf-8")
    for said, of in ((run_gpen("job", out), 8), (run_gpen(*words, code=1), 6)):
        assert f"\n2 of {of}: the source is gone.\n" in said
        told = f"\n1 of {of}: the result was changed since it was written, by its size or date; it stays as it is.\n"
        assert told in said
    with Journal.open(out) as journal:
        entries = list(journal.entries().values())
        journal.put([replace(entry, state="working") for entry in entries[-2:]])
    said = run_gpen("job", out)
    assert (
        "\n2 of those left were taken up by a process that is at work, or that was killed" in said
        and "goes on with" in said
    )


@pytest.mark.slow
def test_a_finished_job_imports_no_torch(photos, tmp_path):
    words = ["restore", str(photos), "-o", str(tmp_path / "out"), *OPTIONS]
    run_gpen(*words)
    code = (
        "import sys\n"
        "from gpen_blocks.gpen.cli.commands import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "print([name for name in ('torch', 'numpy', 'PIL.Image', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    first, last = done.stdout.splitlines()
    assert first == "6 were there already." and "torch" not in last and "rich" not in last


@pytest.mark.slow
def test_what_a_dry_run_says_is_what_happens(photos, tmp_path):
    out = tmp_path / "out"
    words = ("restore", photos, "-o", out, *OPTIONS)
    said = run_gpen(*words, "--dry-run").splitlines()
    size = sum(path.stat().st_size for path in photos.iterdir()) / 1e6
    assert not out.exists() and said[-2] == f"6 pictures of {size:.1f} MB would be done."
    assert "--limit" in said[-1]
    planned = [line.split(" → ")[1] for line in said[:-2]]
    run_gpen(*words, "--limit", 2)
    before = (out / FILE).read_bytes()
    said = run_gpen(*words, "--dry-run").splitlines()
    assert said[-2].endswith("would be done, 2 are there already.") and "at the pace of this job" in said[-1]
    assert (out / FILE).read_bytes() == before
    run_gpen(*words)
    assert sorted(str(path) for path in out.iterdir() if path.name != FILE) == sorted(planned)


@pytest.mark.slow
def test_a_mask_that_has_changed_is_another_job(photos, tmp_path, monkeypatch):
    masks, words = tmp_path / "masks", ("restore", photos, "-o", tmp_path / "out", *OPTIONS)
    masks.mkdir()

    def draw_masks(value: int) -> None:
        for photo in photos.iterdir():
            with Image.open(photo) as own:
                Image.new("L", own.size, value).save(masks / f"{photo.stem}.png")

    draw_masks(0)
    masked = (*words, "--mask", masks)
    assert "0 restored, 5 left alone, 1 without a face, 0 failed." in run_gpen(*masked)
    assert "6 were there already." in run_gpen(*masked)
    time.sleep(0.02)  # at least a tick of the clock of files
    draw_masks(255)
    assert "there already" not in (said := run_gpen(*masked)) and "5 restored" in said
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoPictureError, match=r"There is no gone\.png, the mask not_here"):
        run_gpen("restore", photos, "--not-here", "gone.png")


def test_sheets_that_are_asked_for_later_are_written(photos, tmp_path):
    out = tmp_path / "out"
    words = ("restore", photos, "-o", out, *OPTIONS)
    run_gpen(*words)
    assert "were there" not in run_gpen(*words, "--compare", "--save-faces")
    assert len(list(out.glob("*-compare.png"))) == 6 and len(list(out.glob("*-faces"))) == 5
    assert "6 were there already." in run_gpen(*words, "--compare", "--save-faces")
    assert "6 were there already." in run_gpen(*words)
    assert "6 were there already." not in run_gpen(*words, "--strength", 0.5)


@pytest.mark.slow
def test_names_from_a_list_and_a_pattern(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = sorted(path.name for path in photos.iterdir())
    (tmp_path / "list.txt").write_text("\n".join(f"in/{name}" for name in names[:2]) + "\n\n", encoding="utf-8")
    pattern = ("--pattern", "{parent}/{stem}-new{suffix}")
    run_gpen("restore", "--files-from", "list.txt", "-o", "out", *pattern, *OPTIONS)
    assert sorted(results_of(tmp_path / "out")) == [
        f"in/{Path(name).stem}-new{Path(name).suffix}" for name in names[:2]
    ]
    code = "import sys; from gpen_blocks.gpen.cli import main; sys.argv[0] = 'gpen'; main()"
    command = [sys.executable, "-c", code, "restore", "--files-from", "-", "-o", "out2", *OPTIONS, "--dry-run"]
    done = subprocess.run(
        command, input="\0".join(map(str, photos.iterdir())).encode(), capture_output=True, check=True
    )
    assert b"6 pictures of" in done.stdout and f"{photos / names[0]} → out2/{names[0]}".encode() in done.stdout
    for wrong in (
        "{stem}",
        "../{stem}.png",
        "{name}{suffix}",
        "x{suffix}",
        "{stem}.txt",
        "{stem!r}{suffix",
        "/{stem}.png",
    ):
        with pytest.raises(SettingsError, match="The pattern"):
            run_gpen("restore", photos, "-o", "out3", "--pattern", wrong, *OPTIONS)
    with pytest.raises(SettingsError, match="--pattern needs a folder"):
        run_gpen("restore", photos, *pattern)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--shard", "9/8", "-o", "out"], "The shard is '9/8'"),
        (["--shard", "two", "-o", "out"], "The shard is 'two'"),
        (["--shard", "1/2"], "--shard needs a folder"),
        (["--again", "-o", "one.png"], "--again needs a folder"),
        (["--watch", "--limit", "3", "-o", "out"], "--watch and --limit do not go together"),
        (["--shard", "", "-o", "out"], "The shard is ''"),
        (["--workers", "-1", "-o", "out"], "--workers is -1, and must lie between 0 and 1000"),
        (["--workers", "1001", "-o", "out"], "--workers is 1001"),
        (["--memory", "-1", "-o", "out"], "--memory is -1.0, and must lie between 0 and 100000"),
        (["--memory", "nan", "-o", "out"], "--memory is nan"),
        (["--memory", "inf", "-o", "out"], "--memory is inf"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, told, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=told):
        run_gpen("restore", photos, *words)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", [".", "{photos}/", "{link}", "{photos}/../in", "{photos}"])
@pytest.mark.parametrize("options", [(), ("--watch",), ("--dry-run",)], ids=str)
def test_results_never_take_the_places_of_the_photographs(given, options, photos, tmp_path, monkeypatch):
    """However the folder is called, that is one sentence, and nothing is written."""
    (tmp_path / "link").symlink_to(photos)
    monkeypatch.chdir(photos)
    before = sorted(photos.iterdir())
    with pytest.raises(SettingsError, match="is the folder of the photographs, which the results would replace"):
        run_gpen("restore", photos, "-o", given.format(photos=photos, link=tmp_path / "link"), *OPTIONS, *options)
    assert sorted(photos.iterdir()) == before


def test_other_names_may_lie_beside_the_photographs(photos):
    (photos / "sub").mkdir()
    (photos / "sub" / "e.png").write_bytes(next(photos.glob("*.png")).read_bytes())
    words = ("restore", photos, "-r", *OPTIONS, "--dry-run")
    assert "7 pictures of" in run_gpen(*words, "-o", photos, "--pattern", "{parent}/{stem}-restored{suffix}")
    # In that folder, only this picture would be replaced.
    with pytest.raises(SettingsError, match="the folder of the photographs"):
        run_gpen(*words, photos / "sub", "-o", photos / "sub")


def test_results_in_the_folder_of_the_pictures_are_known_by_whatever_path(photos, tmp_path):
    """Or each call would restore the results of the one before."""
    (tmp_path / "link").symlink_to(photos)
    (photos / "out").mkdir()
    shutil.copy(next(photos.glob("*.png")), photos / "out" / "result.png")
    said = run_gpen("restore", tmp_path / "link", "-r", "-o", photos / "out", *OPTIONS, "--dry-run")
    assert "6 pictures of" in said and "result.png" not in said


def test_folders_in_a_list_are_passed_over(photos, tmp_path, monkeypatch):
    """As `find . -print0` names them; the pictures in them are in the list themselves."""
    monkeypatch.chdir(photos)
    names = [".", "..", "../in", *(path.name for path in photos.iterdir()), "nowhere/.."]
    (tmp_path / "list").write_text("\0".join(names), encoding="utf-8")
    found = inputs.find_inputs([], str(tmp_path / "list"), recursive=False, output=tmp_path / "out")
    assert [str(job.source) for job in found.jobs] == [*names[3:-1], "nowhere/.."]
    assert [str(one.path) for one in found.passed_over] == names[:3]
    assert {one.reason for one in found.passed_over} == {"listed"}
    said = run_gpen("restore", "--files-from", tmp_path / "list", "-o", tmp_path / "out", *OPTIONS, code=1)
    assert "1 failed; skipped: 3 folders in the list." in said and len(results_of(tmp_path / "out")) == 6
    (tmp_path / "list").write_text(".\n", encoding="utf-8")
    with pytest.raises(NoPictureError, match="no name of a picture in"):
        run_gpen("restore", "--files-from", tmp_path / "list", "-o", tmp_path / "out", *OPTIONS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_pipes_sockets_and_devices_are_passed_over(photos, tmp_path):
    """Reading one of them might never end."""
    os.mkfifo(photos / "pipe.jpg")
    (photos / "device.png").symlink_to("/dev/zero")
    (photos / "loop.png").symlink_to(photos / "loop.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(photos / "s.png"))
        run = ("restore", "-o", tmp_path / "out", *OPTIONS, "--dry-run")
        assert "6 pictures of" in run_gpen(*run, photos)
        assert "7 pictures of" in run_gpen(*run, *photos.iterdir()), "the loop is given by name, and will fail"
        (tmp_path / "list").write_text("\n".join(map(str, photos.iterdir())), encoding="utf-8")
        assert "7 pictures of" in run_gpen(*run, "--files-from", tmp_path / "list")
        with pytest.raises(NoPictureError, match="There is no picture in"):
            run_gpen(*run, photos / "pipe.jpg")


@pytest.mark.slow
def test_a_table_of_a_job(photos, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "out"
    (photos / "broken.jpg").write_text("no picture", encoding="utf-8")
    run_gpen("restore", photos, "-o", out, *OPTIONS, code=1)
    for name in ("job.csv", "job.parquet"):
        assert f"→ {tmp_path / name}" in run_gpen("job", out, "--export", tmp_path / name)
    with (tmp_path / "job.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = pyarrow.read_table(tmp_path / "job.parquet").to_pylist()
    assert len(rows) == len(table) == 7
    for row, same in zip(rows, table, strict=True):
        assert row["source"] == same["source"] and json.loads(row["found"]) == same["found"]
        assert row["state"] == same["state"] == ("failed" if "broken" in row["source"] else "done")
        assert len(same["found"]) == (same["faces"] or 0) and bool(same["why"]) == ("broken" in row["source"])


@forks
@pytest.mark.slow
def test_killed_jobs_leave_nothing_half_done(tmp_path):
    """`python benchmarks many.killed` does the same with 50 kills over 60 pictures."""
    found = kill_jobs(tmp_path, pictures=9, kills=4)
    assert found.kills == 4 and found.jobs


@forks
@pytest.mark.slow
def test_shards_at_the_same_time(tmp_path):
    draw_pictures(tmp_path / "in", 12)
    load_models()
    words, log = ("restore", tmp_path / "in", *OPTIONS, "-o"), tmp_path / "log.txt"
    assert end_of(begin((*words, tmp_path / "whole"), log)) == 0
    shards = [begin((*words, tmp_path / "out", "--shard", f"{number}/4"), log) for number in (1, 2, 3, 4)]
    assert [end_of(process) for process in shards] == [0, 0, 0, 0], log.read_text(encoding="utf-8")
    assert results_of(tmp_path / "out") == results_of(tmp_path / "whole")
    assert end_of(begin((*words, tmp_path / "out"), log)) == 0
    assert log.read_text(encoding="utf-8").splitlines()[-1] == "12 were there already."


@forks
@pytest.mark.slow
def test_an_interrupt_leaves_a_report_and_the_next_call_goes_on(photos, tmp_path):
    load_models()
    words = ("restore", photos, "-o", tmp_path / "out", *OPTIONS, "--report", tmp_path / "report.json")
    process = begin(words, tmp_path / "log.txt")
    while not results_of(tmp_path / "out"):
        time.sleep(0.01)
    os.kill(process, signal.SIGINT)
    assert end_of(process) == 130
    said = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "Interrupted; all written files are complete. The same command goes on with the rest." in said
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    with Journal.read(tmp_path / "out") as journal:
        states = [entry.state for entry in journal.entries().values()]
    assert states.count("done") >= len(told["pictures"]) and "working" not in states
    assert not list((tmp_path / "out").glob(".*.tmp"))
    assert f"{states.count('done')} " in run_gpen(*words)
    assert len(json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["pictures"]) == 6


def test_an_interrupt_before_the_first_picture_leaves_a_report(photos, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restoring, "find_inputs", interrupt)
    said = run_gpen("restore", photos, "-o", tmp_path / "out", "--report", tmp_path / "report.json", code=130)
    assert "Interrupted" in said
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["pictures"] == []


@contextmanager
def mounted(disk: Path, options: str) -> Iterator[Callable[[str], object]]:
    """A real disk, where this system lets us mount one; yields what mounts it again with other options."""
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", options, "tmpfs", disk)
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield lambda changed: subprocess.run(["mount", "-o", f"remount,{changed}", disk], check=True)
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_disk_that_is_full_stops_the_job(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_WRITE_EVERY", 0.0)  # or a fast machine fills the disk before the first row
    disk = tmp_path / "disk"
    with mounted(disk, "size=300k") as remount:
        # One after another: of several at once, the first to end may be the one for which there is no room.
        words = ("restore", photos, "-o", disk / "out", "--workers", 1, *OPTIONS)
        with pytest.raises(JobError, match=r"is full, so the job stops|database or disk is full"):
            run_gpen(*words)
        with Journal.read(disk / "out") as journal:
            done = [entry for entry in journal.entries().values() if entry.state == "done"]
        assert 0 < len(done) < 6 and all(Path(entry.output or "").stat().st_size == entry.output_size for entry in done)
        remount("size=20m")
        assert f"{len(done)} w" in run_gpen(*words)
        assert len(results_of(disk / "out")) == 6


@pytest.mark.slow
def test_a_disk_that_is_read_only_is_a_sentence_and_can_be_looked_at(photos, tmp_path):
    disk = tmp_path / "disk"
    with mounted(disk, "size=20m") as remount:
        words = ("restore", photos, "-o", disk / "out", *OPTIONS)
        run_gpen(*words, "--limit", 2)
        remount("ro")
        with pytest.raises(JobError, match=r"is not writable|cannot be written"):
            run_gpen(*words)
        for folder in ("out", "new", "new/deep"):
            with pytest.raises(JobError, match=f"{folder} is not writable; choose another --output"):
                run_gpen("restore", photos, "-o", disk / folder, *OPTIONS, "--again")
        assert "2 of 6 pictures done" in run_gpen("job", disk / "out")


@pytest.mark.slow
def test_a_folder_that_fills_is_waited_for(photos, tmp_path):
    """A file is taken when it is complete, also if its copy halts for long; Ctrl-C is the usual end."""
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    inbox.mkdir()
    first, second = sorted(photos.iterdir())[:2]
    waited: dict[str, float] = {}

    def wait_for(name: str) -> None:
        began = time.monotonic()
        while name not in results_of(out) and time.monotonic() < began + 60:
            time.sleep(0.05)
        waited[name] = time.monotonic() - began

    def fill() -> None:
        shutil.copyfile(first, inbox / first.name)
        wait_for(first.name)
        content = second.read_bytes()
        with (inbox / second.name).open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            time.sleep(2 * inputs.QUIET if sys.platform == "linux" else 0)
            file.write(content[len(content) // 2 :])
        wait_for(second.name)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    out.mkdir()
    filler = threading.Thread(target=fill)
    filler.start()
    said = run_gpen("restore", inbox, "-o", out, "--watch", *OPTIONS)
    filler.join()
    assert "Waiting for pictures" in said and "Waiting has ended; all written files are complete." in said
    assert sorted(results_of(out)) == [first.name, second.name] and "cut off" not in said
    assert inputs.QUIET - 0.5 < waited[second.name] < 15, "two seconds of rest, and what a busy machine takes"


def test_when_a_file_is_complete(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(inputs.time, "monotonic", lambda: now[0])
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    jobs, settling = [Job(path, Path("a.png"))], inputs.Settling()

    def after(seconds: float) -> bool:
        now[0] += seconds
        return bool(settling.settled(jobs))

    assert [after(0), after(1.9), after(0.1), after(5)] == [False, False, True, False]
    path.write_bytes(b"xy")
    assert [after(10), after(1.9), after(0.1)] == [False, False, True], "however long nobody has looked"
    path.write_bytes(b"")
    assert [after(1), after(9)] == [False, False]
    with path.open("wb") as file:
        file.write(b"xyz")
        file.flush()
        assert inputs.is_being_written(str(path)) == (sys.platform == "linux")
        assert [after(1), after(9)] == [False, sys.platform != "linux"]
    assert not inputs.is_being_written(str(path)) and after(0) == (sys.platform == "linux")


def test_a_folder_that_is_not_there_is_not_waited_for(tmp_path):
    with pytest.raises(NoPictureError, match=r"There is no folder .*nowhere to wait for pictures in"):
        run_gpen("restore", tmp_path / "nowhere", "-o", tmp_path / "out", "--watch")
    assert not (tmp_path / "out").exists()


def test_progress_in_words(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    pace = bars.Pace(500)
    assert pace.words == "0 of 500 pictures"
    for number in range(20):
        pace.count(Path(f"{number}.png"), 2)
    now[0] += 10
    assert pace.words == "20 of 500 pictures, 4.0 faces a second, 4 min 0 s left"
    # Half of the work on a picture counts as half a picture.
    pace = bars.Pace(3)
    pace.count_within(Path("1.png"), "detect", 1, 1)
    assert pace.reached == 0.48 and pace.words == "0 of 3 pictures"
    now[0] += 10
    pace.count(Path("0.png"), 1)
    assert pace.reached == 1.48 and pace.words == "1 of 3 pictures, 0.1 faces a second, 10 s left"
    pace.count(Path("1.png"), 0)
    assert pace.reached == 2
    # A network that enlarges takes most of the time.
    pace = bars.Pace(1, {"upscale": 2, "background": "net.pth"})
    pace.count_within(Path("1.png"), "detail", 1, 1)
    assert pace.reached == pytest.approx(92 / 500)
    pace.count_within(Path("1.png"), "enlarge", 1, 2)
    assert pace.reached == pytest.approx(292 / 500)
    told = [bars.pace_in_words(*done) for done in ((100, 120, 60.0), (100, 0, 50.0), (3, 1, 600.0))]
    assert told == ["2.0 faces a second", "2.0 pictures a second", "200.0 s a picture"]
    assert [bars.duration(seconds) for seconds in (7.4, 3599, 7260, 200_000)] == [
        *("7 s", "59 min 59 s", "2 h 1 min", "2 days 7 h")
    ]
    said: list[str] = []
    monkeypatch.setattr(bars, "say_error", said.append)
    with bars.pace_bar(100) as bar:
        for number in range(90):
            now[0] += 1
            bar.count(Path(f"{number}.png"), 1)
    assert [line.split(",")[0] for line in said] == ["30 of 100 pictures", "60 of 100 pictures", "90 of 100 pictures"]

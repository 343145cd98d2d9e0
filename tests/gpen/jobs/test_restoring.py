"""From tasks to files in place: the results of `restore_files` are those of one picture after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.jobs.areas import AreaFiles
from gpen_blocks.gpen.jobs.plan import Targets
from gpen_blocks.gpen.jobs.restoring import restore_files
from gpen_blocks.gpen.jobs.tasks import Outcome, Task
from gpen_blocks.gpen.restorer import Restorer
from gpen_blocks.gpen.sheets import restoration_sheet, to_pil

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager")


@pytest.fixture(scope="module")
def sources(examples, tmp_path_factory) -> list[Path]:
    """Four pictures with one or two faces, one without a face between them, and one that is broken."""
    folder = tmp_path_factory.mktemp("sources")
    face = Image.open(examples / "portrait-degraded.jpg").convert("RGB")
    pair = Image.new("RGB", (480, 240))
    for x in (0, 240):
        pair.paste(face.resize((240, 240)), (x, 0))
    pictures = [face.resize((320, 320)), None, Image.new("RGB", (200, 150), (90, 90, 90)), pair, face, pair.rotate(3)]
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(folder / f"{number}.png")
        if picture is None:
            paths[-1].write_bytes(b"no picture")
        else:
            picture.save(paths[-1])
    return paths


def tasks_of(sources: list[Path], folder: Path, beside: Callable[[Path], tuple[Path, ...]] = lambda path: ()):
    mains = [folder / source.name for source in sources]
    return [Task(source, Targets(main, beside(main))) for source, main in zip(sources, mains, strict=True)]


def bytes_of(outcomes: list[Outcome]) -> list[bytes | None]:
    mains = [outcome.task.targets.main for outcome in outcomes]
    return [main.read_bytes() if main.exists() else None for main in mains]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread, as for a file among many."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_by_one(restorer, sources, tmp_path_factory) -> list[bytes | None]:
    """What one picture after another gives, with one thread of torch."""
    target, found = tmp_path_factory.mktemp("alone") / "alone.png", []
    with one_thread():
        for source in sources:
            if source.read_bytes() == b"no picture":
                found.append(None)
                continue
            restorer.restore(source).save(target)
            found.append(target.read_bytes())
    return found


@pytest.mark.parametrize("workers", [1, 4])
def test_the_files_are_those_of_one_picture_after_another(restorer, sources, one_by_one, tmp_path, workers):
    tasks = tasks_of(sources, tmp_path)
    outcomes = list(restore_files(iter(tasks), restorer, workers=workers))
    assert [outcome.task for outcome in outcomes] == tasks
    assert bytes_of(outcomes) == one_by_one
    broken = outcomes.pop(1)
    assert broken.report is None and "1.png" in str(broken.error)
    for outcome in outcomes:
        assert outcome.error is None and outcome.report is not None and outcome.seconds > 0
        alone = restorer.restore(outcome.task.source).report
        for name in ("faces", "notes", "size", "backend", "settings"):
            assert outcome.report[name] == alone[name]
        assert outcome.report["output"] == str(outcome.task.targets.main)
        assert set(outcome.report["seconds"]) >= {"read", "detect"}


def test_a_pass_of_faces_of_several_pictures_gives_the_same_whatever_shares_it(restorer, sources, one_by_one, tmp_path):
    every = list(restore_files(tasks_of(sources, tmp_path / "every"), restorer, batch_size=4, workers=3))
    some = list(restore_files(tasks_of(sources[:2:-1], tmp_path / "some"), restorer, batch_size=4, workers=1))
    assert bytes_of(some) == bytes_of(every)[:2:-1]
    for outcome, alone in zip(every, one_by_one, strict=True):
        if alone is not None:
            pixels = read_picture(outcome.task.targets.main).to_array().astype(int)
            (outcome.task.targets.main.with_suffix(".alone.png")).write_bytes(alone)
            reference = read_picture(outcome.task.targets.main.with_suffix(".alone.png")).to_array()
            assert np.abs(pixels - reference).max() <= 1


def test_pictures_wait_for_memory(restorer, sources, tmp_path):
    """With room for one only, none is begun before the one before it is written."""

    def most_at_once(memory: int) -> int:
        open_tasks: set[Task] = set()
        most = 0

        def note(task: Task, stage: str, done: int, total: int) -> None:
            nonlocal most
            open_tasks.add(task)
            most = max(most, len(open_tasks))

        for outcome in restore_files(
            tasks_of([sources[0], sources[3]] * 3, tmp_path), restorer, workers=3, memory=memory, progress=note
        ):
            open_tasks.discard(outcome.task)
        return most

    assert most_at_once(1) == 1
    assert most_at_once(1 << 40) > 1


def test_each_worker_has_its_share_of_the_threads(restorer, sources, tmp_path):
    before = torch.get_num_threads(), cv2.getNumThreads()
    seen: set[tuple[int, int]] = set()

    def note(task: Task, stage: str, done: int, total: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        seen.add((torch.get_num_threads(), cv2.getNumThreads()))

    list(restore_files(tasks_of(sources[:1], tmp_path), restorer, workers=2, progress=note))
    assert seen == {(2, 2)}
    seen.clear()
    list(restore_files(tasks_of(sources[2:5], tmp_path), restorer, workers=2, progress=note))
    assert seen == {(1, 1)}
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_nothing_to_do(restorer):
    assert list(restore_files([], restorer)) == []


def test_it_ends_soon_when_nobody_waits_any_more(restorer, sources, tmp_path):
    before = threading.active_count()
    begun = threading.Event()
    outcomes = restore_files(tasks_of(sources * 5, tmp_path), restorer, workers=3, progress=lambda *_: begun.set())
    next(outcomes)
    begun.wait(20)
    start = time.perf_counter()
    outcomes.close()
    assert time.perf_counter() - start < 5  # on a busy machine; a picture takes a second
    assert threading.active_count() == before
    assert not list(tmp_path.glob("*.tmp")) and not list(tmp_path.glob(".*"))


def test_an_error_of_the_progress_is_that_of_its_picture(restorer, sources, tmp_path):
    def stop(task: Task, stage: str, done: int, total: int) -> None:
        if task.source == sources[3]:
            raise ValueError("not this one")

    outcomes = list(restore_files(tasks_of(sources[2:5], tmp_path), restorer, workers=2, progress=stop))
    assert [str(outcome.error) for outcome in outcomes] == ["None", "not this one", "None"]
    assert not outcomes[1].task.targets.main.exists()


def test_a_target_that_cannot_be_written_is_an_error_of_its_picture(restorer, sources, tmp_path):
    tasks = tasks_of(sources[2:5], tmp_path)
    tasks[1].targets.main.mkdir()
    outcomes = list(restore_files(tasks, restorer, workers=2))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "is a folder" in str(outcomes[1].error)


def test_sheets_and_crops_are_written_beside(restorer, sources, tmp_path):
    def beside(main: Path) -> tuple[Path, ...]:
        return main.with_name(f"{main.stem}-compare.png"), main.with_name(f"{main.stem}-faces")

    tasks = tasks_of([sources[2], sources[3]], tmp_path, beside)
    plain, pair = restore_files(tasks, restorer, compare=True, save_faces=True, pictures=20)
    assert plain.report is not None and pair.report is not None
    assert plain.report["face_files"] == []
    names = [Path(path).name for path in pair.report["face_files"]]
    assert names == ["face00-before.png", "face01-before.png", "face00-after.png", "face01-after.png"]
    with one_thread():
        alone = restorer.restore(sources[3])
    sheet, folder = beside(pair.task.targets.main)
    assert pair.report["compare"] == str(sheet)
    with Image.open(sheet) as shown, Image.open(folder / "face01-after.png") as crop:
        assert np.array_equal(np.asarray(shown), np.asarray(restoration_sheet(alone)))
        assert np.array_equal(np.asarray(crop), np.asarray(to_pil(alone.after[1:])))


def test_pictures_change_only_in_their_areas(restorer, sources, tmp_path):
    """One mask for each, a picture without one is an error of its own, and pages have the mask of their file."""
    masks, pages = tmp_path / "masks", tmp_path / "pages.tif"
    masks.mkdir()
    with tifffile.TiffWriter(pages) as file:
        for _ in range(2):
            file.write(np.asarray(Image.open(sources[4]).convert("RGB")), photometric="rgb")
    given = [sources[0], sources[4], pages]
    for source in given[1:]:
        Image.new("L", Image.open(source).size, 0).save(masks / f"{source.stem}.png")
    done = list(restore_files(tasks_of(given, tmp_path), restorer, areas=AreaFiles(masks)))
    assert "has no mask for 0.png" in str(done[0].error)
    assert done[1].report is not None and done[2].report is not None
    faces = [*done[1].report["faces"], *done[2].report["faces"]]
    assert len(faces) == 3 and {face["skipped"] for face in faces} == {"it lies where nothing may change"}


def test_the_pages_of_a_tiff_keep_together(restorer, sources, tmp_path):
    pages = tmp_path / "pages.tif"
    with tifffile.TiffWriter(pages) as file:
        for source in (sources[0], sources[2], sources[3]):
            file.write(np.asarray(Image.open(source)), photometric="rgb")
    tasks = [Task(pages, Targets(tmp_path / "out.tif")), *tasks_of(sources[:1], tmp_path)]
    for batch_size in (0, 2):
        outcome, other = restore_files(tasks, restorer, workers=2, batch_size=batch_size)
        assert outcome.report is not None and other.error is None
        assert outcome.report["pages"] == 3
        assert {face["page"] for face in outcome.report["faces"] if face["restored"]} == {0, 2}
        alone = restorer.restore(sources[3], batch_size=batch_size)
        assert alone.picture is not None
        third = read_picture(tmp_path / "out.tif", page=2)
        assert np.array_equal(third.to_array(), alone.picture.to_array())

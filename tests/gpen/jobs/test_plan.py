"""Which pictures are worked on, and that no two results have one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpen_blocks.gpen.errors import ImageError, NoPictureError
from gpen_blocks.gpen.jobs.collect import Job, collect
from gpen_blocks.gpen.jobs.plan import Targets, plan


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"picture")


def jobs_of(folder: Path, *names: str) -> list[Job]:
    touch(folder, *names)
    return [Job(folder / name, Path(name)) for name in names]


def mains(planned: dict[Job, Targets]) -> list[str]:
    return [targets.main.name for targets in planned.values()]


def test_what_a_folder_holds_beside_pictures_is_passed_over_with_a_reason(tmp_path):
    touch(tmp_path, "a.jpg", "b.PNG", "notes.txt", ".hidden.jpg", "._a.jpg", "a-restored.jpg", "a-restored-2.jpg")
    touch(tmp_path, "a-restored-compare.png", "b-faces.png", "c-faces.png", "sub/d.jpg", ".git/e.jpg")
    touch(tmp_path, "a-restored-faces/face00-after.png", "out/a.jpg", "a.jpg-compare.png", "b-restored-12-compare.png")
    jobs, passed_over = collect([str(tmp_path)], recursive=False)
    assert [job.source.name for job in jobs] == ["a.jpg", "b.PNG", "c-faces.png"]
    reasons = {one.path.relative_to(tmp_path).as_posix(): one.reason for one in passed_over}
    assert reasons == {
        "notes.txt": "other",
        ".hidden.jpg": "hidden",
        "._a.jpg": "hidden",
        ".git": "hidden",
        "sub": "folder",
        "out": "folder",
        "a-restored-faces": "result",
        **dict.fromkeys(("a-restored.jpg", "a-restored-2.jpg", "a-restored-compare.png", "b-faces.png"), "result"),
        **dict.fromkeys(("a.jpg-compare.png", "b-restored-12-compare.png"), "result"),
    }
    jobs, passed_over = collect([str(tmp_path)], recursive=True, output=tmp_path / "out")
    assert [str(job.relative) for job in jobs] == ["a.jpg", "b.PNG", "c-faces.png", str(Path("sub/d.jpg"))]
    assert ("out", "result") in {(one.path.name, one.reason) for one in passed_over}


def test_a_named_file_is_taken_whatever_it_is_called(tmp_path):
    touch(tmp_path, ".hidden.jpg", "words.txt", "a.jpg", "a-restored.jpg")
    named = [str(tmp_path / name) for name in (".hidden.jpg", "words.txt", "a-restored.jpg")]
    jobs, passed_over = collect([*named, named[0]], recursive=False)
    assert [str(job.source) for job in jobs] == named and not passed_over
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoPictureError, match="no picture"):
        collect([str(tmp_path / "empty")], recursive=True)


def test_results_whose_names_collide_get_names_of_their_own(tmp_path):
    """Also where only a file system that tells no cases apart would lay one over the other."""
    out = tmp_path / "out"
    jobs = jobs_of(tmp_path, "a.jpg", "A.JPG", "a.heic", "a.png", "x/b.jpg", "\u00e9.jpg", "e\u0301.jpg")
    planned, faults = plan(jobs, out, "-restored", overwrite=False)
    assert not faults
    assert mains(planned) == ["a.jpg", "A-2.JPG", "a.png", "a-2.png", "b.jpg", "\u00e9.jpg", "e\u0301-2.jpg"]
    planned, faults = plan(jobs[:2], None, "-restored", overwrite=False)
    assert not faults and mains(planned) == ["a-restored.jpg", "A-restored-2.JPG"]
    two_folders = [Job(tmp_path / folder / "a.jpg", Path("a.jpg")) for folder in ("x", "y")]
    assert mains(plan(two_folders, out, "", overwrite=False)[0]) == ["a.jpg", "a-2.jpg"]


def test_what_lies_beside_a_result_is_planned_with_it(tmp_path):
    planned, _ = plan(
        jobs_of(tmp_path, "a.jpg", "a.png"), tmp_path / "out", "", ("-compare.png", "-faces"), overwrite=False
    )
    assert [[path.name for path in targets.beside] for targets in planned.values()] == [
        ["a-compare.png", "a-faces"],
        ["a.png-compare.png", "a.png-faces"],
    ]


def test_no_photograph_is_replaced_by_a_result(tmp_path):
    """Neither its own, nor that of another one, even with `overwrite`."""
    jobs = jobs_of(tmp_path, "a.jpg", "a-restored.jpg", "b.jpg")
    planned, faults = plan(jobs, None, "-restored", overwrite=True)
    assert [job.source.name for job in faults] == ["a.jpg"]
    assert "would overwrite the photograph" in str(faults[jobs[0]]) and "a-restored.jpg" in str(faults[jobs[0]])
    assert mains(planned) == ["a-restored-restored.jpg", "b-restored.jpg"]
    assert len(plan(jobs, tmp_path, "", overwrite=True)[1]) == 3
    assert len(plan(jobs[:1], tmp_path / "a.jpg", "", overwrite=True)[1]) == 1


def test_what_exists_is_known_before_any_work(tmp_path):
    jobs = jobs_of(tmp_path, *(f"{number}.jpg" for number in range(5)))
    touch(tmp_path, "out/3.jpg")
    planned, faults = plan(jobs, tmp_path / "out", "", overwrite=False)
    assert list(faults) == [jobs[3]] and "already exists" in str(faults[jobs[3]])
    assert len(planned) == 4
    assert not plan(jobs, tmp_path / "out", "", overwrite=True)[1]


def test_a_pictures_name_for_several_results_is_refused(tmp_path):
    jobs = [Job(tmp_path / name, Path(name)) for name in ("a.png", "b.png")]
    with pytest.raises(ImageError, match="is one file for 2 pictures"):
        plan(jobs, tmp_path / "two.png", "-restored", overwrite=False)
    planned, _ = plan(jobs, tmp_path / "results.d", "-restored", overwrite=False)
    assert [targets.main.name for targets in planned.values()] == ["a.png", "b.png"]

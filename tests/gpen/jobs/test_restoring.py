"""From tasks to files in place: the results of `restore_files` are those of one picture after another."""

from pathlib import Path

import pytest
from PIL import Image

from gpen_blocks.gpen.jobs.plan import Targets
from gpen_blocks.gpen.jobs.restoring import restore_files
from gpen_blocks.gpen.jobs.tasks import Task
from gpen_blocks.gpen.restorer import Restorer


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager")


@pytest.fixture
def sources(examples, tmp_path) -> list[Path]:
    """Three pictures with a face of different sizes, one without a face, and one that is broken."""
    face = Image.open(examples / "portrait-degraded.jpg").convert("RGB")
    paths = []
    for number, side in enumerate((512, 300, 400)):
        paths.append(tmp_path / f"face{number}.png")
        face.resize((side, side)).save(paths[-1])
    paths.insert(1, tmp_path / "broken.jpg")
    paths[1].write_bytes(b"no picture")
    paths.insert(2, tmp_path / "plain.png")
    Image.new("RGB", (200, 150), (90, 90, 90)).save(paths[2])
    return paths


def tasks_of(sources: list[Path], folder: Path) -> list[Task]:
    return [Task(source, Targets(folder / source.with_suffix(".png").name)) for source in sources]


def test_the_files_are_those_of_one_picture_after_another(restorer, sources, tmp_path):
    tasks = tasks_of(sources, tmp_path / "results")
    outcomes = list(restore_files(tasks, restorer))
    assert [outcome.task for outcome in outcomes] == tasks
    for outcome in outcomes:
        source, target = outcome.task.source, outcome.task.targets.main
        if source.name == "broken.jpg":
            assert outcome.report is None and "broken.jpg" in str(outcome.error) and not target.exists()
            continue
        assert outcome.error is None and outcome.report is not None
        alone = restorer.restore(source)
        alone.save(tmp_path / "alone.png")
        assert target.read_bytes() == (tmp_path / "alone.png").read_bytes()
        assert outcome.report["faces"] == alone.report["faces"] and outcome.report["output"] == str(target)

"""The examples in the docstrings of what people call run as they stand."""

from __future__ import annotations

import doctest
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gpen_blocks import Restorer
from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.local_adaptive import enhance
from gpen_blocks.gpen.detail.spectrum import analyze
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.detect import detect
from gpen_blocks.gpen.faces.paste import paste_faces
from gpen_blocks.gpen.images import read_picture, write_picture
from gpen_blocks.gpen.model_files import model_hashes
from gpen_blocks.gpen.models import load_detector, load_generator
from gpen_blocks.gpen.network import build_generator
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.stages import find_faces
from gpen_blocks.gpen.video.segmenting import plan_segments
from gpen_blocks.gpen.video.trim import Trim

ROOT = Path(__file__).resolve().parents[1]
CALLED = [
    *(
        Restorer,
        Restorer.restore,
        Restorer.live,
        Restorer.restore_crops,
        load_generator,
        load_detector,
        build_generator,
    ),
    *(detect, find_faces, align_faces, restore_crops, analyze, blend, enhance, paste_faces),
    *(read_picture, write_picture, model_hashes, plan_segments, Trim.parse),
]


def examples_of(called: Callable) -> doctest.DocTest:
    """The examples of one function or class; they import what they use."""
    return doctest.DocTestParser().get_doctest(called.__doc__ or "", {}, called.__qualname__, None, 0)


@pytest.mark.parametrize("called", CALLED, ids=lambda called: called.__qualname__)
def test_examples_run_as_they_stand(called: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From the root of a checkout, of which they need the photograph; what they write goes elsewhere."""
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "portrait-degraded.jpg", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    examples = examples_of(called)
    assert examples.examples
    told: list[str] = []
    assert not doctest.DocTestRunner().run(examples, out=told.append).failed, "".join(told)


def test_no_example_is_left_out():
    ours = {sys.modules[called.__module__].__file__ for called in CALLED}
    sources = (path for top in ("gpen", "weights", "nodes") for path in (ROOT / top).rglob("*.py"))
    shown = {str(path) for path in sources if ">>> " in path.read_text(encoding="utf-8")}
    assert shown == ours
    runs = sum(len(examples_of(called).examples) for called in CALLED)
    assert runs == sum(Path(file).read_text(encoding="utf-8").count(">>> ") for file in shown)

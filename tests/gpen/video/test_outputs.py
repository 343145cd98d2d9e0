"""Where results go: nothing of somebody else is replaced, and what an earlier call began is taken for its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from videos import FRAMES, make_video

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video import outputs, segmenting
from gpen_blocks.gpen.video.restoring import restore_video


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(segmenting, "LENGTH", 10)


@pytest.fixture(scope="module")
def faceless(tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("clips") / "faceless.mkv", times=range(0, 40 * FRAMES, 40), same=True)


@pytest.mark.slow
@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_stays(restorer, faceless, tmp_path, monkeypatch, links):
    target = tmp_path / "out.mkv"
    if not links:

        def refuse(*names):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(outputs.os, "link", refuse)

    def put(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("restore", FRAMES):
            target.write_bytes(b"mine")

    with pytest.raises(VideoError, match=r"out\.mkv is there already"):
        restore_video(faceless, target, restorer, progress=put)
    assert target.read_bytes() == b"mine"
    target.unlink()
    began: list[str] = []
    restore_video(faceless, target, restorer, progress=lambda stage, done, total: began.append(stage))
    assert not began and [path.name for path in tmp_path.iterdir()] == ["out.mkv"], "the parts were there"


@pytest.mark.slow
def test_a_sequence_goes_on_after_a_stop_within_a_segment(restorer, faceless, tmp_path):
    folder, whole = tmp_path / "out", tmp_path / "whole"

    def halt(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("restore", 15):
            raise KeyboardInterrupt

    restore_video(faceless, whole, restorer)
    with pytest.raises(KeyboardInterrupt):
        restore_video(faceless, folder, restorer, progress=halt)
    assert 10 < len(list(folder.iterdir())) < FRAMES
    foreign = folder / f"frame_{FRAMES:06d}.png"
    foreign.write_bytes(b"mine")
    with pytest.raises(VideoError, match="is there already"):
        restore_video(faceless, folder, restorer)
    assert foreign.read_bytes() == b"mine"
    foreign.unlink()
    restore_video(faceless, folder, restorer)
    names = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == names and len(names) == FRAMES
    for name in names:
        with Image.open(folder / name) as one, Image.open(whole / name) as other:
            assert np.array_equal(np.asarray(one), np.asarray(other))

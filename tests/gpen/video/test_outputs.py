"""Where results go: nothing of somebody else is replaced, and what an earlier call began is taken for its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from videos import FRAMES, make_video

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video import outputs, segmenting
from gpen_blocks.gpen.video.files import EncoderSettings, read_info
from gpen_blocks.gpen.video.outputs import choose_output, usual_target
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
    done: set[tuple[str, int]] = set()
    restore_video(faceless, target, restorer, progress=lambda stage, number, total: done.add((stage, number)))
    # The parts were there.
    assert done == {("restore", FRAMES)} and [path.name for path in tmp_path.iterdir()] == ["out.mkv"]


@pytest.mark.slow
def test_a_sequence_goes_on_after_a_stop_within_a_segment(restorer, faceless, tmp_path):
    folder, whole = tmp_path / "out", tmp_path / "whole"
    folder.mkdir()
    whole.mkdir()

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


def test_without_a_name_the_result_is_of_the_sources_kind(tmp_path):
    for suffix in (".mp4", ".mkv", ".ts"):
        video = make_video(tmp_path / f"video{suffix}", times=(0, 40))
        assert usual_target(video) == tmp_path / f"video-restored{suffix}"
        for other in ("without", "with.other"):
            path = tmp_path / other
            path.write_bytes(video.read_bytes())
            assert usual_target(path) == tmp_path / f"{path.stem}-restored{suffix}"
    (tmp_path / "frames").mkdir()
    assert usual_target(tmp_path / "frames") == tmp_path / "frames-restored"
    assert usual_target(tmp_path / "a_%03d.png") == tmp_path / "a_%03d-restored.png"


def test_folders_without_a_name_of_their_own(tmp_path, monkeypatch):
    (tmp_path / "frames").mkdir()
    monkeypatch.chdir(tmp_path / "frames")
    assert usual_target(Path()) == tmp_path / "frames-restored"
    assert usual_target(Path("..")) == tmp_path.with_name(f"{tmp_path.name}-restored")
    root = Path(tmp_path.anchor)
    with pytest.raises(VideoError, match="no name"):
        usual_target(root)
    info = read_info(make_video(tmp_path / "video.mp4", times=(0, 40)))
    with pytest.raises(VideoError, match="no name"):
        choose_output(info, root, EncoderSettings(), print, overwrite=False)


def test_a_name_without_a_suffix_is_no_folder_by_chance(tmp_path):
    info = read_info(make_video(tmp_path / "video.mkv", times=(0, 40)))
    new, there = tmp_path / "new", tmp_path / "there"
    there.mkdir()

    def kind(target: str | Path) -> str:
        return choose_output(info, target, EncoderSettings(), print, overwrite=False).described["encoder"]

    with pytest.raises(VideoError, match=r"new has no suffix: name a file such as .*new\.mkv, or .*new/ for a folder"):
        kind(new)
    assert kind(f"{new}/") == kind(there) == kind(tmp_path / "%d.png") == "pictures"
    assert kind(tmp_path / "new.mkv") == "libx264"

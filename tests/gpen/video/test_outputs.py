"""Where results go: nothing of somebody else is replaced, and what an earlier call began is taken for its own."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from videos import FRAMES, make_video

from gpen_blocks.gpen.errors import SettingsError, VideoError
from gpen_blocks.gpen.restorer import Restorer
from gpen_blocks.gpen.video import outputs, segmenting
from gpen_blocks.gpen.video.files import EncoderSettings, read_info
from gpen_blocks.gpen.video.outputs import choose_output, usual_target
from gpen_blocks.gpen.video.parts import Parts
from gpen_blocks.gpen.video.restoring import restore_video
from gpen_blocks.gpen.video.trim import Trim


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


@pytest.mark.slow
@pytest.mark.parametrize("at", ["named", "removing"])
def test_a_result_that_is_whole_after_a_kill_is_taken_for_its_own(restorer, faceless, tmp_path, monkeypatch, at):
    """The kill came after the result got its name, before its parts were gone, or while they went."""
    target = tmp_path / "out.mkv"

    class KillError(BaseException):
        pass

    def kill(parts: Parts) -> None:
        if at == "removing":
            for name in ("order.json", "tracks.npz", "segment-00000.nut"):
                (parts.folder / name).unlink()
        raise KillError

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "remove", kill)
        with pytest.raises(KillError):
            restore_video(faceless, target, restorer)
    whole, folder = target.read_bytes(), tmp_path / "out.mkv.parts"
    assert folder.is_dir()
    worked: list[str] = []
    weaker = Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager", strength=0.5)
    if at == "named":
        shutil.copytree(folder, tmp_path / "kept")
        with pytest.raises(VideoError, match="is there already"):
            restore_video(faceless, target, weaker)
        assert not folder.exists()
        (tmp_path / "kept").rename(folder)
    report = restore_video(faceless, target, restorer, progress=lambda stage, done, total: worked.append(stage))
    assert not worked and report["frames"] == FRAMES and report["output"] == str(target)
    assert target.read_bytes() == whole and [path.name for path in tmp_path.iterdir()] == ["out.mkv"]
    with pytest.raises(VideoError, match="is there already"):
        restore_video(faceless, target, restorer)


@pytest.mark.slow
def test_a_refused_call_leaves_no_parts(restorer, faceless, tmp_path):
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    out.mkdir()
    for number, width in enumerate((64, 64, 80)):
        Image.new("RGB", (width, 48)).save(frames / f"{number}.png")
    with pytest.raises(VideoError, match="all must have one size"):
        restore_video(frames, tmp_path / "out.mkv", restorer)
    with pytest.raises(VideoError, match=r"No frame of .* begins"):
        restore_video(faceless, tmp_path / "out.mkv", restorer, trim=Trim(0.1, 0.1001))
    for codec in ("mp3", "prores"):
        with pytest.raises((VideoError, SettingsError)):
            restore_video(faceless, tmp_path / "out.mp4", restorer, encoding=EncoderSettings(codec))
    (out / "frame_000001.png").write_bytes(b"mine")
    worked: list[str] = []
    with pytest.raises(VideoError, match="is there already"):
        restore_video(faceless, out, restorer, progress=lambda stage, done, total: worked.append(stage))
    assert not worked
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "out"]
    report = restore_video(faceless, tmp_path / "out.mkv", restorer, trim=Trim(0, 0.2))
    assert not any("earlier" in note for note in report["notes"])


def test_a_part_without_a_frame_is_told_as_it_is():
    times = np.arange(25) * 40
    with pytest.raises(VideoError, match=r"No frame of a\.mp4 begins in the part from 0\.1 to 0\.1001 s; the next one"):
        Trim(0.1, 0.1001).frames_of(Path("a.mp4"), times, Fraction(1, 1000))
    with pytest.raises(VideoError, match=r"no frame from 1 s on; its last one begins at 0\.96 s"):
        Trim(1.0).frames_of(Path("a.mp4"), times, Fraction(1, 1000))


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

"""What fails in some frames leaves these as they were; what is wrong with the machine stops the work."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from command import run_gpen
from videos import FACELESS, FRAMES, planes

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video import failures, segmenting
from gpen_blocks.gpen.video.files import EncoderSettings
from gpen_blocks.gpen.video.restoring import restore_video
from gpen_blocks.gpen.video.steady import SteadyChain
from gpen_blocks.gpen.video.steady.looking import Eye

LOSSLESS = EncoderSettings(codec="ffv1")
# Segments begin at frames 0, 8 (a cut) and 18; windows at 0, 8, 16, 18 and 26.
FAILING = range(18, 26)


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(segmenting, "LENGTH", 10)


@pytest.fixture
def failing(monkeypatch):
    """Let a step raise in windows that begin with one of these frames."""

    def let_fail(step: str, error: BaseException, firsts=(FAILING[0],)) -> None:
        real = getattr(SteadyChain, step)

        def run(self, work, *more):
            if work.numbers[0] in firsts:
                raise error
            return real(self, work, *more)

        monkeypatch.setattr(SteadyChain, step, run)

    return let_fail


def changed(clip, path) -> list[int]:
    pairs = zip(planes(clip), planes(path), strict=True)
    assert all(time == other for (time, _), (other, _) in zip(planes(clip), planes(path), strict=True))
    return [number for number, ((_, one), (_, other)) in enumerate(pairs) if not np.array_equal(one, other)]


STEPS = ("cut_frames", "judge_frames", "settle_frames", "shape_frames", "carry_frames", "paste_frames")


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_window_that_fails_stays_as_it_was(restorer, clip, tmp_path, failing, step):
    failing(step, MemoryError("out of memory"))
    report = restore_video(clip, tmp_path / "out.mkv", restorer, encoding=LOSSLESS)
    assert changed(clip, tmp_path / "out.mkv") == [n for n in range(FACELESS, FRAMES) if n not in FAILING]
    (failed,) = report["failed"]
    assert (failed["first_frame"], failed["last_frame"]) == (18, 25)
    assert (failed["from"], failed["to"]) == (0.72, 1.007) and "out of memory" in failed["reason"]
    assert report["notes"][0].startswith("Frames 18 to 25 (0.72 s to 1.01 s) stay as decoded, not restored: ")
    assert report["faces"][0]["restored_frames"] == FRAMES - FACELESS - len(FAILING)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["cut_frames", "shape_frames", "paste_frames"])
def test_after_a_failure_a_stopped_video_goes_on_as_if_there_had_been_no_stop(restorer, clip, tmp_path, failing, step):
    """The failing window is the last one of its segment, so that what it leaves behind is kept in a file."""
    failing(step, ValueError("broken"), (16,))

    def halt(stage: str, done: int, total: int) -> None:
        if (stage, done) == ("restore", 20):
            raise KeyboardInterrupt

    report = restore_video(clip, tmp_path / "whole.mkv", restorer, encoding=LOSSLESS)
    with pytest.raises(KeyboardInterrupt):
        restore_video(clip, tmp_path / "out.mkv", restorer, encoding=LOSSLESS, progress=halt)
    again = restore_video(clip, tmp_path / "out.mkv", restorer, encoding=LOSSLESS)
    assert again["failed"] == report["failed"] and again["notes"] == report["notes"]
    for (_, one), (_, other) in zip(planes(tmp_path / "whole.mkv"), planes(tmp_path / "out.mkv"), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), RuntimeError("the GPU is gone")])
def test_an_error_of_the_machine_stops_and_the_same_call_goes_on(restorer, clip, tmp_path, failing, monkeypatch, error):
    target = tmp_path / "out.mkv"
    with monkeypatch.context() as patch:
        patch.setattr(failures, "answers", lambda device: isinstance(error, OSError))
        failing("shape_frames", error)
        with pytest.raises(type(error)):
            restore_video(clip, target, restorer, encoding=LOSSLESS)
    assert not target.exists()
    failing("shape_frames", error, ())
    monkeypatch.undo()
    monkeypatch.setattr(segmenting, "LENGTH", 10)
    begun: list[int] = []
    report = restore_video(
        clip, target, restorer, encoding=LOSSLESS, progress=lambda stage, done, total: begun.append(done)
    )
    assert begun[0] == 18 and not report["failed"]


@pytest.mark.slow
def test_what_fails_everywhere_is_no_result(restorer, clip, tmp_path, failing, monkeypatch):
    monkeypatch.setattr(failures, "_MOST", 12)
    failing("shape_frames", ValueError("broken"), range(FRAMES))
    with pytest.raises(VideoError, match=r"^16 frames in a row .*: ValueError: broken\. The same call goes on"):
        restore_video(clip, tmp_path / "out.mkv", restorer, encoding=LOSSLESS)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("step", ["detect", "find_again"])
def test_frames_that_cannot_be_searched_get_the_faces_around_them(restorer, clip, tmp_path, monkeypatch, step):
    """Detection is in frames 0, 8, 16 and 24."""
    real, calls = getattr(Eye, step), []

    def run(self, *given):
        calls.append(given)
        if len(calls) == 3:
            raise MemoryError
        return real(self, *given)

    monkeypatch.setattr(Eye, step, run)
    report = restore_video(clip, tmp_path / "out.mkv", restorer, encoding=LOSSLESS, workers=1)
    assert "Faces could not be looked for in frame" in " ".join(report["notes"])
    assert changed(clip, tmp_path / "out.mkv") == list(range(FACELESS, FRAMES))


@pytest.mark.slow
def test_the_command_tells_and_ends_with_1(clip, tmp_path, failing):
    failing("shape_frames", ValueError("broken"))
    models = ("--model", "gpen-lite-256", "--detector", "face-detector-lite", "--backend", "eager")
    said = run_gpen("video", clip, "-o", tmp_path / "out.mkv", *models, "--log", tmp_path / "a.log", code=1)
    assert "8 frames not restored" in said
    assert "Frames 18 to 25 (0.72 s to 1.01 s) stay as decoded, not restored: ValueError: broken" in said
    assert "Traceback" in (tmp_path / "a.log").read_text()

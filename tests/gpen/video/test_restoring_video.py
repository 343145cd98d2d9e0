"""From file to file: what comes out, and that a video goes on after a stop as if there had been none."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from command import run_gpen
from PIL import Image
from safetensors.torch import save_file
from videos import FACELESS, FRAMES, planes

from gpen_blocks.gpen.errors import JobError, SettingsError, VideoError
from gpen_blocks.gpen.models import cache
from gpen_blocks.gpen.restorer import Restorer
from gpen_blocks.gpen.video import segmenting
from gpen_blocks.gpen.video.files import EncoderSettings, batch_info, digest_of, read_frames, read_info
from gpen_blocks.gpen.video.moments import cut_moments
from gpen_blocks.gpen.video.parts import kept_parts
from gpen_blocks.gpen.video.preview import write_preview
from gpen_blocks.gpen.video.restoring import restore_video
from gpen_blocks.gpen.video.trim import Trim
from gpen_blocks.weights.checkpoint import read

LOSSLESS = EncoderSettings(codec="ffv1")


def new_restorer() -> Restorer:
    """As in a process that has just begun."""
    cache.clear()
    return Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager")


@pytest.fixture(scope="module")
def restorer() -> Restorer:
    return new_restorer()


@pytest.fixture(autouse=True)
def short_segments(monkeypatch):
    monkeypatch.setattr(segmenting, "LENGTH", 10)


@pytest.fixture(scope="module")
def whole(restorer, clip, tmp_path_factory) -> tuple[Path, dict]:
    """The result of a run without a stop, and its report."""
    target = tmp_path_factory.mktemp("whole") / "out.mkv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmenting, "LENGTH", 10)
        return target, restore_video(clip, target, restorer, encoding=LOSSLESS, workers=2)


def packets_of_sound(path: Path) -> list[tuple]:
    with av.open(str(path)) as container:
        return [(packet.pts, packet.time_base, bytes(packet)) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.slow
def test_faces_are_restored_and_everything_else_is_as_it_was(clip, whole):
    path, report = whole
    before, after = planes(clip), planes(path)
    assert [time for time, _ in after] == [time for time, _ in before]
    changed = [bool((one != other).any()) for (_, one), (_, other) in zip(before, after, strict=True)]
    assert changed == [False] * FACELESS + [True] * (FRAMES - FACELESS)
    luma = [np.abs(one[:128].astype(int) - other[:128]) for (_, one), (_, other) in zip(before, after, strict=True)]
    assert all(not one[:, :16].any() for one in luma), "far from the face nothing changes"
    assert packets_of_sound(path) == packets_of_sound(clip)
    (face,) = report["faces"]
    assert (face["first_frame"], face["last_frame"], report["frames"]) == (FACELESS, FRAMES - 1, FRAMES)
    assert face["restored_frames"] == FRAMES - FACELESS and "left_alone" not in face
    left, top, right, bottom = face["box"]  # the portrait lies at (20 + frame, 4) and is 120 wide
    assert 20 + face["frame"] < left < right < 140 + face["frame"] and 4 < top < bottom < 124
    assert not path.with_name("out.mkv.parts").exists()
    json.dumps(report)


@pytest.mark.slow
def test_a_batch_of_frames_is_a_video_too_and_who_watches_sees_faces(restorer, clip, whole, tmp_path):
    """Frames in memory go the same way; their 8 bits differ from those of the file only by what YUV rounds."""
    images = torch.stack([frame.rgb().movedim(0, -1) for frame in read_frames(read_info(clip))])
    info = batch_info(images, rate=Fraction(25), digest=digest_of(images))

    class Watcher:
        def __init__(self) -> None:
            self.seen: list[torch.Tensor] = []

        def __call__(self, stage: str, done: int, total: int) -> None:
            assert 0 <= done <= total

        def show(self, pictures: torch.Tensor) -> None:
            self.seen.append(pictures)

    watcher = Watcher()
    target = tmp_path / "batch.mkv"
    report = restore_video(info, target, restorer, encoding=LOSSLESS, workers=2, progress=watcher)
    assert report["faces"][0]["restored_frames"] == FRAMES - FACELESS
    for own, frame, other in zip(images, read_frames(read_info(target)), read_frames(read_info(whole[0])), strict=True):
        if frame.number < FACELESS:
            assert (frame.rgb().movedim(0, -1) - own).abs().max() < 0.01
        assert (frame.rgb() - other.rgb()).abs().mean() < 0.01
    size = restorer.generator.module.config.size
    assert watcher.seen and {tuple(one.shape) for one in watcher.seen} == {(1, 3, size, 2 * size)}
    before, after = watcher.seen[-1].chunk(2, dim=-1)
    assert (before != after).any()


@pytest.mark.slow
def test_models_from_files_of_any_name_are_taken(restorer, clip, tmp_path):
    """As a user's own trained model: it is in no registry, and in none of the model folders."""
    save_file(read(restorer.generator.path).tensors, own := tmp_path / "own.safetensors")
    report = restore_video(
        clip,
        tmp_path / "out.mkv",
        Restorer(str(own), str(restorer.detector.path), device="cpu", backend="eager"),
        encoding=LOSSLESS,
        trim=Trim(0, 0.8),
    )
    assert report["model"] == "own" and report["faces"]


@pytest.mark.slow
def test_crops_of_the_faces_come_from_both_files(restorer, clip, whole):
    path, report = whole
    size = restorer.generator.module.config.size
    before, after = cut_moments(read_info(clip), path, report, Trim(), restorer.generator.template, size)
    assert before.shape == after.shape == (1, 3, size, size)
    assert (before - after).abs().max() > 0.05
    nothing = {"faces": [{**report["faces"][0], "restored_frames": 0}]}
    none, _ = cut_moments(read_info(clip), path, nothing, Trim(), restorer.generator.template, size)
    assert none.shape == (0, 3, size, size)


class HaltError(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "at", "goes_on"), [("follow", 12, 0), ("restore", 5, 0), ("restore", 14, 8), ("restore", 29, 18)]
)
def test_after_a_stop_the_same_call_goes_on(restorer, clip, whole, tmp_path, stage, at, goes_on):
    """Segments begin at frames 0, 8 (a cut) and 18."""
    target, restored = tmp_path / "out.mkv", []

    def halt(now: str, done: int, total: int) -> None:
        if (now, done) == (stage, at):
            raise HaltError

    with pytest.raises(HaltError):
        restore_video(clip, target, restorer, encoding=LOSSLESS, workers=2, progress=halt)
    assert not target.exists()

    def note(now: str, done: int, total: int) -> None:
        if now == "restore":
            restored.append(done)

    report = restore_video(clip, target, new_restorer(), encoding=LOSSLESS, workers=2, progress=note)
    assert restored[0] == goes_on
    for (time, one), (other_time, other) in zip(planes(whole[0]), planes(target), strict=True):
        assert time == other_time and np.array_equal(one, other)
    assert (report["faces"], report["backend"]) == (whole[1]["faces"], whole[1]["backend"])
    assert not target.with_name("out.mkv.parts").exists()


@pytest.mark.slow
def test_parts_of_another_order_are_not_taken(restorer, clip, tmp_path):
    target = tmp_path / "out.mkv"

    def halt(now: str, done: int, total: int) -> None:
        if (now, done) == ("restore", 12):
            raise HaltError

    with pytest.raises(HaltError):
        restore_video(clip, target, restorer, encoding=LOSSLESS, progress=halt)
    weaker = Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager", strength=0.0)
    report = restore_video(clip, target, weaker, encoding=LOSSLESS)
    assert any("begun anew" in note for note in report["notes"])
    for (_, one), (_, other) in zip(planes(clip), planes(target), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.slow
def test_a_part_becomes_the_whole_result(restorer, clip, tmp_path):
    target = tmp_path / "part.mkv"
    report = restore_video(clip, target, restorer, encoding=LOSSLESS, trim=Trim.parse("0.2-0.6"))
    times = np.array([time for time, _ in planes(clip)])
    first, last = np.searchsorted(times, [200, 600])
    own = [time for time, _ in planes(target)]
    assert own == (times[first:last] - times[first]).tolist() and report["frames"] == last - first


@pytest.mark.slow
def test_sequences_of_pictures_in_and_out(restorer, clip, tmp_path):
    """The pictures of a video are restored as the video is, and the other way round."""
    folder, again = tmp_path / "frames", tmp_path / "restored"
    report = restorer.restore_video(clip, f"{folder}/", trim="0-0.5")
    names = [path.name for path in sorted(folder.iterdir())]
    assert names == [f"frame_{number:06d}.png" for number in range(1, report["frames"] + 1)]
    assert any("sound" in note for note in report["notes"])
    plain = Restorer("gpen-lite-256", "face-detector-lite", device="cpu", backend="eager", strength=0.0)
    plain.restore_video(folder, again, rate="12")
    for name in names:
        with Image.open(folder / name) as one, Image.open(again / name) as other:
            assert np.array_equal(np.asarray(one), np.asarray(other))
    with pytest.raises(VideoError, match=r"frame_000001\.png is there already"):
        restore_video(folder, again, plain)
    with pytest.raises(SettingsError, match="no codec"):
        restore_video(folder, tmp_path / "%d.png", plain, encoding=LOSSLESS)
    with pytest.raises(SettingsError, match="its own times"):
        restore_video(clip, tmp_path / "a.mkv", plain, rate=Fraction(12))


def test_what_cannot_be_done_is_refused_before_any_work(clip, tmp_path):
    here = tmp_path / "here.mkv"
    here.write_bytes(b"mine")
    never = None  # no model is needed
    with pytest.raises(VideoError, match="is there already"):
        restore_video(clip, here, never)  # type: ignore[arg-type]
    with pytest.raises(VideoError, match="is the source itself"):
        restore_video(clip, clip, never, overwrite=True)  # type: ignore[arg-type]
    for name in ("out.txt", "out"):
        with pytest.raises(VideoError, match="suffix"):
            restore_video(clip, tmp_path / name, never)  # type: ignore[arg-type]
    assert here.read_bytes() == b"mine" and [path.name for path in tmp_path.iterdir()] == ["here.mkv"]


def test_two_processes_do_not_make_the_same_result(tmp_path):
    with kept_parts(tmp_path / "a.mkv", {}, suffix=".nut"), pytest.raises(JobError, match="Another process"):  # noqa: SIM117
        with kept_parts(tmp_path / "a.mkv", {}, suffix=".nut"):
            pass


@pytest.mark.parametrize("text", ["5", "-", "3-2", "a-b", "1:2:3:4-", "-0"])
def test_parts_that_are_none(text):
    with pytest.raises(SettingsError, match="part"):
        Trim.parse(text)


def test_the_same_call_takes_up_its_preview_and_no_other(clip, restorer, tmp_path):
    target, part = tmp_path / "out.mkv", Trim(0.9)
    sheet = write_preview(clip, target, restorer, moments=1, trim=part)
    before = sheet.stat()
    assert write_preview(clip, target, restorer, moments=1, trim=part) == sheet
    assert (sheet.stat().st_ino, sheet.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns), "not made again"
    with pytest.raises(VideoError, match="is there already"):
        write_preview(clip, target, restorer, moments=2, trim=part)
    write_preview(clip, target, restorer, moments=2, trim=part, overwrite=True)
    sheet.write_bytes(b"mine")
    with pytest.raises(VideoError, match="is there already"):
        write_preview(clip, target, restorer, moments=2, trim=part)
    assert sheet.read_bytes() == b"mine"


@pytest.mark.slow
def test_the_command(clip, tmp_path):
    out, report = tmp_path / "out.mp4", tmp_path / "report.json"
    models = ("--model", "gpen-lite-256", "--detector", "face-detector-lite", "--backend", "eager")
    said = run_gpen("video", clip, "-o", out, *models, "--report", report, "--preview", 2, "--trim", "0-0.5")
    assert "1 face restored" in said and out.is_file() and (tmp_path / "out-preview.png").is_file()
    assert json.loads(report.read_text())["output"] == str(out)
    with pytest.raises(VideoError, match="is there already"):
        run_gpen("video", clip, "-o", out, *models)
    with pytest.raises(VideoError, match="suffix"):
        run_gpen("video", clip, "-o", tmp_path / "other.txt", *models, "--preview", 2)
    assert not (tmp_path / "other-preview.png").exists(), "nothing is written for a result that is refused"

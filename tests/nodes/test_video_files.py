"""What a VIDEO holds, and the files that are made of it; the objects stand in for those of `comfy_api`."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from videos import make_video

from gpen_blocks.gpen.errors import ImageError, VideoError
from gpen_blocks.gpen.video.files import EncoderSettings, read_times
from gpen_blocks.gpen.video.parts import kept_parts
from gpen_blocks.gpen.video.trim import Trim
from gpen_blocks.nodes.video_files import VideoSource, open_source, remove_older_runs


class OfFile:
    """As in ComfyUI 0.3.64: it cannot be trimmed."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def get_stream_source(self) -> Any:
        return self._source


class Trimmed(OfFile):
    """As in newer versions."""

    def __init__(self, source: Any, start: float, duration: float) -> None:
        super().__init__(source)
        self._window = start, duration

    def get_active_trim_window(self) -> tuple[float, float]:
        return self._window


class OfComponents:
    """Frames in memory; whoever asks for its stream source would have it encoded."""

    def __init__(self, images: torch.Tensor, rate: Any = 25, audio: Any = None, depth: int = 8) -> None:
        self._components = SimpleNamespace(images=images, frame_rate=rate, audio=audio)
        self._depth = depth

    def get_components(self) -> Any:
        return self._components

    def get_bit_depth(self) -> int:
        return self._depth


def opened(video: Any, place: Path, **decides: Any) -> VideoSource:
    return open_source(video, decides, place, batch=isinstance(video, OfComponents), look=lambda: None)


def frames(number: int = 3, channels: int = 3, size: tuple[int, int] = (48, 64)) -> torch.Tensor:
    return torch.rand((number, *size, channels), generator=torch.Generator().manual_seed(1))


def test_a_file_is_read_where_it_lies(tmp_path):
    clip = make_video(tmp_path / "clip.mkv", codec="ffv1")
    source = opened(OfFile(str(clip)), tmp_path / "temp")
    assert (source.info.path, source.suffix, source.trim) == (clip, ".mkv", Trim())
    assert source.target(EncoderSettings()) == source.folder / "restored.mkv"
    assert opened(OfFile(str(clip)), tmp_path / "temp").folder == source.folder, "the same run goes on"
    assert opened(OfFile(str(clip)), tmp_path / "temp", strength=0.5).folder != source.folder
    os.utime(clip, (1, 1))
    assert opened(OfFile(str(clip)), tmp_path / "temp").folder != source.folder, "the file is another one"


@pytest.mark.parametrize(
    ("name", "codec"), [("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.webm", "libvpx-vp9")]
)
def test_bytes_in_memory_become_a_file_that_a_stopped_run_finds_again(tmp_path, name, codec):
    clip = make_video(tmp_path / name, codec=codec)
    data = io.BytesIO(clip.read_bytes())
    data.seek(7)
    source = opened(OfFile(data), tmp_path / "temp")
    assert source.info.path.read_bytes() == clip.read_bytes()
    assert source.suffix == (".mp4" if name == "clip.mp4" else ".mkv")
    before = source.info.path.stat()
    again = opened(OfFile(data), tmp_path / "temp")
    assert again.folder == source.folder and again.info.path.stat().st_mtime_ns == before.st_mtime_ns
    source.remove_copies()
    assert not source.info.path.exists()


@pytest.mark.parametrize(
    ("start", "duration", "numbers"), [(0.0, 0.0, range(10)), (0.2, 0.12, range(5, 8)), (0.3, 0.0, range(8, 10))]
)
@pytest.mark.parametrize("first", [0, 1400])
def test_a_part_is_counted_as_comfyui_counts(tmp_path, start, duration, numbers, first):
    """From 0, and not from the first frame; these have 40 ms each."""
    times = tuple(range(first, first + 400, 40))
    clip = make_video(tmp_path / "clip.mkv", times=times)
    shift = first / 1000 if start or duration else 0.0
    source = opened(Trimmed(str(clip), start + shift, duration), tmp_path / "temp")
    assert range(*source.trim.numbers(read_times(source.info), source.info.time_base)) == numbers


def test_a_part_before_the_first_frame_is_refused(tmp_path):
    clip = make_video(tmp_path / "clip.mkv", times=tuple(range(1400, 1800, 40)))
    with pytest.raises(VideoError, match=r"from 0 s to 0\.5 s has no frame"):
        opened(Trimmed(str(clip), 0.0, 0.5), tmp_path / "temp")


def test_components_are_taken_as_they_are(tmp_path):
    tone = torch.sin(torch.arange(48000) / 9).expand(1, 2, -1)
    video = OfComponents(frames(), 23.976, {"waveform": tone, "sample_rate": 48000}, depth=10)
    source = opened(video, tmp_path / "temp")
    assert (source.info.rate, source.info.bit_depth, source.suffix) == (Fraction(2997, 125), 10, ".mp4")
    assert [stream.kind for stream in source.info.streams] == ["audio"] and source.info.path.is_file()
    assert source.info.images is video.get_components().images
    # Sound is cut to the length of the frames.
    assert source.info.path.stat().st_size < 8000
    assert opened(video, tmp_path / "temp").folder == source.folder
    assert opened(OfComponents(frames(), 24), tmp_path / "temp").folder != source.folder
    other = frames()
    other[2, 0, 0, 0] += 0.1
    assert opened(OfComponents(other, 23.976), tmp_path / "temp").folder != source.folder


@pytest.mark.parametrize(
    ("images", "rate", "error", "words"),
    [
        (torch.zeros(0, 3, 0, 0), 25, VideoError, "no frame"),
        (torch.full((1, 8, 8, 3), float("nan")), 25, ImageError, "NaN"),
        (frames(1), 0, VideoError, "0 frames a second"),
        (frames(1, channels=2), 25, ImageError, "2 channels"),
    ],
)
def test_components_that_are_no_video_are_refused(tmp_path, images, rate, error, words):
    with pytest.raises(error, match=words):
        opened(OfComponents(images, rate), tmp_path / "temp")


def test_a_kind_of_file_that_does_not_hold_the_result_gives_way(tmp_path):
    clip = make_video(tmp_path / "clip.mp4")
    source = opened(OfFile(str(clip)), tmp_path / "temp")
    targets = [source.target(EncoderSettings(codec)).suffix for codec in ("", "vp9", "prores", "ffv1")]
    assert targets == [".mp4", ".mp4", ".mov", ".mp4"]
    alpha = opened(OfComponents(frames(channels=4)), tmp_path / "temp")
    assert alpha.info.alpha and alpha.target(EncoderSettings()).suffix == ".mov"


def test_the_last_stopped_runs_are_kept_and_finished_ones_stay(tmp_path):
    for age in range(6):
        folder = tmp_path / f"run{age}"
        with kept_parts(folder / "restored.mp4", {}, suffix=".nut"):
            pass
        os.utime(folder / "restored.mp4.parts", (1000 - age, 1000 - age))
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "restored.mp4").touch()
    with kept_parts(tmp_path / "run4" / "restored.mp4", {}, suffix=".nut"):
        os.utime(tmp_path / "run4" / "restored.mp4.parts", (1, 1))
        remove_older_runs(tmp_path, tmp_path / "run5")
    # run5 is the current one, and another process is at work on run4.
    assert {path.name for path in tmp_path.iterdir()} == {"run0", "run1", "run2", "run4", "run5", "done"}

"""What is no video, or not whole, is one sentence or what can be had."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from videos import contents, make_video, rewrite

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video.files import SegmentWriter, choose_encoder, read_frames, read_info

LONG = range(0, 4000, 40)


def test_what_holds_no_video_is_refused_in_one_sentence(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", times=LONG).read_bytes()
    files = {
        "garbage.mp4": np.random.default_rng(0).bytes(100_000),
        "empty.mkv": b"",
        "half.mp4": whole[: len(whole) // 2],  # its index was at the end
        "strange.mp4": whole.replace(b"avc1", b"zzz1"),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    make_video(tmp_path / "sound.mp4", times=(), sound=("deu",))
    make_video(tmp_path / "without.mkv", times=())
    for name, message in (
        ("garbage.mp4", "cannot be read: it is cut off, damaged or no video."),
        ("empty.mkv", "is empty."),
        ("half.mp4", "cannot be read: it is cut off, damaged or no video."),
        ("strange.mp4", "has a codec that this PyAV does not know; convert it first."),
        ("sound.mp4", "has no video stream; it holds audio."),
        ("without.mkv", "cannot be read: it ends before its first frame."),
        ("nothing.mp4", ""),
        ("", "is a folder, not a video; give a file."),
    ):
        with pytest.raises(VideoError) as caught:
            read_info(tmp_path / name)
        text = f"{tmp_path / name} {message}" if message else f"There is no file {tmp_path / name}; check the name."
        assert str(caught.value) == text
    with pytest.raises(VideoError, match=r"is a picture, not a video"):
        read_info("examples/portrait-degraded.jpg")


@pytest.mark.parametrize(
    ("suffix", "options", "least", "told"),
    [
        (".mp4", {"movflags": "faststart"}, 40, r"is cut off: \d\d frames of 100 are missing; what could be decoded"),
        (".mkv", {}, 40, r"is cut off; what could be decoded was read"),
        (".ts", {}, 40, None),  # such a stream has no end of its own
    ],
)
def test_of_a_file_that_is_cut_off_the_beginning_is_taken(tmp_path, suffix, options, least, told):
    whole = make_video(tmp_path / f"whole{suffix}", times=LONG, sound=("deu",), container_options=options)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    notes = rewrite(cut, tmp_path / "result.mkv", length=30)
    result, original = contents(tmp_path / "result.mkv"), contents(whole)
    assert least <= len(result.times) < 60
    first = original.times[0] - result.times[0]
    # Of the last frames, those may be missing that needed what was cut off.
    assert [time + first for time in result.times[:least]] == pytest.approx(original.times[:least], abs=0.001)
    wanted = [float(time) for time in original.times]
    assert all(min(abs(time + first - other) for other in wanted) < 0.001 for time in result.times)
    assert bool(notes) == bool(told) and (told is None or re.search(told, notes[0]))


def test_names_that_look_like_addresses_or_patterns_are_files(tmp_path):
    source = make_video(tmp_path / "source.mkv", times=(0, 40))
    strange = source.rename(tmp_path / "a:b %06d?.mkv")
    rewrite(strange, tmp_path / "http: %d.mkv")
    assert len(contents(tmp_path / "http: %d.mkv").times) == 2


def test_a_segment_that_fails_leaves_nothing(tmp_path):
    source = make_video(tmp_path / "source.mkv")
    info = read_info(source)
    encoder = choose_encoder(info, "result.mkv")
    with pytest.raises(KeyError), SegmentWriter(tmp_path / "part.nut", info, encoder) as writer:
        for frame in read_frames(info):
            writer.write(frame)
        raise KeyError
    with SegmentWriter(tmp_path / "whole.nut", info, encoder) as writer:
        for frame in read_frames(info):
            writer.write(frame)
        assert not (tmp_path / "whole.nut").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mkv", "whole.nut"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, "tests/support")
from videos import rewrite
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    rewrite(Path(sys.argv[1]), Path(sys.argv[2]), length=100)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of Unix")
@pytest.mark.parametrize("limit", [20_000, 60_000])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, limit):
    # The first limit ends the segment, the second the joined file, which also holds the sound.
    source = make_video(tmp_path / "source.mkv", times=LONG, sound=("deu", "eng", "fra"), size=(16, 16))
    target = tmp_path / "result.mkv"
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(source), str(target), str(limit)], capture_output=True, text=True
    )
    assert run.stdout.startswith("VideoError") and "cannot be written: File too large" in run.stdout, run
    assert not target.exists() and not list(tmp_path.glob(".*"))


KILLED = """
import os, signal, sys
from pathlib import Path
from gpen_blocks.gpen.video.files import SegmentWriter, choose_encoder, join, read_frames, read_info
folder = Path(sys.argv[1])
info = read_info(folder / "source.mkv")
encoder = choose_encoder(info, "result.mkv")
with SegmentWriter(folder / "whole.nut", info, encoder) as writer:
    for frame in read_frames(info):
        writer.write(frame)
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "segment":
    with SegmentWriter(folder / "part.nut", info, encoder) as writer:
        for frame in read_frames(info):
            writer.write(frame)
        kill()
import gpen_blocks.gpen.video.files.joining as joining
joining.write_matrix = joining._turn = kill  # in the middle of joining
join([folder / "whole.nut"], info, encoder, folder / "result.mkv")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
@pytest.mark.parametrize("moment", ["segment", "join"])
def test_what_is_killed_leaves_no_half_file_under_its_name(tmp_path, moment):
    make_video(tmp_path / "source.mkv", times=LONG)
    run = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), moment], capture_output=True, text=True)
    assert run.returncode == -9, run
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("."))
    assert names == ["source.mkv", "whole.nut"]
    assert len(contents(tmp_path / "whole.nut").times) == len(LONG)

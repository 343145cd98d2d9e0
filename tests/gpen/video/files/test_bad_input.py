"""What is no video, or not whole, is one sentence or what can be had."""

from __future__ import annotations

import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from videos import contents, make_video, picture, rewrite

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
    with av.open(str(tmp_path / "cover.mp3"), "w") as container:
        sound, cover = container.add_stream("libmp3lame", rate=48000), container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 32, 32, "yuvj420p", 1 << 10
        container.mux(cover.encode(picture(32, 32, 0, "yuvj420p")))
        tone = av.AudioFrame.from_ndarray(np.zeros((2, 4800), np.float32), format="fltp", layout="stereo")
        tone.sample_rate = 48000
        container.mux([*sound.encode(tone), *sound.encode(None)])
    for name, message in (
        ("garbage.mp4", "cannot be read: it is cut off, damaged or no video."),
        ("empty.mkv", "is empty."),
        ("half.mp4", "cannot be read: it is cut off, damaged or no video."),
        ("strange.mp4", "has a codec that this PyAV does not know; convert it first."),
        ("sound.mp4", "has no video stream; it holds audio."),
        ("cover.mp3", "has no video stream; it holds audio, cover picture."),
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
        (".ts", {}, 40, r"has no picture for \d frames?, the first after"),  # such a stream has no end of its own
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
    assert re.search(told, notes[0])


def test_frames_that_an_edit_list_passes_over_are_not_missing(tmp_path):
    """Editors trim a file without a change of its frames: those before the last key frame are not even read."""
    whole, trimmed = make_video(tmp_path / "whole.mp4", times=LONG, options={"g": "12"}), tmp_path / "trimmed.mp4"
    options = {"use_editlist": "1", "avoid_negative_ts": "disabled", "movflags": "faststart"}
    with av.open(str(whole)) as source, av.open(str(trimmed), "w", options=options) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                before = int(Fraction(LONG[30], 1000) / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - before, packet.dts - before, stream
                target.mux(packet)
    notes: list[str] = []
    assert len(list(read_frames(read_info(trimmed), tell=notes.append))) == len(LONG) - 30 and not notes
    trimmed.write_bytes(trimmed.read_bytes()[: trimmed.stat().st_size // 2])
    list(read_frames(read_info(trimmed), tell=notes.append))
    assert "frames of 100 are missing" in notes[0]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_sound_that_an_edit_list_hides_stays_hidden(tmp_path, suffix):
    whole = make_video(tmp_path / "whole.mp4", times=LONG, sound=("eng",), options={"g": "12"})
    trimmed, result = tmp_path / "trimmed.mp4", tmp_path / f"result{suffix}"
    options = {"use_editlist": "1", "avoid_negative_ts": "disabled"}
    with av.open(str(whole)) as source, av.open(str(trimmed), "w", options=options) as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                before = int(Fraction(LONG[30], 1000) / packet.time_base)
                packet.pts, packet.dts, packet.stream = (
                    packet.pts - before,
                    packet.dts - before,
                    streams[packet.stream_index],
                )
                target.mux(packet)

    def heard(path: Path) -> tuple[float, float]:
        """When the sound begins, after the first picture, and its length, in seconds."""
        with av.open(str(path)) as container:
            pictures = [frame.time for frame in container.decode(video=0)]
        with av.open(str(path)) as container:
            frames = [(frame.time, frame.samples / frame.sample_rate) for frame in container.decode(audio=0)]
        return frames[0][0] - pictures[0], sum(length for _, length in frames)

    rewrite(trimmed, result, length=30)
    (start, length), (wanted_start, wanted_length) = heard(result), heard(trimmed)
    assert start == pytest.approx(wanted_start, abs=0.05) and length == pytest.approx(wanted_length, abs=0.05)


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_a_hole_in_a_file_is_told(tmp_path, suffix):
    """Matroska does not count frames; the even steps of those around tell."""
    how = {"codec": "libvpx", "options": {"g": "10"}} if suffix == ".webm" else {"options": {"g": "10"}}
    data = make_video(tmp_path / f"whole{suffix}", times=LONG, **how).read_bytes()
    hurt, third = tmp_path / f"hurt{suffix}", len(data) // 3
    hurt.write_bytes(data[:third] + bytes(2000) + data[third + 2000 :])
    notes: list[str] = []
    frames = len(list(read_frames(read_info(hurt), tell=notes.append)))
    told = re.search(r"has no picture for (\d+) frames?, the first after \d\.\d\d s; it may be damaged", notes[-1])
    assert told and frames + int(told[1]) == 100
    whole: list[str] = []
    assert len(list(read_frames(read_info(tmp_path / f"whole{suffix}"), tell=whole.append))) == 100 and not whole


@pytest.mark.parametrize(("suffix", "share"), [(".mkv", 0.97), (".avi", 0.97), (".mp4", 0.9), (".webm", 0.9)])
def test_a_file_that_ends_within_its_structure_is_told(tmp_path, suffix, share):
    """The last frames are few; the file itself says that it should be longer."""
    how: dict = {"codec": {".webm": "libvpx", ".avi": "mpeg4"}.get(suffix, "libx264")}
    if suffix == ".mp4":
        how |= {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "10"}}
    if suffix == ".avi":
        how |= {"time_base": Fraction(1, 25), "times": range(100)}
    data = make_video(tmp_path / f"whole{suffix}", **{"times": LONG, **how}).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: int(len(data) * share)])
    notes: list[str] = []
    list(read_frames(read_info(cut), tell=notes.append))
    assert any("is cut off" in note for note in notes)
    whole: list[str] = []
    list(read_frames(read_info(tmp_path / f"whole{suffix}"), tell=whole.append))
    assert not whole


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("sound", [(), ("deu",)], ids=["silent", "sound"])
@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("frames", [24, 100])
def test_a_matroska_file_that_is_cut_is_told_wherever_that_is(tmp_path, share, sound, live, frames):
    """Files of recorders do not say how long they are, but how long their parts are."""
    options = {"live": "1", "cluster_time_limit": "500"} if live else {}
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    make_video(whole, times=range(0, 40 * frames, 40), sound=sound, container_options=options)
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    told: list[str] = []
    assert len(list(read_frames(read_info(cut), tell=told.append))) < frames
    assert any("is cut off" in note for note in told)
    told.clear()
    assert len(list(read_frames(read_info(whole), tell=told.append))) == frames and not told


def test_damaged_sound_does_not_end_the_work(tmp_path):
    """The frames were restored by then; what of the sound is no sound is left out and told."""
    data = make_video(tmp_path / "whole.ts", times=LONG, sound=("deu",), options={"g": "10"}).read_bytes()
    hurt, noise = bytearray(data), np.random.default_rng(3)
    sound = [place for place in range(0, len(data), 188) if data[place + 1 : place + 3] in (b"\x01\x01", b"\x41\x01")]
    for place in sound[20:60]:
        hurt[place + 40 : place + 188] = noise.bytes(148)
    (tmp_path / "hurt.ts").write_bytes(bytes(hurt))
    notes = rewrite(tmp_path / "hurt.ts", tmp_path / "result.mkv", length=200)
    assert any(re.match(r"\d+ packets? of audio stream 1 of the result (is|are) left out", note) for note in notes)
    result = contents(tmp_path / "result.mkv")
    assert len(result.times) >= 90 and len(result.streams[0][4]) >= 150


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

"""Times that begin again, jump or are wrong in single packets: picture and sound go on together."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from videos import contents, make_video, rewrite

from gpen_blocks.gpen.video.files import read_frames, read_info, read_times

FRAMES, STEP = 50, Fraction(1, 25)


def clip(path: Path, **how) -> Path:
    how = {"times": range(0, 40 * FRAMES, 40), "sound": ("deu",), "options": {"bf": "2", "g": "12"}, **how}
    return make_video(path, **how)


def moved(source: Path, target: Path, seconds: float) -> Path:
    """The file with all times moved."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.size:
                by = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts + by, packet.dts + by
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    return target


def even(times: list[Fraction], step: Fraction, slack: Fraction = Fraction(1, 500)) -> bool:
    return all(abs(after - before - step) <= slack for before, after in pairwise(times))


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> Path:
    return clip(tmp_path_factory.mktemp("single") / "f.ts")


@pytest.fixture(scope="module", params=[None, 50.0], ids=["again", "forwards"])
def joined(single, request, tmp_path_factory) -> Path:
    """The clip, and the same again, with its times or with later ones."""
    folder = tmp_path_factory.mktemp("joined")
    second = single if request.param is None else moved(single, folder / "later.ts", request.param)
    path = folder / "joined.ts"
    path.write_bytes(single.read_bytes() + second.read_bytes())
    return path


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
def test_times_that_jump_are_made_continuous(single, joined, tmp_path, suffix):
    result = tmp_path / f"result{suffix}"
    notes = rewrite(joined, result, length=30)
    assert [note for note in notes if "jump" in note] == [
        "The times of joined.ts jump in 1 place, the first after 1.96 s; they were made continuous."
    ]
    one, after = contents(single), contents(result)
    assert len(after.times) == 2 * FRAMES and even(after.times, STEP)
    begins = [pts for _, pts, _ in after.streams[0][4]]
    length = len(one.streams[0][4])
    assert len(begins) == 2 * length
    assert all(before < later for before, later in pairwise(begins))
    # Between picture and sound, all is as it was in both halves.
    apart = one.streams[0][4][0][1] - one.times[0]
    for frame, packet in ((0, 0), (FRAMES, length)):
        assert abs(begins[packet] - after.times[frame] - apart) <= Fraction(3, 1000)


def test_frames_after_a_jump_are_found(single, joined):
    info = read_info(joined)
    times = read_times(info)
    every = list(read_frames(info))
    assert [frame.time for frame in every] == times.tolist() and len(times) == 2 * FRAMES
    later = list(read_frames(info, start=60, stop=64, times=times))
    assert [(frame.number, frame.time) for frame in later] == [(number, times[number]) for number in range(60, 64)]
    assert all((frame.picture.to_ndarray() == every[frame.number].picture.to_ndarray()).all() for frame in later)


def test_a_part_over_a_jump(single, joined, tmp_path):
    rewrite(joined, tmp_path / "part.mkv", start=40, stop=60)
    after = contents(tmp_path / "part.mkv")
    assert len(after.times) == 20 and after.times[0] == 0 and even(after.times, STEP)
    sound = [pts for _, pts, _ in after.streams[0][4]]
    assert 0 <= sound[0] < Fraction(1, 20) and Fraction(7, 10) < sound[-1] < Fraction(8, 10)


@pytest.mark.parametrize("seconds", [5, 40_000])
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_one_wrong_time_is_mended_alone(single, tmp_path, seconds, kind):
    """A damaged packet of a transport stream, far in the future; those after it are as before."""
    data = bytearray(single.read_bytes())
    starts = [
        place
        for place in range(0, len(data), 188)
        if data[place + 1] & 0x40 and data[place + 1 : place + 3] == (b"\x41\x00" if kind == "video" else b"\x41\x01")
    ]
    place = starts[len(starts) // 2]
    head = data.index(b"\x00\x00\x01", place, place + 188)
    for stamp in range(head + 9, head + (19 if data[head + 7] & 0x40 else 14), 5):
        write_stamp(data, stamp, read_stamp(data, stamp) + 90_000 * seconds)
    hurt = tmp_path / "hurt.ts"
    hurt.write_bytes(bytes(data))
    notes = rewrite(hurt, tmp_path / "result.mkv", length=200)
    assert any("of hurt.ts had" in note and "mended" in note for note in notes), notes
    assert not any("jump" in note for note in notes)
    before, after = contents(single), contents(tmp_path / "result.mkv")
    assert len(after.times) == FRAMES and even(after.times, STEP)
    sounds = [[pts for _, pts, _ in one.streams[0][4]] for one in (before, after)]
    assert len(sounds[1]) == len(sounds[0])
    assert all(abs(one - other) < Fraction(1, 100) for one, other in zip(*sounds, strict=True))


def read_stamp(data: bytearray, place: int) -> int:
    """A time of ISO/IEC 13818-1: 33 bits in five bytes."""
    five = data[place : place + 5]
    return (five[0] >> 1 & 7) << 30 | five[1] << 22 | (five[2] >> 1) << 15 | five[3] << 7 | five[4] >> 1


def write_stamp(data: bytearray, place: int, value: int) -> None:
    value %= 1 << 33
    data[place : place + 5] = bytes(
        [
            data[place] & 0xF1 | (value >> 30 & 7) << 1,
            value >> 22 & 0xFF,
            (value >> 15 & 0x7F) << 1 | 1,
            value >> 7 & 0xFF,
            (value & 0x7F) << 1 | 1,
        ]
    )


def test_pauses_again_and_again_stay(tmp_path):
    """Two of them are no way out and back."""
    times = tuple(40 * number + 1200 * (number // 20) for number in range(60))
    source = clip(tmp_path / "pauses.mkv", times=times)
    notes = rewrite(source, tmp_path / "result.mkv")
    assert not any("jump" in note or "mended" in note for note in notes)
    assert contents(tmp_path / "result.mkv").times == [Fraction(time, 1000) for time in times]


def test_reordered_pictures_that_stand_for_long_stay_so(tmp_path):
    times = (*range(0, 2000, 40), *range(20_000, 140_000, 20_000), *range(140_000, 142_000, 40))
    source = clip(tmp_path / "slides.mkv", times=times, sound=(), options={"bf": "3", "b_strategy": "0"}, same=True)
    notes = rewrite(source, tmp_path / "result.mkv", length=200)
    assert not any("jump" in note or "mended" in note for note in notes)
    assert contents(tmp_path / "result.mkv").times == [Fraction(time, 1000) for time in times]


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_pictures_that_stand_for_long_stay_so(tmp_path, suffix):
    source = clip(tmp_path / f"slides{suffix}", times=(0, 40, 80, 15_000, 30_000, 30_040), options={"bf": "0"})
    before = contents(source)
    notes = rewrite(source, tmp_path / "result.mkv")
    after = contents(tmp_path / "result.mkv")
    assert not any("jump" in note or "mended" in note for note in notes)
    assert all(abs(one - other) < Fraction(1, 500) for one, other in zip(before.times, after.times, strict=True))
    assert len(after.streams[0][4]) == len(before.streams[0][4])

"""A video that goes through frames, segments and joining keeps all that was in its file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from videos import contents, make_video, picture, rewrite

from gpen_blocks.gpen.errors import VideoError
from gpen_blocks.gpen.video.files import EncoderSettings, choose_encoder, join, read_info
from gpen_blocks.gpen.video.files.containers import write_matrix
from gpen_blocks.gpen.video.files.opening import is_cover

LOSSLESS = EncoderSettings("h264", crf=0)
# A variable frame rate, with a pause and frames that are close to each other.
UNEVEN = (0, 40, 80, 90, 200, 240, 250, 333, 334, 400)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_times_and_all_other_streams_stay(tmp_path, suffix):
    source = make_video(
        tmp_path / f"source{suffix}",
        times=UNEVEN,
        options={"bf": "2"},
        sound=("deu", "eng"),
        subtitles=("fra", "jpn"),
        chapters=True,
        metadata={"title": "Über", "comment": "x"},
        rotation=90,
        attachment=b"font" if suffix == ".mkv" else b"",
        cover=suffix == ".mp4",
    )
    notes = rewrite(source, tmp_path / f"result{suffix}", LOSSLESS)
    before, after = contents(source), contents(tmp_path / f"result{suffix}")
    assert notes == []
    assert after.times == before.times == [Fraction(time, 1000) for time in UNEVEN]
    assert after.planes == before.planes
    assert after.streams == before.streams
    assert len(after.streams) >= 4 and all(len(packets) for _, _, _, _, packets in after.streams[:4])
    assert after.chapters == before.chapters and len(after.chapters) == 2
    assert after.metadata == before.metadata
    assert read_info(tmp_path / f"result{suffix}").orientation == read_info(source).orientation


@pytest.mark.parametrize("options", [{"bf": "2"}, {"bf": "0"}], ids=["reordered", "plain"])
def test_picture_and_sound_stay_together_in_avi(tmp_path, options, capfd):
    """FFmpeg itself reads there when frames are shown; AVI has no place for it."""
    video = make_video(tmp_path / "video.mkv", times=range(0, 2000, 40), options=options)
    source = tmp_path / "source.mkv"
    with av.open(str(video)) as old, av.open(str(source), "w") as new:
        copy, sound = new.add_stream_from_template(old.streams.video[0]), new.add_stream("pcm_s16le", rate=8000)
        sound.layout = "mono"
        tone = av.AudioFrame.from_ndarray(np.arange(16000, dtype=np.int16)[None], "s16", "mono")
        tone.sample_rate = 8000
        new.start_encoding()
        new.mux(sound.encode(tone))
        for packet in old.demux():
            if packet.size:
                packet.stream = copy
                new.mux(packet)
    assert rewrite(source, tmp_path / "result.avi", length=20) == []
    before, after = contents(source), contents(tmp_path / "result.avi")
    assert after.times == before.times
    assert after.streams[0][4][0][1] == before.streams[0][4][0][1] == 0
    assert capfd.readouterr() == ("", "")


def test_a_trimmed_video_begins_at_nought_and_cuts_the_other_streams(tmp_path):
    source = make_video(
        tmp_path / "source.mkv", times=UNEVEN, sound=("deu",), subtitles=("fra",), chapters=True, options={"bf": "2"}
    )
    rewrite(source, tmp_path / "result.mkv", LOSSLESS, start=3, stop=8)
    before, after = contents(source), contents(tmp_path / "result.mkv")
    first, end = Fraction(90, 1000), Fraction(334, 1000)
    assert after.times == [time - first for time in before.times[3:8]]
    assert after.planes == before.planes[3:8]
    sound = [(data, pts - first, length) for data, pts, length in before.streams[0][4] if first <= pts < end]
    assert after.streams[0][4] == sound
    texts = [(bytes(data), pts, length) for data, pts, length in after.streams[1][4]]
    assert texts == [
        (b"first", 0, Fraction(70, 1000)),
        (b"zweite Zeile", Fraction(130, 1000), Fraction(114, 1000)),
    ]
    assert after.chapters == [
        (0, Fraction(110, 1000), "one"),
        (Fraction(110, 1000), Fraction(244, 1000), "two"),
    ]


def test_a_stream_that_the_target_does_not_hold_is_told(tmp_path):
    source = make_video(tmp_path / "source.mkv", sound=("deu",), attachment=b"font")
    notes = rewrite(source, tmp_path / "result.mp4")
    assert [note.partition(" is left out")[0] for note in notes] == ["The attachment stream 2 (font.ttf)"]
    sounds = [contents(path).streams[0][4] for path in (source, tmp_path / "result.mp4")]
    # Durations follow from the next packet there.
    assert [packet[:2] for packet in sounds[1]] == [packet[:2] for packet in sounds[0]]


@pytest.mark.parametrize(("first", "second", "codec"), [(".mkv", ".mp4", "mov_text"), (".mov", ".mkv", "srt")])
def test_subtitles_change_their_form_where_they_must(tmp_path, first, second, codec):
    source = make_video(tmp_path / f"source{first}", subtitles=("fra", "jpn"))
    notes = rewrite(source, tmp_path / f"result{second}")
    assert len(notes) == 2 and notes[0].startswith("The subtitle stream 1 (") and " is stored as " in notes[0]
    after = contents(tmp_path / f"result{second}")
    assert [stream[:3] for stream in after.streams] == [("subtitle", codec, "fra"), ("subtitle", codec, "jpn")]
    texts = [(data.lstrip(b"\0\x05\x0c"), *times) for data, *times in after.streams[1][4] if len(data) > 2]
    assert texts == [
        (b"first", Fraction(40, 1000), Fraction(120, 1000)),
        (b"zweite Zeile", Fraction(220, 1000), Fraction(120, 1000)),
    ]


def test_a_cover_goes_along(tmp_path):
    source = make_video(tmp_path / "source.mp4", cover=True)
    with av.open(str(source)) as file:
        cover = bytes(next(packet for packet in file.demux(file.streams.video[1]) if packet.size))
    for suffix in (".mp4", ".mkv"):
        assert rewrite(source, tmp_path / f"result{suffix}") == []
        with av.open(str(tmp_path / f"result{suffix}")) as file:
            (stream,) = (stream for stream in file.streams.video if is_cover(stream))
            assert bytes(next(packet for packet in file.demux(stream) if packet.size)) == cover


def test_what_fails_leaves_nothing_under_the_name(tmp_path):
    source = make_video(tmp_path / "source.mkv")
    info = read_info(source)
    encoder = choose_encoder(info, tmp_path / "result.mkv")
    missing = Path(tmp_path / "missing.nut")
    with pytest.raises(VideoError, match=r"There is no file .*missing.nut"):
        join([missing], info, encoder, tmp_path / "result.mkv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mkv"]


def test_older_pyavs_turn_files_of_the_quicktime_family_too(tmp_path):
    matrix = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    for suffix in (".mp4", ".mov", ".mkv"):
        path = make_video(tmp_path / f"video{suffix}", sound=("deu",))
        before = contents(path)
        assert write_matrix(path, matrix) == (suffix != ".mkv")
        assert read_info(path).rotation == (0 if suffix == ".mkv" else 90)
        assert contents(path) == before


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_second_video_with_reordered_frames_goes_along(tmp_path, suffix):
    """Matroska says when frames are shown, and not when they are decoded."""
    source = tmp_path / "source.mkv"
    with av.open(str(source), "w") as container:
        videos = [container.add_stream("libx264", rate=25, options={"bf": "3"}) for _ in range(2)]
        for stream in videos:
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, stream in enumerate(videos):
            for time in range(20):
                frame = picture(64, 48, number + time, "yuv420p")
                frame.pts, frame.time_base = time, Fraction(1, 25)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert rewrite(source, tmp_path / f"result{suffix}") == []
    before, after = contents(source), contents(tmp_path / f"result{suffix}")
    assert [pts for _, pts, _ in after.streams[0][4]] == [pts for _, pts, _ in before.streams[0][4]]
    assert len(after.streams[0][4]) == 20


def test_texts_that_are_shown_at_the_same_time_stay_so(tmp_path):
    source = tmp_path / "source.mkv"
    make_video(tmp_path / "video.mkv")
    with av.open(str(source), "w") as container, av.open(str(tmp_path / "video.mkv")) as video:
        copy, text = container.add_stream_from_template(video.streams.video[0]), container.add_mux_stream("subrip")
        text.time_base = Fraction(1, 1000)
        container.start_encoding()
        for words in (b"one", b"two"):
            packet = av.Packet(words)
            packet.pts = packet.dts = 40
            packet.duration, packet.time_base, packet.stream = 100, Fraction(1, 1000), text
            container.mux(packet)
        for packet in video.demux(video.streams.video[0]):
            if packet.size:
                packet.stream = copy
                container.mux(packet)
    for suffix in (".mkv", ".mp4"):
        rewrite(source, tmp_path / f"result{suffix}")
        (stream,) = contents(tmp_path / f"result{suffix}").streams
        shown = [(data[-3:], pts) for data, pts, _ in stream[4] if data[-3:] in (b"one", b"two")]
        assert shown == [(b"one", Fraction(40, 1000)), (b"two", Fraction(40, 1000))]


def test_names_of_streams_of_quicktimes_files_stay(tmp_path):
    source = make_video(tmp_path / "video.mp4", sound=("deu",))
    with av.open(str(source)) as old, av.open(str(tmp_path / "source.mp4"), "w") as container:
        copies = {stream.index: container.add_stream_from_template(stream) for stream in old.streams}
        copies[1].metadata["title"] = "Kommentar"
        for packet in old.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                container.mux(packet)
    for suffix, key in ((".mp4", "name"), (".mkv", "title")):
        rewrite(tmp_path / "source.mp4", tmp_path / f"result{suffix}")
        with av.open(str(tmp_path / f"result{suffix}")) as result:
            assert result.streams.audio[0].metadata[key] == "Kommentar"


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("length", [1, 2, 3, 30])
def test_segments_of_few_frames_have_times_of_their_own(tmp_path, codec, length):
    """Where frames are few, libx265 leaves open when they are decoded."""
    times = range(0, 1200, 40)
    source = make_video(tmp_path / "source.mkv", times=times, options={"bf": "2"})
    rewrite(source, tmp_path / "result.mp4", EncoderSettings(codec, preset="ultrafast"), length=length)
    assert contents(tmp_path / "result.mp4").times == [Fraction(time, 1000) for time in times]
    with av.open(str(tmp_path / "result-0.nut")) as segment:
        packets = [packet for packet in segment.demux() if packet.size]
        decoded = [packet.dts for packet in packets if packet.dts is not None]
        assert len(packets) == length
        assert all(packet.pts * packet.time_base >= 1000 for packet in packets)
    assert decoded == sorted(set(decoded))

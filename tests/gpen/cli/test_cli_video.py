"""`gpen video`: its checks before any work, and how it tells of its progress."""

from __future__ import annotations

import pytest
from command import run_gpen

from gpen_blocks.gpen.cli import bars
from gpen_blocks.gpen.errors import SettingsError

PASSES = {"follow": "following faces", "restore": "restoring"}


@pytest.mark.parametrize("command", ["restore", "video"])
@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--workers", "-1", "--workers is -1, and must lie between 0 and 1000."),
        ("--workers", "1001", "--workers is 1001, and must lie between 0 and 1000."),
        ("--memory", "-0.5", "--memory is -0.5, and must lie between 0 and 100000."),
        ("--memory", "nan", "--memory is nan, and must lie between 0 and 100000."),
    ],
)
def test_threads_and_memory_are_checked_before_any_work(command, option, value, told):
    with pytest.raises(SettingsError) as caught:
        run_gpen(command, "nowhere.mp4", option, value)
    assert str(caught.value) == told


def test_frames_a_second_and_the_time_that_is_left_are_told(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    pace = bars.FramePace(PASSES)
    assert pace.words("follow", 1, 600) == "pass 1 of 2, following faces: frame 1 of 600"
    now[0] = 10
    assert pace.words("follow", 101, 600) == "pass 1 of 2, following faces: frame 101 of 600, 10.0 fps, 50 s left"
    # A stopped command goes on at frame 500, which counts as no work of this one.
    assert pace.words("restore", 500, 600) == "pass 2 of 2, restoring: frame 500 of 600"
    now[0] = 20
    assert pace.words("restore", 520, 600) == "pass 2 of 2, restoring: frame 520 of 600, 2.0 fps, 40 s left"
    assert pace.words("restore", 600, 600) == "pass 2 of 2, restoring: frame 600, 10.0 fps"


def test_without_a_terminal_a_line_is_told_every_half_minute(monkeypatch):
    now, said = [0.0], list[str]()
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(bars, "say_error", said.append)
    with bars.frame_bar(PASSES) as progress:
        for frame in range(100):
            progress("follow", frame, 100)
            now[0] += 1
    assert [line.split(",")[1] for line in said] == [f" following faces: frame {n} of 100" for n in (30, 60, 90)]

"""Long videos need no more memory than short ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
from videos import contents, make_video

PEAK = r"""
import re, sys
from pathlib import Path
sys.path.insert(0, "tests/support")
from videos import rewrite
from gpen_blocks.gpen.video.files import EncoderSettings
rewrite(Path(sys.argv[1]), Path(sys.argv[2]), EncoderSettings("h264", preset="ultrafast"), length=500)
print(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_length(tmp_path):
    peaks = []
    for count in (1000, 8000):
        source = make_video(
            tmp_path / f"{count}.mkv",
            size=(160, 96),
            times=range(0, 40 * count, 40),
            sound=("deu", "eng"),
            options={"preset": "ultrafast"},
            same=True,
        )
        run = subprocess.run(
            [sys.executable, "-c", PEAK, str(source), str(tmp_path / f"{count}-result.mkv")],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(run.stdout) / 1024)
        assert len(contents(tmp_path / f"{count}-result.mkv").times) == count
    assert peaks[1] < peaks[0] + 12, peaks  # MB

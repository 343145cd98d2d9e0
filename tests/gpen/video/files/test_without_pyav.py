"""PyAV is needed only where a video is opened, and torch only for pixels."""

from __future__ import annotations

import subprocess
import sys

from gpen_blocks.gpen.wording import pip_install

SCRIPT = """
import sys
import gpen_blocks.gpen.video.files as files
assert not {"av", "torch"} & set(sys.modules)
sys.modules["av"] = None
try:
    files.read_info("video.mp4")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_pyav_the_command_to_install_it_is_told(tmp_path):
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert run.stdout.startswith("MissingPackageError Videos need PyAV (") and pip_install("av") in run.stdout

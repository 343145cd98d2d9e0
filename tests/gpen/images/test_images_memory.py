"""Memory: a large photograph takes its samples and its tensor, and hardly more."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gpen_blocks.gpen.images import Picture, from_array, write_picture

MEASURE = """
import resource, sys
from dataclasses import replace
from gpen_blocks.gpen.images import read_picture, write_picture
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
base = peak()
for path in sys.argv[1:]:
    write_picture(replace(read_picture(path), source=None), path)
    print(peak() - base)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs the resource module")
def test_peak_memory_of_a_large_photograph(tmp_path):
    """Both ways take 12 bytes a pixel for the tensor, and Pillow's 4, or 16-bit samples and their file."""
    height, width = 2000, 3000
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    image = np.broadcast_to(ramp[:, None], (height, width, 3)).copy()
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=92)
    write_picture(Picture(from_array(image), bit_depth=16), tmp_path / "b.png")
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "a.jpg"), str(tmp_path / "b.png")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    jpeg, deep_png = map(int, result.stdout.split())
    spare = 32 * 2**20
    assert jpeg < height * width * (12 + 4) + spare
    assert deep_png < height * width * (12 + 6 + 6) + spare

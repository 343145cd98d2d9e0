"""In ComfyUI's own Python: memory that does not grow with a batch beyond what goes in and out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from comfyui_server import ROOT, comfyui_folder, run_in_comfyui
from pack_in_python import PACK_LOADED

# Work on a window, libraries that load at the first use, and what the allocator keeps.
MEGABYTES_BESIDES = 500
# The promise is for 300 frames; fewer show the same, sooner.
FRAMES = int(os.environ.get("GPEN_TEST_FRAMES", "60"))

_MEMORY = """
import threading, time
from dataclasses import replace
from gpen_blocks.gpen.types import Faces

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

def watched(work):
    peak, done = [held()], threading.Event()
    def look():
        while not done.wait(0.02):
            peak[0] = max(peak[0], held())
    thread = threading.Thread(target=look)
    thread.start()
    result = work()
    done.set()
    thread.join()
    return result, peak[0]

with torch.inference_mode():
    (face,) = DetectFaces.execute(frame[None], detector, 0.0, 0, 0, "refined").args[0]
    # Warm: libraries load with the first picture.
    FaceRestore.execute(frame[None], model, detector, 1.0)
    empty = held()
    batch = frame[None].repeat(frames, 1, 1, 1)
    # A search takes most of the time; it goes frame by frame, and the first of the runs has one.
    known = Faces(tuple(replace(face, image_index=index) for index in range(frames)), ((432, 768),) * frames)
    told = {"input": batch.nbytes / 2**20, "held": [], "peaks": []}
    for turn in range(3):
        faces = known if turn else None
        answer, peak = watched(lambda: FaceRestore.execute(batch, model, detector, 1.0, faces=faces))
        told["output"] = sum(one.nbytes for one in answer.args if isinstance(one, torch.Tensor)) / 2**20
        told["peaks"].append(peak - empty)
        same = answer.args[0].shape == batch.shape and (answer.args[0] != batch).any().item()
        del answer
        told["held"].append(held() - empty)
print("TOLD", json.dumps({**told, "changed": same}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much memory a process holds")
def test_a_long_batch_takes_its_input_and_output_and_little_more(examples: Path, tmp_path: Path):
    paths = examples / "portrait-degraded.jpg", str(FRAMES)
    told = run_in_comfyui(comfyui_folder(), PACK_LOADED + _MEMORY, ROOT, *paths, "--cpu", base=tmp_path, tag="TOLD")
    print(told)
    assert told["changed"]
    assert all(peak < told["input"] + told["output"] + MEGABYTES_BESIDES for peak in told["peaks"]), told
    # What is left between runs is the input, and it does not grow.
    assert told["held"][0] < told["input"] + MEGABYTES_BESIDES
    assert told["held"][2] < told["held"][0] + 50 and told["peaks"][2] < told["peaks"][1] + 50

"""Make the example video, `living-room.mp4`, from the painted scene of one of the pictures.

    python examples/make_video.py [--output FOLDER]

A hand-held camera goes across the room with its two people (see `make_pictures.py`). Each frame is soft, has noise of
its own, and is compressed. Needs PyAV.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import cv2
import numpy as np
from make_pictures import living_room

HERE = Path(__file__).resolve().parent
NAME = "living-room.mp4"
FRAMES, RATE, SIZE = 36, 12, (480, 270)
_SEED = 1994


def frames() -> list[np.ndarray]:
    """The frames, H x W x 3 uint8."""
    rng = np.random.default_rng(_SEED)
    # As soft as a cheap lens, which is enough for the reduction.
    scene = cv2.GaussianBlur(living_room(np.random.default_rng(_SEED)).clip(0, 1).astype(np.float32), (0, 0), 2.2)
    shake = cv2.GaussianBlur(rng.normal(0, 1, (FRAMES, 3)), (1, 15), sigmaX=0.1, sigmaY=2.5) * (9, 7, 0.8)
    made = []
    for number in range(FRAMES):
        part = number / (FRAMES - 1)
        part = part * part * (3 - 2 * part)
        zoom = 0.56 + 0.10 * part
        centre = np.array([470 + 70 * part, 300 + 20 * part]) + shake[number, :2]
        matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), float(shake[number, 2]), zoom)
        matrix[:, 2] += np.array(SIZE) / 2 - centre
        frame = cv2.warpAffine(scene, matrix, SIZE, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        noise = cv2.GaussianBlur(rng.normal(0, 1, frame.shape).astype(np.float32), (0, 0), 0.7)
        made.append(np.rint((frame * 0.94 + 0.03 + 0.03 * noise).clip(0, 1) * 255).astype(np.uint8))
    return made


def write(path: Path) -> None:
    """Write the video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "29", "preset": "slow"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for frame in frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    """Make the video."""
    parser = argparse.ArgumentParser(description="Make the example video.")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write to; default: that of this script")
    write(parser.parse_args().output / NAME)


if __name__ == "__main__":
    main()

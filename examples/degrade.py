"""Spoil a photograph as an old, badly scanned and often copied one is spoilt; the same way every time.

    python examples/degrade.py [SOURCE] [TARGET]

Without arguments it makes `portrait-degraded.jpg`, the picture `gpen demo` restores, from `portrait.png`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
BLUR_SIGMA = 1.5  # pixels
REDUCTION = 1.5
NOISE_SIGMA = 12  # of 255, in the reduced picture
JPEG_QUALITY = 60
SEED = 2015


def degrade(image: np.ndarray) -> np.ndarray:
    """Blur, reduce, add film grain, enlarge again.

    Args:
        image: H x W x 3 uint8.

    Returns:
        H x W x 3 uint8.
    """
    height, width = image.shape[:2]
    noise = np.random.default_rng(SEED)
    picture = cv2.GaussianBlur(image.astype(np.float32), (0, 0), BLUR_SIGMA)
    reduced = (round(width / REDUCTION), round(height / REDUCTION))
    picture = cv2.resize(picture, reduced, interpolation=cv2.INTER_AREA)
    picture += noise.normal(0, NOISE_SIGMA, picture.shape).astype(np.float32)
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def main() -> None:
    """Read the source, degrade it, and write it as a JPEG."""
    parser = argparse.ArgumentParser(description="Spoil a photograph, the same way every time.")
    parser.add_argument("source", nargs="?", type=Path, default=HERE / "portrait.png")
    parser.add_argument("target", nargs="?", type=Path, default=HERE / "portrait-degraded.jpg")
    arguments = parser.parse_args()
    with Image.open(arguments.source) as source:
        image = np.asarray(source.convert("RGB"))
    Image.fromarray(degrade(image)).save(arguments.target, "JPEG", quality=JPEG_QUALITY)


if __name__ == "__main__":
    main()

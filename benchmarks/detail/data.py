"""The pictures that are measured, and the damage done to some of them.

Images are float32 RGB, B x 3 x H x W in 0..1, and hold 8-bit levels, as files do.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.pixels.filters import gaussian_blur

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"

FACES = 48
# Every 90th from the 37th on: none of every 90th from the first on, on which the blend's thresholds were chosen.
_FIRST, _STEP = 37, 90

Damage = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def read(source: Path | io.BytesIO) -> torch.Tensor:
    """A picture file, 1 x 3 x H x W."""
    with Image.open(source) as picture:
        pixels = np.array(picture.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def solvay(shared: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """GPEN's official example by its authors: 29 crops of 512 x 512, and what GPEN-BFR-512 made of them."""
    files = sorted((shared / "data" / "real" / "solvay_official").glob("*_face[0-9][0-9].jpg"))
    pairs = torch.cat([read(file) for file in files])
    return pairs[..., :512].contiguous(), pairs[..., 512:].contiguous()


def faces(shared: Path) -> torch.Tensor:
    """Machine-generated faces, 256 x 256, on the template `ffhq`."""
    column = pq.read_table(shared / "data" / "faces-256.parquet", columns=["image"])["image"]
    chosen = range(_FIRST, _FIRST + FACES * _STEP, _STEP)
    return torch.cat([read(io.BytesIO(column[index].as_py()["bytes"])) for index in chosen])


def rounded(images: torch.Tensor) -> torch.Tensor:
    """The nearest 8-bit levels."""
    return (images.clamp(0, 1) * 255).round() / 255


def noisy(images: torch.Tensor, levels: float, random: torch.Generator) -> torch.Tensor:
    """White Gaussian noise of a deviation in 8-bit levels, in each channel."""
    return images + torch.randn(images.shape, generator=random) * levels / 255


def through_jpeg(images: torch.Tensor, quality: int) -> torch.Tensor:
    stored = []
    for image in images:
        file = io.BytesIO()
        to_pil(image).save(file, "JPEG", quality=quality)
        stored.append(read(file))
    return torch.cat(stored)


def reduced(images: torch.Tensor, factor: float, between: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Reduced by a factor, changed by `between`, and enlarged to the old size."""
    small = F.interpolate(images, scale_factor=1 / factor, mode="bicubic", antialias=True)
    return F.interpolate(between(small), images.shape[-2:], mode="bilinear", antialias=True)


def cast(images: torch.Tensor) -> torch.Tensor:
    """The yellow of an old print."""
    return images * images.new_tensor([1.0, 0.85, 0.6]).view(3, 1, 1)


def faded(images: torch.Tensor) -> torch.Tensor:
    """Half the contrast, and no black."""
    return 0.5 * images + 0.3


def to_pil(image: torch.Tensor) -> Image.Image:
    """3 x H x W in 0..1 as a picture."""
    levels = (image.clamp(0, 1) * 255).round().byte()
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


DAMAGE: dict[str, Damage] = {
    "blur, sigma 1.5 px": lambda x, _: gaussian_blur(x, 1.5),
    "blur, sigma 3 px": lambda x, _: gaussian_blur(x, 3),
    "reduced to 1/2": lambda x, _: reduced(x, 2, rounded),
    "reduced to 1/4": lambda x, _: reduced(x, 4, rounded),
    "reduced to 1/8": lambda x, _: reduced(x, 8, rounded),
    "noise 10": lambda x, random: noisy(x, 10, random),
    "noise 25": lambda x, random: noisy(x, 25, random),
    "reduced to 1/2, noise 20": lambda x, random: reduced(x, 2, lambda small: noisy(small, 20, random)),
    "reduced to 1/4, noise 10": lambda x, random: reduced(x, 4, lambda small: noisy(small, 10, random)),
    "JPEG 20": lambda x, _: through_jpeg(x, 20),
    "reduced to 1/2, JPEG 15": lambda x, _: reduced(x, 2, lambda small: through_jpeg(small, 15)),
    "reduced to 1/4, JPEG 30": lambda x, _: reduced(x, 4, lambda small: through_jpeg(small, 30)),
    "blur 2, reduced to 1/2, noise 10, JPEG 40": lambda x, random: reduced(
        gaussian_blur(x, 2), 2, lambda small: through_jpeg(noisy(small, 10, random), 40)
    ),
    "reduced to 1/4, faded": lambda x, _: faded(reduced(x, 4, rounded)),
    "reduced to 1/4, strong cast": lambda x, _: cast(reduced(x, 4, rounded)),
}
"""Kinds of damage by name. Noise is its deviation in 8-bit levels, JPEG its quality."""


def damaged(images: torch.Tensor, kind: str) -> torch.Tensor:
    """Images with one kind of damage, the same every time."""
    return rounded(DAMAGE[kind](images, torch.Generator().manual_seed(1)))

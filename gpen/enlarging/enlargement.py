"""Enlarge whole pictures by a whole factor: plainly, by a network, or by somebody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from ..backends import Precision
from ..choices import LANCZOS, require_enlargement
from ..devices import Placement, free_memory, on_device, select_device
from ..errors import ImageError
from ..pixels.resize import resize
from ..progress import Steps, no_steps
from ..types import Size
from .upscaler import Upscaler, fit_factor, load_upscaler

MOST_PIXELS = 500_000_000
"""Most pixels of an enlarged picture; larger ones could not be read again, see `images.formats.MAX_PIXELS`."""
BYTES_PER_PIXEL = 72
"""Bytes held for a pixel of the enlarged picture at the peak: three pictures of 12, the mask, and the work on them."""


class Enlarger(Protocol):
    """Makes the pictures that restored faces are pasted into.

    Attributes:
        factor: whole factor by which they are larger.
    """

    @property
    def factor(self) -> int: ...

    def __call__(self, image: torch.Tensor, index: int, plain: torch.Tensor, progress: Steps) -> torch.Tensor:
        """The enlarged picture.

        Args:
            image: 1 x 3 x H x W in 0..1, the picture; prepared, if the settings ask for it.
            index: its place in the batch.
            plain: the same enlarged plainly.
            progress: called with (done, total) regularly; an exception it raises ends the work.
        """
        ...

    def check(self, size: Size) -> None:
        """Check that a picture of (height, width) can be enlarged; raises ImageError."""
        ...

    def describe(self) -> dict[str, Any]:
        """What is told in the report."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each deviation from what was requested."""
        ...


def enlarge_plainly(images: torch.Tensor, factor: int) -> torch.Tensor:
    """Enlarge pictures, B x C x H x W in 0..1, by a whole factor; nothing is invented (Lanczos with three lobes)."""
    if factor == 1:
        return images
    height, width = images.shape[-2:]
    return resize(images, (factor * height, factor * width), "lanczos").clamp_(0, 1)


@dataclass(frozen=True, eq=False)
class Enlargement:
    """Pictures enlarged by a factor.

    Attributes:
        factor: one of `FACTORS`, more than 1.
        upscaler: network for the background; None: Lanczos.
        place: placement of the network.
    """

    factor: int
    upscaler: Upscaler | None = None
    place: Placement = field(default_factory=lambda: on_device(select_device()))

    def __call__(
        self, image: torch.Tensor, index: int, plain: torch.Tensor, progress: Steps = no_steps
    ) -> torch.Tensor:
        """See `Enlarger`."""
        if self.upscaler is None:
            return plain
        return fit_factor(self.upscaler(image, self.place, progress=progress), image, self.factor)

    def check(self, size: Size) -> None:
        """Check that the result is not too large; raises ImageError."""
        height, width = size
        made = self.factor**2 * height * width
        what = f"{width} x {height} pixels enlarged {self.factor} times are {self.factor * width} x "
        what += f"{self.factor * height}"
        if made > MOST_PIXELS:
            raise ImageError(f"{what}, and the limit is {MOST_PIXELS // 10**6} million; choose a smaller factor.")
        beyond = max(1.0, self.upscaler.scale / self.factor) ** 2 if self.upscaler else 1.0
        needed, free = BYTES_PER_PIXEL * made * beyond, free_memory(torch.device("cpu"))
        if free is not None and needed > free:
            raise ImageError(
                f"{what}, which take about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free; choose a "
                "smaller factor or picture."
            )

    def describe(self) -> dict[str, Any]:
        """Factor and background, and of a network its file, architecture, scale and number format."""
        if self.upscaler is None:
            return {"factor": self.factor, "background": LANCZOS}
        return {
            "factor": self.factor,
            "background": self.upscaler.name,
            "architecture": self.upscaler.architecture,
            "scale": self.upscaler.scale,
            "dtype": str(self.upscaler.dtype).removeprefix("torch."),
            "sha256": self.upscaler.sha256,
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each deviation from what was requested."""
        if self.upscaler is None:
            return ()
        scale, notes = self.upscaler.scale, tuple(self.upscaler.notes)
        if scale == self.factor:
            return notes
        rest = "reduced" if scale > self.factor else "enlarged further"
        return (
            f"{self.upscaler.name} enlarges {scale} times; its pictures were {rest} to {self.factor} times.",
            *notes,
        )


@dataclass(frozen=True, eq=False)
class GivenPictures:
    """Pictures that somebody else enlarged.

    Attributes:
        pictures: B x 3 x (factor * H) x (factor * W) in 0..1.
        factor: whole factor by which they are larger.
    """

    pictures: torch.Tensor
    factor: int

    @classmethod
    def of(cls, pictures: torch.Tensor, images: torch.Tensor) -> GivenPictures:
        """Those for `images`, B x 3 x H x W.

        Raises:
            ImageError: number, or shape of the pictures does not fit, or their size is no whole multiple.
        """
        factor = whole_factor(pictures, images)
        if factor is None or len(pictures) != len(images):
            raise ImageError(
                f"The enlarged pictures are {tuple(pictures.shape)}, but the images are {tuple(images.shape)}; as many "
                "are needed, of a whole multiple of both sides."
            )
        return cls(pictures, factor)

    def __call__(
        self, image: torch.Tensor, index: int, plain: torch.Tensor, progress: Steps = no_steps
    ) -> torch.Tensor:
        """See `Enlarger`."""
        return self.pictures[index : index + 1].to(image)

    def check(self, size: Size) -> None:
        """Nothing: the pictures are there."""

    def describe(self) -> dict[str, Any]:
        """The factor, and that the pictures came."""
        return {"factor": self.factor, "background": "given"}

    @property
    def notes(self) -> tuple[str, ...]:
        """None."""
        return ()


def whole_factor(pictures: torch.Tensor, images: torch.Tensor) -> int | None:
    """Factor by which pictures are larger than images (... x H x W) along both sides; None if it is not whole."""
    (height, width), (tall, wide) = images.shape[-2:], pictures.shape[-2:]
    factor = tall // height
    return factor if factor >= 1 and (tall, wide) == (factor * height, factor * width) else None


def load_enlargement(
    factor: int, background: str | Path = LANCZOS, *, device: torch.device, precision: Precision = "fp32"
) -> Enlargement | None:
    """The enlargement by a factor; None if it is 1.

    Args:
        factor: one of `FACTORS`.
        background: `lanczos`, or the file of a network, see `load_upscaler`.
        device: where the network runs.
        precision: its number format, see `load_upscaler`.

    Raises:
        SettingsError: the factor is unknown, or there is a background without a factor.
        GPENError: the network cannot be loaded, see `load_upscaler`.
    """
    require_enlargement(factor, str(background))
    if factor == 1:
        return None
    upscaler = None if str(background) == LANCZOS else load_upscaler(background, precision=precision)
    return Enlargement(factor, upscaler, on_device(device))

"""A picture with all metadata of its file, so that a result can be written like its source."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ..errors import ImageError
from ..pixels.resize import resize
from .metadata import upright_exif
from .modes import Mode
from .samples import check_images, integer_array


@dataclass(frozen=True)
class FileInfo:
    """Information about a picture's file that is needed for writing.

    Attributes:
        format: `JPEG`, `PNG`, `WebP`, `TIFF`, `BMP`, `GIF`, `JPEG 2000`, `HEIC`, `AVIF`, `camera raw`; empty for a
            picture that was not read from a file.
        lossless: whether the file stores its samples exactly; a JPEG, lossy WebP or HEIC does not.
        dpi: horizontal and vertical dots per inch, or None.
        xmp: the XMP packet, or None.
        comment: the comment of a JPEG, or None.
        photoshop: Photoshop's image resources (8BIM), IPTC among them, without thumbnails; or None.
        png_chunks: (type, data) of a PNG's colour and text chunks, which are copied to a PNG unchanged.
        jpeg_tables: the quantisation tables of a JPEG, 64 numbers each in natural order, luminance first.
        jpeg_subsampling: chroma subsampling of a JPEG: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0; None is another.
        progressive: whether the JPEG was progressive.
    """

    format: str = ""
    lossless: bool = True
    dpi: tuple[float, float] | None = None
    xmp: bytes | None = None
    comment: bytes | None = None
    photoshop: bytes | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()
    jpeg_tables: tuple[tuple[int, ...], ...] = ()
    jpeg_subsampling: int | None = None
    progressive: bool = False


@dataclass(frozen=True, eq=False)
class Source:
    """The complete file a picture was read from; its bytes are the result if nothing was changed.

    Attributes:
        path: the file.
        pixels: the tensor read from it.
    """

    path: Path
    pixels: torch.Tensor


@dataclass(frozen=True, eq=False)
class Picture:
    """One upright picture with the metadata of its file.

    Attributes:
        pixels: 1 x 3 x H x W float32 RGB in 0..1, as the file encodes them: no colour conversion, except from
            CMYK and Lab. The three channels of a grey picture are equal.
        alpha: 1 x 1 x H x W float32 in 0..1 (1 is opaque), or None.
        bit_depth: bits per sample of the file, 8 or 16; smaller depths count as 8.
        mode: pixel mode of the file. A grey picture is written as grey as long as its pixels are grey.
        exif: the EXIF block starting at its TIFF header, without its prefix `Exif`, or None.
        icc_profile: the colour profile of `pixels`, or None if untagged.
        info: other information needed for writing.
        n_frames: number of frames or pages in the file; `pixels` is number `page`.
        notes: remarks for the user, one sentence each.
        page: page number of a TIFF, from 0.
        left_out: content that is lost when the picture is written, one sentence each; reported by the writer.
        source: the file; None if the picture was not read from a file, is only a part of it, or is damaged.
    """

    pixels: torch.Tensor
    alpha: torch.Tensor | None = None
    bit_depth: Literal[8, 16] = 8
    mode: Mode = "RGB"
    exif: bytes | None = None
    icc_profile: bytes | None = None
    info: FileInfo = field(default_factory=FileInfo)
    n_frames: int = 1
    notes: tuple[str, ...] = ()
    page: int = 0
    left_out: tuple[str, ...] = ()
    source: Source | None = None

    def __post_init__(self) -> None:
        check_images(self.pixels)
        if self.alpha is not None and self.alpha.shape != (1, 1, *self.size):
            raise ImageError(f"alpha must be {(1, 1, *self.size)}, not {tuple(self.alpha.shape)}.")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.pixels.shape[-2:]
        return height, width

    def with_pixels(self, pixels: torch.Tensor) -> Picture:
        """The same picture with other `pixels`, 1 x 3 x H x W in 0..1 of the same size.

        Raises:
            ImageError: the size or shape differs.
        """
        if pixels.shape != self.pixels.shape:
            raise ImageError(f"The result must be {tuple(self.pixels.shape)}, not {tuple(pixels.shape)}.")
        return replace(self, pixels=pixels)

    def enlarged(self, pixels: torch.Tensor) -> Picture:
        """The same picture enlarged to `pixels`, 1 x 3 x H' x W' in 0..1: alpha grows with it (bicubic), and EXIF tells
        the new size.
        """
        height, width = pixels.shape[-2:]
        alpha = None if self.alpha is None else resize(self.alpha, (height, width)).clamp_(0, 1)
        exif = self.exif
        if exif is not None:
            with suppress(struct.error):  # damaged: it stays as it is
                exif = upright_exif(exif, height, width)
        return replace(self, pixels=pixels, alpha=alpha, exif=exif, source=None)

    def to_array(self) -> np.ndarray:
        """H x W x 3 RGB, uint8 or uint16 depending on `bit_depth`."""
        return integer_array(self.pixels, np.dtype(f"uint{self.bit_depth}"))

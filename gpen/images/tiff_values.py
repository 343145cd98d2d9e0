"""Convert samples of a TIFF page of any type and colour space to 16-bit grey or RGB, scaled to black and white.

Sources: TIFF 6.0 sections 8 (MaxSampleValue), 19 (SMinSampleValue), 23 (CIELab); Adobe Photoshop TIFF Technical Notes
(ICCLab, CMYK of 16 bits); CIE 15 (L*a*b*); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import ImageError
from .samples import bands
from .tiff import ASSOCIATED_ALPHA, MIN_IS_BLACK, MIN_IS_WHITE, RGB, UNASSOCIATED_ALPHA

if TYPE_CHECKING:
    from tifffile import TiffPage

    from .modes import Mode

_CMYK, _CIE_LAB, _ICC_LAB = 5, 8, 9
_COLORS = {MIN_IS_WHITE: 1, MIN_IS_BLACK: 1, RGB: 3, _CMYK: 4, _CIE_LAB: 3, _ICC_LAB: 3}
_MAX_SAMPLE, _SMIN_SAMPLE, _SMAX_SAMPLE = 281, 340, 341
_FULL = 65535
# White values to try if the file does not state one: of 8, 10, 12, 16 and 32 bits, the smallest that holds all samples.
_WHITES = (255, 1023, 4095, 65535, 2**32 - 1)
# A 16-bit photograph has values above this; otherwise its sensor had 12 bits or fewer.
_DEEPEST_12_BIT = 4095
# From XYZ under D50, the white of Lab, to linear sRGB, with Bradford adaptation (ICC.1:2022, annex E).
_D50 = np.array([0.96422, 1.0, 0.82521])
_D50_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)


@dataclass(frozen=True)
class Values:
    """Converted samples of a page.

    Attributes:
        samples: H x W x C uint16, grey or RGB, then straight alpha; None if `image` holds the page.
        image: a CMYK image of 8 bits.
        mode: pixel mode of the file.
        with_alpha: whether the last channel is alpha.
        is_srgb: whether the colours were converted to sRGB.
        notes: the values used for black and white, and what was left out.
    """

    samples: np.ndarray | None
    image: Image.Image | None
    mode: Mode
    with_alpha: bool = False
    is_srgb: bool = False
    notes: tuple[str, ...] = ()


def to_values(samples: np.ndarray, page: TiffPage, name: str) -> Values:
    """Convert samples from `decode_page` according to the tags of the page.

    Raises:
        ImageError: the colour space is not that of a photograph.
    """
    photometric = int(page.photometric) if page.photometric is not None else -1
    colors = _COLORS.get(photometric, 0)
    if not colors or samples.shape[2] < colors:
        kind = getattr(page.photometric, "name", page.photometric)
        raise ImageError(f"{name} uses an unsupported colour space ({kind}); save it as 16-bit RGB.")
    extra = tuple(int(value) for value in page.extrasamples) if samples.shape[2] > colors else ()
    alpha_kind = next((kind for kind in extra if kind in (ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA)), None)
    alpha = samples[..., colors + extra.index(alpha_kind)] if alpha_kind is not None else None
    notes = ["A channel of the file that is neither colour nor alpha was left out."] if 0 in extra else []
    samples = samples[..., :colors]
    is_lab = photometric in (_CIE_LAB, _ICC_LAB)
    if is_lab:
        result = _lab_to_srgb(samples, photometric == _ICC_LAB, name)
        notes.append("The CIELab picture was converted to sRGB.")
    else:
        result, scale_notes = _to_full(samples, page, _known_white(page, samples))
        notes += scale_notes
    if photometric == MIN_IS_WHITE:
        np.subtract(_FULL, result, out=result)
    if photometric == _CMYK:
        if alpha is not None:
            notes.append("The transparency of the CMYK picture was left out.")
        notes.append("The CMYK picture was read at 8 bits.")
        return Values(None, _inks(result), "CMYK", notes=tuple(notes))
    if alpha is not None:
        top = 1.0 if samples.dtype.kind == "f" else _integer_white(page, samples)
        opaque = _scaled(alpha[..., None], 0.0, top)
        if alpha_kind == ASSOCIATED_ALPHA:
            _unmultiply(result, opaque)
        result = np.concatenate([result, opaque], axis=2)
    plain: Mode = "RGB" if colors == 3 else "grey"
    transparent: Mode = "RGBA" if colors == 3 else "grey+alpha"
    mode: Mode = "Lab" if is_lab else plain if alpha is None else transparent
    return Values(result, None, mode, alpha is not None, is_lab, tuple(notes))


def _inks(samples: np.ndarray) -> Image.Image:
    height, width = samples.shape[:2]
    inks = np.empty((height, width, 4), np.uint8)
    for rows in bands(height, width):
        inks[rows] = np.rint(samples[rows] / np.float32(257))
    return Image.frombuffer("CMYK", (width, height), inks.tobytes(), "raw", "CMYK", 0, 1)


def _integer_white(page: TiffPage, samples: np.ndarray) -> float:
    bits = int(page.bitspersample)
    return float(2**bits - 1) if samples.dtype.kind == "u" else float(np.iinfo(samples.dtype).max)


def _known_white(page: TiffPage, samples: np.ndarray) -> float | None:
    """The white value defined by the type alone: that of unsigned integers of up to 16 bits."""
    return _integer_white(page, samples) if samples.dtype.kind == "u" and samples.dtype.itemsize <= 2 else None


def _to_full(samples: np.ndarray, page: TiffPage, white: float | None) -> tuple[np.ndarray, list[str]]:
    """Scale to 0..65535; also returns a sentence on the range if the type does not define it."""
    low, high, holes = _extent(samples)
    notes = ["Samples that are not numbers were read as black."] if holes else []
    if white is not None:
        said = _tag_value(page, _MAX_SAMPLE, np.max)
        if said is not None and 1 < said < white and high <= said:
            notes.append(f"White is {said:g}, as the file says.")
            return _scaled(samples, 0, said), notes
        if white == _FULL and 1 < high <= _DEEPEST_12_BIT:
            top = next(value for value in _WHITES if value >= high)
            bits = int(top + 1).bit_length() - 1
            notes.append(f"Its 16-bit samples end at {high:g}, so they were read as {bits} bits: white is {top}.")
            return _scaled(samples, 0, top), notes
        return _scaled(samples, 0, white), notes
    black, top = _tag_value(page, _SMIN_SAMPLE, np.min), _tag_value(page, _SMAX_SAMPLE, np.max)
    if black is not None and top is not None and black < top:
        notes.append(f"Black is {black:g} and white {top:g}, as the file says.")
        return _scaled(samples, black, top), notes
    black = min(low, 0.0)
    top = high if high > black else black + 1
    whites = ((1,) if samples.dtype.kind == "f" else ()) + _WHITES
    # The next common white value, unless it is implausibly far away.
    top = next((float(value) for value in whites if high <= value <= 2 * high), top)
    if samples.dtype.kind == "f" and high <= 1:
        top = 1.0
    kind = "floating-point" if samples.dtype.kind == "f" else f"{8 * samples.dtype.itemsize}-bit integer"
    notes.append(
        f"The file does not say which value of its {kind} samples is white; they lie in {low:g}..{high:g}, so "
        f"black was taken as {black:g} and white as {top:g}."
    )
    return _scaled(samples, black, top), notes


def _tag_value(page: TiffPage, tag: int, choose: Callable[[np.ndarray], float]) -> float | None:
    found = page.tags.get(tag)
    if found is None:
        return None
    values = np.atleast_1d(np.asarray(found.value, float))
    return float(choose(values)) if values.size and np.isfinite(values).all() else None


def _extent(samples: np.ndarray) -> tuple[float, float, bool]:
    """The smallest and the largest finite sample, and whether there are non-finite ones."""
    low, high, holes = np.inf, -np.inf, False
    for rows in bands(*samples.shape[:2]):
        band = samples[rows]
        if band.dtype.kind == "f":
            finite = np.isfinite(band)
            if not finite.all():
                band, holes = band[finite], True
        if band.size:
            low, high = min(low, float(band.min())), max(high, float(band.max()))
    return (low, high, holes) if low <= high else (0.0, 0.0, holes)


def _scaled(samples: np.ndarray, black: float, white: float) -> np.ndarray:
    if samples.dtype == np.uint16 and (black, white) == (0, _FULL):
        return samples.copy()
    result = np.empty(samples.shape, np.uint16)
    for rows in bands(*samples.shape[:2]):
        values = samples[rows].astype(np.float64)
        if samples.dtype.kind == "f":
            values[~np.isfinite(values)] = black
        values = (values - black) * (_FULL / (white - black))
        result[rows] = np.rint(np.clip(values, 0, _FULL))
    return result


def _unmultiply(color: np.ndarray, alpha: np.ndarray) -> None:
    for rows in bands(*color.shape[:2]):
        straight = color[rows] * (_FULL / np.maximum(alpha[rows].astype(np.float32), 1))
        color[rows] = np.rint(np.minimum(straight, _FULL))


def _lab_to_srgb(samples: np.ndarray, is_icc: bool, name: str) -> np.ndarray:
    if samples.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{name} holds CIELab in {samples.dtype}; save it as 16-bit RGB.")
    unit = 1 if samples.dtype == np.uint8 else 256
    # In 16-bit ICCLab, L* = 100 is 0xFF00; CIELab uses the full range.
    top = 255 * unit if is_icc or unit == 1 else _FULL
    result = np.empty(samples.shape, np.uint16)
    for rows in bands(*samples.shape[:2]):
        band = samples[rows]
        lightness = np.minimum(band[..., 0] * (100 / top), 100.0)
        if is_icc:
            a, b = np.moveaxis(band[..., 1:].astype(np.float64) / unit - 128, -1, 0)
        else:
            signed = np.int8 if unit == 1 else np.int16
            a, b = np.moveaxis(np.ascontiguousarray(band[..., 1:]).view(signed).astype(np.float64) / unit, -1, 0)
        fy = (lightness + 16) / 116
        f = np.stack([fy + a / 500, fy, fy - b / 200], axis=-1)
        xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * _D50
        linear = np.clip(xyz @ _D50_TO_SRGB.T, 0, 1)
        encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
        result[rows] = np.rint(np.clip(encoded, 0, 1) * _FULL)
    return result

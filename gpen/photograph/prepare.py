"""Prepare a photograph before its faces are restored: levels, white balance, deblocking, exposure of faces."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

import torch

from ..checks import require_between, require_finite_images
from ..choices import WhiteBalance
from ..errors import ImageError, SettingsError
from ..progress import Steps, each, no_steps, steps_within
from ..types import Faces
from ..wording import count
from . import jpeg
from .exposure import FaceLight, lift_faces
from .levels import Fading, line_of, restore_levels
from .white_balance import Cast, lab_balance, remove_cast, shades_of_grey

JpegTables = Mapping[int, Sequence[int]] | Sequence[Sequence[int]]

# The blog article behind the preset `article` recommends that a face fill half of the frame; the alignment crops
# smaller faces.
_HALF = 0.5
# Every 45 degrees of hue in CIELAB.
_HUES = ("pink", "orange", "yellow", "yellow-green", "green", "cyan", "blue", "magenta")


def prepare(
    images: torch.Tensor,
    *,
    white_balance: WhiteBalance | str = "none",
    deblock: float = 0.0,
    faces: Faces | None = None,
    exposure: float = 0.0,
    levels: float = 0.0,
    jpeg_tables: Sequence[JpegTables | None] | None = None,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, list[dict[str, Any]]]:
    """Restore faded contrast, remove a colour cast, smooth JPEG blocks and brighten backlit faces, in this order.

    JPEG blocks and the light on faces are reported even if they are not corrected.

    Args:
        images: B x 3 x H x W in 0..1, whole pictures.
        white_balance: `none`, `shades_of_grey` or `lab` (see `lab_balance`).
        deblock: 0..1, strength, see `jpeg.deblock`.
        faces: faces detected in these images; without them, faces are not reported.
        exposure: 0..1, strength, see `lift_faces`; no effect without faces.
        levels: 0..1, strength, see `restore_levels`.
        jpeg_tables: quantisation tables of each image's file; None or empty if it has none.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W in 0..1 (the tensor `images` itself if nothing changed), and a JSON-serialisable report for each
        picture:

        - `levels`, if its strength is above 0: `black`, `white` (luma 0..1 before), `contrast_gain`;
        - `white_balance`, if enabled: `method`, `cast_delta_e`, `cast_a`, `cast_b`, `removed` (share 0..1),
          `gains` (red, green, blue in linear light), `monochrome`;
        - `jpeg`: `blockiness` (ratio, 1 is none), `phase` (pixels), `quality` (1..100) and `residual` if tables are
          known, `deblocked`;
        - `faces`, if given: `share` (longer side of the box divided by the shorter side of the image), `luminance` and
          `surroundings` (0..1), `stops_below_surroundings`, `lift_stops`;
        - `notes`: what was found and done, in sentences.

    Raises:
        ImageError: the images have a wrong shape or contain NaN or infinity, or faces or tables do not belong to them.
        SettingsError: a setting is unknown or out of range.
    """
    require_finite_images(images)
    if white_balance not in get_args(WhiteBalance):
        known = ", ".join(get_args(WhiteBalance))
        raise SettingsError(f"There is no white balance {white_balance!r}; choose from {known}.")
    require_between("deblock", deblock, 0, 1)
    require_between("exposure", exposure, 0, 1)
    if jpeg_tables is not None and len(jpeg_tables) != len(images):
        raise ImageError(
            f"JPEG tables came for {len(jpeg_tables)} of {count(len(images), 'image')}; use None if there are none."
        )
    if faces is not None and len(faces.sizes) != len(images):
        raise ImageError(
            f"The faces belong to {count(len(faces.sizes), 'image')}, not to these {len(images)}; detect them on the "
            "images that are prepared."
        )
    result, reports = images, []
    for index, steps in each(range(len(images)), progress):
        one = images[index : index + 1]
        done, report = _prepare_one(
            one,
            white_balance=white_balance,
            deblock=deblock,
            faces=faces and faces.window(index, index + 1),
            exposure=exposure,
            levels=levels,
            tables=jpeg_tables[index] if jpeg_tables else None,
            progress=steps,
        )
        reports.append(report)
        if done is not one:
            result = images.clone() if result is images else result
            result[index] = done[0]
    return result, reports


@dataclass(frozen=True)
class Correction:
    """What `prepare` does to one picture, apart from its faces: a mean of several is one too.

    Attributes:
        line: factor and summand of the levels.
        cast: removed from it; `removed` is 0 or 1.
        deblocked: share 0..1 of the correction of block edges.
        phase: (x, y) of these.
    """

    line: tuple[float, float] = (1.0, 0.0)
    cast: Cast = Cast(0.0, 0.0, 0.0, (1.0, 1.0, 1.0), False, 1.0)
    deblocked: float = 0.0
    phase: tuple[int, int] = (0, 0)


def find_correction(image: torch.Tensor, *, white_balance: str, deblock: float, levels: float) -> Correction:
    """What `prepare` would do to a picture, 1 x 3 x H x W; arguments as there."""
    line, cast = (1.0, 0.0), Correction.cast
    if levels != 0:
        image, (fading,) = restore_levels(image, levels)
        line = line_of(fading, levels)
    if white_balance != "none":
        image, (found,) = (shades_of_grey if white_balance == "shades_of_grey" else lab_balance)(image)
        removed = (found.removed * found.a, found.removed * found.b)
        cast = Cast(*removed, float(found.removed > 0), found.gains, found.monochrome, found.judged)
    (blocks,) = jpeg.blockiness(image) if deblock else (None,)
    visible = blocks is not None and blocks.visible
    return Correction(line, cast, deblock * visible, blocks.phase if blocks else (0, 0))


def correct(image: torch.Tensor, correction: Correction, *, white_balance: str) -> torch.Tensor:
    """Do to a picture, 1 x 3 x H x W in 0..1, what a correction says; the tensor itself if that is nothing."""
    if correction.line != (1.0, 0.0):
        image = (image * correction.line[0] + correction.line[1]).clamp(0, 1)
    if white_balance != "none" and correction.cast.removed:
        image = remove_cast(image, correction.cast, white_balance)
    if correction.deblocked:
        image = jpeg.deblock(image, correction.deblocked, (jpeg.Blockiness(2.0, 2.0, correction.phase),))
    return image


def _prepare_one(
    image: torch.Tensor,
    *,
    white_balance: str,
    deblock: float,
    faces: Faces | None,
    exposure: float,
    levels: float,
    tables: JpegTables | None,
    progress: Steps,
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Prepare 1 x 3 x H x W; also returns its report."""
    # Shares of the time, in percent, with everything on.
    leveling, balancing, measuring, deblocking, lifting = (
        steps_within(progress, first, last, 100) for first, last in pairwise((0, 10, 45, 50, 85, 100))
    )
    report: dict[str, Any] = {"notes": []}
    if levels != 0:
        image, (fading,) = restore_levels(image, levels, progress=leveling)
        _report_levels(report, fading)
    if white_balance != "none":
        balance = shades_of_grey if white_balance == "shades_of_grey" else lab_balance
        image, (cast,) = balance(image, progress=balancing)
        _report_cast(report, cast, white_balance)
    (blocks,) = jpeg.blockiness(image, progress=measuring)
    image = jpeg.deblock(image, deblock, (blocks,), progress=deblocking)
    _report_jpeg(report, blocks, tables, deblock)
    if faces is not None:
        image, lights = lift_faces(image, faces, exposure, progress=lifting)
        _report_faces(report, faces, lights)
    return image, report


def _report_levels(report: dict[str, Any], fading: Fading) -> None:
    report["levels"] = {
        "black": round(fading.black, 3),
        "white": round(fading.white, 3),
        "contrast_gain": round(fading.gain, 3),
    }
    if fading.gain > 1:
        report["notes"].append(f"The picture was faded; its contrast was raised by a factor of {fading.gain:.1f}.")
    else:
        report["notes"].append("The picture is not faded.")


def _report_cast(report: dict[str, Any], cast: Cast, method: str) -> None:
    report["white_balance"] = {
        "method": method,
        "cast_delta_e": round(cast.size, 2),
        "cast_a": round(cast.a, 2),
        "cast_b": round(cast.b, 2),
        "removed": round(cast.removed, 3),
        "gains": [round(gain, 4) for gain in cast.gains],
        "monochrome": cast.monochrome,
    }
    report["notes"].append(_cast_note(cast))


def _cast_note(cast: Cast) -> str:
    if cast.monochrome:
        return "The photograph is black and white or toned, and keeps its tone."
    if not cast.removed:
        return "No colour cast was found."
    hue = _hue(cast)
    found = f"{'An' if hue[0] in 'aeiou' else 'A'} {hue} cast of {cast.size:.0f} Delta E was found"
    done = "removed" if cast.removed > 0.995 else f"{cast.removed:.0%} of it removed"
    return f"{found}, and {done}. If the colour belongs to the scene, turn white balance off."


def _hue(cast: Cast) -> str:
    """Name of a cast's colour from its angle in the a*b* plane."""
    return _HUES[round(math.degrees(math.atan2(cast.b, cast.a)) / 45) % len(_HUES)]


def _report_jpeg(report: dict[str, Any], blocks: jpeg.Blockiness, tables: JpegTables | None, strength: float) -> None:
    quality = jpeg.estimate_quality(tables) if tables else None
    deblocked = blocks.visible and strength > 0
    report["jpeg"] = {"blockiness": round(blocks.value, 3), "phase": list(blocks.phase), "deblocked": deblocked}
    if quality is not None:
        report["jpeg"] |= {"quality": quality.quality, "residual": round(quality.residual, 4)}
    report["notes"].append(jpeg.jpeg_advice(blocks, quality, deblocked=deblocked))


def _report_faces(report: dict[str, Any], faces: Faces, lights: tuple[FaceLight, ...]) -> None:
    report["faces"] = []
    for face, light in zip(faces, lights, strict=True):
        entry = {
            "share": round(face.size / min(faces.sizes[0]), 3),
            "luminance": round(light.face, 4),
            "surroundings": round(light.surroundings, 4),
            "stops_below_surroundings": round(light.stops, 2),
            "lift_stops": round(light.lift, 2),
        }
        report["faces"].append(entry)
        if light.missing:
            report["notes"].append(_light_note(len(report["faces"]), light))
    largest = max((entry["share"] for entry in report["faces"]), default=None)
    if largest is not None and largest < _HALF:
        report["notes"].append(
            f"The largest face fills {largest:.0%} of the shorter side of the image, less than half; the "
            "alignment crops it."
        )


def _light_note(number: int, light: FaceLight) -> str:
    found = f"Face {number} is backlit, {light.stops:.1f} stops below its surroundings"
    if not light.lift:
        return f"{found}; exposure brightens its shadows."
    return f"{found}; its shadows were brightened by {light.lift:.1f} stops."

"""Backlit faces: measure how dark they are, and brighten the shadows around them softly.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1. Light is measured in relative luminance Y (linear, 0..1) and in
stops, its logarithm to base 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from ..checks import require_between, require_finite_images
from ..errors import ImageError
from ..pixels.colorspace import linear_to_srgb, luminance, srgb_to_linear
from ..pixels.filters import box_mean, smoothstep
from ..progress import Steps, each, no_steps, steps_within
from ..types import Face, Faces, Size
from ..wording import count

# Range of the surroundings in box sizes around the box; the nearer part (hair and neck) does not count.
_SURROUNDINGS, _HEAD = 1.25, 0.35
# Quantiles for the bright part of the surroundings and the highlights of the face. Dark skin in good light has bright
# highlights, a face in the shade does not.
_BRIGHT, _HIGHLIGHTS = 0.75, 0.95
# A face with highlights of this luminance (L* = 50) is well lit: of 200 portraits, including dark skin, the darkest
# has 0.22. Surroundings that are darker, as at night, are not a backlight. A darker face is brightened by 1.5 times the
# stops that its highlights lack, a continuous transition from none to full; but to no less than one stop below its
# surroundings, and by at most two stops, since noise and JPEG blocks are amplified with the shadows.
_LIT = 0.18
_LIFT_PER_LACK = 1.5
_STAYS_BELOW, _MOST = 1.0, 2.0
# Smaller corrections are skipped.
_LEAST = 0.25
# Range of the correction beyond the box in box sizes, within the shadow.
_REACH = 2.5
# Parameters of the guided filter that smooths the luminance to find the shadow: radius in box sizes, and the
# deviation in stops that counts as an edge.
_RADIUS, _EDGE = 0.25, 0.5
# Longest side of the reduced region for the filter.
_REDUCED = 320
# Y below this counts as black, since its logarithm is meaningless.
_BLACK = 1e-3


@dataclass(frozen=True)
class FaceLight:
    """The light on one face.

    Attributes:
        image_index: index of the face's image in the batch.
        face: median luminance of the face, 0..1.
        highlights: luminance of its brightest twentieth, 0..1.
        surroundings: luminance at which the brightest quarter of the surroundings begins, 0..1.
        missing: stops by which its shadows should be brightened; 0 for a well-lit face.
        lift: stops by which they were brightened.
    """

    image_index: int
    face: float
    highlights: float
    surroundings: float
    missing: float = 0.0
    lift: float = 0.0

    @property
    def stops(self) -> float:
        """How many stops the face is darker than its surroundings."""
        return math.log2(max(self.surroundings, _BLACK) / max(self.face, _BLACK))


@torch.no_grad()
def lift_faces(
    images: torch.Tensor,
    faces: Faces,
    strength: float = 1.0,
    *,
    known: Sequence[FaceLight] | None = None,
    progress: Steps = no_steps,
) -> tuple[torch.Tensor, tuple[FaceLight, ...]]:
    """Brighten the shadows of backlit faces.

    1. Compare the median and the highlights of a face with its surroundings. Only a face with dark highlights and more
       than one stop below its surroundings is brightened.
    2. Find the shadow around it: where the luminance, smoothed by a guided filter (He, Sun and Tang, "Guided image
       filtering", PAMI 2013; at reduced size as in He and Sun, "Fast guided filter", 2015), is close to that of the
       face. Edges are preserved, so there is no halo. The correction fades out with distance.
    3. Map the largest channel M to 1 - (1 - M)^g in linear light for a gain g: g times as bright in the shadows, never
       clipped. The other channels keep their ratio to it.

    Args:
        images: B x 3 x H x W in 0..1.
        faces: faces detected in these images.
        strength: 0..1, share of the correction in stops.
        known: the light of each face, such as that of its track in a video; by default measured.
        progress: called with (done, total) regularly; an exception it raises ends the work.

    Returns:
        B x 3 x H x W in 0..1, and the light of each face in the order of `faces`. Pixels outside the correction stay
        the same, bit for bit; if nothing changes, the tensor `images` itself is returned. Grey stays exactly grey.

    Raises:
        ImageError: the images have a wrong shape, contain NaN or infinity, or are not those of the faces.
        SettingsError: the strength is out of range.
    """
    require_finite_images(images)
    require_between("strength", strength, 0, 1)
    if faces.sizes != (tuple(images.shape[-2:]),) * len(images):
        raise ImageError(
            f"The faces belong to {count(len(faces.sizes), 'image')}, not to these {len(images)} "
            f"of {tuple(images.shape[-2:])}; detect them on the images that are prepared."
        )
    measuring, lifting = steps_within(progress, 0, 1, 2), steps_within(progress, 1, 2, 2)
    lights = measure_light(images, faces, strength, progress=measuring) if known is None else tuple(known)
    result = images
    for index, steps in each(sorted({light.image_index for light in lights if light.lift}), lifting):
        result = images.clone() if result is images else result
        own = [(face, light) for face, light in zip(faces, lights, strict=True) if light.image_index == index]
        _lift_shadows(result[index], [pair for pair in own if pair[1].lift], steps)
    return result, lights


@torch.no_grad()
def measure_light(
    images: torch.Tensor, faces: Faces, strength: float, *, progress: Steps = no_steps
) -> tuple[FaceLight, ...]:
    """The light of each face, and how far `lift_faces` would lift it; arguments as there, unchecked."""
    return tuple(_measure(images[face.image_index], face, strength) for face, _ in each(faces.faces, progress))


def _measure(image: torch.Tensor, face: Face, strength: float) -> FaceLight:
    size = (image.shape[1], image.shape[2])
    inner, outer = _area(face, size, 0.0), _area(face, size, _SURROUNDINGS)
    light = luminance(srgb_to_linear(image[None, :, outer[0], outer[1]]))[0, 0]
    distance = _distance(face, outer, light)
    rows, columns = slice(inner[0].start - outer[0].start, None), slice(inner[1].start - outer[1].start, None)
    within = light[rows, columns][: inner[0].stop - inner[0].start, : inner[1].stop - inner[1].start]
    around = light[distance > _HEAD * face.size]
    if not within.numel() or not around.numel():  # the box is outside the picture or fills it
        return FaceLight(face.image_index, 0.0, 0.0, 0.0)
    highlights = _rank(within, _HIGHLIGHTS)
    found = FaceLight(face.image_index, _rank(within, 0.5), highlights, _rank(around, _BRIGHT))
    lack = math.log2(_LIT / max(highlights, _BLACK))
    missing = min(_MOST, found.stops - _STAYS_BELOW, _LIFT_PER_LACK * lack)
    if missing < _LEAST or found.surroundings < _LIT:
        return found
    return replace(found, missing=missing, lift=strength * missing)


def _rank(values: torch.Tensor, share: float) -> float:
    """Quantile: the value that this share of all values does not exceed."""
    return float(values.flatten().kthvalue(max(1, math.ceil(share * values.numel()))).values)


def _area(face: Face, size: Size, reach: float) -> tuple[slice, slice]:
    """Rows and columns of the box plus a margin in box sizes, clipped to the picture."""
    margin = reach * face.size
    x0, y0, x1, y1 = face.box
    rows = slice(max(math.floor(y0 - margin), 0), max(min(math.ceil(y1 + margin) + 1, size[0]), 0))
    columns = slice(max(math.floor(x0 - margin), 0), max(min(math.ceil(x1 + margin) + 1, size[1]), 0))
    return rows, columns


def _distance(face: Face, area: tuple[slice, slice], like: torch.Tensor) -> torch.Tensor:
    """Distance of the pixels of an area from the box, in pixels; 0 inside."""
    rows = torch.arange(area[0].start, area[0].stop, device=like.device)
    columns = torch.arange(area[1].start, area[1].stop, device=like.device)
    x0, y0, x1, y1 = face.box
    down = torch.maximum(y0 - rows, rows - y1).clamp_min(0)
    across = torch.maximum(x0 - columns, columns - x1).clamp_min(0)
    return torch.hypot(down[:, None], across[None, :]).to(like)


def _lift_shadows(image: torch.Tensor, faces: list[tuple[Face, FaceLight]], progress: Steps) -> None:
    """Brighten the shadows around faces of 3 x H x W, in place."""
    stops = torch.zeros_like(image[0])
    for (face, light), _ in each(faces, progress):
        area = _area(face, (image.shape[1], image.shape[2]), _REACH)
        part = stops[area]
        torch.maximum(part, _stops_around(image[:, area[0], area[1]], face, light, area), out=part)
    used_rows, used_columns = stops.amax(dim=1).nonzero(), stops.amax(dim=0).nonzero()
    rows = slice(int(used_rows[0]), int(used_rows[-1]) + 1)
    columns = slice(int(used_columns[0]), int(used_columns[-1]) + 1)
    part, stops = image[:, rows, columns], stops[rows, columns]
    part.copy_(torch.where(stops > 0, _brighten(part, stops), part))


def _stops_around(part: torch.Tensor, face: Face, light: FaceLight, area: tuple[slice, slice]) -> torch.Tensor:
    """Stops to add to the surroundings of a face, h x w."""
    shadow = _smooth(luminance(srgb_to_linear(part[None])).clamp_min(_BLACK).log2(), face.size)[0, 0]
    dark = math.log2(max(light.face, _BLACK))
    # From half a stop above the face to half a stop below the surroundings.
    begin, end = dark + 0.5, dark + max(light.stops - 0.5, 1.0)
    depth = smoothstep((end - shadow) / (end - begin))
    nearness = (1 - (_distance(face, area, part) / (_REACH * face.size)) ** 2).clamp_min(0) ** 2
    return light.lift * depth * nearness


def _smooth(plane: torch.Tensor, face_size: float) -> torch.Tensor:
    """1 x 1 x h x w smoothed by a self-guided filter."""
    scale = min(1.0, _REDUCED / max(plane.shape[-2:]))
    size = [max(1, round(side * scale)) for side in plane.shape[-2:]]
    small = F.interpolate(plane, size, mode="area") if scale < 1 else plane
    radius = max(1, round(_RADIUS * face_size * scale))
    mean = box_mean(small, radius)
    variance = (box_mean(small**2, radius) - mean**2).clamp_min(0)
    slope = variance / (variance + _EDGE**2)
    coefficients = box_mean(torch.cat([slope, mean * (1 - slope)], dim=1), radius)
    if scale < 1:
        coefficients = F.interpolate(coefficients, plane.shape[-2:], mode="bilinear", align_corners=False)
    return coefficients[:, :1] * plane + coefficients[:, 1:]


def _brighten(part: torch.Tensor, stops: torch.Tensor) -> torch.Tensor:
    """3 x h x w brightened by h x w stops, without clipping."""
    linear = srgb_to_linear(part.clamp(0, 1))
    largest = linear.amax(dim=0).clamp_min(1e-6)
    gain = -torch.expm1(stops.exp2() * torch.log1p(-largest)) / largest
    brightened = linear_to_srgb(linear * gain).clamp(0, 1)
    # Powers may differ in the last bit depending on the position in memory.
    return torch.where((part == part[:1]).all(dim=0), brightened[:1], brightened)

"""Judge whether a face is black and white, toned or in colour, and keep that tone.

Images are sRGB-encoded RGB, B x 3 x H x W in 0..1; luma is BT.709's on the encoded values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F

from ..checks import all_finite
from ..choices import Colour
from ..errors import SettingsError
from .color import luma
from .resize import resize

Kind = Literal["black and white", "toned", "colour"]

# Side of the picture and number of cells per side for the judgement; noise and JPEG's chroma blocks average out.
SIDE, _CELLS = 128, 16
# The face in an aligned crop: centre and half axes as shares of the side.
_MIDDLE, _AXES = (0.5, 0.55), (0.30, 0.36)
# Points of a tone curve, evenly spaced over luma.
_KNOTS = 9
# Regularisation towards a straight curve and towards 0 where there are few pixels.
_STRAIGHTENING, _HOLD = 1e-3 / _KNOTS, 1e-6
# Iterations of the fit, and the weight of cells around the face.
_ROUNDS, _SURROUNDINGS = 4, 0.5
# Cells with this many times the distance of the face's cells from the curve are ignored as not part of the print.
_OUTSIDE = 3

# The limits below were set on 150 generated faces, each in 12 kinds of colour (dim, faded, under warm light, noisy, as
# JPEG) and 15 of black and white (toned, yellowed unevenly, noisy, out of register, as JPEG); in levels of 255.
# A face in colour has a chroma of at least 7.6 (root mean square), even if dim and faded; a neutral one has up to 2
# from noise and 4 from channels out of register.
_NEUTRAL, _NEUTRAL_CELL = 5 / 255, 9 / 255
# Distance from the tone curve over 3 x 3 cells, in which noise and JPEG errors average out but lips, cheeks and hair
# do not: 19 of 20 toned faces have up to 0.55 plus a twentieth of their chroma, at most 1.85, even at JPEG quality 30.
# No face in colour at its original brightness has so little, and 1 in 30 of the palest and dimmest.
_BESIDE, _BESIDE_SHARE, _BESIDE_MOST = 0.55 / 255, 0.05, 1.85 / 255
# A whole picture is judged at this size of its longer side, in cells of this side, within this tolerance. Of 888
# pictures measured, black-and-white photographs had at most 1/255 beside their tone, a sepia one 3, the palest true
# colours (an insect on a grey wall) 7.
_PICTURE_SIDE, _PICTURE_CELL, _PICTURE_TOLERANCE = 512, 16, 6 / 255
# Weaker tones count as neutral, so that three equal channels stay exactly equal.
_NO_TONE = 1 / 255


@dataclass(frozen=True, eq=False)
class Tone:
    """Tone of a black-and-white, sepia or otherwise toned face; for a face in colour, the closest tone.

    Attributes:
        kind: the judgement.
        offsets: K x 3 float32; difference of each channel from luma, at K luma values evenly spaced over 0..1. All 0
            for neutral grey.
        slopes: 2 x 3 float32; change of the tone from the centre of the crop to its right and lower border, since
            prints yellow unevenly.
    """

    kind: Kind
    offsets: torch.Tensor
    slopes: torch.Tensor

    def apply(self, crops: torch.Tensor) -> torch.Tensor:
        """Apply this tone to crops, keeping their luma: B x 3 x H x W in 0..1 to the same."""
        gray = luma(crops)
        index, fraction = _knot_position(gray)
        offsets, slopes = self.offsets.to(crops), self.slopes.to(crops)
        low, high = offsets[index[:, 0]], offsets[index[:, 0] + 1]
        toned = gray + torch.lerp(low, high, fraction.movedim(1, -1)).movedim(-1, 1)
        for slope, place in zip(slopes, _places(crops.shape[-2], crops.shape[-1]), strict=True):
            toned = toned + slope.view(1, 3, 1, 1) * place.to(crops) * gray
        return toned.clamp(0, 1)


def judge_tone(image: torch.Tensor, reach: float = 1.0) -> Tone:
    """Judge the tone of an aligned face.

    1. Reduce the picture to 128 pixels per side and to 16 cells per side. Fit a curve from luma to tone to the cells
       (piecewise linear, least squares), with a slope across the picture: first to the cells of the face, then to all,
       weighted by their distance from the curve (Tukey's weights), so that a page or date stamp does not distort it.
    2. A face without colour is black and white, whatever its surroundings.
    3. A face is toned if its cells are on the curve, except for deviations that average out among neighbours.
    4. Otherwise it is in colour.

    Args:
        image: 1 x 3 x H x W in 0..1, an aligned crop or a larger area with the same centre.
        reach: width of the picture divided by that of the aligned crop.

    Returns:
        The tone. A picture with NaN or infinity counts as in colour.
    """
    if not all_finite(image):
        return Tone("colour", torch.zeros(_KNOTS, 3), torch.zeros(2, 3))
    image = resize(image.float().cpu(), (SIDE, SIDE), "bilinear")
    gray = luma(image)
    basis = _cells(torch.cat([_curve_shares(gray), *(gray * place for place in _places(SIDE, SIDE))], dim=1))
    colours, in_face = _cells(image - gray), _face_cells(reach)
    fitted = _fit(basis, colours, in_face)
    kind = _kind(colours, colours - basis @ fitted, in_face)
    if kind != "colour" and (basis @ fitted)[in_face].norm(dim=1).square().mean().sqrt() < _NO_TONE:
        return Tone("black and white", torch.zeros(_KNOTS, 3), torch.zeros(2, 3))
    return Tone("toned" if kind != "colour" else kind, fitted[:_KNOTS], fitted[_KNOTS:] / reach)


def colour_rule(colour: Colour | str, keep_grayscale: bool) -> Colour:
    """`colour`, but `keep` if it is `auto` and the older setting `keep_grayscale` is off.

    Raises:
        SettingsError: there is no such choice.
    """
    if colour not in get_args(Colour):
        raise SettingsError(f"There is no choice {colour!r} for colour; choose from {', '.join(get_args(Colour))}.")
    return "keep" if colour == "auto" and not keep_grayscale else colour  # type: ignore[return-value]


def keep_tones(crops: torch.Tensor, tones: Sequence[Tone], rule: Colour) -> torch.Tensor:
    """Apply the tones of the original faces (one per crop) to crops, N x 3 x H x W in 0..1, according to the rule."""
    chosen = [n for n, tone in enumerate(tones) if rule == "grey" or (rule == "auto" and tone.kind != "colour")]
    if not chosen:
        return crops
    crops = crops.clone()
    for n in chosen:
        crops[n : n + 1] = tones[n].apply(crops[n : n + 1])
    return crops


def _fit(basis: torch.Tensor, colours: torch.Tensor, in_face: torch.Tensor) -> torch.Tensor:
    """(K + 2) x 3: curve and slopes fitted to the face and to the cells around it that agree."""
    prior = _prior(basis.shape[1])
    say = torch.where(in_face, 1.0, _SURROUNDINGS)
    weights, fitted = in_face.float(), colours.new_zeros(basis.shape[1], 3)
    for _ in range(_ROUNDS):
        weighted = basis * weights[:, None]
        fitted = torch.linalg.solve(weighted.T @ basis + weights.sum() * prior, weighted.T @ colours)
        beside = (colours - basis @ fitted).norm(dim=1)
        usual = max(3 * float(beside[in_face].median()), 2 / 255)
        weights = say * (1 - (beside / (_OUTSIDE * usual)) ** 2).clamp_min(0) ** 2
    return fitted


def is_monochrome(image: torch.Tensor) -> bool:
    """Whether a whole picture is black and white or toned in one colour.

    It is if, in the picture reduced to 512 on its longer side, no cell of 16 px has an average colour more than 6/255
    from the best-fitting tone curve.

    Args:
        image: 1 x 3 x H x W in 0..1; with NaN or infinity the result is False.
    """
    if not all_finite(image):
        return False
    shrink = _PICTURE_SIDE / max(image.shape[-2:])
    if shrink < 1:
        image = F.interpolate(image, tuple(max(1, round(side * shrink)) for side in image.shape[-2:]), mode="area")
    image = image.float().cpu()
    gray = luma(image)
    basis, colours = _curve_shares(gray)[0].flatten(1).T, (image - gray)[0].flatten(1).T
    fitted = torch.linalg.solve(basis.T @ basis + len(basis) * _prior(_KNOTS), basis.T @ colours)
    beside = (colours - basis @ fitted).T.reshape(image.shape)
    beside = F.avg_pool2d(beside, _PICTURE_CELL, ceil_mode=True, count_include_pad=False)
    return float(beside.norm(dim=1).max()) <= _PICTURE_TOLERANCE


def _prior(count: int) -> torch.Tensor:
    """count x count: regularisation of the least-squares fit of curve and slopes."""
    bend = torch.zeros(_KNOTS - 2, count)
    bend[:, :_KNOTS] = torch.diff(torch.eye(_KNOTS), n=2, dim=0)
    return _STRAIGHTENING * bend.T @ bend + _HOLD * torch.eye(count)


def _kind(colours: torch.Tensor, beside: torch.Tensor, in_face: torch.Tensor) -> Kind:
    """Judge a face from the colour of each cell and its deviation from the tone, both cells x 3."""
    own = colours[in_face].norm(dim=1)
    amount = float(own.square().mean().sqrt())
    if amount <= _NEUTRAL and float(own.quantile(0.95)) <= _NEUTRAL_CELL:
        return "black and white"
    smooth = F.avg_pool2d((in_face[:, None] * beside).T.reshape(1, 3, _CELLS, _CELLS), 3, 1, padding=1)
    counts = F.avg_pool2d(in_face.float().reshape(1, 1, _CELLS, _CELLS), 3, 1, padding=1)
    together = (smooth / counts.clamp_min(1e-6)).norm(dim=1).flatten()[in_face]
    limit = min(_BESIDE + _BESIDE_SHARE * amount, _BESIDE_MOST)
    return "toned" if float(together.quantile(0.95)) <= limit else "colour"


def _cells(planes: torch.Tensor) -> torch.Tensor:
    """Means of the cells of 1 x C x SIDE x SIDE: cells x C."""
    return F.avg_pool2d(planes, SIDE // _CELLS)[0].flatten(1).T


def _face_cells(reach: float) -> torch.Tensor:
    """Which cells the face fills; at least the central one."""
    places = (torch.arange(_CELLS) + 0.5) / _CELLS - 0.5
    x, y = places * reach, places[:, None] * reach
    away = ((x + 0.5 - _MIDDLE[0]) / _AXES[0]) ** 2 + ((y + 0.5 - _MIDDLE[1]) / _AXES[1]) ** 2
    return (away <= max(1.0, float(away.min()))).flatten()


def _places(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates of the pixels of a picture, -1..1 from left to right and from top to bottom."""
    x, y = (2 * (torch.arange(side) + 0.5) / side - 1 for side in (width, height))
    return x.expand(height, width), y[:, None].expand(height, width)


def _curve_shares(gray: torch.Tensor) -> torch.Tensor:
    """Interpolation weights of the points of a tone curve for pixels 1 x 1 x H x W: 1 x K x H x W."""
    index, fraction = _knot_position(gray)
    shares = torch.zeros(1, _KNOTS, *gray.shape[-2:])
    return shares.scatter_(1, index, 1 - fraction).scatter_(1, index + 1, fraction)


def _knot_position(gray: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Index of the knot below each luma value, and its fractional position towards the next one."""
    position = (gray * (_KNOTS - 1)).clamp(0, _KNOTS - 1)
    index = position.floor().clamp(max=_KNOTS - 2).long()
    return index, position - index

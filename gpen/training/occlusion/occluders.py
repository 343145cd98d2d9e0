"""Things that stand before faces, drawn or cut from pictures, for teaching the network that finds them.

All functions draw in a square of `SIDE` pixels; colours are SIDE x SIDE x 3 float32 in 0..255, coverage SIDE x SIDE
float32 in 0..1. `Framing` says where the face lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...faces.masks.occlusion import CROP as SIDE

_ROWS, _COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
_SHIFT = 4  # fractional bits of OpenCV's points


@dataclass(frozen=True)
class Occluder:
    """Something before a face.

    Attributes:
        colour: what it looks like.
        opacity: how much it covers.
        extent: where it is: 1 also in the gaps of a net and where it is half transparent.
        casts_shadow: whether it throws a shadow on the face.
    """

    colour: np.ndarray
    opacity: np.ndarray
    extent: np.ndarray
    casts_shadow: bool = True


@dataclass(frozen=True)
class Framing:
    """Where a face lies in its crop.

    Attributes:
        matrix: 2 x 3, from FFHQ's alignment in units of its side to pixels of the crop.
    """

    matrix: np.ndarray

    @property
    def scale(self) -> float:
        """Pixels of the crop for the side of FFHQ's crop."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def place(self, *points: tuple[float, float]) -> np.ndarray:
        """Points given in units of FFHQ's crop, K x 2 in pixels."""
        return np.asarray(points) @ self.matrix[:, :2].T + self.matrix[:, 2]


def draw_shape(framing: Framing, texture: np.ndarray, rng: np.random.Generator) -> Occluder:
    """A thing with a smooth, an elliptic or an angular outline, of any texture."""
    centre = framing.place((rng.uniform(0.18, 0.82), rng.uniform(0.25, 1.0)))[0]
    radius = framing.scale * np.exp(rng.uniform(np.log(0.07), np.log(0.36)))
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    kind = rng.choice(["blob", "ellipse", "polygon", "bar"])
    if kind == "blob":
        reach = 1 + sum(
            rng.normal(0, 0.3 / wave) * np.cos(wave * angles + rng.uniform(0, 2 * np.pi)) for wave in range(1, 7)
        )
    elif kind == "polygon":
        corners = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        angles, reach = corners, rng.uniform(0.7, 1.4, len(corners))
    else:
        reach = np.ones_like(angles)
    outline = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.maximum(reach, 0.15)[:, None]
    if kind == "bar":
        outline = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    squeeze = np.exp(rng.normal(0, 0.35))
    if kind == "bar":
        squeeze = rng.uniform(0.08, 0.4) if rng.random() < 0.5 else rng.uniform(2.5, 8)
    turn = rng.uniform(0, np.pi)
    turned = outline * (squeeze, 1 / squeeze) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    cover = _soften(_fill(centre + radius * turned), rng)
    return Occluder(_shaded(texture, cover, rng), cover, cover)


def draw_hand(framing: Framing, texture: np.ndarray, rng: np.random.Generator) -> Occluder:
    """A hand from outside the face: a palm and up to five bent fingers, each round, with creases and nails."""
    scale = framing.scale
    target = framing.place((rng.uniform(0.25, 0.75), rng.uniform(0.4, 0.95)))[0]
    angle = rng.choice([rng.uniform(0.1, 0.9), rng.uniform(-0.3, 0.3), rng.uniform(0.7, 1.3)]) * np.pi
    away = np.array([np.cos(angle), np.sin(angle)])
    side = np.array([-away[1], away[0]])
    radius = scale * rng.uniform(0.028, 0.06)
    length = radius * rng.uniform(2, 8)
    knuckles = target + away * length
    count = int(rng.choice([1, 2, 3, 4, 5], p=[0.12, 0.13, 0.15, 0.45, 0.15]))
    spread = rng.uniform(0.0, 0.22)
    light = rng.normal(0, 0.5, 2)
    colour, cover = texture.astype(np.float32), np.zeros((SIDE, SIDE), np.float32)
    palm = radius * rng.uniform(1.8, 3.5)
    parts = [([knuckles + away * palm * 0.4, knuckles + away * scale], palm, False)]
    for finger in range(count):
        offset = finger - (count - 1) / 2
        start = knuckles + side * offset * radius * rng.uniform(1.7, 2.2)
        heading = -away + side * (offset * spread + rng.normal(0, 0.08))
        bend = side * rng.normal(0, 0.3) * length * 0.5
        own = length * rng.uniform(0.75, 1.15) * (0.75 if abs(offset) > 1.4 else 1)
        middle = start + heading * own * 0.5 + bend * 0.3
        parts.append(([start, middle, start + heading * own + bend], radius * rng.uniform(0.85, 1.1), True))
    for points, width, is_finger in parts:
        distance, along = _line_distance(points)
        inside = np.clip((width - distance) + 0.5, 0, 1)
        depth = np.clip(distance / width, 0, 1)
        shade = rng.uniform(0.6, 0.8) + 0.35 * np.sqrt(1 - depth**2 * 0.98)
        if is_finger:
            crease = np.exp(-(((along - 0.5) / 0.03) ** 2)) + np.exp(-(((along - 0.78) / 0.03) ** 2))
            shade = shade - rng.uniform(0, 0.15) * crease
            if rng.random() < 0.4:
                shade = shade + 0.15 * ((along > 0.88) & (along < 0.97) & (depth < 0.6))
        slope = (light[0] * (_COLUMNS - points[0][0]) + light[1] * (_ROWS - points[0][1])) / scale
        painted = texture * (shade + 0.3 * slope)[..., None]
        colour = colour + (painted - colour) * inside[..., None]
        cover = np.maximum(cover, inside)
    cover = _soften(cover, rng)
    return Occluder(colour.astype(np.float32), cover, cover)


def draw_glasses(framing: Framing, texture: np.ndarray, rng: np.random.Generator) -> Occluder:
    """Glasses: rims with a bridge, sometimes with temples; the lenses are clear or dark."""
    scale = framing.scale
    eyes = framing.place((0.377 + rng.normal(0, 0.01), 0.475), (0.623 + rng.normal(0, 0.01), 0.475))
    eyes += framing.scale * rng.normal(0, 0.012, 2)
    across = eyes[1] - eyes[0]
    turn = float(np.arctan2(across[1], across[0]))
    wide, high = scale * rng.uniform(0.075, 0.115), scale * rng.uniform(0.05, 0.095)
    power = rng.choice([2.0, 2.6, 4.0])
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    shape = np.stack([_rounded(np.cos(angles), power) * wide, _rounded(np.sin(angles), power) * high], axis=1)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    lenses = [shape @ rotation + eye for eye in eyes]
    thickness = max(1, round(scale * rng.uniform(0.008, 0.035)))
    rims, inside = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.float32)
    for lens in lenses:
        cv2.polylines(rims, [_fixed(lens)], True, 255, thickness, cv2.LINE_AA, _SHIFT)
        inside = np.maximum(inside, _fill(lens))
    along = across / np.linalg.norm(across)
    bridge = np.stack([eyes[0] + along * wide, eyes[1] - along * wide]) - [0, high * rng.uniform(0, 0.5)]
    lines = [bridge]
    if rng.random() < 0.7:
        out = scale * rng.uniform(0.06, 0.2)
        for eye, way in ((eyes[0], -1), (eyes[1], 1)):
            at = eye + way * along * wide
            lines.append(np.stack([at, at + way * along * out + [0, rng.uniform(-0.2, 0.3) * out]]))
    for line in lines:
        cv2.polylines(rims, [_fixed(line)], False, 255, thickness, cv2.LINE_AA, _SHIFT)
    rim = rims.astype(np.float32) / 255
    colour = texture * rng.uniform(0.1, 0.5) if rng.random() < 0.7 else texture
    dark = rng.random() < 0.4
    tint = rng.uniform(0.65, 1.0) if dark else rng.uniform(0.0, 0.12)
    glass = np.full((SIDE, SIDE, 3), rng.uniform(5, 60, 3) if dark else 255.0, np.float32)
    glass += (rng.uniform(0, 60) * (_ROWS - _COLUMNS * rng.normal(0, 0.5)) / SIDE)[..., None]
    opacity = np.maximum(rim, inside * tint)
    share = (rim / np.maximum(opacity, 1e-3)).clip(0, 1)[..., None]
    extent = np.maximum(rim, inside if dark else 0)
    return Occluder((colour * share + glass * (1 - share)).astype(np.float32), opacity, extent)


def draw_veil(framing: Framing, texture: np.ndarray, rng: np.random.Generator) -> Occluder:
    """Cloth before a part of the face: a scarf, a mask over the mouth, thin fabric, or a net."""
    edge = rng.uniform(0.5, 0.8)
    if rng.random() < 0.65:  # from below, at most up to the eyes
        wave = 0.05 * rng.normal(0, 1, 5)
        xs = np.linspace(-0.2, 1.2, 5)
        top = [(float(x), float(edge + w)) for x, w in zip(xs, wave, strict=True)]
        outline = framing.place(*top, (1.2, 1.6), (-0.2, 1.6))
    else:  # from one side
        border = rng.uniform(0.3, 0.55)
        lean = rng.normal(0, 0.12, 4)
        ys = np.linspace(-0.2, 1.4, 4)
        outline = framing.place(*((float(border + x), float(y)) for x, y in zip(lean, ys, strict=True)), (-0.6, 0.5))
        if rng.random() < 0.5:
            outline[:, 0] = SIDE - outline[:, 0]
    extent = _soften(_fill(outline), rng)
    kind = rng.choice(["cloth", "thin", "net"], p=[0.5, 0.25, 0.25])
    folds = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), rng.uniform(3, 10))
    folds *= rng.uniform(0, 0.3) / max(float(folds.std()), 1e-6)
    colour = texture * (1 + folds)[..., None]
    if kind == "cloth":
        return Occluder(colour, extent, extent)
    if kind == "thin":
        return Occluder(colour, extent * rng.uniform(0.45, 0.85), extent, casts_shadow=False)
    period, turn = rng.uniform(3, 8), rng.uniform(0, np.pi / 2)
    u, v = (
        _COLUMNS * np.cos(turn) + _ROWS * np.sin(turn) + folds * 10,
        -_COLUMNS * np.sin(turn) + _ROWS * np.cos(turn),
    )
    thick = rng.uniform(0.6, 1.4)
    lines = np.maximum(
        *(np.clip(thick - np.abs((w / period - np.round(w / period)) * period) + 0.5, 0, 1) for w in (u, v))
    )
    return Occluder(colour, extent * lines * rng.uniform(0.75, 1), extent, casts_shadow=False)


def draw_strands(framing: Framing, texture: np.ndarray, rng: np.random.Generator) -> Occluder:
    """Strands of hair over the face: one or a few bundles of thin curves from above or the side."""
    scale = framing.scale
    lines = np.zeros((SIDE, SIDE), np.float32)
    shine = np.ones((SIDE, SIDE), np.float32)
    for _ in range(rng.integers(1, 4)):
        x = rng.uniform(0.2, 0.8)
        start = framing.place((x, rng.uniform(0.1, 0.28)))[0]
        stop = framing.place((x + rng.normal(0, 0.18), rng.uniform(0.55, 1.1)))[0]
        bend = framing.place((x + rng.normal(0, 0.2), 0.45))[0]
        width = scale * rng.uniform(0.004, 0.035)
        drawn = np.zeros((SIDE, SIDE), np.uint8)
        for _ in range(int(2 + width * rng.uniform(1, 3))):
            points = [point + rng.normal(0, width * grow, 2) for point, grow in ((start, 1), (bend, 1), (stop, 0.5))]
            t = np.linspace(0, 1, 16)[:, None]
            curve = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * points[1] + t**2 * points[2]
            one = np.zeros((SIDE, SIDE), np.uint8)
            cv2.polylines(one, [_fixed(curve)], False, 255, 1, cv2.LINE_AA, _SHIFT)
            shine += (rng.uniform(0.7, 1.4) - shine) * (one / 255.0).astype(np.float32)
            drawn = np.maximum(drawn, one)
        lines = np.maximum(lines, drawn.astype(np.float32) / 255)
    lines *= rng.uniform(0.75, 1)
    return Occluder(texture * shine[..., None], lines, lines, casts_shadow=rng.random() < 0.5)


def draw_microphone(framing: Framing, texture: np.ndarray, rng: np.random.Generator) -> Occluder:
    """A microphone from below: a stick and a head of foam or wire."""
    scale = framing.scale
    head = framing.place((rng.uniform(0.25, 0.75), rng.uniform(0.68, 0.98)))[0]
    angle = np.pi / 2 + rng.normal(0, 0.45)
    away = np.array([np.cos(angle), np.sin(angle)])
    radius = scale * rng.uniform(0.04, 0.11)
    distance, _ = _line_distance([head, head + away * radius * rng.uniform(0.1, 1)])
    foam = np.clip(radius - distance + 0.5, 0, 1)
    handle, _ = _line_distance([head + away * radius, head + away * 2 * SIDE])
    width = radius * rng.uniform(0.25, 0.75)
    stick = np.clip(width - handle + 0.5, 0, 1)
    ball = np.sqrt(np.clip(1 - (distance / radius) ** 2, 0, 1))
    mesh = 1.0
    if rng.random() < 0.5:
        period = rng.uniform(2, 4)
        mesh = 1 + rng.uniform(0.1, 0.4) * np.sin(2 * np.pi * _COLUMNS / period) * np.sin(2 * np.pi * _ROWS / period)
    painted = texture * (rng.uniform(0.3, 0.6) + 0.7 * ball * mesh)[..., None]
    metal = rng.uniform(10, 200) * (0.5 + 0.8 * np.sqrt(np.clip(1 - (handle / width) ** 2, 0, 1)))
    colour = metal[..., None] * (1 - foam[..., None]) + painted * foam[..., None]
    cover = _soften(np.maximum(foam, stick), rng)
    return Occluder(colour.astype(np.float32), cover, cover)


def _shaded(texture: np.ndarray, cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A texture that darkens towards one side, and in half of the cases towards its outline."""
    slope = rng.normal(0, 0.4, 2)
    shade = 1 + (slope[0] * (_COLUMNS - SIDE / 2) + slope[1] * (_ROWS - SIDE / 2)) / SIDE
    if rng.random() < 0.5:
        shade = shade * (0.55 + 0.45 * cv2.GaussianBlur(cover, (0, 0), rng.uniform(2, 8)))
    return (texture * shade[..., None]).astype(np.float32)


def _soften(cover: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The outline out of focus, or as it is."""
    return cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.4, 1.6)) if rng.random() < 0.6 else cover


def _line_distance(points: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each pixel from a polyline, and how far along it its nearest point lies, 0..1."""
    best = np.full((SIDE, SIDE), np.inf, np.float32)
    along = np.zeros((SIDE, SIDE), np.float32)
    pieces = len(points) - 1
    for index in range(pieces):
        a, b = points[index], points[index + 1]
        ab = b - a
        t = ((_COLUMNS - a[0]) * ab[0] + (_ROWS - a[1]) * ab[1]) / max(float(ab @ ab), 1e-9)
        t = np.clip(t, 0, 1)
        distance = np.hypot(_COLUMNS - a[0] - t * ab[0], _ROWS - a[1] - t * ab[1])
        nearer = distance < best
        best, along = np.where(nearer, distance, best), np.where(nearer, (index + t) / pieces, along)
    return best.astype(np.float32), along.astype(np.float32)


def _rounded(values: np.ndarray, power: float) -> np.ndarray:
    """Coordinates of a superellipse from those of a circle."""
    return np.sign(values) * np.abs(values) ** (2 / power)


def _fill(outline: np.ndarray) -> np.ndarray:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(drawn, [_fixed(outline)], 255, cv2.LINE_AA, _SHIFT)
    return drawn.astype(np.float32) / 255


def _fixed(points: np.ndarray) -> np.ndarray:
    return (np.asarray(points) * (1 << _SHIFT)).round().astype(np.int32)

"""What stands behind people: a studio's backdrop, a garden out of focus, a house, a forest, a room.

Pictures are H x W x 3 float32 in 0..1.
"""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from .paint import defocus, fractal, gradient, lay, noise, polygon, rectangle, shade, stroke

# Left, top, right, bottom, in pixels.
Box = tuple[int, int, int, int]


def studio(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A painted cloth: clouds of grey, lighter in the middle."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    middle = np.exp(-(((x / width - 0.5) / 0.55) ** 2) - ((y / height - 0.4) / 0.6) ** 2)
    level = 0.30 + 0.24 * middle + 0.035 * fractal(height, width, rng, 0.12 * width, 5)
    return np.repeat(level[..., None], 3, axis=2).clip(0, 1)


def garden(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Hedge, leaves and spots of sky far behind the focus."""
    scene = gradient(height, width, [(0, (0.42, 0.50, 0.40)), (0.5, (0.25, 0.36, 0.17)), (1, (0.20, 0.28, 0.12))])
    for colour, sigma, level in (
        ((0.10, 0.18, 0.07), 60, 0.2),
        ((0.36, 0.47, 0.18), 34, 0.7),
        ((0.16, 0.26, 0.09), 22, 0.5),
        ((0.52, 0.60, 0.28), 12, 1.3),
        ((0.07, 0.12, 0.05), 12, 1.2),
    ):
        leaves = np.clip((fractal(height, width, rng, sigma, 3) - level) * 3, 0, 1)
        scene = lay(scene, colour, leaves)
    lights = np.zeros((height, width), np.float32)
    for _ in range(110):
        spot = int(rng.uniform(0, width)), int(rng.uniform(0, 0.6) ** 1.6 * height * 1.7)
        cv2.circle(lights, spot, int(rng.integers(1, 4)), float(rng.uniform(0.6, 2.2)), -1)
    scene = scene + lights[..., None] * np.array([1.5, 1.6, 1.25], np.float32)
    return defocus(scene, 15).clip(0, 1)


def house(height: int, width: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Box]]:
    """A brick front with six windows.

    Returns:
        The front, and the frames of its windows, row by row; the second is open.
    """
    scene = _bricks(height, width, rng)
    windows: list[Box] = []
    w, h = round(0.17 * width), round(0.32 * height)
    for row, top in enumerate((0.10, 0.60)):
        for column, left in enumerate((0.085, 0.415, 0.745)):
            box = (round(left * width), round(top * height), round(left * width) + w, round(top * height) + h)
            scene = _window(scene, box, rng, is_open=(row, column) == (0, 1))
            windows.append(box)
    return scene, windows


def _bricks(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    long, high, joint = 46, 15, 2.2
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x = x + 0.7 * noise(height, width, rng, 9)
    y = y + 0.6 * noise(height, width, rng, 9)
    row = np.floor(y / high).astype(int)
    shifted = x + (row % 2) * long / 2
    column = np.floor(shifted / long).astype(int)
    table = rng.normal(0, 1, (height // high + 3, width // long + 4, 3)).astype(np.float32)
    own = table[row % table.shape[0], column % table.shape[1]]
    colour = np.array([0.53, 0.30, 0.235], np.float32) * (1 + 0.11 * own[..., :1]) + 0.018 * own
    inside = np.minimum(np.minimum(y % high, high - y % high), np.minimum(shifted % long, long - shifted % long))
    mortar = np.clip((joint / 2 + 0.6 - inside) / 1.2, 0, 1)
    # Light falls from above, so that each brick has a bright and a dark edge.
    edge = np.clip(2.6 - y % high, 0, 1) * 0.05 - np.clip(y % high - (high - 2.6), 0, 1) * 0.09
    scene = colour * (1 + 0.06 * fractal(height, width, rng, 3, 3)[..., None]) + edge[..., None]
    scene = lay(scene, (0.60, 0.56, 0.51), mortar * 0.85)
    weather = 1 + 0.05 * fractal(height, width, rng, 120, 3) + 0.03 * noise(height, width, rng, (10, 150))
    return (scene * weather[..., None]).clip(0, 1).astype(np.float32)


def _window(scene: np.ndarray, box: Box, rng: np.random.Generator, is_open: bool) -> np.ndarray:
    left, top, right, bottom = box
    height, width = scene.shape[:2]
    rect = partial(rectangle, (height, width))
    # Lintel and reveal of stone.
    stone = np.array([0.70, 0.67, 0.60], np.float32) * (1 + 0.03 * fractal(height, width, rng, 3, 3)[..., None])
    scene = lay(scene, stone, rect(left - 26, top - 40, right + 26, top - 8))
    scene = shade(scene, rect(left - 26, top - 9, right + 26, top - 6, 1.5), 0.7)
    scene = lay(scene, (0.16, 0.14, 0.13), rect(left - 10, top - 8, right + 10, bottom + 4, 1.0))
    frame = np.array([0.86, 0.86, 0.83], np.float32)
    scene = lay(scene, frame, rect(left - 2, top, right + 2, bottom))
    inner = (left + 9, top + 11, right - 9, bottom - 4)
    if is_open:
        dark = gradient(height, width, [(0, (0.10, 0.09, 0.08)), (1, (0.17, 0.145, 0.12))])
        scene = lay(scene, dark, rect(*inner))
    else:
        scene = _glass(scene, inner, rng)
        middle, cross = (left + right) / 2, top + 0.36 * (bottom - top)
        for bar in (rect(middle - 5, top, middle + 5, bottom), rect(left, cross - 4, right, cross + 4)):
            scene = shade(scene, cv2.GaussianBlur(bar, (0, 0), 2.5), 0.8)
            scene = lay(scene, frame, bar)
    # The shadows of lintel and sill, and the sill.
    under = rect(left - 4, top - 8, right + 4, top + 18, 5) * rect(left - 10, top - 8, right + 10, bottom)
    scene = shade(scene, under, 0.55)
    scene = shade(scene, rect(left - 30, bottom + 20, right + 26, bottom + 34, 4), 0.55)
    return lay(scene, stone * 1.08, rect(left - 32, bottom + 2, right + 32, bottom + 20))


def _glass(scene: np.ndarray, inner: Box, rng: np.random.Generator) -> np.ndarray:
    """Dark glass with the sky in it and a curtain behind."""
    left, top, right, bottom = inner
    height, width = scene.shape[:2]
    rect = partial(rectangle, (height, width))
    sky = fractal(height, width, rng, 50, 3)
    level = 0.17 + 0.10 * np.clip(sky, 0, 2) + 0.05 * np.linspace(1, 0, height)[:, None]
    glass = level[..., None] * np.array([0.85, 0.98, 1.12], np.float32)
    scene = lay(scene, glass, rect(left, top, right, bottom))
    pleats = 0.62 + 0.10 * np.sin(np.arange(width) / 4.1 + 1.5 * noise(1, width, rng, 20)[0])
    curtain = pleats[None, :, None] * np.array([0.95, 0.92, 0.85], np.float32) * 0.72
    reach = rng.uniform(0.22, 0.36) * (right - left)
    for start, end in ((left, left + reach), (right - reach, right)):
        scene = lay(scene, np.broadcast_to(curtain, scene.shape), rect(start, top, end, bottom, 1.5) * 0.85)
    return scene


def flowers(scene: np.ndarray, box: Box, rng: np.random.Generator) -> np.ndarray:
    """A box of geraniums on the sill of a window."""
    left, _, right, bottom = box
    height, width = scene.shape[:2]
    scene = np.ascontiguousarray(scene, np.float32).copy()
    for _ in range(420):  # leaves
        centre = int(rng.uniform(left - 14, right + 14)), int(bottom - 4 + rng.normal(-4, 9))
        colour = np.array([0.20, 0.36, 0.14]) * rng.uniform(0.5, 1.35)
        axes = int(rng.integers(3, 7)), int(rng.integers(2, 5))
        cv2.ellipse(scene, centre, axes, float(rng.uniform(0, 180)), 0, 360, colour.tolist(), -1, cv2.LINE_AA)
    for _ in range(26):  # blossoms
        x, y = rng.uniform(left - 10, right + 10), bottom - 12 + rng.normal(-6, 7)
        for _ in range(12):
            colour = np.array([0.80, 0.12, 0.14]) * rng.uniform(0.65, 1.2) + rng.uniform(0, 0.1)
            spot = int(x + rng.normal(0, 4)), int(y + rng.normal(0, 3))
            cv2.circle(scene, spot, int(rng.integers(1, 4)), colour.clip(0, 1).tolist(), -1, cv2.LINE_AA)
    edges = [(left - 18, bottom - 2), (right + 18, bottom - 2), (right + 12, bottom + 26), (left - 12, bottom + 26)]
    trough = polygon((height, width), edges)
    clay = np.array([0.56, 0.33, 0.22], np.float32) * (1 + 0.05 * fractal(height, width, rng, 6, 3)[..., None])
    scene = lay(scene, clay, trough)
    rim = stroke((height, width), [(left - 18, bottom + 3), (right + 18, bottom + 3)], 3, 1.5)
    return shade(scene, rim * trough, 0.7)


def forest(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Trunks in fog, as a diffusion model likes to paint them: smooth, glowing, rich in colour."""
    scene = gradient(
        height,
        width,
        [(0, (0.20, 0.33, 0.34)), (0.45, (0.62, 0.70, 0.58)), (0.7, (0.44, 0.46, 0.33)), (1, (0.16, 0.14, 0.10))],
    )
    y, x = np.mgrid[:height, :width].astype(np.float32)
    glow = np.exp(-(((x - 0.56 * width) / (0.28 * width)) ** 2) - ((y - 0.32 * height) / (0.26 * height)) ** 2)
    scene = scene + glow[..., None] * np.array([0.42, 0.34, 0.16], np.float32)
    for depth in range(6):
        near = (depth + 1) / 6
        fog = np.array([0.58, 0.64, 0.54]) * (1 - near) ** 1.2 + np.array([0.085, 0.095, 0.075]) * near
        layer = np.zeros((height, width), np.float32)
        for _ in range(round(13 - 1.8 * depth)):
            at, thick = rng.uniform(-0.05, 1.05) * width, rng.uniform(0.4, 1.0) * (5 + 26 * near**1.6)
            if depth >= 4 and abs(at - width / 2) < 0.24 * width:
                continue
            foot = (0.60 + 0.24 * near) * height
            lean = rng.normal(0, 0.02) * width
            line = [(at + lean, -20), (at + 0.4 * lean + rng.normal(0, 3), 0.4 * foot), (at, foot)]
            layer = np.maximum(layer, stroke((height, width), line, thick, 1.0 + 2 * (1 - near)))
            for _ in range(3):
                start = rng.uniform(0.05, 0.5) * foot
                reach, rise = rng.choice([-1, 1]) * rng.uniform(20, 120) * near, rng.uniform(10, 80) * near
                branch = [(at, start), (at + 0.5 * reach, start - 0.3 * rise), (at + reach, start - rise)]
                layer = np.maximum(layer, stroke((height, width), branch, 0.16 * thick, 0.8) * 0.8)
        bark = 1 + 0.16 * noise(height, width, rng, (1.5, 12)) * near
        scene = lay(scene, fog.astype(np.float32) * bark[..., None], layer)
        crowns = np.clip((fractal(height, width, rng, 30 * near + 8, 5) + 1.3 - 4.2 * y / height) * 1.5, 0, 1)
        leaf = fog * np.array([0.9, 1.12, 0.7])
        scene = lay(scene, leaf.astype(np.float32), crowns * 0.5 * (0.3 + 0.7 * near))
        low = np.exp(-(((y / height - 0.62) / 0.14) ** 2)) * (0.34 - 0.04 * depth)
        scene = lay(scene, (0.72, 0.74, 0.60), low.astype(np.float32))
    # Ferns and moss, lost in the fog behind.
    depth = np.clip((y / height - 0.68 - 0.012 * noise(height, width, rng, 50)) / 0.32, 0, 1)
    moss = np.array([0.17, 0.21, 0.09], np.float32) * (1 + 0.28 * fractal(height, width, rng, 14, 5)[..., None])
    scene = lay(scene, moss.clip(0, 1), np.clip(2.2 * depth, 0, 0.95) ** 1.3)
    beams = np.clip(noise(1, 2 * width, rng, 26)[0], 0, 2)
    angle = ((x - 0.6 * width) * 0.9 + 0.55 * y + width / 2).clip(0, 2 * width - 1).astype(int)
    rays = beams[angle] * np.exp(-(((y / height - 0.3) / 0.32) ** 2)) * 0.09
    return (scene + rays[..., None] * np.array([1.0, 0.88, 0.55], np.float32)).clip(0, 1).astype(np.float32)


def room(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A living-room wall of the nineties, as a flash shows it: striped paper, a picture, a door frame."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    period = width / 22
    stripe = np.clip(np.sin(2 * np.pi * x / period) * 3 + 0.5, 0, 1)
    wall = lay(np.full((height, width, 3), (0.74, 0.68, 0.55), np.float32), (0.66, 0.60, 0.50), stripe * 0.6)
    sprig = np.clip(np.cos(2 * np.pi * x / period) * np.cos(2 * np.pi * y / (1.7 * period)) * 6 - 4.7, 0, 1)
    wall = lay(wall, (0.52, 0.44, 0.42), sprig * 0.7)

    def rect(left: float, top: float, right: float, bottom: float, soft: float = 0.8) -> np.ndarray:
        return rectangle((height, width), left * width, top * height, right * width, bottom * height, soft)

    wall = shade(wall, rect(0.048, 0.03, 0.29, 0.37, 5), 0.6)
    wall = lay(wall, (0.36, 0.22, 0.12), rect(0.035, -0.02, 0.275, 0.335))
    wall = lay(wall, (0.55, 0.39, 0.20), rect(0.042, -0.02, 0.268, 0.322))
    sea = gradient(
        height,
        width,
        [(0, (0.50, 0.62, 0.72)), (0.17, (0.70, 0.72, 0.68)), (0.175, (0.30, 0.42, 0.46)), (0.32, (0.45, 0.50, 0.42))],
    )
    sea = sea * (1 + 0.07 * fractal(height, width, rng, 12, 4)[..., None])
    wall = lay(wall, sea, rect(0.056, -0.02, 0.254, 0.30))
    wall = lay(wall, (0.80, 0.77, 0.70), rect(0.90, -0.1, 1.1, 1.1))
    wall = shade(wall, rect(0.893, -0.1, 0.905, 1.1, 4), 0.6)
    wall = shade(wall, rect(0.925, -0.1, 0.929, 1.1, 1.5), 0.75)
    return (wall * (1 + 0.012 * noise(height, width, rng, 1.2)[..., None])).clip(0, 1).astype(np.float32)

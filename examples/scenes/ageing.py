"""What cameras, prints and models do to a picture, on top of `gpen degrade`'s own damage.

Pictures are H x W x 3 float32 in 0..1.
"""

from __future__ import annotations

import cv2
import numpy as np

from .paint import fractal, lay, noise


def film_grain(picture: np.ndarray, rng: np.random.Generator, amount: float, size: float, gray: bool) -> np.ndarray:
    """Grain of film: clumps of `size` pixels, strongest in the midtones."""
    height, width = picture.shape[:2]
    layers = [noise(height, width, rng, size) for _ in range(1 if gray else 3)]
    grain = np.stack(layers, axis=2)
    if not gray:
        grain = 0.6 * grain.mean(axis=2, keepdims=True) + 0.6 * grain
    tone = 0.35 + 0.65 * 4 * (picture.mean(axis=2, keepdims=True) * (1 - picture.mean(axis=2, keepdims=True)))
    return picture + amount * tone * grain


def bleach(picture: np.ndarray, black: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Dyes that faded, each in its own degree: new black and white of each channel."""
    return black + (white - black) * picture


def stains(picture: np.ndarray, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Uneven fading: brighter towards the edges, with blotches."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    pale = np.clip(np.maximum(np.abs(x), np.abs(y)) ** 6 + 0.25 * fractal(height, width, rng, 0.12 * width, 4), 0, 1)
    return lay(picture, (0.80, 0.80, 0.80), amount * pale)


def creases(picture: np.ndarray, rng: np.random.Generator, lines: list[list[tuple[float, float]]]) -> np.ndarray:
    """Folds of a print, where the emulsion broke: lines of points in shares of width and height."""
    height, width = picture.shape[:2]
    for line in lines:
        ends = np.array(line) * [width, height]
        steps = np.linspace(0, 1, 60)
        path = np.stack([np.interp(steps, np.linspace(0, 1, len(ends)), ends[:, k]) for k in (0, 1)], axis=1)
        path = path + rng.normal(0, 0.9, path.shape)
        mask = np.zeros((height, width), np.uint8)
        fixed = np.round(path * 16).astype(np.int32)[:, None]
        cv2.polylines(mask, [fixed], False, 255, 2, cv2.LINE_AA, shift=4)
        wide = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), 3)
        broken = np.clip(0.75 + 0.6 * noise(height, width, rng, 4), 0, 1)
        picture = picture * (1 - 0.25 * np.roll(wide, 3, axis=1))[..., None]
        picture = lay(picture, (0.93, 0.93, 0.93), mask.astype(np.float32) / 255 * broken)
    return picture


def smear(
    picture: np.ndarray, rng: np.random.Generator, size: float, push: float = 0.0, texture: float = 0.0
) -> np.ndarray:
    """Draw small things as a latent diffusion model does: right from afar, wrong from near.

    Its decoder sees `size` pixels a side as one; what is finer is invented. Here detail finer than that is pushed about
    and blurred, what remains is drawn with hard edges again, and skin gets a texture that none has.

    Args:
        picture: what is small, and its surroundings.
        rng: random generator.
        size: side of what the model sees as one, in pixels.
        push: how far detail moves, in pixels.
        texture: deviation of the invented texture.
    """
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moved = [axis + push * noise(height, width, rng, size) for axis in (x, y)]
    bent = cv2.remap(picture, moved[0], moved[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    soft = cv2.GaussianBlur(bent, (0, 0), 0.4 * size)
    flat = cv2.bilateralFilter(soft, 9, 0.08, 0.7 * size)
    hard = flat + 0.8 * (flat - cv2.GaussianBlur(flat, (0, 0), 0.5 * size))
    invented = noise(height, width, rng, 1.3) * (1 + 0.4 * noise(height, width, rng, 2 * size))
    return (hard + texture * invented[..., None]).clip(0, 1)


def date_stamp(picture: np.ndarray, text: str, height: float) -> np.ndarray:
    """The date of a nineties camera: seven segments of orange light in the corner, `height` pixels high."""
    segments = {
        **{"0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc", "7": "abc"},
        **{"8": "abcdefg", "9": "abcdfg", "'": "f"},
    }
    ends = {
        **{"a": ((0, 0), (1, 0)), "b": ((1, 0), (1, 1)), "c": ((1, 1), (1, 2)), "d": ((0, 2), (1, 2))},
        **{"e": ((0, 1), (0, 2)), "f": ((0, 0), (0, 1)), "g": ((0, 1), (1, 1))},
    }
    light = np.zeros(picture.shape[:2], np.float32)
    step = 0.82 * height
    x = picture.shape[1] - 0.07 * picture.shape[1] - step * len(text)
    top = picture.shape[0] - 0.08 * picture.shape[0] - height
    for character in text:
        for segment in segments.get(character, ""):
            (a, b), (c, d) = ends[segment]
            unit = height / 2
            corners = [(x + (p - 0.12 * (q - 1)) * unit, top + q * unit) for p, q in ((a, b), (c, d))]
            points = [(round(p * 16), round(q * 16)) for p, q in corners]
            cv2.line(light, points[0], points[1], 1.0, max(1, round(height / 8)), cv2.LINE_AA, shift=4)
        x += step
    glow = 0.9 * cv2.GaussianBlur(light, (0, 0), height / 22 + 0.5) + 0.5 * cv2.GaussianBlur(light, (0, 0), height / 6)
    return 1 - (1 - picture.clip(0, 1)) * (1 - glow.clip(0, 1)[..., None] * np.array([1.0, 0.52, 0.12], np.float32))

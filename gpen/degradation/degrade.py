"""Degradation for training and evaluation: simulates bad cameras, codecs and old prints on good pictures of faces.

The order is that of real pictures: the print ages, a lens blurs, a sensor samples with noise, a codec compresses; often
the camera steps happen a second time. The models are those of BSRGAN (Zhang et al. 2021, "Designing a practical
degradation model for deep blind image super-resolution") and Real-ESRGAN (Wang et al. 2021), with ranges for faces.
basicsr has similar functions, but they use the global random generators of Python and NumPy; here each (picture, index,
seed) has one generator, and arithmetic is in double precision until the rounding to 8 bits, so that a pair is the same
on every machine (as far as its JPEG and WebP codecs agree).

Pictures are RGB, H x W x 3 uint8 outside and float64 in 0..1 inside. Lengths are in pixels for a side of 256 and scale
with the picture.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, fields
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from ..errors import ImageError, SettingsError
from .blur_kernels import gaussian_kernel, motion_kernel
from .old_prints import fade, grayscale, halftone, scratches, tone
from .sensor_noise import camera_noise, gaussian_noise, poisson_noise

# Side of faces to which the lengths below refer.
_SIDE = 256
# Upper limit of all ranges: percent of quality, and more than enough for pixels and 255ths.
_MOST = 100
_DOWN = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "Lanczos": cv2.INTER_LANCZOS4}
_UP = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "Lanczos": cv2.INTER_LANCZOS4}


@dataclass(frozen=True)
class Degradation:
    """Strengths and probabilities of the degradation; pairs are (minimum, maximum).

    Attributes:
        blur: width of the lens blur in pixels, log-uniform.
        motion: length of motion blur in pixels.
        down: factor of down-sampling, log-uniform.
        noise: standard deviation of the noise, in 255ths.
        quality: quality of JPEG and WebP.
        second: share of pictures with a second, milder pass through the camera steps.
        gray: share of black-and-white pictures that are not old prints.
        old_print: share of old prints: faded, some scratched, screened or toned, most of them black and white.
        light: share of pictures with the ranges of a good camera (see `LIGHT`) instead of the above, so that a network
            learns to leave good pictures unchanged.
    """

    blur: tuple[float, float] = (0.3, 4.0)
    motion: tuple[float, float] = (3.0, 12.0)
    down: tuple[float, float] = (1.0, 6.0)
    noise: tuple[float, float] = (1.0, 18.0)
    quality: tuple[int, int] = (30, 95)
    second: float = 0.3
    gray: float = 0.1
    old_print: float = 0.1
    light: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float | int):
                if not 0 <= value <= 1:
                    raise SettingsError(f"{field.name} must be a share in 0..1, got {value}.")
            elif len(value) != 2 or not all(isinstance(number, int | float) for number in value):
                raise SettingsError(f"{field.name} must be two numbers, minimum and maximum, got {value}.")
            elif not 0 < value[0] <= value[1] <= _MOST:
                raise SettingsError(f"{field.name} must be increasing, above 0 and at most {_MOST}, got {value}.")
        if self.down[0] < 1:
            raise SettingsError(f"down must start at 1 or more, got {self.down}.")


MIXED = Degradation()
LIGHT = Degradation(
    blur=(0.2, 0.8), motion=(1.0, 2.5), down=(1.0, 1.4), noise=(0.5, 4.0), quality=(75, 98), second=0.0, old_print=0.0
)


class Pair(NamedTuple):
    """A training pair.

    Attributes:
        degraded: H x W x 3 uint8.
        steps: description of the applied steps, in order.
        truth: H x W x 3 uint8, the perfect restoration: the picture itself, but without colour if the damage left none,
            since the colours cannot be recovered from such a photograph.
    """

    degraded: np.ndarray
    steps: list[str]
    truth: np.ndarray


def degrade(picture: np.ndarray, index: int, seed: int = 0, degradation: Degradation = MIXED) -> Pair:
    """Make one degraded version of a picture; the same arguments give the same pair.

    Args:
        picture: H x W x 3 uint8 RGB.
        index: number of the version, from 0.
        seed: random seed of all versions.
        degradation: strengths and probabilities.

    Raises:
        ImageError: the picture is not H x W x 3 uint8.
    """
    rng = generator_of(picture, index, seed)
    return _Damage(degradation, rng, min(picture.shape[:2]) / _SIDE).apply(picture)


def generator_of(picture: np.ndarray, index: int, seed: int) -> np.random.Generator:
    """The random generator of one degraded version.

    Raises:
        ImageError: the picture is not H x W x 3 uint8.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or picture.size == 0:
        raise ImageError(f"A picture to degrade must be H x W x 3 uint8 RGB, got {picture.shape} {picture.dtype}.")
    digest = hashlib.sha256(f"{picture.shape} {index} {seed} ".encode() + np.ascontiguousarray(picture).tobytes())
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest.digest()[:16], "big")))


class _Damage:
    def __init__(self, ranges: Degradation, rng: np.random.Generator, scale: float) -> None:
        self.ranges = ranges
        self.rng = rng
        self.scale = scale
        self.steps: list[str] = []

    def apply(self, picture: np.ndarray) -> Pair:
        height, width = picture.shape[:2]
        image = picture / 255.0
        # Drawn only if enabled, so that pairs of configurations without it do not change.
        if self.ranges.light and self.rng.random() < self.ranges.light:
            self.ranges = LIGHT
            self.steps.append("lightly damaged")
        chance = self.rng.random()
        if chance < self.ranges.old_print:
            truth, image = self._old_print(image)
        elif chance < self.ranges.old_print + self.ranges.gray:
            self.steps.append("black and white")
            truth = image = grayscale(image)
        else:
            truth = image
        image = self._camera(image, 1.0)
        if self.rng.random() < self.ranges.second:
            image = self._camera(image, 0.5)
        if image.shape[:2] != (height, width):
            kind = self.rng.choice(list(_UP))
            image = cv2.resize(image, (width, height), interpolation=_UP[kind])
        gray = np.ptp(truth, axis=2).max() == 0
        return Pair(_to_8_bits(grayscale(image) if gray else image), self.steps, _to_8_bits(truth))

    def _old_print(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The print when new, and after ageing."""
        rng = self.rng
        kind = rng.choice(["black-and-white print", "toned print", "colour print"], p=[0.6, 0.25, 0.15])
        self.steps.append(kind)
        if kind != "colour print":
            image = grayscale(image)
        if kind == "toned print":
            image = tone(image, rng.uniform(0.3, 1))
        now = image
        if rng.random() < 0.25:
            period, angle = rng.uniform(2.5, 5) * self.scale, rng.uniform(0, np.pi / 2)
            now = halftone(now, period, angle, rng.uniform(0.2, 0.6))
            self.steps.append(f"halftone, dots at {period:.1f} px")
        if rng.random() < 0.7:
            black, white = rng.uniform(0, 0.25), rng.uniform(0.75, 1)
            now = fade(now, black, white)
            self.steps.append(f"faded to {black:.2f}..{white:.2f}")
        if rng.random() < 0.6:
            count = int(rng.integers(1, 9))
            now = scratches(now, count, rng)
            self.steps.append(f"{count} scratches and specks")
        return image, now

    def _camera(self, image: np.ndarray, share: float) -> np.ndarray:
        """Lens, sensor and codec, in this order; each is applied with probability `share`."""
        if self.rng.random() < 0.9 * share:
            image = self._blur(image)
        if self.rng.random() < 0.8 * share:
            image = self._shrink(image)
        if self.rng.random() < 0.8 * share:
            image = self._noise(image.clip(0, 1))
        if self.rng.random() < 0.8:
            image = self._save(image)
        return image

    def _blur(self, image: np.ndarray) -> np.ndarray:
        rng = self.rng
        # The blur of a down-sampled picture is relative to its smaller size.
        scale = min(image.shape[:2]) / _SIDE
        kind = rng.choice(["isotropic", "anisotropic", "generalised", "motion"], p=[0.4, 0.25, 0.15, 0.2])
        if kind == "motion":
            length = max(1.0, scale * rng.uniform(*self.ranges.motion))
            kernel = motion_kernel(length, rng.uniform(0, np.pi), rng.uniform(-1, 1))
            self.steps.append(f"motion blur {length:.1f} px")
        else:
            low, high = np.log(self.ranges.blur)
            one, other = scale * np.exp(rng.uniform(low, high, 2))
            shape = np.exp(rng.uniform(np.log(0.5), np.log(4))) if kind == "generalised" else 1.0
            kernel = gaussian_kernel(one, one if kind == "isotropic" else other, rng.uniform(0, np.pi), shape)
            self.steps.append(f"{kind} blur {one:.1f} px" + (f" by {other:.1f} px" if kind != "isotropic" else ""))
        return cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT)

    def _shrink(self, image: np.ndarray) -> np.ndarray:
        factor = np.exp(self.rng.uniform(*np.log(self.ranges.down)))
        height, width = (max(8, round(side / factor)) for side in image.shape[:2])
        kind = self.rng.choice(list(_DOWN))
        self.steps.append(f"down-sampled to {width} x {height} ({kind})")
        return cv2.resize(image, (width, height), interpolation=_DOWN[kind])

    def _noise(self, image: np.ndarray) -> np.ndarray:
        rng = self.rng
        sigma = rng.uniform(*self.ranges.noise) / 255
        gray = rng.random() < 0.4
        kind = rng.choice(["Gaussian", "Poisson", "camera"])
        self.steps.append(
            f"{kind} noise of {sigma * 255:.0f}/255" + (" in brightness" if gray and kind != "camera" else "")
        )
        # The parameters are chosen so that middle grey gets about the drawn deviation.
        if kind == "Gaussian":
            return gaussian_noise(image, sigma, gray, rng)
        if kind == "Poisson":
            return poisson_noise(image, 0.5 / sigma**2, gray, rng)
        return camera_noise(image, 2 * sigma**2, sigma / 2, rng)

    def _save(self, image: np.ndarray) -> np.ndarray:
        quality = int(self.rng.integers(self.ranges.quality[0], self.ranges.quality[1] + 1))
        kind = self.rng.choice(["JPEG", "WebP"], p=[0.85, 0.15])
        self.steps.append(f"{kind} {quality}")
        file = io.BytesIO()
        Image.fromarray(_to_8_bits(image)).save(file, kind, quality=quality)
        with Image.open(file) as saved:
            return np.asarray(saved.convert("RGB")) / 255.0


def _to_8_bits(image: np.ndarray) -> np.ndarray:
    return (image.clip(0, 1) * 255).round().astype(np.uint8)

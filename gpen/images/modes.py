"""Convert PIL images of every mode that picture files have to grey or RGB, with or without alpha."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL import Image

from ..errors import ImageError
from .samples import bands, scale_into

Mode = Literal["bilevel", "grey", "grey+alpha", "palette", "RGB", "RGBA", "CMYK", "YCbCr", "Lab"]
GREY_MODES = ("bilevel", "grey", "grey+alpha")

MODES: dict[str, Mode] = {
    "1": "bilevel",
    "L": "grey",
    "I;16": "grey",
    "LA": "grey+alpha",
    "La": "grey+alpha",
    "P": "palette",
    "PA": "palette",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "CMYK": "CMYK",
    "YCbCr": "YCbCr",
}
_PLAIN = ("L", "LA", "RGB", "RGBA", "I;16")


def plain_image(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert an image to L, LA, RGB, RGBA or I;16; also returns notes on what could not be kept.

    A CMYK image is converted to sRGB through its embedded profile; `info["icc_profile"]` of the result is then that of
    sRGB, or missing if there was no profile.

    Raises:
        ImageError: the mode is not one of `MODES`.
    """
    if image.mode not in MODES:
        raise ImageError(
            f"The picture has the mode {image.mode}, which cannot be displayed directly; "
            "convert it to 8 or 16 bit grey or RGB first."
        )
    if image.mode == "CMYK":
        return _from_cmyk(image)
    if image.mode not in _PLAIN or (image.has_transparency_data and image.mode in ("L", "RGB")):
        grey = MODES[image.mode] in ("bilevel", "grey", "grey+alpha")
        image = image.convert(("L" if grey else "RGB") + ("A" if image.has_transparency_data else ""))
    return image, ()


def _from_cmyk(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    profile = image.info.get("icc_profile")
    if profile:
        from PIL import ImageCms

        try:
            srgb = ImageCms.createProfile("sRGB")
            # 0 is the perceptual intent, for which print profiles are made.
            rgb = ImageCms.profileToProfile(
                image, io.BytesIO(profile), srgb, renderingIntent=ImageCms.Intent(0), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, ImportError):  # no valid profile, or a Pillow built without LittleCMS
            pass
        else:
            assert rgb is not None
            rgb.info["icc_profile"] = srgb_profile()
            return rgb, ("The CMYK picture was converted to sRGB through its profile.",)
    rgb = image.convert("RGB")
    rgb.info.pop("icc_profile", None)
    return rgb, ("The CMYK picture has no usable profile, so its colours in RGB are approximate.",)


def srgb_profile() -> bytes:
    """The ICC profile of sRGB, for pictures converted to sRGB."""
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def has_alpha(image: Image.Image) -> bool:
    """Whether the last channel of a plain image is alpha."""
    return image.mode in ("LA", "RGBA")


def image_into(image: Image.Image, planes: np.ndarray, alpha: np.ndarray | None) -> None:
    """Write a plain image, scaled to 0..1, to 3 x H x W float32 planes and to 1 x H x W alpha if that is not None."""
    for rows in bands(image.height, image.width):
        samples = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
        samples = samples.reshape(*samples.shape[:2], -1)
        scale_into(planes[:, rows], None if alpha is None else alpha[:, rows], samples)

"""What the example portrait shows: ways to use the network's answer, ways to raise detail, a cast and fading."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.local_adaptive import enhance
from gpen_blocks.gpen.devices import on_device
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.masks.parts import crop_landmarks
from gpen_blocks.gpen.models import load_detector, load_generator
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.presets import load_preset
from gpen_blocks.gpen.restored import RestoredBatch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks

from . import data
from .enhancers import ENHANCERS, STRENGTH, Crop, equal_amount, gain, local_adaptive
from .frequencies import GENERATOR
from .measures import psnr
from .pictures import heat, save_tiles
from .sharpening import Regions

_DETECTOR = "face-detector-lite"
_PLAIN = Settings(frequency_blend=0.0, color_match="none")
# So many times as strong, a change is shown beside grey.
_SHOWN = 16


def restored(image: torch.Tensor, settings: Settings) -> RestoredBatch:
    """The chain with the bundled models, on the CPU."""
    generator, detector = load_generator(GENERATOR), load_detector(_DETECTOR)
    return restore_batch(image, Networks(generator, detector, place=on_device(torch.device("cpu"))), settings)


def restore_portrait(folder: Path) -> dict[str, dict[str, float]]:
    """Tiles of the degraded portrait, plain, mixed, blended and enhanced; and the PSNR of each."""
    truth, photograph = (data.read(data.EXAMPLES / name) for name in ("portrait.png", "portrait-degraded.jpg"))
    batch = restored(photograph, _PLAIN)
    before, after = batch.before, batch.after
    sharp, _ = align_faces(truth, batch.faces, before.shape[-1], batch.alignments[0].template)
    blended = blend(before, after, deblur=0.5)
    enhanced, raised = enhance(blended, STRENGTH, crop_landmarks(batch.alignments, before.shape[-1]))
    ways = {
        "photograph, degraded": before,
        "GPEN (bundled), plain": after,
        "strength 0.5": torch.lerp(before, after, 0.5),
        "frequency blend": blended,
        "blend, then LAP": enhanced,
    }
    tiles = {
        **ways,
        "LAP's gain, 0 to 0.6": heat(raised, STRENGTH),
        f"LAP's change, {_SHOWN}-fold": _change(enhanced, blended),
        "undamaged": sharp,
    }
    save_tiles(tiles, 4, folder / "portrait.jpg", before.shape[-1])
    return {name: {"psnr": round(float(psnr(images, sharp)), 2)} for name, images in ways.items()}


def enhance_portrait(folder: Path, side: int) -> dict[str, float]:
    """Tiles of the undamaged portrait, enhanced in each way at equal gain of weak texture; and that gain."""
    truth = data.read(data.EXAMPLES / "portrait.png")
    faces = restored(truth, _PLAIN).faces
    image, alignments = align_faces(truth, faces, side, "gpen")
    crop = Crop.of(data.rounded(image), "gpen")
    regions = Regions.of(crop)
    first = local_adaptive(crop)
    wanted = gain(first, crop.lightness, regions.weak)
    planes = {"LAP": first}
    for name in ("unsharp masking", "detailEnhance"):
        enhancer = ENHANCERS[name](crop)
        planes[name] = enhancer(equal_amount(enhancer, crop, regions.weak, wanted))
    _, parts = enhance(crop.image, STRENGTH, crop_landmarks(alignments, side))
    colored = {name: (crop.image + plane - crop.lightness).clamp(0, 1) for name, plane in planes.items()}
    changes = {f"{name}: change, {_SHOWN}-fold": _change(images, crop.image) for name, images in colored.items()}
    tiles = {"portrait": crop.image, **colored, "LAP's gain by part, 0 to 0.6": heat(parts, STRENGTH), **changes}
    save_tiles(tiles, 4, folder / "enhanced.jpg", 288)
    return {"gain_percent": round(100 * (wanted - 1))}


def _change(after: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    return (0.5 + _SHOWN * (luma(after) - luma(before))).clamp(0, 1).expand(-1, 3, -1, -1)


def casts_and_fading() -> dict[str, dict[str, float]]:
    """PSNR of the portrait's face with a cast and faded, for presets and for a white balance before them."""
    truth, photograph = (data.read(data.EXAMPLES / name) for name in ("portrait.png", "portrait-degraded.jpg"))
    natural, strong = (load_preset(name).settings for name in ("natural", "strong"))
    ways = {
        "preset natural": natural,
        "preset strong": strong,
        "network's answer, color_match none": _PLAIN,
        "white balance (shades of grey), natural": replace(natural, white_balance="shades_of_grey"),
        "white balance (LAB), natural": replace(natural, white_balance="lab"),
        "white balance (shades of grey), strong": replace(strong, white_balance="shades_of_grey"),
        "levels, natural": replace(natural, levels=1.0),
    }
    pictures = {"as it is": photograph, "strong cast": data.cast(photograph), "faded": data.faded(photograph)}
    pictures = {name: data.rounded(image) for name, image in pictures.items()}
    mask = restored(photograph, _PLAIN).mask
    figures = {"photograph": {name: _within(image, truth, mask) for name, image in pictures.items()}}
    for way, settings in ways.items():
        figures[way] = {
            name: _within(restored(image, settings).images, truth, mask) for name, image in pictures.items()
        }
    return figures


def _within(image: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> float:
    """PSNR over a mask."""
    error = (mask * (image - truth) ** 2).sum() / (3 * mask.sum())
    return round(-10 * float(torch.log10(error)), 2)

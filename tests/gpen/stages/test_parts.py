"""Detail of bands and parts of the face in the chain: defaults change nothing, and each setting reaches its part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gpen_blocks import Settings
from gpen_blocks.gpen.detail.bands import blend
from gpen_blocks.gpen.detail.local_adaptive import enhance
from gpen_blocks.gpen.faces.align import align_faces
from gpen_blocks.gpen.faces.landmarks import find_landmarks68
from gpen_blocks.gpen.faces.masks.parts import crop_landmarks, part_masks
from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.models import choose_landmarker, load_detector, load_generator
from gpen_blocks.gpen.pixels.tone import Tone
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.stages import FaceRecord, RestoredFaces, find_faces, load_networks, paste_back
from gpen_blocks.gpen.stages.detail import shape_detail
from gpen_blocks.gpen.types import Faces


@pytest.fixture(scope="module")
def face(examples) -> dict[str, Any]:
    """The example's face: image, crop, the network's answer, alignment."""
    images = read_picture(examples / "portrait-degraded.jpg").pixels
    generator = load_generator("gpen-lite-256", backend="eager")
    found = find_faces(images, load_detector("face-detector-lite").module, Settings(), template=generator.template)
    faces = find_landmarks68(choose_landmarker()[0].module, images, found.selected)
    before, alignments = align_faces(images, faces, 256, generator.template)
    answer = restore_crops(generator.module, before, colour="keep")
    return {"images": images, "before": before, "answer": answer, "alignments": alignments}


def shaped(face: dict[str, Any], **settings: Any) -> torch.Tensor:
    after, _ = shape_detail(face["images"], face["before"], face["answer"], face["alignments"], Settings(**settings))
    return after


def test_the_defaults_are_the_blend_without_gains_to_the_bit(face):
    plain = blend(face["before"], face["answer"], deblur=0.5, denoise=0.5, colour="keep", jpeg_quality=_quality(face))
    assert torch.equal(shaped(face), plain)
    landmarks = crop_landmarks(face["alignments"], 256)
    assert torch.equal(shaped(face, local_enhance=0.6), enhance(plain, 0.6, landmarks)[0])


def _quality(face: dict[str, Any]) -> list[int | None]:
    from gpen_blocks.gpen.stages.detail import _jpeg_quality

    return [_jpeg_quality(face["images"], alignment) for alignment in face["alignments"]]


@pytest.mark.parametrize("part", ["eyes", "lips", "skin", "hair"])
def test_a_gain_of_a_part_changes_that_part_alone(face, part):
    changed = (shaped(face, **{f"{part}_gain": 0.0}) - shaped(face)).abs().amax(dim=1)[0]
    mask = part_masks(crop_landmarks(face["alignments"], 256), 256)[part][0, 0]
    assert changed[mask > 0.5].mean() > 0.5 / 255
    assert changed[mask == 0].max() < 1e-5


@pytest.mark.parametrize("part", ["eyes", "lips", "cheeks", "hairline"])
def test_a_share_of_a_part_enhances_that_part_alone(face, part):
    none = dict.fromkeys(("enhance_eyes", "enhance_lips", "enhance_cheeks", "enhance_hairline"), 0.0)
    assert torch.equal(shaped(face, local_enhance=2.0, **none), shaped(face))
    changed = (shaped(face, local_enhance=2.0, **none | {f"enhance_{part}": 1.0}) - shaped(face)).abs().amax(dim=1)[0]
    mask = part_masks(crop_landmarks(face["alignments"], 256), 256)[part][0, 0]
    assert changed.max() > 0.5 / 255
    assert changed[mask == 0].max() == 0


@pytest.mark.parametrize("part", ["brows", "eyes", "nose", "lips", "skin"])
def test_a_strength_of_a_part_pastes_that_part_alone(face, part):
    """Where parts overlap, a part before another in their order covers it."""
    parts = ("brows", "eyes", "lips", "nose", "skin", "hair")
    networks = load_networks("gpen-lite-256", "face-detector-lite", settings=Settings(), backend="eager")
    after, tone = face["before"].flip(-1), Tone("colour", torch.zeros(9, 3), torch.zeros(2, 3))  # every pixel changes

    def pasted(**shares: float) -> torch.Tensor:
        records = tuple(FaceRecord(alignment, tone) for alignment in face["alignments"])
        settings = Settings(color_match="none", denoise=0, **shares)
        result = paste_back(face["images"], RestoredFaces(face["before"], after, records), networks, settings)
        crop, _ = align_faces(result.images, Faces(tuple(a.face for a in face["alignments"]), ((512, 512),)), 256)
        return crop

    nothing = dict.fromkeys((f"strength_{name}" for name in parts), 0.0)
    changed = (pasted(**nothing | {f"strength_{part}": 1.0}) - pasted(**nothing)).abs().amax(dim=1)[0]
    masks = part_masks(crop_landmarks(face["alignments"], 256), 256)
    own = masks[part][0, 0] if part != "skin" else 1 - masks["hair"][0, 0]  # the soft edge belongs to it
    for other in parts[: parts.index(part)]:
        own = own * (1 - masks[other][0, 0])
    assert changed[own > 0.9].mean() > 2 / 255
    assert changed[F.max_pool2d(own[None, None], 17, 1, 8)[0, 0] == 0].max() < 2 / 255  # resampling spreads a little


def test_gains_of_bands_strengthen_what_the_network_adds(face):
    def energy(**gains: float) -> float:
        return float(np.square(np.diff(shaped(face, **gains)[0].numpy(), axis=-1)).mean())

    assert energy(high_gain=2.0) > energy() > energy(high_gain=0.0)
    assert energy(middle_gain=2.0) > energy() > energy(middle_gain=0.0)

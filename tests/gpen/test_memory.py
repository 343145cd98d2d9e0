"""Where memory runs out, smaller pieces are tried, and the picture stays the same; then a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from gpen_blocks.gpen import steps
from gpen_blocks.gpen.devices import in_pieces, is_out_of_memory, on_device
from gpen_blocks.gpen.errors import GPENError
from gpen_blocks.gpen.faces.detection.tiles import COARSEST_SIDE, OVERLAP, halves, plan_tiles
from gpen_blocks.gpen.models import LoadedModel, load_detector, load_generator, load_landmarker
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.restored import RestoredBatch
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Networks, detail, paste

pytestmark = pytest.mark.slow

PLACE = on_device(torch.device("cpu"))
FULL = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def limited(module: nn.Module, fits: Callable[[torch.Tensor], bool]) -> list[tuple[int, ...]]:
    """Let a network run out of memory at what does not fit; the shapes it was asked for."""
    asked: list[tuple[int, ...]] = []

    def check(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        asked.append(tuple(inputs[0].shape))
        if not fits(inputs[0]):
            raise FULL

    module.register_forward_pre_hook(check)
    return asked


@pytest.fixture
def models():
    """The bundled models, made anew for each test, which spoils them."""
    from gpen_blocks.gpen.models import cache

    cache.clear()
    yield (
        load_generator("gpen-lite-256", backend="eager"),
        load_detector("face-detector-lite"),
        load_landmarker("face-landmarks-lite"),
    )
    cache.clear()


@pytest.fixture(scope="module")
def group(examples) -> torch.Tensor:
    """Six portraits side by side, 1 x 3 x 768 x 1536: more than one tile of the network."""
    portrait = Image.open(examples / "portrait-degraded.jpg").convert("RGB").resize((512, 512))
    picture = Image.new("RGB", (1536, 1024))
    for number in range(6):
        picture.paste(portrait, (512 * (number % 3), 512 * (number // 3)))
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 255


def restored(group: torch.Tensor, models: tuple[LoadedModel, ...], **changes: Any) -> RestoredBatch:
    settings = replace(Settings(), **changes)
    return restore_batch(group, Networks(*models, place=PLACE), settings)


@pytest.mark.parametrize(
    "error, expected",
    [
        (FULL, True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 6 GB)"), True),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("OpenCV(4.9) alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"), True),
        (RuntimeError("shapes do not match"), False),
        (GPENError("One face does not fit: out of memory"), False),
        (KeyboardInterrupt("out of memory"), False),
    ],
)
def test_what_running_out_of_memory_is(error, expected):
    assert is_out_of_memory(error) is expected


def test_torch_itself_says_so_on_the_cpu():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert is_out_of_memory(caught.value)


def test_pieces_are_halved_until_they_fit():
    def run(first: int, last: int) -> range:
        tried.append(last - first)
        if last - first > 3:
            raise MemoryError
        return range(first, last)

    tried: list[int] = []
    pieces = in_pieces(11, run, too_large="too large")
    assert [number for piece in pieces for number in piece] == list(range(11))
    assert tried[:3] == [11, 5, 2] and set(tried[3:]) <= {1, 2}
    assert in_pieces(0, run, too_large="too large") == []
    assert len(in_pieces(6, run, most=3, too_large="too large")) == 2
    with pytest.raises(GPENError, match="too large"):
        in_pieces(11, run, smallest=4, too_large="too large")

    def broken(first: int, last: int) -> None:
        raise ValueError("another fault")

    with pytest.raises(ValueError, match="another fault"):
        in_pieces(4, broken, too_large="too large")


def test_the_network_gets_fewer_faces(models):
    generator = models[0].module
    crops = torch.rand(5, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    whole = restore_crops(generator, crops, place=PLACE, batch_size=5)
    asked = limited(generator, lambda x: len(x) <= 1)
    assert (restore_crops(generator, crops, place=PLACE, batch_size=5) - whole).abs().max() < 1e-5
    assert [shape[0] for shape in asked] == [5, 2, 1, 1, 1, 1, 1]
    limited(generator, lambda x: False)
    with pytest.raises(GPENError, match="One face of 256 x 256 does not fit"):
        restore_crops(generator, crops, place=PLACE)


def test_the_detector_gets_smaller_tiles_and_finds_the_same(models, group):
    whole = restored(group, models, frequency_blend=0.0)
    assert len(whole.faces) == 6
    asked = limited(models[1].module.network, lambda x: x.shape[2] * x.shape[3] <= 500_000)
    found = restored(group, models, frequency_blend=0.0)
    assert max(h * w for _, _, h, w in asked) > 900_000  # it was tried
    boxes = (sorted(face.box for face in batch.faces) for batch in (whole, found))
    for one, other in zip(*boxes, strict=True):
        assert np.abs(np.subtract(one, other)).max() < 4


def test_a_batch_gets_fewer_pictures_a_pass(models, group):
    small = torch.nn.functional.interpolate(group, (256, 384), mode="bilinear", antialias=True).repeat(3, 1, 1, 1)
    from gpen_blocks.gpen.faces.detection.detect import detect

    whole = detect(small, models[1].module)
    asked = limited(models[1].module.network, lambda x: len(x) == 1)
    found = detect(small, models[1].module)
    assert asked[0][0] > 1 and len(whole) == len(found) > 0
    for one, other in zip(whole, found, strict=True):
        assert one.image_index == other.image_index and np.abs(np.subtract(one.box, other.box)).max() < 0.1


def test_a_detector_that_never_fits_is_a_sentence(models, group):
    limited(models[1].module.network, lambda x: False)
    with pytest.raises(GPENError, match="not enough memory on cpu to search for faces"):
        restored(group, models)


@pytest.mark.parametrize("size", [(1408, 1408), (600, 1408), (3000, 700)])
@pytest.mark.parametrize("least", [16, 200, 900])
def test_halves_cover_their_tile_and_overlap(size, least):
    for tile in plan_tiles(size, least):
        parts = halves(tile)
        assert bool(parts) == (max(tile.seen) > COARSEST_SIDE)
        if not parts:
            continue
        one, other = parts
        assert (one.x0, one.y0, other.x1, other.y1) == (tile.x0, tile.y0, tile.x1, tile.y1)
        shared = one.x1 - other.x0 if (one.y0, one.y1) == (other.y0, other.y1) else one.y1 - other.y0
        assert shared * tile.scale >= OVERLAP
        block = max(round(1 / tile.scale), 1)
        assert all((end - start) % block == 0 for start, end in ((tile.x0, other.x0), (tile.y0, other.y0)))
        assert all(part.seen[0] * part.seen[1] < tile.seen[0] * tile.seen[1] for part in parts)


def test_landmarks_are_sought_in_fewer_crops(models, group):
    whole = restored(group, models, frequency_blend=0.0)
    asked = limited(models[2].module, lambda x: len(x) <= 4)
    found = restored(group, models, frequency_blend=0.0)
    assert asked[0][0] == 12 and {shape[0] for shape in asked[2:]} <= {2, 6}
    for one, other in zip(whole.faces, found.faces, strict=True):
        assert one.landmarks68 is not None and other.landmarks68 is not None
        assert np.abs(one.landmarks68 - other.landmarks68).max() < 0.01
    limited(models[2].module, lambda x: False)
    with pytest.raises(GPENError, match="landmarks of one face"):
        restored(group, models)


def test_detail_is_shaped_a_face_at_a_time(models, group, monkeypatch):
    whole = restored(group, models)
    own, asked = detail.shape_detail, []

    def shape(images: torch.Tensor, before: torch.Tensor, *rest: Any, **steps: Any) -> Any:
        asked.append(len(before))
        if len(before) > 1:
            raise FULL
        return own(images, before, *rest, **steps)

    monkeypatch.setattr(detail, "shape_detail", shape)
    found = restored(group, models)
    assert asked[0] == 6 and asked.count(1) == 6
    assert (whole.images - found.images).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("room", "function", "stage"),
    [(paste, "paste_faces", "paste"), (steps, "align_faces", "align"), (paste, "finish", "paste")],
)
def test_elsewhere_it_is_a_sentence_that_names_the_stage(models, group, monkeypatch, room, function, stage):
    def full(*args: Any, **kwargs: Any) -> None:
        raise FULL

    monkeypatch.setattr(room, function, full)
    with pytest.raises(GPENError, match=rf"not enough memory for the picture \(stage {stage}\)"):
        restored(group, models)

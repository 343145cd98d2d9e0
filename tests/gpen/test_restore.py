"""Crops through the generator: sizes, chunks, strength, grey, and bad input."""

import pytest
import torch

from gpen_blocks.gpen.devices import on_device
from gpen_blocks.gpen.errors import ImageError, SettingsError
from gpen_blocks.gpen.models import load_generator
from gpen_blocks.gpen.restore import restore_crops

PLACE = on_device(torch.device("cpu"))


@pytest.fixture(scope="module")
def generator():
    return load_generator("gpen-lite-256").module


@pytest.fixture(scope="module")
def crops():
    return torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(1))


def test_chunks_do_not_change_the_answer(generator, crops):
    whole = restore_crops(generator, crops, place=PLACE)
    ones = restore_crops(generator, crops, batch_size=1, place=PLACE)
    assert (whole - ones).abs().max() < 1e-5
    assert whole.min() >= 0 and whole.max() <= 1


def test_progress_is_told_per_chunk_and_may_interrupt(generator, crops):
    seen = []
    restore_crops(generator, crops, batch_size=2, place=PLACE, progress=lambda *step: seen.append(step))
    assert seen == [("restore", 2, 3), ("restore", 3, 3)]

    def stop(*_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        restore_crops(generator, crops, batch_size=1, place=PLACE, progress=stop)


def test_strength_mixes(generator, crops):
    full = restore_crops(generator, crops, place=PLACE)
    assert torch.equal(restore_crops(generator, crops, strength=0, place=PLACE), crops)
    half = restore_crops(generator, crops, strength=0.5, place=PLACE)
    assert torch.allclose(half, (crops + full) / 2, atol=1e-6)


def test_other_sizes_are_resampled(generator):
    assert restore_crops(generator, torch.rand(1, 3, 97, 97), place=PLACE).shape == (1, 3, 256, 256)


def test_grey_stays_grey(generator, crops):
    grey = crops[:1].mean(1, keepdim=True).expand(-1, 3, -1, -1)
    restored = restore_crops(generator, grey, place=PLACE)
    assert torch.equal(restored[:, 0], restored[:, 1]) and torch.equal(restored[:, 0], restored[:, 2])
    coloured = restore_crops(generator, grey, keep_grayscale=False, place=PLACE)
    assert not torch.equal(coloured[:, 0], coloured[:, 2])


def test_no_crops_give_no_crops(generator):
    assert restore_crops(generator, torch.zeros(0, 3, 256, 256), place=PLACE).shape == (0, 3, 256, 256)


def test_bad_input_is_told(generator, crops):
    with pytest.raises(ImageError, match="B x 3"):
        restore_crops(generator, crops[:, :1], place=PLACE)
    with pytest.raises(ImageError, match="NaN"):
        restore_crops(generator, crops * float("nan"), place=PLACE)
    with pytest.raises(SettingsError, match="strength"):
        restore_crops(generator, crops, strength=2, place=PLACE)
    with pytest.raises(SettingsError, match="batch_size is -1"):
        restore_crops(generator, crops, batch_size=-1, place=PLACE)

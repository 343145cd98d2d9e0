"""Whole frames are prepared alike within a shot, and colours matched slowly, however single frames are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gpen_blocks.gpen.images import read_picture
from gpen_blocks.gpen.photograph.prepare import prepare
from gpen_blocks.gpen.pixels.color import match_mean_std
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.types import Alignment, Face, Faces
from gpen_blocks.gpen.video.steady import SteadyChain, SteadyState, smooth
from gpen_blocks.gpen.video.steady.matching import match_slowly
from gpen_blocks.gpen.video.steady.preparing import SlowPreparation, prepare_frame

SIZE = (96, 128)
NOBODY = Faces((), (SIZE,))
# Whether a frame is damaged more.
MORE = np.random.default_rng(3).integers(0, 2, 64).astype(bool)


@pytest.fixture(scope="module")
def picture(examples: Path) -> torch.Tensor:
    """1 x 3 x H x W, a scene without JPEG blocks, noise or cast."""
    image = read_picture(examples / "group.jpg").pixels
    return torch.nn.functional.interpolate(image, SIZE, mode="bilinear", antialias=True).clamp(0, 1)


def faded(picture: torch.Tensor, number: int) -> torch.Tensor:
    """Alone, about every second frame is faded enough to be restored."""
    low, high = picture.amin(), picture.amax()
    span = 0.55 if MORE[number] else 0.72
    return (picture - low) / (high - low) * span + 0.5 - span / 2


def tinted(picture: torch.Tensor, number: int) -> torch.Tensor:
    return (picture * torch.tensor([1.0, 1.0, 0.75 if MORE[number] else 0.95]).view(1, 3, 1, 1)).clamp(0, 1)


def blocky(picture: torch.Tensor, number: int) -> torch.Tensor:
    """Blocks of 8 x 8 in about every second frame."""
    coarse = torch.nn.functional.avg_pool2d(picture, 8)
    blocks = torch.nn.functional.interpolate(coarse, SIZE)
    return torch.lerp(picture, blocks, 0.6) if MORE[number] else picture


def backlit(picture: torch.Tensor, number: int) -> torch.Tensor:
    """A dark face before a bright wall; in about every second frame, it is lighter."""
    image = torch.full_like(picture, 0.85) + 0.05 * (picture - 0.5)
    dark = (..., slice(24, 72), slice(44, 86))
    image[dark] = (0.30 if MORE[number] else 0.42) + 0.1 * (picture[dark] - 0.5)
    return image


FACE = Faces((Face((50, 30, 80, 66), 1.0, [[58, 42], [72, 42], [65, 50], [59, 58], [71, 58]]),), (SIZE,))
CASES = {
    "levels": (faded, {"levels": 1.0}, NOBODY),
    "shades of grey": (tinted, {"white_balance": "shades_of_grey"}, NOBODY),
    "lab": (tinted, {"white_balance": "lab"}, NOBODY),
    "deblock": (blocky, {"deblock": 1.0}, NOBODY),
    "exposure": (backlit, {"exposure": 1.0}, FACE),
}


def tones(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """What was done to a frame: its mean change in each channel, within the face's area and outside."""
    change = after - before
    return torch.cat([change[..., 30:66, 50:80].abs().mean(dim=(0, 2, 3)), change.abs().mean(dim=(0, 2, 3))])


@pytest.mark.parametrize("name", CASES)
def test_a_flickering_judgement_does_not_make_frames_flicker(name, picture):
    damage, changes, faces = CASES[name]
    settings, state, alone, steady = Settings(**changes), None, [], []
    for number in range(48):
        one = damage(picture, number)
        single, _ = prepare(one, faces=faces, **changes)
        alone.append(tones(one, single))
        # The same pixels in all frames, so that only the judgement differs.
        still = damage(picture, int(MORE.argmax()))
        _, state = prepare_frame(one, number, faces, [7] * len(faces), state, {0}, settings)
        frame, _ = prepare_frame(still, number, faces, [7] * len(faces), frozen(state), {0}, settings)
        steady.append(tones(still, frame))
    jumps, even = (torch.stack(ones).diff(dim=0)[4:].abs().max() for ones in (alone, steady))
    assert jumps > 0.004 and even < 0.15 * jumps
    assert torch.stack(steady)[-1].max() > 0.1 * torch.stack(alone).max()  # it is prepared nevertheless


def frozen(state: SlowPreparation) -> SlowPreparation:
    """The same numbers in the frame after it, which is not judged."""
    return SlowPreparation(-1, state.whole, state.phase, state.lights)


def test_a_cut_begins_anew_and_a_file_keeps_everything(picture):
    settings, state = Settings(levels=1.0, exposure=1.0), None
    for number in range(10):
        _, state = prepare_frame(backlit(picture, number), number, FACE, [3], state, {0, 10}, settings)
    assert state is not None
    again = SlowPreparation.of(state.arrays())
    assert again is not None and (again.first, again.phase) == (0, state.phase)
    for kept, own in ((again.whole, state.whole), (again.lights[3], state.lights[3])):
        np.testing.assert_array_equal(kept.array(), own.array())
    more = faded(picture, int(MORE.argmax()))
    flat, _ = prepare(more, levels=1.0)
    frame, after = prepare_frame(more, 10, NOBODY, [], state, {0, 10}, settings)
    torch.testing.assert_close(frame, flat, atol=1e-5, rtol=0)
    assert after.first == 10 and not after.lights


def test_a_match_of_mean_and_contrast_changes_slowly(picture):
    own = torch.nn.functional.interpolate(picture, (64, 64))[0]
    points = np.array([[20, 24], [44, 24], [32, 36], [22, 48], [42, 48]], np.float32)
    face = Face((10, 10, 54, 60), 1.0, points)
    alignment = Alignment(np.array([[1.0, 0, 0], [0, 1, 0]]), "ffhq", 64, (64, 64), face)
    settings, kept = Settings(mask_mode="ellipse", color_match="mean_std"), None
    made, alone, steady = 0.8 * own + 0.05, [], []
    for number in range(40):
        seen = own * (1.05 if number % 2 else 0.95)  # what is judged flickers, the restored crop does not
        alone.append(match_mean_std(made[None], seen[None])[0].mean())
        crop, kept = match_slowly(seen, made, alignment, kept, settings)
        steady.append(crop.mean())
    jumps, even = (np.abs(np.diff(ones)).max() for ones in (alone, steady))
    assert even < 0.1 * jumps
    assert abs(float(steady[-1]) - float(np.mean(alone))) < 0.03


@pytest.mark.slow
def test_all_frames_of_a_video_are_prepared_with_a_face_or_without(frames_of, followed, networks, tmp_path):
    settings = Settings(white_balance="shades_of_grey", color_match="mean_std")
    tracks = smooth(followed, networks.generator.template)
    tracks = tracks.take(np.flatnonzero(tracks.frame >= 4))  # the face comes later
    chain = SteadyChain(tracks, networks, settings)
    frames = torch.stack(frames_of(12)) * torch.tensor([1.0, 0.9, 0.6]).view(1, 3, 1, 1)
    state, stored, images = SteadyState(), SteadyState(), []
    for first in range(0, 12, 4):
        numbers, own = range(first, first + 4), frames[first : first + 4]
        result, state = chain.restore(own, numbers, state)
        again, stored = chain.restore(own, numbers, stored)
        stored.save(tmp_path / "state.npz")
        stored = SteadyState.load(tmp_path / "state.npz")
        assert torch.equal(result.images, again.images) and (result.mask == 1).all()
        images.append(result.images)
    corner = torch.cat(images)[:, :, :40, :40]  # far from the face
    ratio = (corner / frames[:, :, :40, :40].clamp_min(0.02)).mean(dim=(2, 3))
    assert (ratio[:, 2] - ratio[:, 0] > 0.1).all() and ratio.diff(dim=0).abs().max() < 0.03

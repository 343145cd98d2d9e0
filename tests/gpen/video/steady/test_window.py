"""Faces stay steady: values change slowly, detail is carried along, and a stop changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from gpen_blocks.gpen.detail.spectrum.crossover import Crossover
from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.faces.paste import FineNoise, measure_fine_noise, paste_faces
from gpen_blocks.gpen.jobs.flow import flow
from gpen_blocks.gpen.pipeline import restore_batch
from gpen_blocks.gpen.pixels.tone import Tone
from gpen_blocks.gpen.settings import Settings
from gpen_blocks.gpen.stages import Judgement
from gpen_blocks.gpen.video.steady import SteadyChain, SteadyState, SteadyWork, smooth, steady_stages
from gpen_blocks.gpen.video.steady.carry import carry_detail
from gpen_blocks.gpen.video.steady.values import go_on

WINDOW = 4


@pytest.fixture(scope="module")
def chain(followed, networks):
    return SteadyChain(smooth(followed, networks.generator.template), networks, Settings())


@pytest.mark.slow
def test_a_stop_between_windows_changes_nothing(chain, frames_of, tmp_path):
    frames = torch.stack(frames_of(3 * WINDOW))
    whole, again, state, stored = [], [], SteadyState(), SteadyState()
    for first in range(0, len(frames), WINDOW):
        numbers = range(first, first + WINDOW)
        result, state = chain.restore(frames[first : first + WINDOW], numbers, state)
        whole.append(result.images)
        result, stored = chain.restore(frames[first : first + WINDOW], numbers, stored)
        again.append(result.images)
        stored.save(tmp_path / "state.npz")
        stored = SteadyState.load(tmp_path / "state.npz")
        changed = (result.images != frames[first : first + WINDOW]).any(dim=1, keepdim=True)
        assert changed.any() and not (changed & (result.mask == 0)).any()
    assert [int((one != other).sum()) for one, other in zip(whole, again, strict=True)] == [0, 0, 0]
    (tmp_path / "state.npz").write_bytes(b"PK")
    with pytest.raises(ImageError):
        SteadyState.load(tmp_path / "state.npz")


@pytest.mark.slow
def test_faces_shake_less_than_restored_alone(chain, frames_of, scene, networks, followed):
    """Of two frames, the later one is moved back by the known way and compared, in the middle of the face."""
    frames = torch.stack(frames_of(12))
    result, _ = chain.restore(frames, range(12), SteadyState())
    alone = restore_batch(frames, networks, Settings())
    centre = followed.landmarks[0].mean(axis=0).round().astype(int)
    area = tuple(slice(value - 20, value + 20) for value in centre[::-1])

    def unsteady(images: torch.Tensor) -> float:
        errors = []
        for number in range(6, 12):
            way = torch.from_numpy(scene.way_back(number, area)).float()
            grid = (2 * (way + 0.5) / torch.tensor([images.shape[-1], images.shape[-2]]) - 1)[None]
            before = torch.nn.functional.grid_sample(images[number - 1, None], grid, "bicubic", align_corners=False)
            errors.append(float((images[number][:, area[0], area[1]] - before[0]).square().mean()))
        return float(np.sqrt(np.mean(errors)))

    assert unsteady(result.images) < 0.6 * unsteady(alone.images)
    assert unsteady(result.images) < unsteady(frames)


@pytest.mark.slow
def test_a_face_that_fades_changes_less(chain, frames_of, followed, networks):
    frames = torch.stack(frames_of(2))
    even = smooth(followed, networks.generator.template)
    half = SteadyChain(even.take(np.arange(len(even)), share=np.full(len(even), 0.5)), networks, Settings())
    none = SteadyChain(even.take(np.arange(len(even)), share=np.zeros(len(even))), networks, Settings())
    full, faded, unchanged = (
        own.restore(frames, range(2), SteadyState())[0].images - frames for own in (chain, half, none)
    )
    inside = full.abs() > 0.02
    torch.testing.assert_close(faded[inside] / full[inside], torch.full_like(full[inside], 0.5), atol=0.02, rtol=0)
    assert not unchanged.any()


def judgement(cutoff: float, *, kind="colour", left_alone=None, noise=None) -> Judgement:
    crossover = Crossover(torch.full((1, 3), cutoff), torch.full((1, 3), 1e-4), torch.ones(1))
    return Judgement(crossover, Tone(kind, torch.zeros(9, 3), torch.zeros(2, 3)), left_alone, noise)


def test_values_begin_with_the_first_judgements_and_change_slowly():
    each, values = go_on(None, [(judgement(0.1), 1.0)] * 2, 8)
    assert len(each) == 8
    for one in each:
        torch.testing.assert_close(one.judgement(1.0).crossover.cutoff, torch.full((1, 3), 0.1))
        torch.testing.assert_close(one.judgement(1.0).crossover.noise, torch.full((1, 3), 1e-4))
    cutoffs = []
    for _ in range(12):
        each, values = go_on(values, [(judgement(0.3), 1.0)], 8)
        cutoffs += [float(one.judgement(1.0).crossover.cutoff[0, 0]) for one in each]
    steps = np.diff([0.1, *cutoffs])
    assert (steps > 0).all() and steps.max() < 0.02 and cutoffs[-1] > 0.22
    unchanged, same = go_on(values, [], 3)
    assert same is values and unchanged == [values] * 3


def test_values_follow_a_face_that_comes_nearer():
    """What a lens and a sensor resolve is the same in pixels of the frame; a crop of a larger face shows more of it."""
    _, values = go_on(None, [(judgement(0.1), 4.0)], 8)
    assert values is not None
    near = values.judgement(2.0).crossover
    torch.testing.assert_close(near.cutoff, torch.full((1, 3), 0.2))
    torch.testing.assert_close(near.blur, torch.full((1,), 0.5))
    torch.testing.assert_close(near.noise, torch.full((1, 3), 0.25e-4))


def test_one_other_judgement_neither_switches_colour_nor_leaves_alone():
    _, values = go_on(None, [(judgement(0.1, kind="toned"), 1.0)] * 3, 8)
    _, values = go_on(values, [(judgement(0.1, kind="colour", left_alone="sharp already"), 1.0)], 8)
    assert values.judgement(1.0).tone.kind == "toned" and values.strength == 1
    strengths = []
    for _ in range(20):
        each, values = go_on(values, [(judgement(0.1, kind="colour", left_alone="sharp already"), 1.0)], 8)
        strengths += [one.strength for one in each]
    assert values.judgement(1.0).tone.kind == "colour"
    assert values.judgement(1.0).left_alone == "sharp already" and values.strength == 0
    assert np.abs(np.diff(strengths)).max() < 0.1


def test_noise_that_is_seen_in_one_frame_and_not_in_the_next_is_removed_evenly():
    """As in a JPEG of each frame: alone, noise was removed from one frame and kept in the next."""
    values, variances = None, []
    for n in range(16):
        seen = FineNoise(4e-5, 4e-5 if n % 2 else 4e-6)  # all noise, and hardly any
        each, values = go_on(values, [(judgement(0.1, noise=seen), 1.0)], 8)
        fine = each[-1].judgement(1.0).fine_noise
        assert fine is not None
        variances.append(fine.variance)
    assert min(variances[4:]) > 0 and max(np.abs(np.diff(variances[4:]))) < 0.3 * FineNoise(4e-5, 4e-5).variance


@pytest.mark.slow
def test_the_noise_of_a_face_decides_how_it_is_pasted(chain, frames_of):
    """Not what is measured in a frame alone: with noise that the track has not, its own is kept."""
    work = SteadyWork(range(1), torch.stack(frames_of(1)))
    chain.cut_frames(work)
    assert work.cut is not None
    found = measure_fine_noise(work.cut.source, work.cut.before, work.cut.alignments[0])
    assert found is not None and 2 / 255 < found.variance**0.5 < 14 / 255
    images = [
        paste_faces(work.images, work.cut.before, work.cut.alignments, noises=[noise])[0]
        for noise in (None, found, FineNoise(1e-10, 1e-10))
    ]
    crops = work.cut.before.roll(3, -1)  # so that something is changed, and noise gives way
    changed = [
        paste_faces(work.images, crops, work.cut.alignments, noises=[noise])[0]
        for noise in (found, FineNoise(1e-10, 1e-10))
    ]
    assert all(torch.allclose(image, work.images, atol=1e-4) for image in images)
    assert (changed[0] - changed[1]).abs().max() > 0.01


def textures(seed: int) -> torch.Tensor:
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    return 0.5 + 0.15 * torch.nn.functional.interpolate(noise, 256, mode="bicubic")[0].clamp(-2, 2)


def test_detail_is_carried_where_it_agrees_and_nowhere_else():
    own = textures(0).clamp(0, 1)
    flicker = [0.02 * torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(n)) for n in range(12)]
    before, carried = None, []
    for one in flicker:
        crop, before = carry_detail(own, (own + one).clamp(0, 1), before)
        carried.append(crop)
    inner = (slice(None), slice(40, 216), slice(40, 216))
    left, came = (torch.stack(ones[6:])[(slice(None), *inner)].std(dim=0).mean() for ones in (carried, flicker))
    assert left < 0.6 * came
    other = textures(1).clamp(0, 1)  # another picture: nothing of the one before may show
    crop, _ = carry_detail(other, other, before)
    assert (crop - other).abs().mean() < 0.004


def test_detail_moves_with_the_face():
    own = textures(2).clamp(0, 1)
    made = (own + 0.1 * (own - textures(2).roll(1, -1))).clamp(0, 1)
    _, before = carry_detail(own, made, None)
    moved = own.roll((3, -2), (-1, -2))
    crop, _ = carry_detail(moved, made.roll((3, -2), (-1, -2)), before)
    inner = (slice(None), slice(40, 216), slice(40, 216))
    assert (crop - made.roll((3, -2), (-1, -2)))[inner].abs().mean() < 0.005


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch has one thread here too, as in the threads of a flow: another number rounds otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [0, 3])
def test_windows_beside_each_other_give_the_same_as_one_after_another(
    chain, frames_of, networks, batch_size, one_thread
):
    frames, numbers = torch.stack(frames_of(12)), [range(first, first + 3) for first in range(0, 12, 3)]
    state, images = SteadyState(), []
    for own in numbers:
        # The rounding of a pass depends on its number of faces, one in each of the three frames of a window.
        result, state = chain.restore(frames[own.start : own.stop], own, state, batch_size=batch_size)
        images.append(result.images)
    works = (SteadyWork(own, frames[own.start : own.stop]) for own in numbers)
    stages = steady_stages(chain, networks, SteadyState(), batch_size=batch_size)
    done = list(flow(works, stages, workers=3, begin=lambda: torch.set_num_threads(1)))
    assert [one.error for one in done] == [None] * 4
    for one, expected in zip(done, images, strict=True):
        assert torch.equal(one.value.result.images, expected)
    for name in ("luma", "detail"):
        last, expected = (getattr(own.details[0], name) for own in (done[-1].value.state, state))
        np.testing.assert_array_equal(last, expected)

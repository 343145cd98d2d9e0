"""The measures of an evaluation: each has an answer known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from gpen_blocks.gpen.detail.spectrum.analysis import analyze
from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.evaluation import metrics
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.types import Face


def textures(seed: int, count: int = 2, size: tuple[int, int] = (192, 192)) -> torch.Tensor:
    """Coloured noise around mid grey that is finer than most of a face: B x 3 x H x W well inside 0..1."""
    noise = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))
    return (0.5 + 0.6 * (gaussian_blur(noise, 0.8) - 0.5)).clamp(0, 1)


def test_equal_pictures_have_the_best_of_all_values():
    truth = textures(0)
    assert metrics.psnr(truth, truth).tolist() == [metrics.PSNR_LIMIT] * 2
    detail = metrics.compare_detail(truth, truth)
    torch.testing.assert_close(detail.ratio, torch.ones(2))
    torch.testing.assert_close(detail.correlation, torch.ones(2, 2))
    distance, bands = metrics.spectral_distance(analyze(truth), analyze(truth))
    assert distance.tolist() == [0, 0] and not bands.any()


def test_equal_pictures_are_wholly_similar():
    pytest.importorskip("torchmetrics")
    truth = textures(0)
    for measure in (metrics.ssim, metrics.ms_ssim):
        torch.testing.assert_close(measure(truth, truth), torch.ones(2))


def test_an_offset_has_the_psnr_that_follows_from_it_and_keeps_the_detail():
    truth = textures(1)
    moved = torch.stack([truth[0] + 0.1, truth[1] - 0.01])
    torch.testing.assert_close(metrics.psnr(moved, truth), torch.tensor([20.0, 40.0]), rtol=0, atol=1e-3)
    detail = metrics.compare_detail(moved, truth)
    torch.testing.assert_close(detail.ratio, torch.ones(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(detail.correlation, torch.ones(2, 2), rtol=0, atol=1e-4)


def test_each_picture_of_a_batch_is_measured_alone():
    """A batch mean in place of values a picture would pass every test above."""
    pytest.importorskip("torchmetrics")
    truth, other = textures(2), textures(3)
    mixed = torch.stack([truth[0], other[1]])
    assert metrics.psnr(mixed, truth)[0] == metrics.PSNR_LIMIT > metrics.psnr(mixed, truth)[1]
    for measure in (metrics.ssim, metrics.ms_ssim):
        first, second = measure(mixed, truth).tolist()
        assert first > 0.999 > 0.9 > second


def test_ssim_agrees_with_scikit_image():
    pytest.importorskip("torchmetrics")
    truth = textures(4, count=1)
    blurred = gaussian_blur(truth, 1.0)
    expected = structural_similarity(
        *(picture[0].permute(1, 2, 0).numpy() for picture in (blurred, truth)),
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        use_sample_covariance=False,
    )
    assert float(metrics.ssim(blurred, truth)) == pytest.approx(np.asarray(expected).item(), abs=0.005)


def test_a_blurred_truth_has_less_energy_and_still_agrees():
    truth = textures(5)
    detail = metrics.compare_detail(gaussian_blur(truth, 1.2), truth)
    assert (detail.ratio < 0.3).all()
    assert (detail.correlation > 0.9).all()


def test_invented_detail_is_told_from_the_truth():
    """As much energy as the truth and none of its detail: METHODS' cheat, which a ratio alone takes for perfection."""
    truth, other = textures(6), textures(7)
    low = gaussian_blur(truth, 6.0)
    invented = (low + (other - gaussian_blur(other, 6.0))).clamp(0, 1)
    detail = metrics.compare_detail(invented, truth)
    assert ((detail.ratio > 0.8) & (detail.ratio < 1.25)).all()
    assert (detail.correlation.abs() < 0.3).all()


def test_inverted_detail_correlates_negatively():
    truth = textures(8)
    detail = metrics.compare_detail(1 - truth, truth)
    torch.testing.assert_close(detail.correlation, -torch.ones(2, 2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (63, 65), (48, 96)])
def test_correlation_is_that_of_the_band_passed_pictures(size):
    """The sum over half a spectrum against plain correlation in space of explicitly filtered pictures."""
    truth, other = textures(9, 1, size), textures(10, 1, size)
    mixed = 0.5 * truth + 0.5 * other
    window = np.outer(*(np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in size))
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1]))
    for number, (low, high) in enumerate(metrics.CORRELATION_BANDS):
        kept = (frequency >= low) & (frequency < high)
        x, y = (_band(luma(picture)[0, 0].numpy(), window, kept) for picture in (mixed, truth))
        expected = (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())
        measured = metrics.compare_detail(mixed, truth).correlation[0, number]
        assert float(measured) == pytest.approx(expected, abs=1e-4)


def _band(gray: np.ndarray, window: np.ndarray, kept: np.ndarray) -> np.ndarray:
    gray = gray.astype(np.float64)
    return np.fft.ifft2(np.fft.fft2(window * (gray - (window * gray).sum() / window.sum())) * kept).real


def test_energy_is_that_of_the_spectrum():
    """The two upper bands of `gpen spectrum` are what lies above 1/8 cycles per pixel."""
    truth = textures(11)
    detail = metrics.compare_detail(truth, truth)
    torch.testing.assert_close(detail.power, analyze(truth).bands[:, 2:].sum(dim=1))


def test_half_the_contrast_is_six_decibels_away():
    truth = textures(12)
    distance, bands = metrics.spectral_distance(analyze(0.25 + truth / 2), analyze(truth))
    torch.testing.assert_close(distance, torch.full((2,), 6.0206), rtol=0, atol=0.01)
    torch.testing.assert_close(bands, torch.full((2, 4), 6.0206), rtol=0, atol=0.01)


def test_constant_and_black_pictures_give_numbers():
    pytest.importorskip("torchmetrics")
    texture = textures(13, count=1)
    flat, black = torch.full_like(texture, 0.5), torch.zeros_like(texture)
    for images, truth in ((flat, flat), (black, black), (flat, texture), (texture, flat), (texture, black)):
        detail = metrics.compare_detail(images, truth)
        distance, bands = metrics.spectral_distance(analyze(images), analyze(truth))
        values = [metrics.psnr(images, truth), metrics.ssim(images, truth), metrics.ms_ssim(images, truth)]
        for value in (*values, detail.ratio, detail.correlation, distance, bands):
            assert torch.isfinite(value).all()
    assert metrics.compare_detail(flat, flat).ratio.item() == 1
    assert not metrics.compare_detail(flat, texture).correlation.any()


def test_unlike_shapes_nan_and_pictures_too_small_are_refused():
    pytest.importorskip("torchmetrics")
    truth = textures(14)
    for measure in (metrics.psnr, metrics.ssim, metrics.ms_ssim, metrics.compare_detail):
        with pytest.raises(ImageError, match="same shape"):
            measure(truth[..., :-1], truth)
        with pytest.raises(ImageError, match="NaN"):
            measure(truth * torch.nan, truth)
    small = truth[..., : metrics.MS_SSIM_SIDE - 1, :]
    with pytest.raises(ImageError, match="161 pixels"):
        metrics.ms_ssim(small, small)
    assert metrics.ssim(small, small).shape == (2,)


def _face(shift: float, shift68: float | None = None) -> Face:
    points = np.array([[10, 10], [30, 10], [20, 20], [12, 30], [28, 30]], np.float32)
    many = None if shift68 is None else np.full((68, 2), 5, np.float32) + [shift68, 0]
    return Face((0, 0, 40, 40), 1.0, points + [shift, 0], landmarks68=many)


def test_landmark_distance_is_in_eye_distances_and_prefers_68_points():
    assert metrics.landmark_distance(_face(2), _face(0)) == pytest.approx(0.1)
    assert metrics.landmark_distance(_face(2, 1), _face(0, 0)) == pytest.approx(0.05)
    assert metrics.landmark_distance(_face(2, 1), _face(0)) == pytest.approx(0.1)


def test_moments_of_batches_are_those_of_the_whole():
    vectors = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 3
    moments = metrics.Moments(6)
    for start in range(0, 50, 7):
        moments.add(vectors[start : start + 7])
    assert moments.count == 50
    np.testing.assert_allclose(moments.mean, vectors.numpy().mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(moments.covariance, np.cov(vectors.numpy(), rowvar=False), atol=1e-9)


def test_frechet_distance_of_known_distributions():
    """0 to itself, the squared shift of a shifted copy, and the squared difference of deviations along each axis."""
    vectors = torch.randn(40, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def moments(values: torch.Tensor) -> metrics.Moments:
        found = metrics.Moments(5)
        found.add(values)
        return found

    own = moments(vectors)
    assert metrics.frechet_distance(own, own) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(moments(vectors + 2), own) == pytest.approx(5 * 4, rel=1e-6)
    centred = vectors - vectors.mean(dim=0)
    wider = metrics.frechet_distance(moments(3 * centred), moments(centred))
    assert wider == pytest.approx(4 * float(own.covariance.trace()), rel=1e-6)
    with pytest.raises(ImageError, match="two pictures"):
        metrics.frechet_distance(moments(vectors[:1]), own)

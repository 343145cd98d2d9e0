"""The spectrum: its numbers on pictures whose spectrum is known, and what real pictures and odd ones give."""

import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from gpen_blocks.gpen.detail.spectrum.analysis import analyze, compare, mean_of, measure_cutoff, report
from gpen_blocks.gpen.detail.spectrum.power import radial_power, views
from gpen_blocks.gpen.detail.spectrum.upsampling import upsampling_traces
from gpen_blocks.gpen.errors import ImageError
from gpen_blocks.gpen.pixels.color import luma

SIZES = [(512, 512), (384, 640)]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The transforms are so small that threads of a busy machine would wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def frequencies(height: int, width: int) -> torch.Tensor:
    return torch.hypot(torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width))


def power_law(size: tuple[int, int], slope: float, count: int = 4) -> torch.Tensor:
    """count x 1 x H x W of noise whose power falls with f^-slope."""
    height, width = size
    generator = torch.Generator().manual_seed(height * 7 + width)
    amplitude = frequencies(height, width).clamp_min(1e-6) ** (-slope / 2)
    amplitude[0, 0] = 0
    white = torch.fft.fft2(torch.randn(count, height, width, generator=generator))
    noise = torch.fft.ifft2(white * amplitude).real
    return (0.5 + 0.1 * noise / noise.std(dim=(1, 2), keepdim=True))[:, None]


def blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    transfer = torch.exp(-2 * (math.pi * sigma * frequencies(*images.shape[-2:])) ** 2)
    return torch.fft.ifft2(torch.fft.fft2(images) * transfer).real


def read(path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255


def as_jpeg(images: torch.Tensor, quality: int) -> torch.Tensor:
    pixels = (images[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def portrait(examples) -> torch.Tensor:
    return read(examples / "portrait.png")


@pytest.mark.parametrize("size", [(64, 64), (37, 64), (48, 31)])
def test_parseval(size):
    """The mean power is the variance under the window, and the bands sum to it: nothing is lost or counted twice."""
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    bands = radial_power(images).bands
    for index, view in enumerate(views(images)):
        gray, window = view.gray.double(), view.window.double()
        centred = window * (gray - (window * gray).sum() / window.sum())
        variance = float((centred**2).sum() / (window**2).sum())
        assert float(bands[index].sum()) == pytest.approx(variance, rel=1e-5)


@pytest.mark.parametrize("size", [(64, 80), (1, 1), (300, 200)])
def test_a_flat_picture_has_nothing(size):
    """Rounding errors of a flat picture must not be read as detail, and 0 / 0 not as NaN."""
    spectrum = analyze(torch.full((2, 3, *size), 0.3))
    for values in (spectrum.high_frequency_ratio, spectrum.slope, spectrum.cutoff, spectrum.effective_resolution):
        assert values.tolist() == [0, 0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("slope", [1, 2, 3])
def test_slopes_of_noise_are_found(size, slope):
    """Rings are circles in cycles per pixel also where the picture is not square."""
    assert float(mean_of(analyze(power_law(size, slope))).slope) == pytest.approx(slope, abs=0.05)


@pytest.mark.parametrize("size", [*SIZES, (256, 256)])
@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 2.0, 3.0, 5.0])
def test_cutoff_behind_a_gaussian_blur(size, sigma):
    """The half of what the cut-off promises, on crops of 256 and 512 px: 0.2415 / sigma."""
    images = power_law(size, 2)
    found = measure_cutoff(blurred(images, sigma))
    assert float(found.median()) == pytest.approx(0.2415 / sigma, rel=0.06)
    assert (found * sigma / 0.2415 - 1).abs().max() < 0.15
    assert measure_cutoff(images).tolist() == [0.5] * len(images)


@pytest.mark.parametrize("scale", [2, 4])
def test_cutoff_behind_an_enlargement(scale):
    """Cubic interpolation keeps up to about 1.25 of what the small picture could hold."""
    small = power_law((512 // scale, 512 // scale), 2)
    found = measure_cutoff(F.interpolate(small, scale_factor=scale, mode="bicubic"))
    assert float(found.median()) == pytest.approx(1.25 * 0.5 / scale, rel=0.06)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_cutoff_of_a_face(portrait, sigma):
    """A face falls faster than f^-2 with bumps; a line anchored at low frequencies takes a sharp one for blurred."""
    assert measure_cutoff(portrait).tolist() == [0.5]
    found = float(measure_cutoff(blurred(luma(portrait), sigma)))
    assert 0.75 < found * sigma / 0.2415 < 1.1


@pytest.mark.parametrize("grain", [0.0, 0.7])
def test_noise_is_no_detail(portrait, grain):
    """What ends in noise, white or coarse, does not count as sharp: the frequency blend would keep the noise."""
    noise = torch.randn(1, 1, *portrait.shape[-2:], generator=torch.Generator().manual_seed(1)) * 10 / 255
    noisy = blurred(luma(portrait), 2) + (blurred(noise, grain) if grain else noise)
    assert float(measure_cutoff(noisy)) < 0.2
    assert float(measure_cutoff(portrait + noise * 0.1)) == 0.5


def test_the_demo_picture_is_not_sharp(examples):
    """Blurred, enlarged grain and JPEG together, as in a copied print."""
    assert float(measure_cutoff(read(examples / "portrait-degraded.jpg"))) < 0.25


@pytest.mark.slow
def test_the_official_restorations_hold_more(shared):
    """All 29 faces of the Solvay photograph, as GPEN's authors restored them."""
    pairs = torch.cat([read(path) for path in sorted((shared / "data/real/solvay_official").glob("*face*.jpg"))])
    before, after = analyze(pairs[..., :512]), analyze(pairs[..., 512:])
    assert len(pairs) == 29
    assert (after.effective_resolution > before.effective_resolution).all()
    assert (after.high_frequency_ratio > before.high_frequency_ratio).all()


def test_a_black_border_is_left_out():
    """Letterboxing must change neither the slope nor the effective resolution."""
    images = blurred(power_law((256, 256), 2), 1.5)
    framed = F.pad(images, (40, 90, 60, 0))
    plain, letterboxed = analyze(images), analyze(framed)
    assert torch.allclose(letterboxed.slope, plain.slope, atol=0.1)
    assert torch.allclose(letterboxed.effective_resolution, plain.effective_resolution, rtol=0.05)


def test_a_mask_measures_its_part():
    """Half of the picture is blurred: the mask says which half is judged, and a mask of ones is no mask."""
    sharp = power_law((256, 256), 2, count=1)
    column = torch.arange(256.0).expand(1, 1, 256, 256)
    mixed = torch.where(column < 128, sharp, blurred(sharp, 3))
    left, right = torch.sigmoid((100 - column) / 4), torch.sigmoid((column - 156) / 4)
    assert float(measure_cutoff(mixed, right)) == pytest.approx(0.2415 / 3, rel=0.25)
    assert float(measure_cutoff(mixed, left)) == 0.5
    whole, ones = analyze(mixed), analyze(mixed, torch.ones(1, 1, 256, 256))
    # The mean is taken away, and what is left at frequency 0 is rounding.
    assert torch.allclose(whole.radial_power, ones.radial_power, rtol=1e-6, atol=1e-9)
    assert analyze(mixed, torch.zeros(1, 1, 256, 256)).cutoff.tolist() == [0]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 40), (5, 5), (16, 9), (33, 64)])
def test_tiny_pictures_give_numbers(size):
    images = torch.rand(2, 1, *size, generator=torch.Generator().manual_seed(0))
    spectrum = analyze(images)
    for values in (spectrum.slope, spectrum.cutoff, spectrum.radial_power, spectrum.bands):
        assert torch.isfinite(values).all()
    assert torch.isfinite(compare(spectrum, analyze(torch.rand(1, 3, 64, 64))).decibels).all()


def test_pictures_of_a_batch_do_not_touch_each_other():
    images = torch.rand(3, 3, 60, 40, generator=torch.Generator().manual_seed(0))
    alone = torch.cat([analyze(images[i : i + 1]).radial_power for i in range(3)])
    assert torch.equal(analyze(images).radial_power, alone)
    assert len(analyze(images[:0])) == 0


def test_the_mean_is_one_of_power():
    """Averaged decibels would let a dark picture drag a bright one down."""
    images = power_law((64, 64), 2, count=2)
    images[1] = 0.5 + 0.01 * (images[1] - 0.5)
    spectrum = analyze(images)
    assert torch.allclose(mean_of(spectrum).radial_power[0], spectrum.radial_power.mean(dim=0))


def test_half_precision_is_raised_before_the_transform():
    images = power_law((64, 64), 2, count=1).half()
    assert torch.allclose(analyze(images).radial_power, analyze(images.float()).radial_power)


def test_comparison_in_decibels():
    """Ten times the power is 10 dB in every band, and another size of the same kind of picture compares as well."""
    images = power_law((256, 256), 2, count=2)
    louder = 0.5 + math.sqrt(10) * (images - 0.5)
    difference = compare(analyze(louder), analyze(images))
    assert torch.allclose(difference.decibels[:, 1:], torch.tensor(10.0), atol=0.01)
    assert torch.allclose(difference.bands, torch.tensor(10.0), atol=0.01)
    cut = compare(mean_of(analyze(images)), mean_of(analyze(images[..., :128, 64:192])))
    assert cut.frequencies.shape == (65,) and float(cut.decibels[0, 4:].mean().abs()) < 1


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(3, 8, 8), "B x 3 x H x W"),
        (torch.zeros(1, 2, 8, 8), "B x 3 x H x W"),
        (torch.zeros(1, 3, 0, 8), "B x 3 x H x W"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "floating-point"),
        (torch.full((1, 3, 8, 8), torch.nan), "NaN"),
        (torch.full((1, 1, 8, 8), torch.inf), "NaN or infinity"),
    ],
)
def test_what_cannot_be_measured_is_refused(images, words):
    for measure in (analyze, measure_cutoff):
        with pytest.raises(ImageError, match=words):
            measure(images)


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(ImageError, match="mask must be"):
        analyze(torch.rand(2, 3, 8, 8), torch.ones(2, 1, 8, 9))


def test_reports_bear_units_for_every_number():
    """A reader of the JSON must not have to guess what a number is in."""
    first = analyze(power_law((64, 80), 2, count=2))
    body = report(first, analyze(power_law((64, 64), 1, count=2)))
    assert len(body["pictures"]) == len(body["others"]) == len(body["comparison"]) == 2
    for entry in (*body["pictures"], *body["others"], *body["comparison"]):
        assert set(entry) <= set(body["units"])
    assert body["pictures"][0]["size"] == {"width": 80, "height": 64}
    assert body["pictures"][0]["slope"] == pytest.approx(float(first.slope[0]), abs=1e-3)


@pytest.mark.parametrize("period", [2, 4])
def test_a_faint_regular_pattern_is_found(portrait, period):
    """Half a grey level of checkerboard, invisible to the eye, after rounding to 8 bits."""
    rows, columns = (torch.arange(side) * 2 // period % 2 * 2 - 1 for side in portrait.shape[-2:])
    strength = 0.5 if period == 2 else 1.0
    marked = portrait + strength / 255 * rows[:, None] * columns
    found = upsampling_traces((marked * 255).round() / 255).found
    assert found[0].tolist() == [period == 2, period == 4, False]


@pytest.mark.parametrize("quality", [None, 90, 75, 50, 30])
def test_photographs_and_jpeg_bear_no_traces(portrait, quality):
    """JPEG's own blocks are as regular as an enlargement by 8."""
    assert not upsampling_traces(portrait if quality is None else as_jpeg(portrait, quality)).found.any()


def test_a_small_picture_bears_no_traces():
    assert not upsampling_traces(torch.rand(2, 3, 127, 300)).found.any()


def test_cpu_and_gpu_agree(portrait):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    on_cpu, on_gpu = analyze(portrait), analyze(portrait.cuda())
    assert on_gpu.cutoff.is_cuda
    assert torch.allclose(on_gpu.radial_power.cpu(), on_cpu.radial_power, rtol=1e-3, atol=1e-9)

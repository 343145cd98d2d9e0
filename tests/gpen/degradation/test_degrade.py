"""Damage: the same on any machine, of the kinds it names, and never of another size or type."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from gpen_blocks.gpen.degradation.blur_kernels import gaussian_kernel, motion_kernel
from gpen_blocks.gpen.degradation.degrade import MIXED, Degradation, degrade
from gpen_blocks.gpen.degradation.old_prints import fade, grayscale, halftone, scratches, tone
from gpen_blocks.gpen.degradation.sensor_noise import camera_noise, gaussian_noise, poisson_noise
from gpen_blocks.gpen.errors import ImageError, SettingsError

# Of all steps of twenty partners of the chart below.
STEPS_DIGEST = "9872278fa6119543cf2e900214f90140733a5d3216cd042db4bed6ccac5e9486"
UNHARMED = Degradation(second=0.0, gray=0.0, old_print=0.0)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A chart of waves and colours, the same everywhere: whole-number arithmetic only."""
    y, x = np.mgrid[:96, :96]
    return np.stack([(x * y // 8) % 256, (x * 2 + y) % 256, (y * 3 + 40) % 256], axis=2).astype(np.uint8)


def test_the_same_arguments_give_the_same_pair_and_others_another(picture):
    first, again = degrade(picture, 2, 7), degrade(picture, 2, 7)
    np.testing.assert_array_equal(first.degraded, again.degraded)
    assert first.steps == again.steps
    for other in (degrade(picture, 3, 7), degrade(picture, 2, 8), degrade(picture[::-1].copy(), 2, 7)):
        assert other.steps != first.steps


def test_what_is_drawn_is_the_same_on_any_machine(picture):
    """Chance comes from the picture, the index and the seed through SHA-256 and PCG64 alone."""
    steps = [step for index in range(20) for step in degrade(picture, index, 1).steps]
    assert hashlib.sha256("\n".join(steps).encode()).hexdigest() == STEPS_DIGEST


@pytest.mark.slow
def test_another_process_makes_the_same_bytes(picture, tmp_path):
    """Neither the hash seed nor the number of threads has a say."""
    np.save(tmp_path / "picture.npy", picture)
    code = (
        "import sys, cv2, hashlib, numpy as np; cv2.setNumThreads(1);"
        "from gpen_blocks.gpen.degradation.degrade import degrade;"
        "p = np.load(sys.argv[1]);"
        "print(hashlib.sha256(b''.join(degrade(p, i, 5).degraded.tobytes() for i in range(12))).hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "picture.npy")], capture_output=True, text=True, check=True
    )
    here = hashlib.sha256(b"".join(degrade(picture, i, 5).degraded.tobytes() for i in range(12))).hexdigest()
    assert there.stdout.strip() == here


@pytest.mark.slow
def test_many_partners_show_every_kind_of_damage(picture):
    words = " ".join(step for index in range(300) for step in degrade(picture, index).steps)
    kinds = (
        "isotropic",
        "anisotropic",
        "generalised",
        "motion",
        "area",
        "cubic",
        "Lanczos",
        "Gaussian noise",
        "Poisson",
    )
    for kind in (*kinds, "camera noise", "JPEG", "WebP", "black and white", "print", "halftone", "faded", "scratches"):
        assert kind in words, kind


def test_size_and_type_are_kept_and_a_picture_is_really_damaged(picture):
    for index in range(20):
        pair = degrade(picture[:80], index)
        assert pair.degraded.shape == pair.truth.shape == (80, 96, 3)
        assert pair.degraded.dtype == pair.truth.dtype == np.uint8
        assert pair.steps == [] or not np.array_equal(pair.degraded, pair.truth)


def test_the_truth_of_a_picture_without_colour_has_none_either(picture):
    """What its colours were, nobody can know from it; learning to guess is how colour gets into old photographs."""
    pair = degrade(picture, 0, 0, Degradation(gray=1.0, old_print=0.0))
    assert np.ptp(pair.truth, axis=2).max() == 0
    assert np.ptp(pair.degraded, axis=2).max() == 0
    assert np.ptp(degrade(picture, 0, 0, UNHARMED).truth, axis=2).max() > 100


def test_the_truth_of_an_old_print_is_not_faded_or_scratched(picture):
    for index in range(12):
        pair = degrade(picture, index, 0, Degradation(old_print=1.0))
        assert pair.truth.max() - pair.truth.min() > 200


def test_a_face_of_twice_the_size_is_blurred_by_twice_as_many_pixels(picture):
    """Lengths are in pixels at 256, so that a 512 network learns from the same photographs."""
    ranges = Degradation(blur=(4, 4), second=0, gray=0, old_print=0)
    big = np.repeat(np.repeat(picture, 8, axis=0), 8, axis=1)
    step = next(s for i in range(20) for s in degrade(big, i, 0, ranges).steps if s.startswith("isotropic"))
    assert step == "isotropic blur 12.0 px"  # 768 pixels are three times 256


@pytest.mark.parametrize("bad", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)])
def test_what_is_no_picture_is_refused(bad):
    with pytest.raises(ImageError, match="uint8 RGB"):
        degrade(bad, 0)


@pytest.mark.parametrize("ranges", [{"blur": (3, 1)}, {"noise": (0, 1)}, {"gray": 1.5}, {"down": (0.5, 2)}])
def test_ranges_that_make_no_sense_are_refused(ranges):
    with pytest.raises(SettingsError):
        Degradation(**ranges)


def test_light_damage_is_light_and_changes_no_other_pair(picture):
    """A configuration that does not ask for it has the pairs it always had."""
    light = Degradation(light=1.0, gray=1.0)
    for index in range(8):
        pair = degrade(picture, index, 3, light)
        assert pair.steps[0] == "lightly damaged"
        assert np.abs(pair.degraded.astype(int) - pair.truth).mean() < 16
    assert "lightly damaged" not in str([degrade(picture, index, 3).steps for index in range(8)])
    some = [degrade(picture, index, 3, Degradation(light=0.5)).steps[0] == "lightly damaged" for index in range(40)]
    assert 10 < sum(some) < 30


def test_a_single_pixel_survives(picture):
    for index in range(10):
        assert degrade(picture[:1, :1], index).degraded.shape == (1, 1, 3)


@pytest.mark.parametrize("shape", [0.6, 1.0, 3.0])
def test_gaussian_kernels_sum_to_one_and_have_the_width_asked_for(shape):
    kernel = gaussian_kernel(2.0, 1.0, 0.0, shape)
    assert kernel.sum() == pytest.approx(1)
    reach = len(kernel) // 2
    offsets = np.arange(-reach, reach + 1)
    across, down = (np.sqrt((kernel.sum(axis=axis) * offsets**2).sum()) for axis in (0, 1))
    if shape == 1.0:
        assert across == pytest.approx(2.0, rel=0.03) and down == pytest.approx(1.0, rel=0.03)
    else:
        assert across / down == pytest.approx(2.0, rel=0.15)


def test_motion_kernels_are_as_long_as_asked_and_keep_the_place():
    kernel = motion_kernel(10, 0.0)
    reach = len(kernel) // 2
    offsets = np.arange(-reach, reach + 1)
    along = kernel.sum(axis=0)
    assert kernel.sum() == pytest.approx(1)
    assert (along * offsets).sum() == pytest.approx(0, abs=1e-6)
    assert np.sqrt((along * offsets**2).sum()) == pytest.approx(10 / np.sqrt(12), rel=0.05)


def test_noises_have_the_strength_asked_for():
    gray = np.full((200, 200, 3), 0.5)
    sigma = 0.04
    rng = np.random.default_rng(0)
    assert (gaussian_noise(gray, sigma, False, rng) - gray).std() == pytest.approx(sigma, rel=0.02)
    assert (poisson_noise(gray, 0.5 / sigma**2, False, rng) - gray).std() == pytest.approx(sigma, rel=0.02)
    camera = camera_noise(gray, 2 * sigma**2, sigma / 2, rng) - gray
    assert 0.5 * sigma < camera.std() < 1.5 * sigma
    # Demosaicing spreads noise over neighbours: it is no longer white.
    assert np.corrcoef(camera[:, :-1].ravel(), camera[:, 1:].ravel())[0, 1] > 0.2
    assert np.ptp(gaussian_noise(gray, sigma, True, rng) - gray, axis=2).max() < 1e-12


def test_old_prints(picture):
    image = picture / 255
    gray = grayscale(image)
    assert np.ptp(gray, axis=2).max() < 1e-12
    brown = tone(gray, 1.0)
    assert (brown[..., 0] >= brown[..., 1]).all() and (brown[..., 1] >= brown[..., 2]).all()
    np.testing.assert_allclose(tone(np.ones((1, 1, 3)), 1.0), 1)
    faded = fade(image, 0.2, 0.8)
    assert faded.min() == pytest.approx(0.2) and faded.max() <= 0.8
    flat = np.full((128, 128, 3), 0.4)
    assert halftone(flat, 4, 0.3, 1.0).mean() == pytest.approx(0.4, abs=0.05)
    scratched = scratches(flat, 5, np.random.default_rng(1))
    touched = np.abs(scratched - flat).max(axis=2) > 0.02
    assert 0 < touched.mean() < 0.2


def test_the_shipped_ranges_damage_visibly_but_leave_a_face(aligned_faces):
    """A mean input PSNR near that of published test sets: neither harmless nor hopeless."""
    pairs = [degrade(face, index, 3, MIXED) for face in aligned_faces[:12] for index in range(2)]
    errors = [np.mean((pair.degraded.astype(float) - pair.truth) ** 2) for pair in pairs]
    assert 23 < np.mean(10 * np.log10(255**2 / np.array(errors))) < 31

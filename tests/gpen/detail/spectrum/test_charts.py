"""Pictures of spectra: the right things at the right places, and nobody's settings touched."""

import subprocess
import sys

import pytest
import torch

from gpen_blocks.gpen.detail.spectrum.analysis import analyze
from gpen_blocks.gpen.detail.spectrum.charts import spectrum_chart, spectrum_image
from gpen_blocks.gpen.errors import ImageError


def waves(frequency: float, height: int = 128, width: int = 96) -> torch.Tensor:
    """1 x 1 x H x W; horizontal waves, that is, a frequency up and down."""
    rows = 0.5 + 0.4 * torch.sin(2 * torch.pi * frequency * torch.arange(height))
    return rows[:, None].expand(1, 1, height, width).clone()


def plot_of(image: torch.Tensor) -> torch.Tensor:
    """3 x 648 x 648; the square that the spectrum fills."""
    return image[0, :, 35:683, 122:770]


@pytest.mark.parametrize("frequency", [0.125, 0.25, 0.375])
def test_a_wave_lies_at_its_frequency(frequency):
    """No frequency in the middle, the finest at the edges, also where the picture is not square."""
    red, _, blue = plot_of(spectrum_image(waves(frequency)))[:, :324]
    # Yellow is high; the white ring of the cut-off and the black ground are not.
    rows, columns = ((red > 0.9) & (blue < 0.8)).nonzero().float().mean(dim=0).tolist()
    assert rows == pytest.approx(648 * (0.5 - frequency), abs=2)
    assert columns == pytest.approx(324, abs=2)


def test_the_scale_is_fixed():
    """A tenth of the contrast is 20 dB darker, or two spectra would not compare."""
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    loud, soft = (float(plot_of(spectrum_image(0.5 + gain * (noise - 0.5))).mean()) for gain in (1, 0.1))
    assert loud > soft + 0.05


def test_a_batch_gives_a_batch():
    images = torch.rand(2, 3, 33, 50, generator=torch.Generator().manual_seed(0))
    drawn = spectrum_image(images, dark=False)
    assert drawn.shape == (2, 3, 780, 900)
    assert torch.equal(drawn[1:], spectrum_image(images[1:], dark=False))
    assert spectrum_image(images[:0]).shape == (0, 3, 780, 900)


@pytest.mark.parametrize("dark", [False, True])
def test_each_spectrum_shows(dark):
    """A second curve changes the chart; the ground is dark or light as wished, and all is in 0..1."""
    sharp = analyze(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    flat = analyze(torch.full((1, 3, 64, 64), 0.5))
    one = spectrum_chart({"input": sharp}, dark=dark)
    both = spectrum_chart({"input": sharp, "result": flat}, dark=dark)
    assert one.shape == both.shape == (1, 3, 720, 1000)
    assert not torch.equal(one, both)
    assert float(one.min()) >= 0 and float(one.max()) <= 1
    assert (float(one[0, :, 2, 2].mean()) < 0.5) == dark


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 9)])
def test_tiny_pictures_can_be_drawn(size):
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(spectrum_image(images)).all()
    assert torch.isfinite(spectrum_chart({"input": analyze(images)})).all()


@pytest.mark.parametrize("count", [0, 5])
def test_a_chart_shows_one_to_four(count):
    spectrum = analyze(torch.rand(1, 3, 16, 16))
    with pytest.raises(ImageError, match="1 to 4"):
        spectrum_chart({str(index): spectrum for index in range(count)})


@pytest.mark.slow
def test_matplotlib_is_left_alone():
    """It is imported by drawing alone, without pyplot, and its settings and backend stay as they were."""
    code = (
        "import sys, torch\n"
        "from gpen_blocks.gpen.detail import spectrum; from gpen_blocks.gpen.detail.spectrum import charts\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        "settings = lambda: {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != 'backend'}\n"
        "before = settings()\n"
        "charts.spectrum_chart({'a': spectrum.analyze(torch.rand(1, 3, 16, 16))})\n"
        "charts.spectrum_image(torch.rand(1, 3, 16, 16))\n"
        "assert settings() == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

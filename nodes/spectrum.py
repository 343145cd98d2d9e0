"""The block that measures detail."""

from __future__ import annotations

from functools import partial

import torch
from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from ..gpen.detail.spectrum.analysis import analyze, mean_of, report
from ..gpen.detail.spectrum.charts import spectrum_chart, spectrum_image
from ..gpen.progress import Steps
from . import progress
from .convert import to_image, to_images, to_report
from .schema import describe

_SHARES = {"measure": 4, "draw": 6, "measure reference": 4, "draw reference": 6}


class FrequencySpectrum(io.ComfyNode):
    """Measures how much detail pictures hold and how fine it is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENFrequencySpectrum",
            group="detail",
            display_name="GPEN Frequency Spectrum",
            description="Measures how much detail pictures hold and how fine it is; compares it with a reference.",
            search_aliases=["fft", "fourier", "sharpness", "effective resolution", "high frequency"],
            inputs=[
                io.Image.Input("image", tooltip="The images to measure; the values of a batch are averaged."),
                io.Image.Input("reference", optional=True, tooltip="Images to compare with, of any size."),
                io.Boolean.Input(
                    "dark",
                    default=True,
                    display_name="dark background",
                    tooltip="Draw spectrum and chart on a dark background instead of a white one.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    "spectrum",
                    display_name="spectrum",
                    tooltip="Spectrum of each image, then of the reference: coarse detail in the centre, fine "
                    "detail at the edges, on a fixed decibel scale.",
                ),
                io.Image.Output("chart", display_name="chart", tooltip="Power over frequency, bands, slope, cut-off."),
                io.Float.Output(
                    "high_frequency_ratio",
                    display_name="high_frequency_ratio",
                    tooltip="Share of the variance above 1/4 cycles per pixel, 0 to 1.",
                ),
                io.String.Output("report", display_name="report", tooltip="All numbers with their units, as JSON."),
                io.Image.Output(
                    "image_spectrum",
                    display_name="image_spectrum",
                    tooltip="Spectrum of each image, without the reference.",
                ),
                io.Image.Output(
                    "reference_spectrum",
                    display_name="reference_spectrum",
                    tooltip="Spectrum of each reference. Without one, nodes connected here do not run.",
                ),
            ],
        )

    @classmethod
    def execute(cls, image: torch.Tensor, dark: bool, reference: torch.Tensor | None = None) -> io.NodeOutput:
        images, bar = to_images(image), progress.node_progress(_SHARES)
        own = analyze(images, progress=partial(bar, "measure"))
        mean = mean_of(own)
        drawn, spectra, told = [_draw(images, dark, partial(bar, "draw"))], {"image": mean}, report(own)
        if reference is not None:
            others = to_images(reference, "reference")
            other = analyze(others, progress=partial(bar, "measure reference"))
            spectra["reference"] = mean_of(other)
            drawn.append(_draw(others, dark, partial(bar, "draw reference")))
            told = report(own, other if len(other) == len(own) else mean_of(other))
        chart = spectrum_chart(spectra, dark=dark)
        ratio = float(mean.high_frequency_ratio[0])
        # A blocker instead of a picture that would be saved as if it were a spectrum.
        apart = drawn if reference is not None else [*drawn, ExecutionBlocker(None)]
        bar.complete()
        return io.NodeOutput(torch.cat(drawn), to_image(chart), ratio, to_report(told), *apart)


def _draw(images: torch.Tensor, dark: bool, steps: Steps) -> torch.Tensor:
    """The spectra of images as an IMAGE."""
    return to_image(spectrum_image(images, dark=dark, progress=steps))

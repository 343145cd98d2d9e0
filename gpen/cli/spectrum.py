"""`gpen spectrum`: measure how much detail a photograph holds and what a restoration added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options

if TYPE_CHECKING:
    from ..detail.spectrum.analysis import Spectrum
    from ..images import Picture


def spectrum(
    picture: Annotated[Path, typer.Argument(help="The picture to measure.", metavar="A")],
    result: Annotated[
        Path | None, typer.Argument(help="A restored version to compare.", metavar="B", show_default=False)
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="A picture of known quality for the chart and the report.", show_default=False)
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(help="Write a chart of power over frequency to this PNG file.", show_default=False),
    ] = None,
    spectrum: Annotated[
        Path | None,
        typer.Option(help="Write the spectra, in decibels, to this PNG file.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    report: options.Report = None,
    light: Annotated[bool, typer.Option("--light", help="Draw on a white instead of a dark background.")] = False,
    overwrite: options.Overwrite = False,
    log: options.Log = None,
) -> None:
    """Measure how much detail a picture holds, or compare two.

    The cut-off is the frequency at which a picture's own detail ends (0.5 cycles per pixel: it does not end). The
    effective resolution is the number of pixels across that could hold the same detail. Compare only pictures of the
    same size, since enlarging moves detail to lower frequencies. Only the visible part of a transparent picture is
    measured.
    """
    from ..detail.spectrum.analysis import analyze
    from ..detail.spectrum.charts import spectrum_chart, spectrum_image
    from ..files import save_png
    from ..images import read_picture
    from ..jobs.collect import Job
    from ..sheets import to_pil
    from .files import open_report, write_json
    from .logs import logging_to
    from .run import Run
    from .terminal import say

    named = {"input": picture, "result": result, "reference": reference}
    sources = {name: path for name, path in named.items() if path is not None}
    _claim_pictures((chart, spectrum), list(sources.values()), overwrite)
    open_report(report)
    run, measured = Run(), {}
    with logging_to(log), run.recorded(closing=False):
        for path in dict.fromkeys(sources.values()):
            with run.trying(Job(path, Path(path.name))):
                read = read_picture(path)
                measured[path] = read, analyze(read.pixels, read.alpha)
    pictures = {name: measured[path][0] for name, path in sources.items()}
    spectra = {name: measured[path][1] for name, path in sources.items()}
    if chart:
        save_png(to_pil(spectrum_chart(spectra, dark=not light)), chart)
    if spectrum:
        import torch

        drawn = [spectrum_image(read.pixels, read.alpha, dark=not light) for read in pictures.values()]
        save_png(to_pil(torch.cat(drawn, dim=3)), spectrum)
    if as_json or report:
        body = _report(sources, pictures, spectra)
        if report:
            write_json(report, body)
        if as_json:
            typer.echo(json.dumps(body, indent=2, ensure_ascii=False))
            return
    for name, path in sources.items():
        say(_sentence(path, spectra[name]))
    for written in (chart, spectrum):
        if written:
            say(f"→ {written}")


def _claim_pictures(targets: tuple[Path | None, ...], sources: list[Path], overwrite: bool) -> None:
    from ..errors import ImageError
    from ..jobs.plan import claim

    taken: dict[Path, Path] = {}
    for target in targets:
        if target is None:
            continue
        if target.suffix.lower() != ".png":
            raise ImageError(f"The picture {target} must have the suffix .png; choose another file name.")
        for source in sources:
            if target.exists() and source.exists() and target.samefile(source):
                raise ImageError(f"{target} is one of the measured photographs; choose another file for the result.")
        claim(target, sources[0], taken, overwrite)


def _report(sources: dict[str, Path], pictures: dict[str, Picture], spectra: dict[str, Spectrum]) -> dict[str, Any]:
    from ..detail.spectrum.analysis import report
    from ..detail.spectrum.upsampling import describe_traces, upsampling_traces

    first = spectra["input"]
    body = report(first)
    described = []
    for name, path in sources.items():
        both = report(first, spectra[name])
        entry = {"role": name, "file": str(path), **both["others"][0]}
        entry["upsampling_traces"] = describe_traces(upsampling_traces(pictures[name].pixels))[0]
        if name != "input":
            entry["against_input"] = both["comparison"][0]
        described.append({**entry, "notes": list(pictures[name].notes)})
    return {"units": body["units"], "band_edges": body["band_edges"], "pictures": described}


def _sentence(path: Path, measured: Spectrum) -> str:
    height, width = measured.size
    cutoff, slope = float(measured.cutoff[0]), float(measured.slope[0])
    if cutoff == 0:
        return f"{path}: {width} x {height} px, without any detail"
    return (
        f"{path}: {width} x {height} px, effective resolution {float(measured.effective_resolution[0]):.0f} px "
        f"(cut-off {cutoff:.3f} cycles/px), slope {slope:.2f}, "
        f"{100 * float(measured.high_frequency_ratio[0]):.3g} % of the variance from 1/4 cycles/px on"
    )

"""`gpen draw`: draw a face from a map of its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from . import options
from .setting_options import set_options, takes_settings


@takes_settings("find")
def draw(
    drawn_map: Annotated[
        Path | None,
        typer.Argument(
            help="A square picture in the colours of the legend, the face in FFHQ's framing.",
            metavar="MAP",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="PNG file for the face, the map or the legend.", show_default=False),
    ] = None,
    map_of: Annotated[
        Path | None,
        typer.Option(
            help="Write the map of a face in this photograph, to edit and draw.", metavar="PICTURE", show_default=False
        ),
    ] = None,
    number: Annotated[
        int, typer.Option(min=0, help="Of --map-of: the number of the face, as `gpen detect` shows it.")
    ] = 0,
    parser: Annotated[
        str,
        typer.Option(
            help="Of --map-of: registry name or file of a parsing network, none (sketch from landmarks and colours), "
            "or auto: the best here."
        ),
    ] = "auto",
    legend: Annotated[bool, typer.Option("--legend", help="Write the colours of a map and what they mean.")] = False,
    model: Annotated[
        str, typer.Option(help="Registry name or file of the drawing GPEN; auto: the best here.")
    ] = "auto",
    overwrite: options.Overwrite = False,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
    log: options.Log = None,
    **settings: Any,
) -> None:
    """Draw a face from a map of its parts in 19 colours, of which --map-of makes one from a photograph."""
    from PIL import Image

    from ..errors import ImageError, SettingsError
    from ..files import save_png
    from ..jobs.collect import Job
    from ..jobs.plan import claim
    from ..redraw import draw_face, map_photograph
    from ..redraw import legend as draw_legend
    from ..settings import Settings, change_settings
    from ..tasks.maps import colour_of
    from .logs import logging_to
    from .run import Run

    wanted = change_settings(Settings(), set_options(settings))
    if (drawn_map is not None) + (map_of is not None) + legend != 1:
        raise SettingsError("Give one of these: a MAP to draw, --map-of PICTURE, or --legend.")
    if output is None:
        raise SettingsError("Give --output, the PNG file to write.")
    if output.suffix.lower() != ".png":
        raise ImageError(f"{output} must have the suffix .png, since colours of a map must not be mixed.")
    source = drawn_map or map_of or output
    claim(output, Path() if legend else source, {}, overwrite)

    def work(job: Job, progress: Any) -> tuple[str, dict[str, Any]]:
        if legend:
            made = draw_legend()
        elif map_of is not None:
            made = colour_of(
                map_photograph(map_of, detector=detector, parser=parser, number=number, device=device, settings=wanted)
            )
        else:
            made = draw_face(job.source, model=model, device=device, progress=progress)
        save_png(Image.fromarray(made), output)
        return f"→ {output}", {"output": str(output), "notes": []}

    with logging_to(log):
        Run([Job(source, Path(source.name))], done="drawn").work(work)

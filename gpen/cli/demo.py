"""`gpen demo`: restore the example portrait with the bundled models, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "portrait-degraded.jpg"
DEFAULT = Path("gpen-demo.png")


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Path of the before-and-after sheet.")] = DEFAULT,
) -> None:
    """Restore the example portrait with the bundled models and write a before-and-after sheet."""
    from ..errors import ImageError
    from ..files import save_png
    from ..model_files import AUTO_DETECTORS, AUTO_GENERATORS
    from ..report import PREVIEW_NOTE
    from ..restorer import Restorer
    from ..sheets import restoration_sheet
    from ..wording import count
    from .terminal import noted, say

    if output.exists() and output.name != DEFAULT.name:
        raise ImageError(f"{output} already exists; choose another --output.")
    restorer = Restorer(AUTO_GENERATORS[-1], AUTO_DETECTORS[-1])
    result = restorer.restore(EXAMPLE)
    save_png(restoration_sheet(result), output)
    seconds = sum(result.report["seconds"].values())
    say(f"{count(len(result.faces), 'face')} restored in {seconds:.1f} s → {output}")
    say(noted(PREVIEW_NOTE.format(model=restorer.generator.name)))

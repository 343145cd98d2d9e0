"""`gpen evaluate`: measure how well models restore faces, compared with the original pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options

if TYPE_CHECKING:
    import torch

    from ..evaluation.evaluate import Evaluation, Measured
    from ..evaluation.pairs import Pairs

# Number of best, median and worst rows of the sheet.
_ROWS = 4


def evaluate(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for evaluation.md, evaluation.json and the sheets.")
    ],
    degraded: Annotated[
        Path | None, typer.Option(help="Folder of aligned crops to restore.", show_default=False)
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder of the original crops, with the same names.", show_default=False)
    ] = None,
    faces: Annotated[
        Path | None,
        typer.Option(
            help="Instead of pairs: good faces to degrade first; a folder, parquet file or datasets folder.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Registry name or file, auto or bundled; may be repeated. Default: all on this machine."),
    ] = None,
    upscaler: Annotated[
        list[Path] | None,
        typer.Option(
            help="File of a network that enlarges, such as Real-ESRGAN, to compare; may be repeated.",
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Use only the fixed tenth of --faces that is never used for training.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of pictures.", show_default=False)] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the degradation of --faces.")] = 0,
    index: Annotated[int, typer.Option(min=0, help="Which degraded version of each face to use.")] = 0,
    size: Annotated[int, typer.Option(min=16, help="Resize --faces to this many pixels.")] = 256,
    reduced: Annotated[
        int,
        typer.Option(min=1, max=16, help="Reduce --faces by this factor and damage them lightly, so that all enlarge."),
    ] = 1,
    worst: Annotated[int, typer.Option(min=0, help="Also write this many of the worst results to worst.png.")] = 0,
    detector: options.Detector = "auto",
    device: options.Device = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures to measure at a time.")] = 8,
    overwrite: options.Overwrite = False,
) -> None:
    """Compare models, networks that enlarge, unsharp masks and the input itself with the original pictures.

    Give --degraded with --truth, or --faces, or only --degraded for measures that need no original. The report names
    measures whose packages or files are missing; nothing is downloaded. Pictures are ranked by the PSNR gain of the
    first model.
    """
    from ..evaluation.report import markdown, report, table
    from .files import write_json, write_text
    from .terminal import say

    pairs = _open(degraded, truth, faces, limit, held_out=held_out, seed=seed, index=index, size=size, reduced=reduced)
    targets = _claim(output, overwrite)
    found = _run(pairs, model or [], upscaler or [], detector, device, batch_size)
    body = report(found, pairs.facts)
    write_json(targets["evaluation.json"], body)
    write_text(targets["evaluation.md"], markdown(body))
    written = [targets["evaluation.md"], targets["evaluation.json"]]
    for name, rows in (("sheet.png", _best_median_worst(found)), ("worst.png", _worst(found, worst))):
        if rows:
            _save_sheet(found, pairs, rows, targets[name])
            written.append(targets[name])
    _show(*table(body))
    for one in found.skipped:
        say(f"skipped {one['file']}: {one['reason']}")
    for note in found.notes:
        say(note)
    for path in written:
        say(f"→ {path}")


def _claim(output: Path, overwrite: bool) -> dict[str, Path]:
    """Paths of the output files by name; checks before hours of work that they can be written."""
    import tempfile

    from ..errors import ImageError

    targets = {name: output / name for name in ("evaluation.md", "evaluation.json", "sheet.png", "worst.png")}
    for path in targets.values():
        if path.exists() and not overwrite:
            raise ImageError(f"{path} already exists; choose another --output or pass --overwrite.")
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise ImageError(f"{output} is not a writable folder: {error.strerror or error}.") from None
    return targets


def _open(degraded: Path | None, truth: Path | None, faces: Path | None, limit: int | None, **made: Any) -> Pairs:
    """Open the pairs given by the options; `made` defines how faces are degraded."""
    from ..evaluation.pairs import DegradedFaces, FolderPairs

    if faces is not None and degraded is None and truth is None:
        return DegradedFaces(faces, limit=limit, **made)
    for option in [name for name, given in (("held-out", made["held_out"]), ("reduced", made["reduced"] > 1)) if given]:
        raise typer.BadParameter(f"--{option} needs --faces")
    if degraded is None or faces is not None:
        raise typer.BadParameter("give --degraded, with --truth if available, or --faces")
    return FolderPairs(degraded, truth, limit)


def _run(
    pairs: Pairs, models: list[str], upscalers: list[Path], detector: str, device_name: str, batch_size: int
) -> Evaluation:
    from rich.progress import Progress

    from ..devices import on_device, select_device
    from ..errors import ModelNotFoundError
    from ..evaluation.evaluate import evaluate
    from ..evaluation.meter import FaceFinder, Meter
    from ..evaluation.methods import baselines, model_methods, upscaler_methods
    from ..evaluation.perceptual import find_measures
    from ..models import load_detector, load_landmarker
    from .terminal import rich_console

    device = select_device(device_name)
    place = on_device(device)
    methods = (*baselines(), *upscaler_methods(upscalers, place), *model_methods(models, place))
    found = load_detector(detector)
    place(found.module)
    landmarker, remarks = None, ()
    try:
        landmarker = load_landmarker()
        place(landmarker.module)
    except ModelNotFoundError as error:
        remarks = (f"Only the five landmarks of the detector are used: {error}",)
    meter = Meter(FaceFinder(found, landmarker), find_measures(device), device, remarks)
    with Progress(console=rich_console(stderr=True), transient=True) as bar:
        task = bar.add_task("evaluate", total=len(pairs))
        return evaluate(
            pairs,
            methods,
            meter,
            batch_size=batch_size,
            progress=lambda _, done, total: bar.update(task, completed=done, total=total),
        )


def _best_median_worst(found: Evaluation) -> list[tuple[str, Measured]]:
    """The rows of the sheet; without originals there is no ranking, so the first pictures are used."""
    ranked = found.by_gain()
    if not ranked:
        return [("", picture) for picture in found.pictures[: 3 * _ROWS]]
    count = min(_ROWS, -(-len(ranked) // 3))
    middle = max(count, (len(ranked) - count) // 2)
    parts = {
        "best": ranked[::-1][:count],
        "median": ranked[middle : max(middle, min(middle + count, len(ranked) - count))],
        "worst": ranked[:count][::-1],
    }
    shown: dict[int, tuple[str, Measured]] = {}
    for word, pictures in parts.items():
        for picture in pictures:
            shown.setdefault(picture.index, (word, picture))
    return list(shown.values())


def _worst(found: Evaluation, count: int) -> list[tuple[str, Measured]]:
    return [("worst", picture) for picture in found.by_gain()[:count]]


def _save_sheet(found: Evaluation, pairs: Pairs, rows: list[tuple[str, Measured]], path: Path) -> None:
    from ..evaluation.evaluate import render
    from ..evaluation.sheet import contact_sheet
    from ..files import save_png

    def shown() -> Iterator[tuple[str, list[tuple[str, torch.Tensor]]]]:
        for word, picture in rows:
            yield _caption(word, picture, found.judged), render(pairs, found.methods, picture.index)

    save_png(contact_sheet(shown(), len(rows)), path)


def _caption(word: str, picture: Measured, judged: str) -> str:
    row = picture.methods[judged]
    parts = [word, picture.name]
    if row.get("psnr_gain") is not None:
        parts.append(f"{judged}: PSNR {row['psnr']:.2f} dB ({row['psnr_gain']:+.2f})")
    if row.get("ssim_gain") is not None:
        parts.append(f"SSIM {row['ssim']:.3f} ({row['ssim_gain']:+.3f})")
    parts += picture.facts.get("steps", [])
    return ", ".join(part for part in parts if part)


def _show(titles: list[str], rows: Iterable[list[str]]) -> None:
    from rich.table import Table

    from ..wording import printable
    from .terminal import rich_console

    shown = Table(show_edge=False)
    for number, title in enumerate(titles):
        shown.add_column(title, justify="right" if number else "left", overflow="fold")
    for row in rows:
        shown.add_row(*map(printable, row))
    rich_console().print(shown)

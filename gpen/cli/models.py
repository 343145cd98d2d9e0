"""`gpen models`: list, download, verify, convert and export model files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ...weights import places, registry, store
from ...weights.registry import ModelRecord
from ...weights.store import Inspection, ResolvedModel
from ..wording import printable
from .interrupts import STOPS, exit_code, stopped
from .terminal import alarming, bold, fine, noted, rich_console, say, say_error

app = typer.Typer(no_args_is_help=True)

_STATE_STYLES = {"verified": fine, "unverified": noted, "rejected": alarming}


@app.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List all models: purpose, size, licence, and location or how to download them."""
    here = {model.record.name: model for model in store.installed() if model.record}
    models = [(record, here.get(record.name)) for record in registry.records().values()]
    if as_json:
        typer.echo(json.dumps([_describe(*model) for model in models], indent=2))
        return
    from rich.table import Table

    table = Table(caption="`gpen models download MODEL` downloads a missing one.")
    for column in ("model", "kind", "size", "licence"):
        table.add_column(column, no_wrap=True)
    table.add_column("where", overflow="fold")
    for record, model in models:
        size = _bytes(record, model)
        shown = f"{size / 1e6:,.1f} MB" if size else "unknown"
        table.add_row(record.name, record.kind, shown, record.licence, _where(record, model))
    rich_console().print(table)


@app.command("download")
def download_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of models from `gpen models list`.")],
    folder: Annotated[Path | None, typer.Option(help="Target folder.")] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="Mirror of one model: an https URL, huggingface:OWNER/REPO/PATH or modelscope:OWNER/MODEL/PATH. May "
            "be repeated; the file is verified as always.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Accept the licences without a prompt.")] = False,
) -> None:
    """Download models. Run the command again to resume an interrupted download."""
    if source and len(names) > 1:
        raise typer.BadParameter("--source belongs to one model; give one NAME")
    wanted = list(dict.fromkeys(registry.get(name) for name in names))
    missing = [record for record in wanted if folder is not None or not _already_here(record)]
    if not missing:
        return
    _show_licences(missing)
    if not yes:
        typer.confirm("Download them under these terms?", abort=True)
    try:
        for record in missing:
            _fetch(record, folder, source)
    except STOPS as stop:
        say_error(f"{stopped(stop)}; run the same command again to resume.")
        raise typer.Exit(exit_code(stop)) from None


@app.command("verify")
def verify_models(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help="Default: all models.")] = None,
) -> None:
    """Read model files again and compare them with the registry; exit code 1 if one is damaged."""
    chosen = [registry.get(name) for name in names] if names else list(registry.records().values())
    inspections = [inspection for record in chosen for inspection in store.verify(record.name)]
    for inspection in inspections:
        say(_verdict(inspection))
    absent = {record.name for record in chosen} - {inspection.record.name for inspection in inspections}
    if names:
        for name in sorted(absent):
            say(alarming("missing") + f" {name}: download it with `gpen models download {name}`")
    if any(one.state == "rejected" for one in inspections) or (names and absent):
        raise typer.Exit(1)


@app.command("convert")
def convert_model(
    file: Annotated[Path, typer.Argument(help="A checkpoint: .pth, .pt or .safetensors.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: next to FILE.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace a file that is there already.")] = False,
) -> None:
    """Convert a checkpoint to safetensors, which loads faster and cannot contain code."""
    from ...weights import checkpoint

    written = checkpoint.convert(file, output, overwrite=overwrite)
    say(f"{file} → {written}")


@app.command("export")
def export_model(
    model: Annotated[str, typer.Argument(help="Registry name or file of a generator.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: MODEL.onnx.")] = None,
    fixed: Annotated[bool, typer.Option("--fixed", help="Fix the batch size at one; otherwise any.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace a file that is there already.")] = False,
) -> None:
    """Export a generator to ONNX. `input` and `output` are faces x 3 x size x size, RGB in -1..1."""
    import torch

    from ..backends.export import export_onnx
    from ..models import load_generator

    loaded = load_generator(model, backend="eager", device=torch.device("cpu"), task=None)
    target = output or Path(f"{loaded.name}.onnx")
    export_onnx(
        loaded.module,
        target,
        name=loaded.name,
        sha256=loaded.sha256,
        template=loaded.template,
        task=loaded.task,
        fixed=fixed,
        overwrite=overwrite,
    )
    size = loaded.module.config.size
    say(f"{loaded.name} → {target} ({size} pixels, template {loaded.template})")


@app.command("interpolate")
def interpolate_models(
    first: Annotated[Path, typer.Argument(help="A generator, as `gpen train` exports it.")],
    second: Annotated[Path, typer.Argument(help="Another one of the same shape and template.")],
    share: Annotated[float, typer.Argument(min=0, max=1, help="Of the second, 0..1.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Safetensors file to write.")],
) -> None:
    """Write the generator that lies between two: weights are averaged, which blends what both do."""
    from ..training.generator.interpolate import interpolate

    interpolate(first, second, share, output)
    say(f"{first}, {second} → {output}")


@app.command("path")
def show_path(name: Annotated[str, typer.Argument(help="Name of a model from `gpen models list`.")]) -> None:
    """Print the path of a model's file; an error if it is not on this machine."""
    typer.echo(str(store.resolve(name).path))


def _describe(record: ModelRecord, model: ResolvedModel | None) -> dict[str, str | int | bool | None]:
    return {
        "name": record.name,
        "kind": record.kind,
        "task": record.task,
        "description": record.description,
        "licence": record.licence,
        "bytes": _bytes(record, model),
        "sha256": record.sha256,
        "bundled": record.bundled,
        "path": str(model.path) if model else None,
        "verified": model.verified if model else None,
    }


def _bytes(record: ModelRecord, model: ResolvedModel | None) -> int | None:
    return model.path.stat().st_size if model else record.bytes


def _where(record: ModelRecord, model: ResolvedModel | None) -> str:
    from rich.markup import escape

    if model is None:
        return "[dim]download[/]" if record.sources else "[red]missing[/]"
    if record.bundled and model.path.parent == places.BUNDLED:
        return "[green]bundled[/]"
    return escape(printable(str(model.path))) + ("" if model.verified else " [yellow](unverified)[/]")


def _already_here(record: ModelRecord) -> bool:
    found = store.find(record.name)
    if found is not None:
        say(f"{record.name} is already here: {found}")
    return found is not None


def _show_licences(records: list[ModelRecord]) -> None:
    for note in dict.fromkeys(record.licence_note for record in records):
        covered = [record for record in records if record.licence_note == note]
        files = ", ".join(record.file for record in covered)
        say(bold(files) + f": licence {covered[0].licence}.")
        say(note)
    for record in records:
        if record.sha256 is None:
            say(noted(f"No SHA-256 is published for {record.file}, so its origin cannot be verified."))


def _fetch(record: ModelRecord, folder: Path | None, sources: list[str] | None) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from ...weights.download import download

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=rich_console(stderr=True), transient=True) as bar:
        task = bar.add_task(record.file, total=record.bytes)
        path = download(
            record,
            folder=folder,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            sources=sources,
        )
    say(f"{record.name} → {path}")


def _verdict(inspection: Inspection) -> str:
    reason = f": {inspection.reason}" if inspection.reason else ""
    return _STATE_STYLES[inspection.state](inspection.state) + f" {inspection.record.name} {inspection.path}{reason}"

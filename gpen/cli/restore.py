"""`gpen restore`: restore the faces of many photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from . import options
from .setting_options import set_options, takes_settings

# GPUs of one worker; more would be a slip of the pen.
_MOST_GPUS = 1000


@takes_settings()
def restore(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(help="Pictures, folders of pictures, or globs.", metavar="INPUT...", show_default=False),
    ] = None,
    output: options.OutputOrUrl = None,
    model: options.Model = "auto",
    detector: options.Detector = "auto",
    preset: options.Preset = None,
    indices: options.Indices = "",
    only_here: Annotated[
        Path | None,
        typer.Option(
            "--only-here",
            "--mask",
            help="Faces change only where this picture, of the same size, is white. Or a folder with a mask for each "
            "picture, of its name.",
            metavar="MASK",
            show_default=False,
        ),
    ] = None,
    not_here: Annotated[
        Path | None,
        typer.Option(
            help="Faces do not change where this picture is white, such as a hand before a face. Or a folder.",
            metavar="MASK",
            show_default=False,
        ),
    ] = None,
    upscale: Annotated[
        int,
        typer.Option(
            help="Factor by which whole pictures are enlarged, 1 to 4; faces are restored at the enlarged size."
        ),
    ] = 1,
    background: Annotated[
        str,
        typer.Option(
            help="What enlarges the rest of a picture: lanczos, or the file of a network such as Real-ESRGAN, BSRGAN "
            "or SwinIR (needs spandrel).",
            metavar="lanczos|FILE",
        ),
    ] = "lanczos",
    compare: Annotated[bool, typer.Option("--compare", help="Also write a before-and-after sheet.")] = False,
    save_faces: Annotated[bool, typer.Option("--save-faces", help="Also write all crops, before and after.")] = False,
    quality: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Quality of JPEG and lossy WebP. Default: that of a high-quality source, otherwise 95.",
            show_default=False,
        ),
    ] = None,
    report: options.Report = None,
    overwrite: options.Overwrite = False,
    recursive: options.Recursive = False,
    device: options.Device = "auto",
    backend: Annotated[
        str,
        typer.Option(
            help="auto (the fastest installed one, or for few faces one that starts at once), eager, compile, "
            "openvino, onnxruntime, cudagraph or tensorrt."
        ),
    ] = "auto",
    precision: options.Precision = "fp32",
    batch_size: Annotated[int, typer.Option(min=0, help="Faces per forward pass; 0: as many as fit.")] = 0,
    workers: options.Workers = 0,
    memory: Annotated[float, typer.Option(help="Gigabytes for pictures in work; 0: half of the free memory.")] = 0.0,
    files_from: Annotated[
        str,
        typer.Option(help="A file with the names of pictures, one on each line; - for standard input.", metavar="LIST"),
    ] = "",
    pattern: Annotated[
        str,
        typer.Option(
            help='Names of the results below --output, such as "{parent}/{stem}-restored{suffix}".',
            metavar="NAME",
            show_default=False,
        ),
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Of a job: do finished pictures again, too.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Do only a part of a job, such as 2/8: the second of eight. Others may run at the same time.",
            metavar="K/N",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of pictures to do now; 0: all.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Wait for new pictures in the given folders, until Ctrl-C.")
    ] = False,
    engine: Annotated[
        str, typer.Option(help="What runs a job: local (this machine), or ray (a Ray cluster).")
    ] = "local",
    address: Annotated[
        str,
        typer.Option(
            help="Address of the Ray cluster, such as ray://head:10001. Default: RAY_ADDRESS, or this machine alone.",
            show_default=False,
        ),
    ] = "",
    gpus_per_worker: Annotated[
        float, typer.Option(help="GPUs of each worker on Ray; 0.5: two share one; 0: processors only.")
    ] = 0.0,
    log: options.Log = None,
    allow_damaged: options.AllowDamaged = False,
    **settings: Any,
) -> None:
    """Restore the faces of photographs; the rest of each picture stays unchanged.

    With --upscale 2, 3 or 4, whole pictures are enlarged. Otherwise only levels, white balance, deblocking and
    exposure, which are off by default, change more than the faces.

    With five or more pictures and --output FOLDER, this is a job: FOLDER keeps a journal. If the job is stopped, the
    same command does what is left, and `gpen job FOLDER` shows how far it is.

    With --engine ray, INPUT and --output may be URLs, such as s3://bucket/photographs.

    Exit code 0: all pictures were written; 1: some were not; 2: the command line is wrong; 130 or
    143: interrupted.
    """
    from ..choices import Backend, Precision, require_enlargement
    from ..faces.select import parse_indices
    from ..jobs.areas import AreaFiles
    from ..jobs.inputs import parse_shard
    from ..jobs.plan import check_pattern
    from ..presets import DEFAULT_NAME, load_preset
    from ..values import require_between, require_choice
    from .call import Call
    from .files import require_json
    from .logs import logging_to
    from .restoring import Restoring
    from .run import Run

    parse_indices(indices)  # all checks before any work
    require_choice("backend", backend, get_args(Backend))
    require_choice("precision", precision, get_args(Precision))
    require_enlargement(upscale, background)
    require_choice("engine", engine, ("local", "ray"))
    spread = options.require_spread(workers, memory)
    require_between("--gpus-per-worker", gpus_per_worker, 0, _MOST_GPUS)
    if pattern:
        check_pattern(pattern)
    require_json(report)
    call = Call(
        inputs=inputs or [],
        files_from=files_from,
        recursive=recursive,
        output=output,
        overwrite=overwrite,
        pattern=pattern,
        again=again,
        shard=(1, 1) if shard is None else parse_shard(shard),
        limit=limit,
        dry_run=dry_run,
        watch=watch,
        model=model,
        detector=detector,
        preset=load_preset(preset or DEFAULT_NAME),
        settings=set_options(settings),
        device=device,
        running={"backend": backend, "precision": precision},
        enlarging={"upscale": upscale, "background": background} if upscale > 1 else {},
        restoring={
            "indices": indices,
            "areas": AreaFiles(only_here, not_here),
            "batch_size": batch_size,
            "quality": quality,
            "compare": compare,
            "save_faces": save_faces,
            "allow_damaged": allow_damaged,
        },
        spread=spread,
        cluster={"address": address or None, "gpus_per_worker": gpus_per_worker} if engine == "ray" else None,
    )
    call.check()
    run = Run(report=report, keep=report is not None)
    with logging_to(log), run.recorded():
        Restoring(call, run, report).go()

"""`gpen video`: restore the faces of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from . import options
from .setting_options import set_options, takes_settings

_PASSES = {"follow": "following faces", "restore": "restoring"}


@takes_settings()
def video(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="VIDEO",
            help="The video, or a sequence of pictures: a folder, or a pattern such as frame_%06d.png.",
            show_default=False,
        ),
    ],
    output: Annotated[
        str,  # a path would lose the slash at its end
        typer.Option(
            "--output",
            "-o",
            help="The result: a file, or a folder (with a slash at its end, if it is new) or pattern for pictures. "
            "Default: VIDEO-restored beside the video, of its kind of file.",
            metavar="PATH",
            show_default=False,
        ),
    ] = "",
    model: options.Model = "auto",
    detector: options.Detector = "auto",
    preset: options.Preset = None,
    indices: Annotated[
        str,
        typer.Option(
            help="Numbers of the faces to restore in each shot, such as 0,2-4; empty: all.",
            metavar="0,2-4",
            show_default=False,
        ),
    ] = "",
    rate: Annotated[
        str,
        typer.Option(
            help="Frames a second of a sequence of pictures, such as 24 or 30000/1001. Default: 25.",
            metavar="RATE",
            show_default=False,
        ),
    ] = "",
    trim: Annotated[
        str,
        typer.Option(
            help="Restore only a part, which becomes the result, such as 10-25.5 or 1:30-2:00; 90-: to the end.",
            metavar="START-END",
            show_default=False,
        ),
    ] = "",
    codec: Annotated[
        str,
        typer.Option(
            help="Codec of the result, such as h264, hevc, av1, vp9, prores or ffv1. Default: that of the video.",
            show_default=False,
        ),
    ] = "",
    crf: Annotated[
        float | None,
        typer.Option(
            help="Quality in the scale of the encoder; lower is better. Default: no difference is seen.",
            show_default=False,
        ),
    ] = None,
    encoder_preset: Annotated[
        str,
        typer.Option(help="Preset of the encoder, such as slow. Default: its usual one.", show_default=False),
    ] = "",
    hardware: Annotated[bool, typer.Option("--hardware", help="Encode by the graphics card, if one can.")] = False,
    preview: Annotated[
        int,
        typer.Option(
            min=0,
            help="First write a sheet with so many moments before and after, beside the result; 0: none.",
        ),
    ] = 0,
    report: options.Report = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    backend: Annotated[
        str,
        typer.Option(
            help="auto (the fastest installed one), eager, compile, openvino, onnxruntime, cudagraph or tensorrt."
        ),
    ] = "auto",
    precision: options.Precision = "fp32",
    workers: options.Workers = 0,
    memory: Annotated[float, typer.Option(help="Gigabytes for frames in work; 0: half of the free memory.")] = 0.0,
    log: options.Log = None,
    **settings: Any,
) -> None:
    """Restore the faces of a video, steadily over its frames; the rest of each frame stays unchanged.

    Sound, subtitles, chapters and metadata are copied. Frames keep their times, colours and bit depth.

    The work is kept in parts in OUTPUT.parts: if the command is stopped, the same command goes on.

    Frames that cannot be restored stay as they are, and are told.

    Exit code 0: the result was written; 1: it was not, or some frames could not be restored; 2: the command line is
    wrong; 130 or 143: interrupted.
    """
    from ..choices import Backend, Precision
    from ..presets import DEFAULT_NAME, load_preset
    from ..settings import change_settings
    from ..values import require_choice
    from .bars import frame_bar
    from .files import open_report, require_json, write_json
    from .logs import logging_to
    from .terminal import noted, say

    require_choice("backend", backend, get_args(Backend))
    require_choice("precision", precision, get_args(Precision))
    spread = options.require_spread(workers, memory)
    require_json(report)
    loaded = load_preset(preset or DEFAULT_NAME)
    change_settings(loaded.settings, set_options(settings))
    from ..restorer import Restorer
    from ..video.files import EncoderSettings
    from ..video.outputs import usual_target
    from ..video.preview import write_preview
    from ..video.restoring import restore_video
    from ..video.trim import Trim, parse_rate

    part = Trim.parse(trim)
    target = output or usual_target(source)
    frames_a_second = parse_rate(rate) if rate else None
    encoding = EncoderSettings(codec, crf, encoder_preset, hardware)
    with logging_to(log):
        running: dict[str, Any] = {"backend": backend, "precision": precision}
        restorer = Restorer(model, detector, loaded, device=device, **running, **set_options(settings))
        if preview:
            sheet = write_preview(
                source,
                target,
                restorer,
                moments=preview,
                encoding=encoding,
                trim=part,
                rate=frames_a_second,
                overwrite=overwrite,
            )
            say(f"→ {sheet}")
        open_report(report)
        with frame_bar(_PASSES) as progress:
            done = restore_video(
                source,
                target,
                restorer,
                encoding=encoding,
                trim=part,
                rate=frames_a_second,
                indices=indices,
                overwrite=overwrite,
                progress=progress,
                **spread,
            )
        if report:
            write_json(report, done)
    say(_line(done))
    for note in done["notes"]:
        say(noted(f"  {note}"))
    if done["failed"]:
        raise typer.Exit(1)


def _line(report: dict[str, Any]) -> str:
    """What came of a video, in words."""
    from ..wording import count
    from .bars import duration

    restored = sum(face["restored_frames"] > 0 for face in report["faces"])
    frames = count(report["frames"], "frame")
    pace = report["frames"] / max(report["seconds"], 1e-3)
    faces = f"{count(restored, 'face')} restored" if restored else "no face restored"
    left = len(report["faces"]) - restored
    others = f", {left} left alone" if left else ""
    number = sum(failed["last_frame"] - failed["first_frame"] + 1 for failed in report["failed"])
    others += f", {count(number, 'frame')} not restored" if number else ""
    took = f"in {duration(report['seconds'])} ({pace:.1f} frames a second)"
    return f"{report['source']} → {report['output']}: {frames}, {faces}{others} {took}"

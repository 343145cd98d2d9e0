"""The block that restores videos."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import torch
from comfy_api.latest import InputImpl, io

from ..gpen.presets import Preset
from ..gpen.report import PREVIEW_NOTE
from ..gpen.restorer import Restorer
from ..gpen.stages import Networks
from ..gpen.tasks import RESTORATION
from ..gpen.video.files import EncoderSettings
from ..gpen.video.moments import cut_moments
from ..gpen.video.restoring import restore_video
from . import placement, progress, told
from .convert import to_crops, to_report
from .inputs import fault_of_indices
from .placement import ModelHandle
from .restore import PREVIEW_SENTENCE, chosen_preset
from .schema import FaceDetector, FaceParserWire, Model, describe, preset_inputs
from .video_files import VideoSource, is_batch, open_source, remove_older_runs, temporary_place

_ALIASES = [
    "video restoration",
    "restore a video",
    "video face enhance",
    "fix faces in a video",
    "修复视频",
    "视频修复",
]
# The passes over a video: their shares of the time, and what they do in words.
_SHARES = {"follow": 0.25, "restore": 0.75}
_PASSES = {"follow": "Following faces", "restore": "Restoring"}
# Seconds from one line about the current frame to the next.
_EVERY = 0.5
_CODECS = ["auto", "h264", "hevc", "av1", "vp9", "prores", "ffv1"]


class RestoreVideo(io.ComfyNode):
    """The whole chain for a video."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return describe(
            node_id="GPENRestoreVideo",
            display_name="GPEN Video Restore",
            description="Restores the faces of a video, steadily over its frames; sound, times, colours and bit depth "
            "stay.",
            search_aliases=_ALIASES,
            inputs=[
                io.Video.Input("video", tooltip="The video to restore, of any length, such as from Load Video."),
                Model.Input("gpen_model", tooltip="From GPEN Load Model."),
                FaceDetector.Input("face_detector", tooltip="From GPEN Load Face Detector."),
                *preset_inputs(),
                io.String.Input(
                    "indices",
                    default="",
                    optional=True,
                    placeholder="0,2-4",
                    tooltip="Numbers of the faces to restore in each shot, from 0, such as 0,2-4, in the order of the "
                    "preset. Empty = all.",
                ),
                io.Combo.Input(
                    "codec",
                    options=_CODECS,
                    default="auto",
                    optional=True,
                    tooltip="Codec of the result. auto = that of the video, if it can be encoded, else h264.",
                ),
                io.Int.Input(
                    "crf",
                    default=-1,
                    min=-1,
                    max=63,
                    optional=True,
                    tooltip="Quality in the scale of the codec; lower is better, and the file larger. -1 = no "
                    "difference is seen.",
                ),
                FaceParserWire.Input(
                    "face_parser",
                    optional=True,
                    tooltip="From GPEN Load Face Parser, for presets with the mask_mode parsing. Not connected: the "
                    "best one here.",
                ),
            ],
            outputs=[
                io.Video.Output(
                    "restored",
                    display_name="video",
                    tooltip="The video with restored faces, as a file in ComfyUI's temporary folder, for Save Video.",
                ),
                io.Image.Output(
                    "before",
                    display_name="before",
                    tooltip="A crop of each restored face before, from the middle of its time; at most 8. Black "
                    "without a face.",
                ),
                io.Image.Output("after", display_name="after", tooltip="The same crops from the restored video."),
                io.String.Output("report", display_name="report", tooltip="What was found and done, as JSON."),
            ],
        )

    @classmethod
    def validate_inputs(cls, indices: str | None = "") -> bool | str:
        return fault_of_indices(indices) or True

    @classmethod
    def execute(
        cls,
        video: Any,
        gpen_model: ModelHandle,
        face_detector: ModelHandle,
        strength: float,
        preset: Preset | None = None,
        indices: str = "",
        codec: str = "auto",
        crf: int = -1,
        face_parser: ModelHandle | None = None,
    ) -> io.NodeOutput:
        preset = chosen_preset(preset, strength)
        networks = placement.networks_of(
            gpen_model, face_detector, RESTORATION, settings=preset.settings, face_parser=face_parser
        )
        bar, place = _VideoProgress(progress.node_progress(_SHARES)), temporary_place()
        encoding = EncoderSettings("" if codec == "auto" else codec, None if crf < 0 else float(crf))
        decides = _decisive(networks, preset, indices, encoding)
        source = open_source(video, decides, place, batch=is_batch(video), look=bar.look)
        remove_older_runs(place, source.folder)
        target = source.target(encoding)
        restorer = Restorer.of_networks(networks, preset, placement.device())
        report = restore_video(
            source.info,
            target,
            restorer,
            encoding=encoding,
            trim=source.trim,
            indices=indices,
            overwrite=True,
            progress=bar,
        )
        template, size = networks.generator.template, gpen_model.loaded.module.config.size
        before, after = cut_moments(source.info, target, report, source.trim, template, size, look=bar.look)
        source.remove_copies()
        return _output(source, target, report, before, after, gpen_model, bar)


def _decisive(networks: Networks, preset: Preset, indices: str, encoding: EncoderSettings) -> dict[str, Any]:
    """What decides about a result besides the video."""
    models = networks.generator, networks.detector, networks.landmarker, networks.parser
    return {
        "models": [(one.sha256, one.precision) if one else None for one in models],
        "settings": asdict(preset.settings),
        "indices": indices,
        "encoding": asdict(encoding),
    }


def _output(
    source: VideoSource,
    target: Any,
    report: dict[str, Any],
    before: torch.Tensor,
    after: torch.Tensor,
    gpen_model: ModelHandle,
    bar: _VideoProgress,
) -> io.NodeOutput:
    loaded, size = gpen_model.loaded, gpen_model.loaded.module.config.size
    ours, theirs = (note.format(model=loaded.name) for note in (PREVIEW_SENTENCE, PREVIEW_NOTE))
    report["notes"] = [ours if note == theirs else note for note in report["notes"]]
    bar.complete()
    progress.say(told.video_restored(report), *loaded.faults)
    crops = to_crops(before, size), to_crops(after, size)
    return io.NodeOutput(InputImpl.VideoFromFile(str(target)), *crops, to_report(report))


class _VideoProgress:
    """The bar of the block, with a line about the current frame, and faces before and after as its picture."""

    def __init__(self, bar: progress.NodeProgress) -> None:
        self._bar = bar
        self._said = float("-inf")

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._bar(stage, done, total)
        if time.monotonic() - self._said >= _EVERY:
            self._said = time.monotonic()
            progress.show_line(f"{_PASSES[stage]}: frame {done}{f' of {total}' if total > done else ''}")

    def show(self, pictures: torch.Tensor) -> None:
        """Show pictures with the next step."""
        self._bar.show(pictures)

    def look(self) -> None:
        """Raise if the user interrupts."""
        self._bar("", 0, 1)

    def complete(self) -> None:
        """Show 100 %."""
        self._bar.complete()

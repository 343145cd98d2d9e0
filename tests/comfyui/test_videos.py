"""GPEN Video Restore in a real ComfyUI: from Load Video to Save Video, from frames, a part, and what is no video."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from comfyui_client import Prompt
from PIL import Image
from prompts import load, models, node, preview, succeed
from videos import contents

pytestmark = pytest.mark.slow

FRAMES, SIZE, RATE = 10, (176, 128), 20


@pytest.fixture(scope="module")
def clip(comfyui: Any, portrait: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that moves, with sound, in ComfyUI's input folder."""
    path = comfyui.base / "input" / "face.mp4"
    face = Image.fromarray(portrait).resize((120, 120), Image.Resampling.LANCZOS)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"crf": "12"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for number in range(FRAMES):
            picture = Image.new("RGB", SIZE, (90, 100, 110))
            picture.paste(face, (20 + 2 * number, 4))
            container.mux(video.encode(av.VideoFrame.from_image(picture)))
        container.mux(video.encode(None))
        tone = np.sin(np.arange(48000 * FRAMES // RATE) / 20).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def restored(video: dict[str, Any], **inputs: object) -> Prompt:
    """A video through the block, saved; with its crops and its report."""
    sockets = {"video": ["video", 0], "gpen_model": ["model", 0], "face_detector": ["detector", 0], "strength": 1.0}
    return {
        **models(),
        "video": video,
        "restore": node("GPENRestoreVideo", **(sockets | inputs)),
        "save": node("SaveVideo", video=["restore", 0], filename_prefix="video/test", format="auto", codec="auto"),
        "before": preview("restore", 1),
        "after": preview("restore", 2),
        "report": node("PreviewAny", source=["restore", 3]),
    }


def saved(comfyui: Any, run: Any) -> Path:
    (record,) = run.outputs["save"]["images"]
    return comfyui.base / record["type"] / record["subfolder"] / record["filename"]


def luma(planes: bytes) -> np.ndarray:
    return np.frombuffer(planes, np.uint8)[: SIZE[0] * SIZE[1]].reshape(SIZE[::-1]).astype(int)


def test_a_file_comes_back_with_its_sound_and_times(comfyui, clip):
    run = succeed(comfyui, restored(node("LoadVideo", file=clip.name)))
    before, after = contents(clip), contents(saved(comfyui, run))
    assert after.times == before.times and len(after.times) == FRAMES
    packets, kept = before.streams[0][-1], after.streams[0][-1]
    assert [data for data, *_ in kept] == [data for data, *_ in packets], "sound is copied"
    for one, other in zip(before.planes, after.planes, strict=True):
        difference = np.abs(luma(one) - luma(other))
        # The rest is only encoded anew.
        assert difference[:, 40:120].max() > 12 and difference[:, :16].max() < 8
    report = json.loads(run.outputs["report"]["text"][0])
    (face,) = report["faces"]
    assert face["restored_frames"] == report["frames"] == FRAMES and report["encoder"] == "libx264"
    assert run.said["restore"] == f"{FRAMES} frames; 1 face restored."
    crops = comfyui.pictures(run, "before"), comfyui.pictures(run, "after")
    assert len(crops[0]) == len(crops[1]) == 1 and crops[0][0].shape == crops[1][0].shape == (256, 256, 3)
    assert np.abs(crops[0][0].astype(int) - crops[1][0]).mean() > 1
    # Kinds of the messages with a preview picture, in older and newer versions.
    assert {1, 4} & set(run.of("binary")), "a face before and after was shown"
    # Runs that other tests stopped have folders of their own.
    results = (comfyui.base / "temp" / "gpen-video").glob("*/restored.mp4")
    newest = max(results, key=lambda path: path.stat().st_mtime)
    assert list(newest.parent.iterdir()) == [newest], "the parts are gone"


def test_frames_in_memory_come_back_as_a_video(comfyui, portrait):
    prompt = restored(node("CreateVideo", images=["many", 0], fps=12.0, audio=["sound", 0]))
    prompt |= {
        "image": load(comfyui.put("video-frame.png", portrait[:301, :299])),  # odd sides
        "many": node("RepeatImageBatch", image=["image", 0], amount=3),
        "sound": node("EmptyAudio", duration=9.0, sample_rate=44100, channels=2),
    }
    run = succeed(comfyui, prompt)
    path = saved(comfyui, run)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.average_rate) == (300, 302, Fraction(12))
        assert len(list(container.decode(video))) == 3
        assert container.streams.audio[0].codec_context.sample_rate == 44100
        assert float(container.duration / 1_000_000) < 0.5, "sound is as long as the frames"
    report = json.loads(run.outputs["report"]["text"][0])
    assert any("even sizes" in note for note in report["notes"]) and len(report["faces"]) == 1


def test_a_part_becomes_the_whole(comfyui, clip):
    if "Video Slice" not in comfyui.get("/object_info"):
        pytest.skip("this ComfyUI trims no videos")
    part = {"start_time": 0.2, "duration": 0.2, "strict_duration": False}
    prompt = restored(node("Video Slice", video=["file", 0], **part))
    prompt["file"] = node("LoadVideo", file=clip.name)
    prompt["frames"] = node("GetVideoComponents", video=["video", 0])
    prompt["out"] = preview("frames")
    run = succeed(comfyui, prompt)
    assert len(contents(saved(comfyui, run)).times) == len(comfyui.pictures(run, "out")) == 4
    prompt["video"]["inputs"] |= {"start_time": 7.0, "duration": 0.0}
    prompt = {name: entry for name, entry in prompt.items() if name not in ("frames", "out")}
    refused = comfyui.run(prompt)
    assert refused.status == "error" and "has no frame from 7 s on; its last one begins at 0.45 s" in refused.error


def test_a_run_that_was_stopped_goes_on(comfyui, clip):
    """Faces were followed already, so the bar begins with the second pass."""
    prompt = restored(node("LoadVideo", file=clip.name), strength=0.9)
    sent: list[bool] = []

    def stop(kind: str, content: Any) -> None:
        if kind == "progress" and content["node"] == "restore" and content["value"] > 0.3 * content["max"] and not sent:
            sent.append(True)
            comfyui.post("/interrupt", {})

    assert comfyui.run(prompt, stop).status == "interrupted"
    run = succeed(comfyui, prompt)
    shown = [content["value"] / content["max"] for content in run.of("progress") if content["node"] == "restore"]
    assert shown[0] >= 0.25 and len(contents(saved(comfyui, run)).times) == FRAMES


def test_what_is_no_video_is_refused_in_a_sentence(comfyui):
    path = comfyui.base / "input" / "sound-only.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    run = comfyui.run(restored(node("LoadVideo", file=path.name)))
    assert run.status == "error" and "has no video stream; it holds audio" in run.error


def test_a_batch_stays_steady_by_an_option_of_the_chain(comfyui, portrait):
    """The frames differ by their noise alone; the option leaves less of it."""
    prompt = {
        **models(),
        "one": load(comfyui.put("shot.png", np.asarray(Image.fromarray(portrait).resize((256, 256))))),
        "many": node("RepeatImageBatch", image=["one", 0], amount=9),
        "image": node("ImageAddNoise", image=["many", 0], seed=3, strength=0.06),
    }
    sockets = {"image": ["image", 0], "gpen_model": ["model", 0], "face_detector": ["detector", 0], "strength": 1.0}
    for name, option in (("alone", {}), ("steady", {"frames_of_one_shot": True})):
        prompt[name] = node("GPENFaceRestore", **sockets, **option)
        prompt |= {f"out-{name}": preview(name), f"crops-{name}": preview(name, 1)}
    run = succeed(comfyui, prompt)
    flicker = {}
    for name in ("alone", "steady"):
        pictures = np.stack(comfyui.pictures(run, f"out-{name}")).astype(float)[:, 30:90, 80:140]  # the face
        flicker[name] = np.abs(np.diff(pictures, axis=0)).mean()
    assert flicker["steady"] < 0.9 * flicker["alone"], flicker
    assert (len(comfyui.pictures(run, "crops-alone")), len(comfyui.pictures(run, "crops-steady"))) == (9, 1)
    prompt["steady"]["inputs"]["faces"] = ["detect", 0]
    prompt["detect"] = node(
        "GPENDetectFaces",
        image=["image", 0],
        face_detector=["detector", 0],
        score_threshold=0.0,
        min_face_size=0,
        max_faces=0,
        landmarks="refined",
        rotated=False,
    )
    assert "disconnect faces" in comfyui.run(prompt).error

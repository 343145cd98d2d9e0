"""Restore the faces of a video: from file to file, in parts, so that nothing is lost when it is stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import SettingsError, VideoError
from ..faces.select import parse_indices
from ..jobs.entries import stamp_of
from ..model_files import model_hashes
from ..progress import Progress, Viewer, silent
from ..restorer import Restorer
from ..versions import package_version
from ..wording import count
from .files import (
    USUAL_RATE,
    EncoderSettings,
    VideoInfo,
    is_sequence,
    read_frames,
    read_info,
    read_sequence_info,
    read_times,
)
from .following import follow_video
from .frame_flow import FrameFlow
from .frame_stages import FrameStages, RestoredFrame
from .outputs import Output, choose_output
from .parts import Parts, kept_parts
from .report import Tally, video_report
from .segmenting import plan_segments
from .steady import SteadyState, Tracks, choose_tracks, smooth
from .trim import Trim


class _Notes(list[str]):
    """What is told, each once."""

    def add(self, note: str) -> None:
        if note not in self:
            self.append(note)


def restore_video(
    source: str | Path | VideoInfo,
    target: str | Path,
    restorer: Restorer,
    *,
    encoding: EncoderSettings | None = None,
    trim: Trim | None = None,
    rate: Fraction | None = None,
    indices: str = "",
    overwrite: bool = False,
    workers: int = 0,
    memory: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Restore the faces of a video, steadily over its frames.

    1. Follow the faces through all frames, and smooth their ways.
    2. Restore segment after segment. Each is a file in the folder `TARGET.parts`, whole once it is finished, with what
       the next one begins with. Stopped at any moment, the same call goes on after the last finished one; on a
       CPU, the frames are the same.
    3. Join the segments, copy everything else from the source, and move the result to its place.

    Pixels outside faces reach the encoder as they were decoded, and frames without a face as a whole.

    Args:
        source: the video, or a sequence of pictures: a folder, or a pattern such as `frame_%06d.png`; or what is known
            of one, such as of `batch_info`.
        target: the result; its suffix decides the container. A folder or a pattern gives a sequence of pictures; a
            folder that is not there yet is a text with a slash at its end.
        restorer: models and settings.
        encoding: codec and quality; by default those of `choose_encoder`.
        trim: restore only a part, which becomes the whole of the result.
        rate: frames a second of a sequence of pictures; by default 25.
        indices: numbers of the faces to restore in each shot, such as `0,2-4`; empty: all.
        overwrite: replace a file that is there.
        workers: threads that work at once; 0: as many as there are cores, and 4 beside a GPU.
        memory: bytes that frames and the work on them may take; 0: half of what is free.
        progress: called with `follow` or `restore`, the number of frames that are done and of all, regularly and in the
            caller's thread; an exception that it raises ends the work. A `Viewer` is also shown faces before and after.

    Returns:
        A JSON-serialisable report.

    Raises:
        VideoError: the source cannot be read, or the target cannot be written.
        JobError: another process makes the same result, or the folder of parts cannot be written.
        SettingsError: an option does not exist or is out of range.
        MissingPackageError: PyAV is not installed.
    """
    began = time.perf_counter()
    trim = trim or Trim()
    parse_indices(indices)
    notes = _Notes()
    info = source if isinstance(source, VideoInfo) else info_of(Path(source), rate)
    output = choose_output(info, target, encoding or EncoderSettings(), notes.add, overwrite=overwrite)
    target = Path(target)
    notes += [*info.notes, *output.notes]
    flowing = FrameFlow(restorer, workers=workers, memory=memory)
    order = order_of(info, output, restorer, trim, indices)
    with kept_parts(target, order, suffix=output.suffix) as parts:
        if parts.report is not None:
            parts.remove()
            return parts.report
        output.require_free(parts.segment(0), 0, 0)
        if parts.changed:
            notes.add("An earlier call had begun this with other settings or another file; it was begun anew.")
        tracks, times = _tracks(info, restorer, flowing, trim, output, parts, notes, progress)
        segments = plan_segments(tracks.start, tracks.stop, tracks.cuts.tolist())
        smoothed = smooth(choose_tracks(tracks, restorer.settings, indices=indices), restorer.generator.template)
        there = parts.finished()
        if there < len(segments):
            for number, frames in enumerate(segments[there:], there):
                output.require_free(parts.segment(number), *frames)
            _restore_segments(info, output, restorer, flowing, smoothed, times, segments, parts, notes, progress)
        numbers = range(len(segments))
        tally = Tally.sum_of([parts.tally(number) for number in numbers])
        for note in tally.notes:
            notes.add(note)
        total, finished = tracks.stop - tracks.start, [parts.segment(number) for number in numbers]

        def report() -> dict[str, Any]:
            seconds = time.perf_counter() - began
            return video_report(info, target, output.described, restorer, smoothed, tally, notes, seconds)

        output.finish(
            finished,
            notes.add,
            lambda: progress("restore", total, total),
            lambda whole: parts.keep_report(whole, report()),
            trimmed=trim != Trim(),
        )
        parts.remove()
    return report()


def info_of(source: Path, rate: Fraction | None) -> VideoInfo:
    """What is known of a video, or of a sequence of pictures with so many frames a second.

    Raises:
        VideoError: it cannot be read.
        SettingsError: a rate is given for a video.
    """
    if is_sequence(source):
        return read_sequence_info(source, rate=rate or USUAL_RATE)
    if rate is not None:
        raise SettingsError(f"{source} has its own times; a rate is for a sequence of pictures.")
    return read_info(source)


def order_of(info: VideoInfo, output: Output, restorer: Restorer, trim: Trim, indices: str) -> dict[str, Any]:
    """Everything that decides about the frames and how they are encoded."""
    stamps = [stamp_of(path) for path in info.pictures or (info.path,)] if info.images is None else []
    generator, settings = restorer.generator, restorer.settings
    return {
        "version": package_version(),
        "source": str(info.path.absolute()),
        "digest": info.digest,
        "stamps": stamps,
        "rate": str(info.rate),
        "trim": [trim.start, trim.stop],
        "indices": indices,
        "output": output.described,
        "settings": asdict(settings),
        "models": model_hashes(str(generator.path), str(restorer.detector.path), settings),
    }


def _tracks(
    info: VideoInfo,
    restorer: Restorer,
    flowing: FrameFlow,
    trim: Trim,
    output: Output,
    parts: Parts,
    notes: _Notes,
    progress: Progress,
) -> tuple[Tracks, np.ndarray]:
    """The faces of all frames, and the times of all in the file, from the earlier call or from the first pass."""
    if parts.tracks.is_file() and parts.times.is_file():
        times, earlier = parts.kept_times()
        for note in earlier:
            notes.add(note)
        return Tracks.load(parts.tracks), times
    start, stop, total = 0, None, info.expected_frames
    planned = np.zeros(0, np.int64)
    if trim != Trim():
        planned = read_times(info)
        start, stop = trim.frames_of(info.path, planned, info.time_base)
        total = stop - start
    # As early as it can be known; of a file that does not count its frames, by the first one.
    output.require_free(parts.segment(0), start, start + (total if info.frame_count else 1))
    with flowing.threads(faces=0):
        tracks, read = follow_video(
            info,
            restorer,
            flowing,
            start=start,
            stop=stop,
            tell=notes.add,
            progress=lambda done: progress("follow", done, max(total, done)),
        )
    if not read:
        raise VideoError(f"{info.path} holds no frame that can be read.")
    times = np.concatenate([planned[:start], np.array(read, np.int64), planned[start + len(read) :]])
    parts.keep_times(times, notes)
    tracks.save(parts.tracks)
    return tracks, times


def _restore_segments(
    info: VideoInfo,
    output: Output,
    restorer: Restorer,
    flowing: FrameFlow,
    tracks: Tracks,
    times: np.ndarray,
    segments: list[tuple[int, int]],
    parts: Parts,
    notes: _Notes,
    progress: Progress,
) -> None:
    """Restore and encode what is left."""
    there = parts.finished()
    state = SteadyState.load(parts.state(there - 1)) if there else SteadyState()
    first, total = segments[there][0], tracks.stop - tracks.start
    stages = FrameStages(restorer, tracks, state, segments[there:], flowing)
    frames = read_frames(info, start=first, stop=tracks.stop, times=times, tell=notes.add)
    done = first - tracks.start

    def look() -> None:
        progress("restore", done, total)

    running = stages.run(frames, info, look=look)
    # Of all faces, not of those that are left: another backend rounds otherwise.
    with flowing.threads(faces=len(tracks)), closing(frames), closing(running) as restored:
        progress("restore", done, total)
        for number, (begin, end) in enumerate(segments[there:], there):
            tally = Tally()
            with output.segment(parts.segment(number), look) as writer:
                for frame in _frames_of(restored, end - begin):
                    writer.write(frame.frame)
                    tally.add(frame.tracks, frame.records, frame.backend)
                    if frame.failed:
                        seconds = float((frame.frame.time - int(times[0])) * info.time_base)
                        tally.fail(frame.frame.number, seconds, frame.failed)
                    if frame.state is not None:
                        frame.state.save(parts.state(number))
                    done += 1
                    if frame.shown is not None and isinstance(progress, Viewer):
                        progress.show(frame.shown)
                    progress("restore", done, total)
                tally.notes = list(notes)
                tally.save(parts.tally(number))


def _frames_of(restored: Iterator[RestoredFrame], number: int) -> Iterator[RestoredFrame]:
    for _ in range(number):
        frame = next(restored, None)
        if frame is None:
            raise VideoError(f"The video ended before {count(number, 'frame')} of a segment; it changed meanwhile.")
        yield frame

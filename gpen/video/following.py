"""The first pass over a video: the faces of all its frames, and where the shots begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from ..jobs.flow import Check, Stage, flow
from ..restorer import Restorer
from .files import Frame, VideoInfo, read_frames
from .frame_flow import FrameFlow
from .steady import Follower, Tracks
from .steady.following import EVERY
from .steady.looking import SeenFrame


def follow_video(
    info: VideoInfo,
    restorer: Restorer,
    flowing: FrameFlow,
    *,
    start: int,
    stop: int | None,
    tell: Callable[[str], None],
    progress: Callable[[int], None],
) -> tuple[Tracks, list[int]]:
    """Follow the faces of a video.

    Args:
        info: the video.
        restorer: its detector and landmarker are used, and its settings of detection.
        flowing: threads and memory.
        start, stop: numbers of the first frame, and of the one after the last; None: all.
        tell: called with notes about the file.
        progress: called with the number of frames that are done.

    Returns:
        The faces, and the times of the frames that could be read.

    Raises:
        VideoError: the file cannot be read.
    """
    follower = Follower(restorer.networks, restorer.settings)
    times: list[int] = []

    def see(frames: Sequence[Frame], check: Check) -> list[SeenFrame]:
        check()
        return [
            follower.eye.see(
                frame.number,
                frame.rgb(),
                search=frame.number % EVERY == 0,
                steps=lambda done, total: check(),
            )
            for frame in frames
        ]

    stages = [Stage("see", see, flowing.network)]
    frames = read_frames(info, start=start, stop=stop, tell=tell)
    how = flowing.how(info, look=lambda: progress(len(times)))
    with closing(flow(frames, stages, **how)) as seen:
        for done in seen:
            if done.error is not None:
                raise done.error
            follower.add(done.value)
            times.append(done.item.time)
            progress(len(times))
    return follower.tracks(), times

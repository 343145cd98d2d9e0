"""The first pass over a video: the faces of all its frames, and where the shots begin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from ..jobs.flow import Check, Stage, flow
from ..restorer import Restorer
from ..wording import named
from .failures import FailuresInARow, is_of_frame, noted_reason
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
        VideoError: the file cannot be read, or in too many frames in a row faces cannot be looked for.
    """
    follower, failures = Follower(restorer.networks, restorer.settings), FailuresInARow()
    times: list[int] = []
    missed: dict[str, list[int]] = {}

    def reason_to_miss(error: Exception, number: int) -> str:
        if not is_of_frame(error, restorer.device):
            raise error
        return noted_reason(error, f"Following faces, frame {number}")

    def look(frame: Frame, check: Check) -> SeenFrame | str:
        search = frame.number % EVERY == 0
        try:
            return follower.eye.see(frame.number, frame.rgb(), search=search, steps=lambda done, total: check())
        except Exception as error:
            return reason_to_miss(error, frame.number)

    def see(frames: Sequence[Frame], check: Check) -> list[SeenFrame | str]:
        check()
        return [look(frame, check) for frame in frames]

    def add(seen: SeenFrame | str, number: int) -> None:
        reason = seen if isinstance(seen, str) else ""
        if isinstance(seen, SeenFrame):
            try:
                follower.add(seen)
            except Exception as error:
                reason = reason_to_miss(error, number)
        if reason:
            follower.miss(number, (info.height, info.width))
            missed.setdefault(reason, []).append(number)
        failures.count(1, reason, faces=isinstance(seen, SeenFrame) and seen.faces is not None)

    stages = [Stage("see", see, flowing.network)]
    frames = read_frames(info, start=start, stop=stop, tell=tell)
    how = flowing.how(info, look=lambda: progress(len(times)))
    with closing(frames), closing(flow(frames, stages, **how)) as seen:
        for done in seen:
            if done.error is not None:
                raise done.error
            add(done.value, done.item.number)
            times.append(done.item.time)
            progress(len(times))
    for reason, numbers in missed.items():
        told = f"frame {named(numbers)}" if len(numbers) == 1 else f"{len(numbers)} frames ({named(numbers)})"
        tell(f"Faces could not be looked for in {told}, and are where the frames around have them: {reason}")
    return follower.tracks(), times

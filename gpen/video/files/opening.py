"""Open videos with PyAV; whatever is wrong with a file becomes one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...errors import GPENError, MissingPackageError, VideoError
from ...wording import pip_install

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

Tell = Callable[[str], None]
"""Called with one sentence about what could not be kept or read."""

# FFmpeg opens single pictures with these demuxers; GIF and APNG have others.
_PICTURES = ("image2", "_pipe")
_REASONS = {
    "Invalid data found when processing input": "it is cut off, damaged or no video",
    "End of file": "it ends before its first frame",
}
# AV_DISPOSITION_ATTACHED_PIC.
_ATTACHED_PICTURE = 1 << 10


Look = Callable[[], object]
"""Called now and then by work that takes long; what it raises ends the work."""


def unseen() -> None:
    """For who does not want to look."""


def untold(note: str) -> None:
    """For who does not want to hear."""


def require_av() -> ModuleType:
    """PyAV, which is imported here alone.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingPackageError(f"Videos need PyAV ({error}); install it with {pip_install('av')}.") from None
    return av


def av_errors() -> tuple[type[Exception], ...]:
    """The errors of PyAV, and of the system beneath it."""
    return (OSError, ValueError, ArithmeticError, require_av().error.FFmpegError)


def url_of(path: Path) -> str:
    """The name by which FFmpeg opens a file, whatever characters are in it: `a:b.mp4` alone would be a protocol."""
    return f"file:{path.absolute()}"


@contextmanager
def open_video(path: str | Path) -> Iterator[InputContainer]:
    """Open a file that holds a video.

    Raises:
        VideoError: there is no such file, it cannot be read, or it holds no video.
        MissingPackageError: PyAV is not installed.
    """
    path = Path(path)
    av = require_av()
    with video_errors(path), ExitStack() as opened:
        if path.is_dir():
            raise VideoError(f"{path} is a folder, not a video; give a file.")
        if path.stat().st_size == 0:
            raise VideoError(f"{path} is empty.")
        # Bytes of metadata that are no UTF-8 come out as they went in.
        container = opened.enter_context(av.open(url_of(path), metadata_errors="surrogateescape"))
        if any(part in container.format.name for part in _PICTURES):
            raise VideoError(f"{path} is a picture, not a video; `gpen restore` takes pictures.")
        if main_stream(container) is None:
            kinds = {"cover picture" if is_cover(stream) else stream.type for stream in container.streams}
            found = ", ".join(sorted(kinds)) or "nothing"
            raise VideoError(f"{path} has no video stream; it holds {found}.")
        files = opened.pop_all()
    with files:  # what is done with the file has other errors
        yield container


def main_stream(container: InputContainer) -> VideoStream | None:
    """The video stream that is restored: the first one that is no cover picture."""
    return next((stream for stream in container.streams.video if not is_cover(stream)), None)


def disposition_of(stream: Stream) -> int:
    """The flags of a stream, which older PyAVs hold in an enum that is no number."""
    return int(getattr(stream.disposition, "value", stream.disposition))


def is_cover(stream: Stream) -> bool:
    """Whether a stream holds one picture for the whole file."""
    return bool(disposition_of(stream) & _ATTACHED_PICTURE)


@contextmanager
def video_errors(path: Path, verb: str = "read") -> Iterator[None]:
    """Turn errors of PyAV and of the system into one sentence.

    Raises:
        VideoError: for each of them.
    """
    try:
        yield
    except GPENError:
        raise
    except FileNotFoundError:
        raise VideoError(f"There is no file {path}; check the name.") from None
    except PermissionError:
        raise VideoError(
            f"{path} cannot be {'read' if verb == 'read' else 'written'}; check its permissions."
        ) from None
    except av_errors() as error:
        raise VideoError(f"{path} cannot be {verb}: {reason(error)}.") from error


def reason(error: BaseException) -> str:
    """What an error of PyAV or of the system says, without its number and file name."""
    text: Any = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = _REASONS.get(text, text)
    return " ".join(str(text).split()).rstrip(".")

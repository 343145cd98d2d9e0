"""Where restored frames go: into a video file, by segments, or into a sequence of pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ...weights.files import replacing, synchronize_folder
from ..errors import SettingsError, VideoError
from .files import (
    EncoderSettings,
    Frame,
    PictureWriter,
    SegmentWriter,
    VideoInfo,
    choose_encoder,
    is_sequence,
    join,
    names_folder,
    own_suffix,
    segment_suffix,
)
from .files.opening import Look, Tell
from .parts import is_own_result

Keep = Callable[[Path], None]
"""Called with a result that is whole."""


class Segment(Protocol):
    """Takes the frames of a segment."""

    def write(self, frame: Frame) -> Any:
        """Take a frame."""
        ...


class Output(Protocol):
    """Where the frames go.

    Attributes:
        notes: what cannot be kept, one sentence each.
        described: what decides about the result besides the frames; JSON-serialisable, for the report as well.
        suffix: of the files that say that a segment is finished.
    """

    notes: tuple[str, ...]
    described: dict[str, Any]
    suffix: str

    def require_free(self, segment: Path, first: int, last: int) -> None:
        """Check that no file of somebody else is in the way of a segment, given its frames; raises VideoError."""
        ...

    def segment(self, path: Path, look: Look) -> AbstractContextManager[Segment]:
        """Write a segment; `path` is there when the block ends without an error."""
        ...

    def finish(self, segments: Sequence[Path], tell: Tell, look: Look, keep: Keep, *, trimmed: bool) -> None:
        """Make the result, when all segments are finished; `keep` is called before a file gets its name."""
        ...


def usual_target(source: Path) -> Path:
    """The result where none is named: `VIDEO-restored` beside the video, of its kind of file.

    Raises:
        VideoError: the source is no video, or the root of the file system.
        MissingPackageError: PyAV is not installed, which has to look into a file without a usual suffix.
    """
    if not is_sequence(source):
        return source.with_name(f"{source.stem}-restored{own_suffix(source)}")
    if not source.is_dir():
        return source.with_name(f"{source.stem}-restored{source.suffix}")
    folder = source if source.name not in ("", "..") else source.resolve()  # `.` has no name of its own
    if not folder.name:
        raise VideoError(f"{folder} has no name from which that of the result could be made; name the result.")
    return folder.with_name(f"{folder.name}-restored")


def choose_output(
    info: VideoInfo, target: str | Path, encoding: EncoderSettings, tell: Tell, *, overwrite: bool
) -> Output:
    """The output for a target: a sequence for a folder or a pattern with `%d`, otherwise a file.

    Raises:
        VideoError: the target cannot be written, something is there already, or a video has a target that may mean a
            file or a folder.
        SettingsError: the codec does not exist, or is given for pictures.
    """
    sequence, told = is_sequence(target), target
    target = Path(target)
    if not target.absolute().name:
        raise VideoError(f"{target} has no name; name a file or a folder for the result.")
    if sequence:
        if not (info.pictures or target.suffix or names_folder(told)):
            suffix = own_suffix(info.path) if info.is_file else ".mp4"
            raise VideoError(
                f"{target} has no suffix: name a file such as {target}{suffix}, or {target}/ for a folder of pictures."
            )
        if encoding != EncoderSettings():
            raise SettingsError(f"{target} is a sequence of pictures, which has no codec; leave codec and crf out.")
        return _Pictures(info, target, tell, overwrite)
    return _File(info, target, encoding, overwrite)


class _File:
    def __init__(self, info: VideoInfo, target: Path, encoding: EncoderSettings, overwrite: bool) -> None:
        self._info, self._target, self._overwrite = info, target, overwrite
        self._require_free()
        self._encoder = choose_encoder(info, target, encoding)
        self.notes = self._encoder.notes
        encoder = self._encoder
        self.described = {"encoder": encoder.name, "pixel_format": encoder.pixel_format, "options": encoder.options}
        self.suffix = segment_suffix(encoder)

    def require_free(self, segment: Path, first: int, last: int) -> None:
        self._require_free()

    def _require_free(self) -> None:
        target, source = self._target, self._info.path
        if target.exists() and source.exists() and target.samefile(source):
            raise VideoError(f"{target} is the source itself; give the result another name.")
        if target.exists() and not self._overwrite and not is_own_result(target):
            raise VideoError(f"{target} is there already; pass overwrite (--overwrite) to replace it.")

    def segment(self, path: Path, look: Look) -> SegmentWriter:
        return SegmentWriter(path, self._info, self._encoder, look=look)

    def finish(self, segments: Sequence[Path], tell: Tell, look: Look, keep: Keep, *, trimmed: bool) -> None:
        # Beside the segments: what a crash leaves of it is removed there.
        joined = segments[0].with_name(f"joined{self._target.suffix}")
        join(segments, self._info, self._encoder, joined, trimmed=trimmed, tell=tell, look=look)
        keep(joined)
        with _write_errors(self._target):
            self._move(joined)

    def _move(self, joined: Path) -> None:
        """Give the result its name; what somebody else has put there meanwhile stays."""
        if not self._overwrite:
            try:
                os.link(joined, self._target)  # fails if there is something, without a moment between
            except OSError:  # that, or a file system without links
                self._require_free()
            else:
                joined.unlink()
        if joined.exists():
            joined.replace(self._target)
        synchronize_folder(self._target.parent)


class _Pictures:
    notes = ()
    suffix = ".done"

    def __init__(self, info: VideoInfo, target: Path, tell: Tell, overwrite: bool) -> None:
        self._info, self._target, self._tell, self._overwrite = info, target, tell, overwrite
        self._writer = PictureWriter(target, info)
        self.described = {"encoder": "pictures"}

    def require_free(self, segment: Path, first: int, last: int) -> None:
        if _begun(segment).exists():
            return  # pictures there are those of an earlier call, which was stopped
        sources = {path.resolve() for path in self._info.pictures}
        for path in map(self._writer.path_of, range(first, last)):
            if path.resolve() in sources:
                raise VideoError(f"{path} is a picture of the source itself; give the result another folder.")
            if path.exists() and not self._overwrite:
                raise VideoError(f"{path} is there already; pass overwrite (--overwrite) to replace such files.")

    @contextmanager
    def segment(self, path: Path, look: Look) -> Iterator[Segment]:
        with _write_errors(_begun(path)):
            _begun(path).touch()
        yield self
        with _write_errors(path), replacing(path) as temporary:
            temporary.touch()

    def write(self, frame: Frame) -> None:
        for note in self._writer.write(frame):
            self._tell(note)

    def finish(self, segments: Sequence[Path], tell: Tell, look: Look, keep: Keep, *, trimmed: bool) -> None:
        if self._info.streams:
            tell("Pictures hold no sound and no other streams; those of the video are left out.")


def _begun(segment: Path) -> Path:
    """Says that the first picture of a segment may have been written."""
    return segment.with_suffix(".begun")


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    """Turn errors of the system into one sentence; raises VideoError."""
    try:
        yield
    except OSError as error:
        raise VideoError(f"{path} cannot be written: {error.strerror or error}.") from error

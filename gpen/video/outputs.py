"""Where restored frames go: into a video file, by segments, or into a sequence of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ...weights.files import replacing
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
    segment_suffix,
)

Tell = Callable[[str], None]


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

    def require_free(self, first: int, last: int) -> None:
        """Check that no file is in the way; raises VideoError."""
        ...

    def segment(self, path: Path) -> AbstractContextManager[Segment]:
        """Write a segment; `path` is there when the block ends without an error."""
        ...

    def finish(self, segments: Sequence[Path], tell: Tell, *, trimmed: bool) -> None:
        """Make the result, when all segments are finished."""
        ...


def choose_output(info: VideoInfo, target: Path, encoding: EncoderSettings, tell: Tell, *, overwrite: bool) -> Output:
    """The output for a target: a sequence for a folder or a pattern with `%d`, otherwise a file.

    Raises:
        VideoError: the target cannot be written, or something is there already.
        SettingsError: the codec does not exist, or is given for pictures.
    """
    if is_sequence(target):
        if encoding != EncoderSettings():
            raise SettingsError(f"{target} is a sequence of pictures, which has no codec; leave codec and crf out.")
        return _Pictures(info, target, tell, overwrite)
    return _File(info, target, encoding, overwrite)


class _File:
    def __init__(self, info: VideoInfo, target: Path, encoding: EncoderSettings, overwrite: bool) -> None:
        self._info, self._target, self._overwrite = info, target, overwrite
        self.require_free(0, 0)
        self._encoder = choose_encoder(info, target, encoding)
        self.notes = self._encoder.notes
        encoder = self._encoder
        self.described = {"encoder": encoder.name, "pixel_format": encoder.pixel_format, "options": encoder.options}
        self.suffix = segment_suffix(encoder)

    def require_free(self, first: int, last: int) -> None:
        target, source = self._target, self._info.path
        if target.exists() and source.exists() and target.samefile(source):
            raise VideoError(f"{target} is the source itself; give the result another name.")
        if target.exists() and not self._overwrite:
            raise VideoError(f"{target} is there already; pass overwrite (--overwrite) to replace it.")

    def segment(self, path: Path) -> SegmentWriter:
        return SegmentWriter(path, self._info, self._encoder)

    def finish(self, segments: Sequence[Path], tell: Tell, *, trimmed: bool) -> None:
        join(segments, self._info, self._encoder, self._target, trimmed=trimmed, tell=tell)


class _Pictures:
    notes = ()
    suffix = ".done"

    def __init__(self, info: VideoInfo, target: Path, tell: Tell, overwrite: bool) -> None:
        self._info, self._target, self._tell, self._overwrite = info, target, tell, overwrite
        self._writer = PictureWriter(target, info)
        self.described = {"encoder": "pictures"}

    def require_free(self, first: int, last: int) -> None:
        sources = {path.resolve() for path in self._info.pictures}
        for path in map(self._writer.path_of, range(first, last)):
            if path.resolve() in sources:
                raise VideoError(f"{path} is a picture of the source itself; give the result another folder.")
            if path.exists() and not self._overwrite:
                raise VideoError(f"{path} is there already; pass overwrite (--overwrite) to replace such files.")

    @contextmanager
    def segment(self, path: Path) -> Iterator[Segment]:
        yield self
        with replacing(path) as temporary:
            temporary.touch()

    def write(self, frame: Frame) -> None:
        for note in self._writer.write(frame):
            self._tell(note)

    def finish(self, segments: Sequence[Path], tell: Tell, *, trimmed: bool) -> None:
        if self._info.streams:
            tell("Pictures hold no sound and no other streams; those of the video are left out.")

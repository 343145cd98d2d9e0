"""What was found and done in a video."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_whole
from ..report import PREVIEW_NOTE, describe_face
from ..restorer import Restorer
from ..stages import FaceRecord
from ..types import Face
from ..wording import agree
from .files import VideoInfo
from .steady import Tracks


class Tally:
    """What was done in a segment: in how many frames each face was restored, or why not.

    Attributes:
        backends: what ran the network, in order.
        notes: what was told so far.
    """

    def __init__(self) -> None:
        self.backends: list[str] = []
        self._restored: Counter[int] = Counter()
        self._left: dict[int, Counter[str]] = {}
        self._failed: list[tuple[int, float, str]] = []
        self.notes: list[str] = []

    def add(self, tracks: Iterable[int], records: Iterable[FaceRecord], backend: str) -> None:
        """Count the faces of a frame.

        Args:
            tracks: the track of each face.
            records: its record.
            backend: what ran the network; empty if nothing did.
        """
        self._ran_by(backend)
        for track, record in zip(tracks, records, strict=True):
            if record.left_alone is None:
                self._restored[track] += 1
            else:
                self._left.setdefault(track, Counter())[record.left_alone] += 1

    def fail(self, number: int, seconds: float, reason: str) -> None:
        """Note a frame that could not be restored, and when it is shown."""
        self._failed.append((number, round(seconds, 3), reason))

    def failed(self) -> list[dict[str, Any]]:
        """The frames that could not be restored; those of one reason that follow each other are told together."""
        told: list[dict[str, Any]] = []
        for number, seconds, reason in self._failed:
            if not told or (told[-1]["last_frame"] + 1, told[-1]["reason"]) != (number, reason):
                told.append({"first_frame": number, "from": seconds, "reason": reason})
            told[-1] |= {"last_frame": number, "to": seconds}
        return told

    def save(self, path: Path) -> None:
        """Write a JSON file, whole or not at all.

        Raises:
            ImageError: the folder cannot be written to.
        """
        text = json.dumps([self._restored, self._left, self.backends, self._failed, self.notes])
        write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    @classmethod
    def sum_of(cls, paths: Sequence[Path]) -> Tally:
        """The sum of what `save` wrote."""
        total = cls()
        for path in paths:
            restored, left, backends, failed, notes = json.loads(path.read_text(encoding="utf-8"))
            total._restored.update({int(track): number for track, number in restored.items()})
            for track, reasons in left.items():
                total._left.setdefault(int(track), Counter()).update(reasons)
            for backend in backends:
                total._ran_by(backend)
            total._failed += [tuple(one) for one in failed]
            total.notes += notes
        return total

    def _ran_by(self, backend: str) -> None:
        if backend and backend not in self.backends:
            self.backends.append(backend)

    def of(self, track: int) -> dict[str, Any]:
        """The counts of a track."""
        left = self._left.get(track, Counter())
        return {
            "restored_frames": self._restored[track],
            **({"left_alone": left.most_common(1)[0][0]} if left and not self._restored[track] else {}),
        }


def video_report(
    info: VideoInfo,
    target: Path,
    written: Mapping[str, Any],
    restorer: Restorer,
    tracks: Tracks,
    tally: Tally,
    notes: Sequence[str],
    seconds: float,
) -> dict[str, Any]:
    """Report of a video; times in seconds from its first frame, sizes in pixels."""
    generator, failed = restorer.generator, tally.failed()
    return {
        "notes": [
            *map(_failure_in_words, failed),
            *notes,
            *([PREVIEW_NOTE.format(model=generator.name)] if generator.preview else []),
            *restorer.networks.notes,
            *restorer.notes,
        ],
        "source": str(info.path),
        "output": str(target),
        "faces": [_describe(tracks, track, tally) for track in tracks.numbers],
        "frames": tracks.stop - tracks.start,
        "failed": failed,
        "shots": len(tracks.cuts),
        "size": {"width": info.width, "height": info.height},
        "bit_depth": info.bit_depth,
        "rate": None if info.rate is None else round(float(info.rate), 3),
        **written,
        "model": generator.name,
        "backend": "; ".join(tally.backends) or generator.running,
        "detector": restorer.detector.name,
        "seconds": round(seconds, 2),
        "preset": restorer.preset,
        "settings": asdict(restorer.settings),
    }


def _failure_in_words(failed: Mapping[str, Any]) -> str:
    first, last = failed["first_frame"], failed["last_frame"]
    one = first == last
    frames = f"Frame {first}" if one else f"Frames {first} to {last}"
    when = f"{failed['from']:.2f} s" if one else f"{failed['from']:.2f} s to {failed['to']:.2f} s"
    return f"{frames} ({when}) {agree(2 - one, 'stays', 'stay')} as decoded, not restored: {failed['reason']}"


def _describe(tracks: Tracks, track: int, tally: Tally) -> dict[str, Any]:
    rows = tracks.rows_of(track)
    box, middle = tracks.box[rows], rows[len(rows) // 2]
    place = describe_face(Face(tuple(tracks.box[middle]), float(tracks.score[middle]), tracks.landmarks[middle]))
    return {
        "track": track,
        "first_frame": int(tracks.frame[rows[0]]),
        "last_frame": int(tracks.frame[rows[-1]]),
        "width": round(float(np.median(box[:, 2] - box[:, 0])), 1),
        "score": round(float(tracks.score[rows].max()), 4),
        **tally.of(track),
        "frame": int(tracks.frame[middle]),
        "box": place["box"],
        "landmarks": place["landmarks"],
    }

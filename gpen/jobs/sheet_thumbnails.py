"""The thumbnails of a contact sheet: before and after of each picture and of its faces. Needs no torch."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..errors import JobError
from ..images.thumbnails import Box, SmallPicture, laplacian_variance, read_small, webp
from .entries import Entry, FaceEntry, Stamp, stamp_of
from .storage import Place, is_url

# Longer side of a picture and side of a face, in pixels; about 18 kB and 5 kB each.
SIDE, FACE_SIDE = 512, 160
_QUALITY = 80
# Width of the square around a face, in widths of its box: with hair and chin.
_MARGIN = 1.5
# Raised with every change of what thumbnails look like.
_VERSION = 1
T = TypeVar("T")

_OURS = re.compile(r"[0-9a-f]{32}(-\w+\.webp|\.json)")


class Thumbnails:
    """Makes thumbnails, and keeps them for the next call.

    Args:
        folder: where they are kept; None: they become part of the page, as data URLs.
        prefix: what leads from the page to the folder, ending in a slash; unused without a folder.
    """

    def __init__(self, folder: Path | None, prefix: str = "") -> None:
        self._folder, self._prefix = folder, prefix
        self._used: set[str] = set()

    def of(self, entry: Entry, faces: Sequence[FaceEntry]) -> dict[str, Any]:
        """The thumbnails of a picture.

        May be called from several threads.

        Returns:
            `before` and `after`: URLs, each only if there is such a picture; `size`: (width, height) of the picture in
            pixels; `faces`: by number, `before` and `after` again, and the `sharpness` of the later one; `unreadable`:
            sentences about files that cannot be read.

        Raises:
            JobError: the folder cannot be written.
        """
        key = _key(entry, faces)
        told = self._kept(key)
        if told is None:
            told, files = _make(entry, faces)
            told = self._keep(key, told, files)
        return told

    def _kept(self, key: str) -> dict[str, Any] | None:
        """What an earlier call has made, if all of it is there: after a power failure, files may be empty."""
        if self._folder is None:
            return None
        try:
            told = json.loads((self._folder / f"{key}.json").read_text(encoding="utf-8"))
            sizes = {name: (self._folder / f"{key}-{name}.webp").stat().st_size for name in told["files"]}
        except (OSError, ValueError):
            return None
        return self._with_files(key, told) if sizes == told["files"] else None

    def _keep(self, key: str, told: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
        if self._folder is None:
            return _with_urls(told, {name: _data_url(data) for name, data in files.items()})
        told["files"] = {name: len(data) for name, data in files.items()}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, data in files.items():
                (self._folder / f"{key}-{name}.webp").write_bytes(data)
            # The last one: where it is, the others are there.
            (self._folder / f"{key}.json").write_text(json.dumps(told), encoding="utf-8")
        except OSError as error:
            raise JobError(f"{self._folder} cannot be written: {error.strerror or error}.") from error
        return self._with_files(key, told)

    def _with_files(self, key: str, told: dict[str, Any]) -> dict[str, Any]:
        names = {name: f"{key}-{name}.webp" for name in told["files"]}
        self._used.update((f"{key}.json", *names.values()))
        return _with_urls(told, {name: f"{self._prefix}{file}" for name, file in names.items()})

    def remove_others(self) -> None:
        """Delete the thumbnails in the folder that this object has not given out."""
        if self._folder is None or not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in self._used:
                path.unlink(missing_ok=True)


def _key(entry: Entry, faces: Sequence[FaceEntry]) -> str:
    boxes = [(face.number, face.x0, face.y0, face.x1, face.y1) for face in faces]
    # A source that is gone keeps the thumbnail that was made of it.
    kept = (entry.size, entry.mtime_ns)
    source = seen_stamp(entry.source, kept) or kept
    output = entry.output and (seen_stamp(entry.output, entry.output_stamp) or entry.output_stamp)
    made_of = [_VERSION, SIDE, FACE_SIDE, entry.state, entry.source, source, entry.output, output, boxes]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]


def seen_stamp(path: str, otherwise: T) -> Stamp | T | None:
    """The stamp of a file, None if it is gone; `otherwise` for a URL, since asking for thousands would take minutes."""
    return otherwise if is_url(path) else stamp_of(path)


def _make(entry: Entry, faces: Sequence[FaceEntry]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is told of a picture, and its thumbnails by their names."""
    report = entry.report or {}
    pages = report.get("faces", ())
    # Only the first page of a TIFF is shown.
    shown = [face for face in faces if not (face.number < len(pages) and pages[face.number].get("page"))]
    size = report.get("size")
    finest = max((FACE_SIDE / (_MARGIN * _side(face)) for face in shown), default=0.0)
    told: dict[str, Any] = {"size": size and (size["width"], size["height"]), "faces": {}, "unreadable": []}
    files: dict[str, bytes] = {}
    # Not of pictures that still have to be done, of which there may be many thousands.
    is_shown = entry.state in ("done", "failed")
    for when, path in (("before", entry.source), ("after", entry.output if entry.state == "done" else None)):
        if path is None or not is_shown or seen_stamp(path, ()) is None:
            continue
        try:
            picture = read_small(path, SIDE, finest, Place(path).read() if is_url(path) else None)
            told["size"] = told["size"] or picture.size
            files[when] = webp(picture.whole(SIDE), _QUALITY)
            for face in shown:
                told["faces"].setdefault(str(face.number), {}).update(_face(picture, face, when, told["size"], files))
        except Exception as error:  # decoders raise anything, and thousands of other pictures are waiting
            told["unreadable"].append(str(error) or type(error).__name__)
    return told, files


def _face(
    picture: SmallPicture, face: FaceEntry, when: str, size: tuple[int, int], files: dict[str, bytes]
) -> dict[str, Any]:
    crop = picture.square(place_of(face, size, _MARGIN), FACE_SIDE)
    files[f"{when}{face.number}"] = webp(crop, _QUALITY)
    return {"sharpness": round(laplacian_variance(crop), 2)}


def place_of(face: FaceEntry, size: tuple[int, int], margin: float = 1.0) -> Box:
    """The box of a face as shares of width and height, `margin` times as large."""
    width, height = size
    x, y = (face.x0 + face.x1) / 2, (face.y0 + face.y1) / 2
    across, down = margin * (face.x1 - face.x0) / 2, margin * (face.y1 - face.y0) / 2
    return (x - across) / width, (y - down) / height, (x + across) / width, (y + down) / height


def _side(face: FaceEntry) -> float:
    return max(face.x1 - face.x0, face.y1 - face.y0, 1.0)


def _with_urls(told: dict[str, Any], urls: dict[str, str]) -> dict[str, Any]:
    pictures = {when: urls[when] for when in ("before", "after") if when in urls}
    faces = {
        number: {**face, **{when: urls[when + number] for when in ("before", "after") if when + number in urls}}
        for number, face in told["faces"].items()
    }
    return {**told, **pictures, "faces": faces}


def _data_url(data: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"

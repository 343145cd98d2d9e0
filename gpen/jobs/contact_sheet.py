"""A job as one HTML page to look at: before and after of each picture and face, from the journal. Needs no torch.

The page opens from disk and loads nothing but its thumbnails. Its texts are data: they are in one block of JSON, become
text nodes, and a policy in the page allows no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import ImageError, JobError
from ..files import write_whole
from ..progress import Steps, no_steps
from ..wording import FAILED, LEFT_ALONE, RESTORED, WITHOUT_FACE, came_of, count, faces_in_words, printable
from .entries import Entry, FaceEntry
from .kept import journal_to_read
from .sheet_order import Sort, check_sort, first_pictures
from .sheet_thumbnails import Thumbnails, place_of, seen_stamp
from .storage import is_url

# The parts of the page; the scripts become one, in this order.
_PARTS = Path(__file__).parent / "sheet_page"
# Words for what came of a picture, by the names that the scripts use.
_WORDS = {"restored": RESTORED, "leftAlone": LEFT_ALONE, "withoutFace": WITHOUT_FACE, "failed": FAILED}
_SCRIPTS = ("model.js", "compare.js", "cards.js", "choose.js", "viewer.js", "main.js")
# Tells a contact sheet from other pages, which are not replaced.
_MARK = '<meta name="generator" content="gpen contact-sheet">'
_MARKED_WITHIN = 2000


@dataclass(frozen=True)
class ContactSheet:
    """A page that was written.

    Attributes:
        page: its file.
        pictures: number of pictures on it.
        notes: sentences about what it does not show.
    """

    page: Path
    pictures: int
    notes: tuple[str, ...]


def write_contact_sheet(
    folder: Path,
    page: Path,
    *,
    sort: Sort = "change",
    limit: int = 0,
    embed: bool = False,
    workers: int = 0,
    progress: Steps = no_steps,
) -> ContactSheet:
    """Write the contact sheet of a job. It may still be running.

    The thumbnails are kept in a folder beside the page, and made only once. The page is written last, whole or not at
    all.

    Args:
        folder: the folder of the job's results; may be a `Place`.
        page: the file to write, ending in .html.
        sort: what the pictures are sorted by when the page opens.
        limit: show only so many finished pictures, the first in this order, and all that failed; 0: show all.
        embed: whether the thumbnails become part of the page.
        workers: number of threads that make thumbnails; 0: as many as there are cores.
        progress: called with (done, total) after each picture.

    Raises:
        JobError: there is no job, or the page or its thumbnails cannot be written.
        StorageError: the folder is in an object store that cannot be reached.
        SettingsError: the journal lacks what to sort by.
    """
    _check_page(page)
    with journal_to_read(folder) as journal:
        by_source = journal.entries(reports=True)
        faces: dict[str, list[FaceEntry]] = defaultdict(list)
        for face in journal.faces():
            # Those of a picture that is to be done again belong to its earlier result.
            entry = by_source.get(face.source)
            if entry and entry.state == "done":
                faces[face.source].append(face)
    if not by_source:
        raise JobError(f"The job in {folder} has no pictures yet.")
    check_sort(sort, faces, limited=limit > 0)
    entries = first_pictures(by_source.values(), faces, sort, limit)
    files = page.with_name(f"{page.stem}_files")
    thumbnails = Thumbnails(None if embed else files, f"{_quoted(files.name)}/")
    pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
    try:
        made = []
        for done in pool.map(lambda entry: thumbnails.of(entry, faces.get(entry.source, ())), entries):
            made.append(done)
            progress(len(made), len(entries))
    finally:
        pool.shutdown(cancel_futures=True)
    described = _describe_all(entries, faces, made, page.absolute().parent)
    told = {"folder": folder.absolute().name, "sort": sort, "total": len(by_source), "words": _WORDS, **described}
    _write(page, _printable(told))
    thumbnails.remove_others()
    return ContactSheet(page, len(entries), tuple(_notes(described["pictures"], len(by_source))))


def _check_page(page: Path) -> None:
    if page.suffix.lower() not in (".html", ".htm"):
        raise JobError(f"The page {page} must end in .html; choose another --output.")
    try:
        if page.exists():
            with page.open("rb") as file:
                if _MARK.encode() not in file.read(_MARKED_WITHIN):
                    raise JobError(f"{page} is no contact sheet and is not replaced; choose another --output.")
    except OSError as error:
        raise JobError(f"{page} cannot be written: {error.strerror or error}.") from error


def _describe_all(
    entries: Sequence[Entry],
    faces: Mapping[str, Sequence[FaceEntry]],
    made: Sequence[Mapping[str, Any]],
    beside: Path,
) -> dict[str, Any]:
    """All that the page says and shows."""
    # The journal's measure of sharpness, or that of the thumbnails; both together would not compare.
    in_journal = any(face.sharpness is not None for found in faces.values() for face in found)
    top = _common_folder([entry.source for entry in entries])
    pictures = []
    for entry, thumbnails in zip(entries, made, strict=True):
        reported = (entry.report or {}).get("faces", ())
        told = [_describe_face(face, reported, thumbnails, in_journal) for face in faces.get(entry.source, ())]
        pictures.append({**_describe(entry, thumbnails, top, beside), "faces": told})
    return {"sharpness": "journal" if in_journal else "page", "pictures": pictures}


def _describe(entry: Entry, thumbnails: Mapping[str, Any], top: str, beside: Path) -> dict[str, Any]:
    report = entry.report or {}
    is_done = entry.state == "done"
    prepared = any(report.get("prepared") or ())
    return {
        "name": entry.source[len(top) :],
        "source": entry.source,
        "output": entry.output if is_done else None,
        "sourceLink": _link(entry.source, beside),
        "outputLink": _link(entry.output, beside) if is_done and entry.output else None,
        "state": entry.state,
        "came": came_of(entry.faces or 0, entry.restored or 0) if is_done else entry.state,
        "facesTold": faces_in_words(entry.faces or 0, entry.restored or 0),
        "unchanged": is_done and not entry.restored and not prepared,
        "why": entry.why,
        "before": thumbnails.get("before"),
        "after": thumbnails.get("after"),
        "size": thumbnails["size"],
        "pages": report.get("pages", 1),
        # Why a file cannot be read is the reason of a failure already.
        "missing": [*_missing(entry), *(thumbnails["unreadable"] if is_done else ())],
        "notes": list(entry.notes) if is_done else [],
    }


def _printable(told: Any) -> Any:
    """All texts in what the page says, made `printable`; URLs and names of keys are."""
    if isinstance(told, str):
        return printable(told)
    if isinstance(told, dict):
        return {name: _printable(value) for name, value in told.items()}
    return [_printable(value) for value in told] if isinstance(told, list | tuple) else told


def _missing(entry: Entry) -> Iterable[str]:
    """Sentences about files that are not as the job left them."""
    if entry.state not in ("done", "failed"):
        return
    stamp = seen_stamp(entry.source, (entry.size, entry.mtime_ns))
    if stamp is None:
        yield "The source is gone."
    elif entry.state == "done" and stamp != (entry.size, entry.mtime_ns):
        yield "The source was changed after it was restored."
    if entry.state == "done":
        written = seen_stamp(entry.output or "", entry.output_stamp)
        if written is None:
            yield "The result is gone."
        elif written != entry.output_stamp:
            yield "The result was changed after it was written."


def _describe_face(
    face: FaceEntry, reported: Sequence[Mapping[str, Any]], thumbnails: Mapping[str, Any], in_journal: bool
) -> dict[str, Any]:
    in_report = reported[face.number] if face.number < len(reported) else {}
    own = thumbnails["faces"].get(str(face.number), {})
    return {
        # As `gpen restore --indices` counts it; a face that cannot be chosen has none.
        "number": in_report.get("number"),
        "page": in_report.get("page", 0) + 1,
        "before": own.get("before"),
        "after": own.get("after"),
        "box": place_of(face, thumbnails["size"]) if own else None,
        "restored": face.restored,
        "leftAlone": face.left_alone,
        "share": face.changed_share,
        "change": face.changed_mean,
        "sharpness": face.sharpness if in_journal else own.get("sharpness"),
        "identity": face.identity,
    }


def _notes(pictures: Sequence[Mapping[str, Any]], total: int) -> Iterable[str]:
    if len(pictures) < total:
        yield f"The job has {count(total, 'picture')}."
    for sentence in ("The source is gone.", "The result is gone."):
        found = sum(sentence in picture["missing"] for picture in pictures)
        if found:
            yield f"{found} of {count(len(pictures), 'picture')}: {sentence[0].lower()}{sentence[1:]}"


def _common_folder(sources: Sequence[str]) -> str:
    """What the addresses of all sources begin with, up to the last slash."""
    prefix = os.path.commonprefix(sources)  # noqa: RUF071 (URLs are no paths)
    return prefix[: max(prefix.rfind("/"), prefix.rfind(os.sep)) + 1]


def _link(path: str, beside: Path) -> str | None:
    """The URL of a file, relative to the page where possible, so that both can be moved together.

    None for a file in an object store, which browsers cannot open.
    """
    if is_url(path):
        return None
    try:
        return _quoted(os.path.relpath(path, beside).replace(os.sep, "/"))
    except ValueError:  # another drive
        return Path(path).as_uri()


def _quoted(name: str) -> str:
    return quote(os.fsencode(name))


def _write(page: Path, data: Mapping[str, Any]) -> None:
    style, markup, *scripts = (
        (_PARTS / name).read_text(encoding="utf-8") for name in ("page.css", "page.html", *_SCRIPTS)
    )
    script = "\n".join(scripts)
    # Within a script, only these characters could end it. All others are ASCII.
    text = json.dumps(data, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    parts = {
        "policy": "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' file: data:; "
        f"style-src '{_hash(style)}'; script-src '{_hash(script)}'",
        "style": style,
        "script": script,
        "data": text,
        "mark": _MARK,
    }
    filled = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], markup)
    try:
        write_whole(page, lambda temporary: temporary.write_text(filled, encoding="utf-8", newline="\n"))
    except ImageError as error:
        raise JobError(str(error)) from error


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

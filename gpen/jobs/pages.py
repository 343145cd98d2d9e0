"""Process the pages of a TIFF one by one, and write them to one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ImageError
from ..images import WRITABLE_FORMATS, Picture, page_note, read_picture, write_pages

if TYPE_CHECKING:
    from PIL import Image

Work = Callable[[Picture, int], "tuple[Picture, dict[str, Any]]"]
"""Called with a page and its number, from 0."""


def has_pages(picture: Picture, target: Path | None) -> bool:
    """Whether the picture is the first of several pages, and the target, if any, holds them."""
    if picture.n_frames == 1 or picture.info.format != "TIFF":
        return False
    return target is None or WRITABLE_FORMATS.get(target.suffix.lower()) == "TIFF"


def left_pages(picture: Picture | None, target: Path) -> tuple[str, ...]:
    """Notes on pages that the target cannot hold."""
    if picture is None or picture.n_frames == 1 or picture.info.format != "TIFF" or has_pages(picture, target):
        return ()
    return (f"{target.name} can hold one page; choose a result that ends in .tif to keep all {picture.n_frames}.",)


def work_on_pages(
    source: Path, first: Picture, target: Path | None, work: Work, *, allow_damaged: bool
) -> dict[str, Any]:
    """Call `work` for each page, and write the result before the next page is read, to keep only one in memory.

    Args:
        source: the file.
        first: its first page.
        target: the TIFF to write, or None.
        work: returns the picture to write and the report of a page.
        allow_damaged: read as much as possible of a damaged page.

    Returns:
        One report: that of the first page, with the faces of all pages (each with its `page`,
        from 0), the notes with page numbers, and the total seconds.
    """
    reports: list[dict[str, Any]] = []

    def results() -> Iterator[Picture]:
        for page in range(first.n_frames):
            try:
                picture = first if not page else read_picture(source, page=page, allow_damaged=allow_damaged)
            except ImageError as error:
                raise ImageError(f"Page {page + 1} of {first.n_frames}: {error}") from error
            result, report = work(picture, page)
            reports.append(report)
            yield result

    notes: tuple[str, ...] = ()
    if target is None:
        for _ in results():
            pass
    else:
        notes = write_pages(results(), target)
    merged = _merged(reports, first.n_frames)
    merged["notes"] += notes
    return merged


def stacked(sheets: list[Image.Image]) -> Image.Image:
    """Stack the sheets of several pages vertically."""
    from PIL import Image

    result = Image.new("RGB", (max(s.width for s in sheets), sum(s.height for s in sheets)), "white")
    top = 0
    for sheet in sheets:
        result.paste(sheet, (0, top))
        top += sheet.height
    return result


def _merged(reports: list[dict[str, Any]], n_pages: int) -> dict[str, Any]:
    merged = {**reports[0], "pages": len(reports)}
    merged["faces"] = [{"page": page, **face} for page, report in enumerate(reports) for face in report["faces"]]
    merged["sizes"] = [report["size"] for report in reports]
    if "seconds" in merged:
        stages = dict.fromkeys(stage for report in reports for stage in report["seconds"])
        merged["seconds"] = {
            stage: round(sum(report["seconds"].get(stage, 0) for report in reports), 4) for stage in stages
        }
    # A note that all pages have is given once; others begin with the page number.
    numbers = {page_note(page, n_pages) for page in range(n_pages)}
    common = [note for note in reports[0]["notes"] if all(note in report["notes"] for report in reports)]
    merged["notes"] = common + [
        f"Page {page + 1}: {note}"
        for page, report in enumerate(reports)
        for note in report["notes"]
        if note not in numbers and note not in common
    ]
    return merged

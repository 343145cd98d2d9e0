"""Tables and pictures of the pages in docs/ are those of the files that the benchmarks wrote."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = ("detail", "performance", "training")
NUMBER = re.compile(r"[-\N{MINUS SIGN}]?\d+(?:\.\d+)?")

Record = tuple[set[str], list[float]]


def records(value: Any, name: str = "") -> Iterator[Record]:
    """Everything a row of a page may quote: its names (its key and the words in it) and all numbers below it."""
    if isinstance(value, dict):
        yield {name, *(str(each) for each in value.values() if not isinstance(each, (dict, list)))}, numbers(value)
        for key, each in value.items():
            yield from records(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from records(each)


def numbers(value: Any) -> list[float]:
    if isinstance(value, (dict, list)):
        return [number for each in (value.values() if isinstance(value, dict) else value) for number in numbers(each)]
    try:
        return [float(value)]
    except (TypeError, ValueError):
        return []


def files_of(page: str) -> list[Record]:
    found: list[Record] = []
    for path in sorted((DOCS / page).iterdir()):
        if path.suffix == ".json":
            found += records(json.loads(path.read_text(encoding="utf-8")))
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as table:
                found += records(list(csv.DictReader(table)))
    return found


def rows_of(page: str) -> Iterator[list[str]]:
    """Rows of the page's tables that have figures, as their cells."""
    for line in (DOCS / f"{page}.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if any(NUMBER.fullmatch(cell) for cell in cells[1:]):
            yield cells


def has(record: Record, cells: list[str]) -> bool:
    """Whether a record goes by the name in the first cell, and has every number of the others, as they are rounded."""
    names, values = record
    if cells[0] not in names:
        return False
    quoted = [text.replace("\N{MINUS SIGN}", "-") for cell in cells[1:] for text in NUMBER.findall(_figures(cell))]
    digits = {text: len(text.partition(".")[2]) for text in quoted}
    return all(any(f"{value:.{digits[text]}f}" == text for value in values) for text in quoted)


def _figures(cell: str) -> str:
    """A cell without numbers that belong to a word, such as GPEN-512."""
    return re.sub(r"\S*[A-Za-z]\S*", "", cell)


@pytest.mark.parametrize("page", PAGES)
def test_every_row_of_a_table_is_in_the_files(page):
    known, rows = files_of(page), list(rows_of(page))
    assert len(rows) >= 5
    for cells in rows:
        assert any(has(record, cells) for record in known), f"{page}.md quotes {' | '.join(cells)}"


def test_a_figure_or_a_name_that_is_not_there_is_found_out():
    known = list(records([{"way": "eager", "size": 512, "seconds": [1.2341, 2.5]}]))
    assert any(has(record, ["eager", "512", "1.23"]) for record in known)
    for cells in (["eager", "512", "1.24"], ["eager", "256", "1.23"], ["compile", "512", "1.23"]):
        assert not any(has(record, cells) for record in known)


@pytest.mark.parametrize("page", PAGES)
def test_every_picture_is_shown(page):
    shown = set(re.findall(rf"\]\({page}/([^)]+)\.(?:png|jpg)\)", (DOCS / f"{page}.md").read_text(encoding="utf-8")))
    assert shown == {path.stem for path in (DOCS / page).iterdir() if path.suffix in (".png", ".jpg")}

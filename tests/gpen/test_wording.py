"""Words agree with their number, in every sentence there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gpen_blocks.gpen.wording import agree, count

ROOT = Path(__file__).resolve().parents[2]
# A number in braces, and a noun in the plural or a verb behind it: what `count` and `agree` are for.
_NOUNS = "faces|crops|pictures|images|files|alignments|masks|partners|cut-offs|sheets|models|pages|errors"
_NUMBERS = r"len\([^{}]*\)|count|number|total|left|faces|found|failures"
_FIXED = re.compile(rf"\{{(?:{_NUMBERS})\}} (?:of the )?(?:{_NOUNS})\b")


@pytest.mark.parametrize("number, words", [(0, "0 faces"), (1, "1 face"), (2, "2 faces"), (27, "27 faces")])
def test_a_number_and_its_noun(number, words):
    assert count(number, "face") == words


def test_irregular_plurals_and_verbs():
    assert [count(number, "spectrum", "spectra") for number in (1, 2)] == ["1 spectrum", "2 spectra"]
    assert [agree(number, "has", "have") for number in (0, 1, 2)] == ["have", "has", "have"]


def test_no_sentence_has_its_plural_built_in():
    offenders = []
    for folder in ("gpen", "nodes", "weights"):
        for path in (ROOT / folder).rglob("*.py"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if _FIXED.search(line) and "agree(" not in line:
                    offenders.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not offenders, "\n".join(offenders)

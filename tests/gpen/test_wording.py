"""Words agree with their number, in every sentence there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gpen_blocks.gpen import wording
from gpen_blocks.gpen.wording import agree, came_of, count, faces_in_words, pip_install, printable

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


@pytest.mark.parametrize(
    "there, command", [(True, "`{} -m pip install a b`"), (None, "`uv pip install --python {} a b`")]
)
def test_packages_are_installed_by_what_is_there(monkeypatch, there, command):
    monkeypatch.setattr(wording, "find_spec", {"pip": there}.get)
    monkeypatch.setattr(wording.sys, "executable", "/env/bin/python")
    assert pip_install("a", "b") == command.format("/env/bin/python")


def test_no_sentence_has_its_plural_built_in():
    offenders = []
    for folder in ("gpen", "nodes", "weights"):
        for path in (ROOT / folder).rglob("*.py"):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if _FIXED.search(line) and "agree(" not in line:
                    offenders.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not offenders, "\n".join(offenders)


def test_names_of_files_are_shown_in_one_line_whatever_they_hold():
    hostile = "a\nb\x1b[31m\x07\x7f\x9b\u202egpj\u2066\u200b\u2028\udce9.png"
    shown = printable(hostile)
    assert shown == "a\\u000ab\\u001b[31m\\u0007\\u007f\\u009b\\u202egpj\\u2066\\u200b\\u2028\\udce9.png"
    assert shown.isprintable()
    # Letters of all scripts stay, with what joins or accents them.
    for name in ("照片 (1).jpg", "été e\u0301.png", "می\u200cشود.jpg", "👩\u200d🚀.png", "C:\\new\\table.png"):
        assert printable(name) == name


def test_one_word_for_what_came_of_a_picture():
    assert [came_of(*counts) for counts in ((2, 1), (2, 0), (0, 0))] == ["restored", "left alone", "without a face"]
    assert [faces_in_words(*counts) for counts in ((1, 1), (3, 2), (2, 0), (0, 0))] == [
        "1 face restored",
        "2 faces restored, 1 left alone",
        "no face restored, 2 left alone",
        "no face found",
    ]

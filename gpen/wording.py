"""Words that agree with their number, words for what came of pictures and faces, and text that is safe to show."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Final

# Of more numbers, a sentence names the first ones.
_NAMED = 5

RESTORED: Final = "restored"
"""A face of which the result shows more than the photograph; a picture with such a face."""
LEFT_ALONE: Final = "left alone"
"""A face that was found and not restored, whatever the reason; a picture that has faces, all of them left alone."""
WITHOUT_FACE: Final = "without a face"
"""A picture in which no face was found."""
FAILED: Final = "failed"
"""A picture that has no result."""

# Control characters, those that turn the direction of text, those without width but for the two that join letters, line
# ends of Unicode, and halves of characters, which stand for bytes of names that are no UTF-8.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""A text, such as the name of a file, in one line that shows all of it: `\u202e` instead of a character like that.

    Every text from outside goes through this before a terminal or a page shows it.
    """
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def came_of(faces: int, restored: int) -> str:
    """What came of a picture with a result: `RESTORED`, `LEFT_ALONE` or `WITHOUT_FACE`.

    Args:
        faces: number of faces found.
        restored: number of those that were restored.
    """
    return RESTORED if restored else LEFT_ALONE if faces else WITHOUT_FACE


def faces_in_words(faces: int, restored: int) -> str:
    """Such as `2 faces restored, 1 left alone`; arguments as for `came_of`."""
    if not faces:
        return "no face found"
    left = f", {faces - restored} {LEFT_ALONE}" if faces > restored else ""
    return f"{count(restored, 'face') if restored else 'no face'} {RESTORED}{left}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun: `1 face`, `2 faces`. By default, the plural is the singular plus s."""
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"


def agree(number: int, singular: str, plural: str) -> str:
    """The verb form for a number: `has` for 1, `have` for 2."""
    return singular if number == 1 else plural


def named(numbers: Sequence[int]) -> str:
    """Numbers in a sentence; of many, the first ones."""
    return ", ".join(map(str, numbers[:_NAMED])) + (", ..." if len(numbers) > _NAMED else "")


def pip_install(*packages: str) -> str:
    """The command that installs packages for the Python that runs this, such as that inside ComfyUI.

    It is one of uv where there is no pip, as in the environments that uv makes.
    """
    python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    install = f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
    return f"`{install} {' '.join(packages)}`"


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are aligned to the right, as numbers are."""
    lines = [titles, ["---", *("---:" for _ in titles[1:])], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines)

"""The worked examples of CONTRIBUTING.md, and a copy of the package to try them in."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_EXAMPLE = re.compile(r"^[^\n]*`([\w/]+\.\w+)`[^\n`]*:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples() -> dict[str, str]:
    """What the page writes into each file: the code block behind a line that names the file and ends in a colon."""
    found: dict[str, str] = {}
    for file, code in _EXAMPLE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        assert file not in found, f"CONTRIBUTING.md has two examples for {file}"
        found[file] = code
    return found


def copy_package(folder: Path) -> Path:
    """The package without tests and pictures, as `gpen_blocks` in a folder."""
    package = folder / "gpen_blocks"
    for name in ("gpen", "weights", "nodes", "locales", "presets", "tools"):
        shutil.copytree(ROOT / name, package / name, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "docs").mkdir()
    for page in (ROOT / "docs").glob("settings*.md"):
        shutil.copy(page, package / "docs")
    (package / "examples").mkdir()
    for file in ("__init__.py", "pyproject.toml", "examples/portrait-degraded.jpg"):
        shutil.copy(ROOT / file, package / file)
    return package


def insert(file: Path, before: str, text: str) -> None:
    """Put text before the one line that begins with `before`."""
    content = file.read_text(encoding="utf-8")
    assert content.count(f"\n{before}") == 1, f"{file} has no single line that begins with {before!r}"
    file.write_text(content.replace(f"\n{before}", f"\n{text}{before}"), encoding="utf-8")

"""The command `gpen`, called within the test's own process."""

from __future__ import annotations

from typer.testing import CliRunner

from gpen_blocks.gpen.cli.commands import app


def run_gpen(*words: object, code: int = 0) -> str:
    """Run `gpen` with these words, make sure of its exit code, and give what it printed."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output

"""Where this package keeps what it works out once for a machine."""

from __future__ import annotations

from pathlib import Path

import pytest


def shelter_cache(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the package keep its notes in a folder: by the first name on Linux and macOS, by the second on Windows."""
    for variable in ("XDG_CACHE_HOME", "WIN_PD_OVERRIDE_LOCAL_APPDATA"):
        patch.setenv(variable, str(folder))

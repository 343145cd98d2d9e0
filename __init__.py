"""GPEN Blocks: face restoration as wireable blocks.

The repository root is at once this package (`gpen_blocks`) and a ComfyUI node folder, so every import inside it is
relative. Importing it does nothing but define names: torch, ComfyUI and the rest are imported at the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_api.latest import ComfyExtension  # pyright: ignore[reportMissingImports]

    from .gpen.errors import GPENError
    from .gpen.restorer import Restoration, Restorer
    from .gpen.settings import Settings

    __version__: str

__all__ = [
    "WEB_DIRECTORY",
    "GPENError",
    "Restoration",
    "Restorer",
    "Settings",
    "__version__",
    "comfy_entrypoint",
]

# Where ComfyUI finds this package's JavaScript and help pages.
WEB_DIRECTORY = "./nodes/web"


async def comfy_entrypoint() -> ComfyExtension:
    """Called by ComfyUI, which looks for no other way in as long as there is no NODE_CLASS_MAPPINGS here."""
    from .nodes.extension import GPENExtension

    return GPENExtension()


def __getattr__(name: str) -> object:
    if name in ("Restoration", "Restorer"):
        from .gpen import restorer

        return getattr(restorer, name)
    if name == "GPENError":
        from .gpen.errors import GPENError

        return GPENError
    if name == "Settings":
        from .gpen.settings import Settings

        return Settings
    if name == "__version__":
        from .gpen.versions import package_version

        return package_version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

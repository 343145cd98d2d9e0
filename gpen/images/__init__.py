"""Convert picture files, arrays and PIL images to tensors and back without loss.

What needs torch is imported at its first use, so that a plan of files is made without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .formats import MAX_PIXELS, RAW_SUFFIXES, READABLE, WRITABLE, WRITABLE_FORMATS

if TYPE_CHECKING:
    from .area import area_of, mask_of
    from .arrays import from_array, to_array
    from .given import open_picture
    from .picture import FileInfo, Picture
    from .read import read_picture
    from .read_tiff import page_note
    from .write import write_pages, write_picture

__all__ = [
    "MAX_PIXELS",
    "RAW_SUFFIXES",
    "READABLE",
    "WRITABLE",
    "WRITABLE_FORMATS",
    "FileInfo",
    "Picture",
    "area_of",
    "from_array",
    "mask_of",
    "open_picture",
    "page_note",
    "read_picture",
    "to_array",
    "write_pages",
    "write_picture",
]

_MODULES = {
    "FileInfo": "picture",
    "Picture": "picture",
    "area_of": "area",
    "from_array": "arrays",
    "mask_of": "area",
    "open_picture": "given",
    "page_note": "read_tiff",
    "read_picture": "read",
    "to_array": "arrays",
    "write_pages": "write",
    "write_picture": "write",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)

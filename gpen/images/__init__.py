"""Convert picture files, arrays and PIL images to tensors and back without loss."""

from .arrays import from_array, to_array
from .picture import RAW_SUFFIXES, READABLE, WRITABLE, WRITABLE_FORMATS, FileInfo, Picture
from .read import MAX_PIXELS, read_picture
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
    "from_array",
    "page_note",
    "read_picture",
    "to_array",
    "write_pages",
    "write_picture",
]

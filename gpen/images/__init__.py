"""The edge of the package: picture files, arrays and PIL images to tensors and back, with nothing lost."""

from .arrays import from_array, to_array
from .picture import READABLE, WRITABLE, FileInfo, Picture
from .read import MAX_PIXELS, read_picture
from .write import write_pages, write_picture

__all__ = [
    "MAX_PIXELS",
    "READABLE",
    "WRITABLE",
    "FileInfo",
    "Picture",
    "from_array",
    "read_picture",
    "to_array",
    "write_pages",
    "write_picture",
]

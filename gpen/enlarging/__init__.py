"""Whole pictures enlarged, for faces that are restored at the enlarged size."""

from .enlargement import (
    BYTES_PER_PIXEL,
    Enlargement,
    Enlarger,
    GivenPictures,
    enlarge_plainly,
    load_enlargement,
    whole_factor,
)
from .upscaler import Upscaler, load_upscaler

__all__ = [
    "BYTES_PER_PIXEL",
    "Enlargement",
    "Enlarger",
    "GivenPictures",
    "Upscaler",
    "enlarge_plainly",
    "load_enlargement",
    "load_upscaler",
    "whole_factor",
]

"""Arithmetic on pixels, independent of faces and files: colour, filters, grain, warps."""

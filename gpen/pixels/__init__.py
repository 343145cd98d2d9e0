"""Arithmetic on pixels that knows no face and no file: colour, filters, grain, warps."""

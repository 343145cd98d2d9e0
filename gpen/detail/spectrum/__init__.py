"""How much detail a picture holds, of which fineness, and where it ends: power over spatial frequency."""

from .analysis import Spectrum, analyze, compare, mean_of, report

__all__ = ["Spectrum", "analyze", "compare", "mean_of", "report"]

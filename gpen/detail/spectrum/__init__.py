"""Measure the amount, fineness and limit of detail in pictures: power over spatial frequency."""

from .analysis import Spectrum, analyze, compare, mean_of, report

__all__ = ["Spectrum", "analyze", "compare", "mean_of", "report"]

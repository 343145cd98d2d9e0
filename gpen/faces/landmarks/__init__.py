"""68 landmarks of a face, in iBUG order."""

from .find import Landmarker, build_landmarker, find_landmarks68

__all__ = ["Landmarker", "build_landmarker", "find_landmarks68"]

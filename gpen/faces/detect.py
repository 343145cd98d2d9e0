"""The path under which others import `detect`; `detection` is where it lives."""

from .detection import FaceDetector, build_detector, detect

__all__ = ["FaceDetector", "build_detector", "detect"]

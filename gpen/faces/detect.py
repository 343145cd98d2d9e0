"""Stable import path of `detect`, which is implemented in `detection`."""

from .detection import FaceDetector, build_detector, detect

__all__ = ["FaceDetector", "build_detector", "detect"]

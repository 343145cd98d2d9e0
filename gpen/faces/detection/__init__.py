"""Face detection in pictures of any size."""

from .detect import detect
from .detector import FaceDetector, build_detector

__all__ = ["FaceDetector", "build_detector", "detect"]

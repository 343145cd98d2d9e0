"""Finding faces in pictures of any size."""

from .detect import FaceDetector, build_detector, detect

__all__ = ["FaceDetector", "build_detector", "detect"]

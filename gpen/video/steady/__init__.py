"""Steady faces: shots, tracks, smooth ways, slow values and carried detail."""

from .following import Follower, follow
from .smoothing import smooth
from .tracks import Tracks

__all__ = ["Follower", "Tracks", "follow", "smooth"]

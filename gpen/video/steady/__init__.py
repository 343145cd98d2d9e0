"""Steady faces: shots, tracks, smooth ways, slow values and carried detail."""

from .choosing import choose_tracks, number_tracks
from .following import Follower, follow
from .live import LiveFollower
from .smoothing import smooth
from .stages import steady_stages
from .state import SteadyState
from .tracks import Tracks
from .window import SteadyChain, SteadyWork

__all__ = [
    "Follower",
    "LiveFollower",
    "SteadyChain",
    "SteadyState",
    "SteadyWork",
    "Tracks",
    "choose_tracks",
    "follow",
    "number_tracks",
    "smooth",
    "steady_stages",
]

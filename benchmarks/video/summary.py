"""The figures of all videos in a few: medians, and how many videos keep the bounds."""

from __future__ import annotations

import statistics
from typing import Any

# At most these shares of the figures of frames restored alone, and jitter in pixels at a face of 100 pixels; the
# resolution is at least this share.
JITTER, JITTER_PIXELS, WARPING, RESOLUTION = 0.3, 0.2, 0.6, 0.95


def medians_of(videos: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Median of each measure of each way."""
    return {
        name: {
            measure: round(statistics.median(video[name][measure] for video in videos), 3)
            for measure in videos[0][name]
        }
        for name in videos[0]
    }


def summarize(videos: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of each measure of input, alone, steady and truth, and the number of videos that keep each bound."""
    kept = {
        "jitter at most 0.3 of alone": [_ratio(video, "jitter") <= JITTER for video in videos],
        "jitter at most 0.2 px": [video["steady"]["jitter"] <= JITTER_PIXELS for video in videos],
        "warping error at most 0.6 of alone": [_ratio(video, "warping error") <= WARPING for video in videos],
        "warping error at most the input's": [
            video["steady"]["warping error"] <= video["input"]["warping error"] for video in videos
        ],
        "agreeing resolution at least 0.95 of alone": [
            _ratio(video, "agreeing resolution") >= RESOLUTION for video in videos
        ],
        "effective resolution at least 0.95 of alone": [
            _ratio(video, "effective resolution") >= RESOLUTION for video in videos
        ],
    }
    largest = {
        "jitter, share of alone": max(_ratio(video, "jitter") for video in videos),
        "jitter, px": max(video["steady"]["jitter"] for video in videos),
        "warping error, share of alone": max(_ratio(video, "warping error") for video in videos),
    }
    least = {
        measure: min(_ratio(video, measure) for video in videos)
        for measure in ("agreeing resolution", "effective resolution", "fine contrast")
    }
    return {
        "videos": len(videos),
        "medians": medians_of(videos),
        "videos that keep a bound": {name: sum(values) for name, values in kept.items()},
        "largest": {name: round(value, 3) for name, value in largest.items()},
        "least share of alone": {name: round(value, 3) for name, value in least.items()},
    }


def _ratio(video: dict[str, Any], measure: str) -> float:
    return video["steady"][measure] / video["alone"][measure]

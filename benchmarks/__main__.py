"""Starts one of the benchmarks in this folder.

    python benchmarks speed --help        # how fast, how exact, how much memory: docs/performance.md
    python benchmarks detail --help       # what the blocks for detail do to pictures: docs/detail.md
    python benchmarks detail.kept --help  # what a whole restoration keeps of a photograph: docs/detail.md
    python benchmarks detail.enlarged --help  # small faces enlarged, beside other ways: docs/detail.md
    python benchmarks many --help         # jobs on many photographs: docs/performance.md
    python benchmarks many.killed --help  # jobs that are killed at random moments leave nothing half done
    python benchmarks video --help        # how steady the faces of videos are: docs/video.md
    python benchmarks video.popping --help # whether faces pop in or out within a shot: docs/video.md
    python benchmarks video.live --help   # how steady faces are live, frame by frame: docs/video.md
    python benchmarks video.memory --help # peak memory over the length of a video: docs/video.md
    python benchmarks video.speed --help  # frames a second of videos, by stage: docs/video.md
    python benchmarks training --help     # what losses and widths bring: docs/training.md

Each writes CSV or JSON files and pictures under docs/. The pages beside them are written by hand.
"""

from __future__ import annotations

import runpy
import sys


def main() -> None:
    """Run the module that the first argument names."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit((__doc__ or "").strip())
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

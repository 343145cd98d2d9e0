"""Charts of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def draw(results: dict[str, Any], folder: Path) -> None:
    """Draw a chart of each part that was measured and has one."""
    if "memory" in results:
        _draw_memory(results["memory"]["measured"], folder / "jobs-memory.png")
    rows = [row for part in ("scaling", "ray") if part in results for row in results[part]["measured"]["rows"]]
    if rows:
        _draw_scaling(rows, folder / "jobs-scaling.png")


def _draw_memory(measured: dict[str, Any], path: Path) -> None:
    """Resident memory over the number of pictures."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.add_subplot()
    across = [row["pictures"] for row in measured["rows"]]
    for name, color in (("most", "#d97a2b"), ("median", "#2b6cb0")):
        axes.plot(across, [row[name] / 1e3 for row in measured["rows"]], color=color, label=f"{name} of 50 pictures")
    axes.set_xlabel("pictures done")
    axes.set_ylabel("resident memory, GB")
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def _draw_scaling(rows: list[dict[str, Any]], path: Path) -> None:
    """Pictures a second over the number of workers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        alone = own[0]["a picture"]
        axes.plot([row["workers"] for row in own], [alone / row["a picture"] for row in own], marker="o", label=way)
    most = max(row["workers"] for row in rows)
    axes.plot([1, most], [1, most], color="#999999", linestyle=":", label="linear")
    axes.set_xlabel("workers whose network only waits")
    axes.set_ylabel("speed over one worker")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)

"""Charts of what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import networks
from .ways import PUBLISHED

_FP32, _BF16, _THEIRS = "#2b6cb0", "#d97a2b", "#999999"


def draw(results: dict[str, Any], folder: Path) -> None:
    """Draw a chart of each part that was measured and has one."""
    charts = {"generators": _draw_ways, "pictures": _draw_curves, "memory": _draw_memory}
    for part, draw_chart in charts.items():
        if part in results:
            draw_chart(results[part]["measured"], folder / f"{part}.png")


def _draw_ways(measured: dict[str, Any], path: Path) -> None:
    """Seconds for one face of 512 pixels, and the roofs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    rows = [row for row in measured["rows"] if row["size"] == 512 and row["batch"] == 1]
    rows.sort(key=lambda row: -row["seconds"][1])
    for index, row in enumerate(rows):
        best, median, worst = row["seconds"]
        color = _BF16 if row["way"].endswith("bf16") else _FP32
        if row["way"].startswith(PUBLISHED):
            color = _THEIRS
        axes.barh(index, median, color=color, xerr=[[median - best], [worst - median]], error_kw={"alpha": 0.5})
        axes.text(worst + 0.05, index, f"{median:.2f} s", va="center", fontsize=9)
    operations = networks.flops(networks.config(512))
    for name, color in (("fp32", _FP32), ("bf16", _BF16)):
        place = operations / measured["roofs"][name]
        axes.axvline(place, color=color, linestyle=":", linewidth=1.2)
        axes.text(place, len(rows) - 0.4, f" roof {name}", color=color, fontsize=8)
    axes.set_yticks(range(len(rows)), [row["way"] for row in rows])
    axes.set_xlabel("seconds for one face of 512 pixels (median; lines: best and worst round)")
    axes.set_ylim(-0.6, len(rows) - 0.1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def _draw_curves(measured: dict[str, Any], path: Path) -> None:
    """Milliseconds a face over the number of faces, and over the size of the picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    counts, sizes = figure.subplots(1, 2)
    curves = measured["curves"]
    groups = {"network": ("restore",), "align, detail, paste": ("align", "landmarks", "detail", "paste")}
    for axes, points, x in ((counts, curves["faces"], "faces"), (sizes, curves["megapixels"], "megapixels")):
        across = [point[x] for point in points]
        for name, stages in groups.items():
            axes.plot(
                across,
                [1e3 * sum(point["stages"][stage] for stage in stages) / max(point["faces"], 1) for point in points],
                marker="o",
                label=name,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(across, [f"{value:.0f}" for value in across])
        axes.set_ylabel("ms a face")
        axes.grid(alpha=0.3)
    detection = [1e3 * point["stages"]["detect"] for point in curves["megapixels"]]
    sizes.plot(
        [point["megapixels"] for point in curves["megapixels"]], detection, marker="s", label="detection, ms a picture"
    )
    counts.set_xlabel("faces in a picture of 8.6 megapixels")
    sizes.set_xlabel("megapixels (one face of about 200 pixels)")
    for axes in (counts, sizes):
        axes.set_ylim(0)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def _draw_memory(measured: list[dict[str, Any]], path: Path) -> None:
    """Peak memory over the batch size."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for size in sorted({row["size"] for row in measured}):
        rows = [row for row in measured if row["size"] == size]
        asked = [row for row in rows if row["batch_size"]]
        axes.plot(
            [row["batch_size"] for row in asked], [row["peak"] / 1e3 for row in asked], marker="o", label=str(size)
        )
        for row in rows:
            if not row["batch_size"]:
                axes.plot(row["chosen"], row["peak"] / 1e3, marker="*", color="black", markersize=11, linestyle="none")
    axes.set_xscale("log", base=2)
    axes.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axes.set_xlabel("faces a pass (stars: what the package chooses)")
    axes.set_ylabel("peak memory, GB")
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    axes.legend(title="pixels", fontsize=8)
    figure.savefig(path, dpi=110)

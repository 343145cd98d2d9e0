"""The page and the charts of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import networks
from ways import PUBLISHED

_TEMPLATE = Path(__file__).with_name("template.md")


def write(results: dict[str, Any], docs: Path) -> None:
    """Write docs/performance.md and the charts beside its results."""
    folder = docs / "performance"
    parts: dict[str, Callable[[Any, Path], dict[str, str]]] = {
        "start": _start,
        "generators": _generators,
        "accuracy": _accuracy,
        "pictures": _pictures,
        "memory": _memory,
    }
    text = {"machine": _machines(results)}
    for part, describe in parts.items():
        text |= describe(results[part]["measured"], folder)
    text["gpus"] = _gpu(results["gpu"]["measured"]) if "gpu" in results else _NO_GPU
    (docs / "performance.md").write_text(
        _TEMPLATE.read_text(encoding="utf-8").format(**text), encoding="utf-8", newline="\n"
    )


_NO_GPU = """No GPU was at hand, and none of this has been measured: on a processor its choice and its giving way are
tested, and, with a pretended device, that everything lies where it should. Where there is a GPU,
`python benchmarks/run.py --only gpu` measures it."""


def _gpu(measured: Any) -> str:
    rows = [
        [
            row["way"],
            str(row["batch"]),
            *(f"{1e3 * seconds:.2f}" for seconds in row["seconds"]),
            f"{row['seconds'][0] / _floor(row, measured['roofs']):.2f}",
            f"{100 * row['kernels']:.0f} %",
        ]
        for row in measured["rows"]
    ]
    header = ("way", "faces", "ms a face, best", "median", "over roofline", "kernels work")
    roofs = ", ".join(f"{value / 1e12:.0f} TFLOP/s in {name}" for name, value in measured["roofs"].items())
    ends = "\n".join(
        f"- {run['count']} portraits of 1024 x 1024 pixels with {name} in bf16: {run['total']:.1f} s, of it reading "
        f"{run['read']:.1f} s, restoring {run['restore']:.1f} s, writing {run['write']:.1f} s."
        for name, run in measured["portraits"].items()
    )
    return f"{measured['device']}, faces of 512 pixels; convolutions reach {roofs}.\n\n{_table(header, rows)}\n\n{ends}"


def _machines(results: dict[str, Any]) -> str:
    facts = {}
    for part, result in results.items():
        one = result["machine"]
        bf16 = "with bf16 instructions" if one["bf16"] else "without bf16 instructions"
        line = (
            f"{one['processor']}, {one['cores']} cores {bf16}, {one['threads']} threads, Python {one['python']}, torch "
            f"{one['torch']}, OpenVINO {one['openvino']}, ONNX Runtime {one['onnxruntime']}, {one['date']}"
        )
        facts.setdefault(line, []).append(part)
    if len(facts) == 1:
        return f"{next(iter(facts))}."
    return "\n".join(f"- {', '.join(parts)}: {line}." for line, parts in facts.items())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    rule = "|" + "---|" * left + "--:|" * (len(header) - left)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, *rows)).replace(
        "| " + " | ".join(header) + " |", "| " + " | ".join(header) + " |\n" + rule, 1
    )


def _start(measured: Any, _: Path) -> dict[str, str]:
    rows = {row["command"]: row for row in measured["rows"]}
    torch = rows["import torch"]
    table = [
        [f"`{name}`", *(f"{row[kind]:.2f}" for kind in ("wall", "work")), f"{row['work'] / torch['work']:.2f}"]
        for name, row in rows.items()
    ]
    header = ("command", "s on the clock", "s of work", "work over import torch")
    state = "keeps compiled modules" if measured["compiled"] else "compiles every module anew at each start"
    return {
        "start": _table(header, table),
        "start_rounds": str(measured["rounds"]),
        "start_compiled": state,
        "start_load": f"{measured['load']:.1f}",
        "start_more": f"{rows['gpen restore']['work'] - torch['work']:.1f}",
    }


def _generators(measured: Any, folder: Path) -> dict[str, str]:
    rows = measured["rows"]
    table = [
        [
            f"{row['size']}",
            f"{row['batch']}",
            row["way"],
            f"{row['seconds'][0]:.3f}",
            f"{row['seconds'][1]:.3f}" if row["rounds"] > 1 else "",
            f"{row['ratio'][1]:.3f} ({row['ratio'][0]:.3f}-{row['ratio'][2]:.3f})" if row["ratio"] else "",
            f"{row['seconds'][0] / _floor(row, measured['roofs']):.2f}",
        ]
        for row in rows
    ]
    header = ("size", "faces", "way", "s a face, best", "median", "over published (spread)", "over roofline")
    _draw_ways([row for row in rows if row["size"] == 512 and row["batch"] == 1], measured["roofs"], folder)
    roofs = " and ".join(f"{value / 1e9:.0f} GFLOP/s in {name}" for name, value in measured["roofs"].items())
    return {"generators": _table(header, table, left=3), "roofs": roofs}


def _floor(row: dict[str, Any], roofs: dict[str, float]) -> float:
    """Seconds a face under the roof."""
    number_format = row["way"].split()[-1]  # none is named where it can only be fp32
    return networks.flops(networks.config(row["size"])) / roofs.get(number_format, roofs["fp32"])


def _draw_ways(rows: list[dict[str, Any]], roofs: dict[str, float], folder: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    rows = sorted(rows, key=lambda row: -row["seconds"][1])
    for index, row in enumerate(rows):
        best, median, worst = row["seconds"]
        colour = "#d97a2b" if row["way"].endswith("bf16") else "#2b6cb0"
        if row["way"].startswith(PUBLISHED):
            colour = "#999999"
        axes.barh(index, median, color=colour, xerr=[[median - best], [worst - median]], error_kw={"alpha": 0.5})
        axes.text(worst + 0.05, index, f"{median:.2f} s", va="center", fontsize=9)
    operations = networks.flops(networks.config(512))
    for name, colour in (("fp32", "#2b6cb0"), ("bf16", "#d97a2b")):
        place = operations / roofs[name]
        axes.axvline(place, color=colour, linestyle=":", linewidth=1.2)
        axes.text(place, len(rows) - 0.4, f" roof {name}", color=colour, fontsize=8)
    axes.set_yticks(range(len(rows)), [row["way"] for row in rows])
    axes.set_xlabel("seconds for one face of 512 pixels (median; lines: best and worst round)")
    axes.set_ylim(-0.6, len(rows) - 0.1)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "generators.png", dpi=110)


def _accuracy(measured: Any, folder: Path) -> dict[str, str]:
    rows = [
        [row["network"], str(row["crops"]), row["way"], f"{row['mean']:.4f}", f"{row['max']:.2f}"] for row in measured
    ]
    return {"accuracy": _table(("network", "crops", "way", "mean, 255ths", "largest, 255ths"), rows, left=3)}


_NAMES = {"portrait": "24-megapixel portrait", "frames": "32 frames of 512 x 512", "photograph": "group photograph"}


def _pictures(measured: Any, folder: Path) -> dict[str, str]:
    stages = ("detect", "landmarks", "align", "restore", "detail", "paste")
    rows = []
    for job in measured["jobs"]:
        times = [f"{job['stages'].get(stage, 0):.2f}" for stage in stages]
        per_second = job["faces"] / job["total"]
        model = "gpen-lite-256" if job["model"] == "bundled" else "official 512 shape"
        rows.append([
            _NAMES[job["job"]],
            f"{model}, {'fp32' if job['precision'] == 'published' else job['precision']}, {job['backend']}",
            str(job["faces"]),
            *times,
            f"{job['total']:.2f}",
            f"{per_second:.2f}",
            f"{job['peak']:,}",
        ])  # fmt: skip
    header = ("picture", "network", "faces", *stages, "all", "faces a second", "peak MB")
    portrait = next(job for job in measured["jobs"] if job["job"] == "portrait")
    files = (
        f"reading {portrait['read']:.2f} s, writing JPEG {portrait['write']['.jpg']:.2f} s, PNG "
        f"{portrait['write']['.png']:.2f} s"
    )
    _draw_curves(measured["curves"], folder)
    small, *_, large = measured["curves"]["megapixels"]
    growth = sum(large["stages"][stage] - small["stages"][stage] for stage in ("align", "detail", "paste"))
    per_megapixel = f"{1e3 * growth / (large['megapixels'] - small['megapixels']):.0f}"
    return {"pictures": _table(header, rows, left=2), "files": files, "per_megapixel": per_megapixel}


def _draw_curves(curves: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    counts, sizes = figure.subplots(1, 2)
    groups = {
        "network": ("restore",),
        "align, detail, paste": ("align", "landmarks", "detail", "paste"),
    }
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
    figure.savefig(folder / "pictures.png", dpi=110)


def _memory(measured: Any, folder: Path) -> dict[str, str]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    rows = []
    for size in sorted({row["size"] for row in measured}):
        points = [row for row in measured if row["size"] == size]
        asked = [row for row in points if row["batch_size"]]
        axes.plot(
            [row["batch_size"] for row in asked], [row["peak"] / 1e3 for row in asked], marker="o", label=str(size)
        )
        for row in points:
            if not row["batch_size"]:
                axes.plot(row["chosen"], row["peak"] / 1e3, marker="*", color="black", markersize=11, linestyle="none")
            batch = str(row["batch_size"]) if row["batch_size"] else f"automatic ({row['chosen']})"
            rows.append([
                str(size),
                str(row["faces"]),
                batch,
                f"{row['before']:,}",
                f"{row['peak']:,}",
                f"{row['seconds'] / row['faces']:.2f}",
            ])  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axes.set_xlabel("faces a pass (stars: what the package chooses)")
    axes.set_ylabel("peak memory, GB")
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    axes.legend(title="pixels", fontsize=8)
    figure.savefig(folder / "memory.png", dpi=110)
    header = ("size", "faces", "batch size", "MB before", "MB at peak", "s a face")
    return {"memory": _table(header, rows, left=1)}

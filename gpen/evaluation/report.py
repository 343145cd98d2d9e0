"""Reports of an evaluation: JSON and a table."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np

from ..versions import installed_version, package_version
from ..wording import markdown_table
from .evaluate import Evaluation, Measured
from .meter import Row
from .metrics import DETAIL_FROM

Summary = dict[str, Any]

MEASURES = {
    "psnr": "decibels over R, G and B of values in 0..1; 100 stands for equal pictures",
    "ssim": "-1..1, mean over R, G and B",
    "ms_ssim": "0..1, five scales",
    "psnr_gain": "decibels above the input's PSNR",
    "ssim_gain": "above the input's SSIM",
    "high_frequency_ratio": f"variance of luma from {DETAIL_FROM} cycles per pixel on, over the truth's",
    "detail_power": f"variance of luma from {DETAIL_FROM} cycles per pixel on",
    "truth_detail_power": "the truth's, under the same window",
    "detail_correlation_16_8": "-1..1, with the truth's detail from 1/16 to 1/8 cycles per pixel",
    "detail_correlation_8_4": "-1..1, with the truth's detail from 1/8 to 1/4 cycles per pixel",
    "spectral_distance": "mean absolute decibels from the truth's power, over all frequencies",
    "spectral_distance_bands": "the same over each band of gpen spectrum",
    "effective_resolution": "pixels: the side at which the picture would hold no less",
    "high_frequency_share": "share of the variance of luma from 1/4 cycles per pixel on",
    "landmark_distance": "eye distances, mean over the landmarks; none where a face was not found",
    "face_lost": "no face was found in the result, and one was in the truth",
    "lpips": "0 for equal pictures",
    "identity": "likeness to the face of the truth, -1..1",
}
"""Measures of a picture and their units."""

_PACKAGES = ("torch", "torchvision", "torchmetrics", "torch-fidelity", "numpy", "opencv-python", "pillow")
# Measures with another average, or none.
_NOT_AVERAGED = frozenset({"face_lost", "spectral_distance_bands", "detail_power", "truth_detail_power"})


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        title: title with the direction of improvement.
        path: path of the number in a summary.
        digits: digits after the decimal point.
        percent: whether to show it as a percentage.
    """

    title: str
    path: tuple[str, ...]
    digits: int = 3
    percent: bool = False

    def text(self, summary: Summary) -> str:
        """The number, or a dash."""
        value: Any = summary
        for key in self.path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return "-"
        return f"{value:.{self.digits}%}" if self.percent else f"{value:.{self.digits}f}"


LINES = (
    Line("PSNR, dB ↑", ("psnr", "mean"), 2),
    Line("SSIM ↑", ("ssim", "mean"), 4),
    Line("MS-SSIM ↑", ("ms_ssim", "mean"), 4),
    Line("PSNR gain, mean, dB ↑", ("psnr_gain", "mean"), 2),
    Line("PSNR gain, worst, dB ↑", ("psnr_gain", "min"), 2),
    Line("pictures with less PSNR ↓", ("psnr_gain", "worse"), 1, percent=True),
    Line("SSIM gain, mean ↑", ("ssim_gain", "mean"), 4),
    Line("SSIM gain, worst ↑", ("ssim_gain", "min"), 4),
    Line("pictures with less SSIM ↓", ("ssim_gain", "worse"), 1, percent=True),
    Line("detail over the truth's (mean power) → 1", ("high_frequency_ratio", "of_mean_powers")),
    Line("detail over the truth's (median) → 1", ("high_frequency_ratio", "median")),
    Line("detail correlation, 1/16 to 1/8 ↑", ("detail_correlation_16_8", "mean")),
    Line("detail correlation, 1/8 to 1/4 ↑", ("detail_correlation_8_4", "mean")),
    Line("spectral distance, dB ↓", ("spectral_distance", "mean"), 2),
    Line("effective resolution, px", ("effective_resolution", "mean"), 0),
    Line("landmark distance, eye distances ↓", ("landmark_distance", "mean"), 4),
    Line("faces lost ↓", ("faces_lost",), 0),
    Line("LPIPS ↓", ("lpips", "mean"), 4),
    Line("FID ↓", ("fid",), 2),
    Line("identity ↑", ("identity", "mean")),
)


def summarise(rows: Sequence[Row]) -> Summary:
    """Mean, median, minimum and maximum of each measure over pictures; None values are ignored.

    For gains also `worse`, the share of pictures that lost; for the high-frequency ratio also `of_mean_powers`, the
    ratio of the mean powers.
    """
    summary: Summary = {}
    for key in MEASURES:
        values = [row[key] for row in rows if row.get(key) is not None]
        if not values or key in _NOT_AVERAGED:
            continue
        summary[key] = {
            "mean": float(np.mean(values)),
            "median": float(np.median(values)),
            "min": float(min(values)),
            "max": float(max(values)),
            "pictures": len(values),
        }
        if key.endswith("_gain"):
            summary[key]["worse"] = float(np.mean([value < 0 for value in values]))
    if "high_frequency_ratio" in summary:
        power, truth = (sum(row[key] for row in rows) for key in ("detail_power", "truth_detail_power"))
        summary["high_frequency_ratio"]["of_mean_powers"] = power / truth if truth > 0 else None
        bands = [row["spectral_distance_bands"] for row in rows]
        summary["spectral_distance"]["bands"] = {
            name: float(np.mean([band[name] for band in bands])) for name in bands[0]
        }
        summary["faces_lost"] = sum(row["face_lost"] for row in rows)
    return summary


def report(evaluation: Evaluation, source: dict[str, Any]) -> dict[str, Any]:
    """An evaluation as JSON-serialisable data.

    Args:
        evaluation: result of `evaluate`.
        source: the `facts` of the pairs.
    """
    methods = []
    for method in evaluation.methods:
        summary = summarise([picture.methods[method.name] for picture in evaluation.pictures])
        if method.name in evaluation.fid:
            summary["fid"] = evaluation.fid[method.name]
        methods.append({"name": method.name, **method.facts, "summary": summary})
    truths = [picture.truth for picture in evaluation.pictures if picture.truth is not None]
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": _versions(),
        "source": source,
        "measures": MEASURES,
        "measured_with": evaluation.instruments,
        "pictures_measured": len(evaluation.pictures),
        "methods": methods,
        "truth": summarise(truths) if truths else None,
        "judged": evaluation.judged,
        "notes": list(evaluation.notes),
        "skipped": list(evaluation.skipped),
        "pictures": [_describe(picture) for picture in evaluation.pictures],
    }


def _describe(picture: Measured) -> dict[str, Any]:
    return {"name": picture.name, **picture.facts, "truth_measures": picture.truth, "methods": picture.methods}


def _versions() -> dict[str, str]:
    versions = {"gpen-blocks": package_version(), "python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        if version := installed_version(name):
            versions[name] = version
    return versions


def table(body: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Column titles and lines of the table; lines without any number are omitted.

    Args:
        body: from `report`.
    """
    columns = {method["name"]: method["summary"] for method in body["methods"]}
    if body["truth"]:
        columns["truth"] = body["truth"]
    rows = [[line.title, *(line.text(summary) for summary in columns.values())] for line in LINES]
    return ["", *columns], [row for row in rows if set(row[1:]) != {"-"}]


def markdown(body: dict[str, Any]) -> str:
    """The table with an explanation, as Markdown.

    Args:
        body: from `report`.
    """
    titles, rows = table(body)
    source = ", ".join(f"{key} {value}" for key, value in body["source"].items())
    models = [
        f"- {method['name']}: {method['size']} x {method['size']}, template {method['template']}, "
        f"`{method['file']}`, SHA-256 `{method['sha256']}`"
        for method in body["methods"]
        if method["kind"] == "model"
    ]
    models += [
        f"- {method['name']}: {method['architecture']}, enlarges {method['scale']} times, `{method['file']}`, SHA-256 "
        f"`{method['sha256']}`"
        for method in body["methods"]
        if method["kind"] == "upscaler"
    ]
    parts = [
        "# Evaluation",
        f"{body['pictures_measured']} pictures: {source}. {body['date']}.",
        markdown_table(titles, rows),
        "Gains are those over the input. Detail is the variance of luma from 1/8 cycles per pixel on: energy without "
        "correlation is invented. Figures of other sets of pictures do not compare with these.",
        "\n".join(models),
        "\n".join(f"- {note}" for note in body["notes"]),
        "\n".join(f"- passed over: {one['file']}: {one['reason']}" for one in body["skipped"]),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in body["versions"].items()) + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"

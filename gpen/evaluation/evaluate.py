"""Evaluate face restoration: run methods on pairs and compare every result with the original."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import GPENError, SettingsError
from ..progress import Progress, silent
from ..wording import count
from .meter import Meter, Row
from .methods import BASELINE, Method
from .metrics import Moments, frechet_distance
from .pairs import Pair, Pairs

# Key for the features of the originals beside those of the methods, whose names are longer.
_TRUTH = ""


@dataclass(frozen=True, eq=False)
class Measured:
    """Measurements of one pair.

    Attributes:
        index: index in the `Pairs`.
        name: name of the pair.
        facts: facts of the pair, with the sides of both pictures.
        truth: measurements of the original itself; None if unknown.
        methods: measurements of each method's result.
    """

    index: int
    name: str
    facts: dict[str, Any]
    truth: Row | None
    methods: dict[str, Row]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        methods: the methods; the first is the baseline.
        pictures: measurements in the order of the pairs.
        fid: FID of each method; empty if not measured.
        skipped: skipped files, `{"file", "reason"}` each.
        instruments: networks used for measuring, JSON-serialisable.
        notes: sentences about missing measures and caveats.
    """

    methods: tuple[Method, ...]
    pictures: tuple[Measured, ...]
    fid: dict[str, float]
    skipped: tuple[dict[str, str], ...]
    instruments: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def judged(self) -> str:
        """The method used for ranking pictures: the first model, otherwise the last method."""
        models = [method.name for method in self.methods if method.template]
        return models[0] if models else self.methods[-1].name

    def by_gain(self) -> list[Measured]:
        """The pictures sorted by the PSNR gain of the `judged` method, lowest first; empty without originals."""
        ranked = [picture for picture in self.pictures if "psnr_gain" in picture.methods[self.judged]]
        return sorted(ranked, key=lambda picture: picture.methods[self.judged]["psnr_gain"])


def evaluate(
    pairs: Pairs, methods: Sequence[Method], meter: Meter, *, batch_size: int = 8, progress: Progress = silent
) -> Evaluation:
    """Restore all pairs with all methods and measure the results in the original's size.

    Only numbers are stored; memory is needed for `batch_size` pictures and, for FID, 34 MB per method.

    Args:
        pairs: pairs to restore. Unreadable ones are skipped and named in the result.
        methods: the methods; gains are relative to the first.
        meter: defines the measures.
        batch_size: pictures per batch, all of one size.
        progress: called after each batch with ("evaluate", done, total); what it raises ends the work.

    Raises:
        SettingsError: not one pair could be read.
    """
    skipped = list(pairs.skipped)
    pictures: list[Measured] = []
    features: dict[str, Moments] = {}
    for batch in _batches(pairs, batch_size, skipped):
        found = _evaluate_batch([pair for _, pair in batch], methods, meter, features)
        pictures += [
            Measured(index, pair.name, _facts_of(pair), *rows) for (index, pair), rows in zip(batch, found, strict=True)
        ]
        progress("evaluate", len(pictures), len(pairs))
    if not pictures:
        raise SettingsError(
            f"None of {count(len(pairs), 'picture')} could be read; the first one: {skipped[0]['reason']}"
        )
    truth = features.pop(_TRUTH, None)
    fid: dict[str, float] = {}
    if truth is not None and truth.count > 1:
        fid = {name: frechet_distance(moments, truth) for name, moments in features.items()}
    notes = (*_notes(pairs, methods, pictures), *meter.notes, *_notes_on_fid(truth))
    return Evaluation(tuple(methods), tuple(pictures), fid, tuple(skipped), meter.find_faces.facts, notes)


def _batches(pairs: Pairs, batch_size: int, skipped: list[dict[str, str]]) -> Iterator[list[tuple[int, Pair]]]:
    """Yield up to `batch_size` consecutive pairs of one size; unreadable ones are added to `skipped`."""
    batch: list[tuple[int, Pair]] = []
    for index in range(len(pairs)):
        try:
            pair = pairs.load(index)
        except GPENError as error:
            skipped.append({"file": pairs.name(index), "reason": str(error)})
            continue
        if batch and (len(batch) == batch_size or _sides(pair) != _sides(batch[0][1])):
            yield batch
            batch = []
        batch.append((index, pair))
    if batch:
        yield batch


def _sides(pair: Pair) -> tuple[int, int]:
    """Side of the degraded picture, and side at which results are compared."""
    own = pair.degraded.shape[-1]
    return own, own if pair.truth is None else pair.truth.shape[-1]


def _facts_of(pair: Pair) -> dict[str, Any]:
    own, side = _sides(pair)
    return {**pair.facts, "degraded_side": own, "side": side}


def _evaluate_batch(
    pairs: Sequence[Pair], methods: Sequence[Method], meter: Meter, features: dict[str, Moments]
) -> list[tuple[Row | None, dict[str, Row]]]:
    """Measure the original and each method's result, for each pair."""
    degraded = torch.cat([pair.degraded for pair in pairs])
    truths = [pair.truth for pair in pairs if pair.truth is not None]
    reference = meter.look_at(torch.cat(truths)) if truths else None
    by_method: dict[str, list[Row]] = {}
    for method in methods:
        seen = meter.look_at(method.run(degraded, _sides(pairs[0])[1]))
        by_method[method.name] = meter.compare(seen, reference) if reference else meter.describe(seen)
        if seen.features is not None and reference and reference.features is not None:
            features.setdefault(method.name, Moments(seen.features.shape[1])).add(seen.features)
    if reference and reference.features is not None:
        features.setdefault(_TRUTH, Moments(reference.features.shape[1])).add(reference.features)
    for rows in by_method.values():
        _add_gains(rows, by_method[methods[0].name])
    truth_rows: Sequence[Row | None] = meter.describe(reference) if reference else [None] * len(pairs)
    return [
        (truth, {name: rows[number] for name, rows in by_method.items()}) for number, truth in enumerate(truth_rows)
    ]


def _add_gains(rows: list[Row], baseline: list[Row]) -> None:
    for row, before in zip(rows, baseline, strict=True):
        for name in ("psnr", "ssim"):
            value, was = row.get(name), before.get(name)
            if row is not before and value is not None and was is not None:
                row[f"{name}_gain"] = value - was


def render(pairs: Pairs, methods: Sequence[Method], index: int) -> list[tuple[str, torch.Tensor]]:
    """One pair as a row of a sheet: title and 1 x 3 x T x T of the input, each result, and the original if known."""
    pair = pairs.load(index)
    side = _sides(pair)[1]
    shown = [(method.name, method.run(pair.degraded, side)) for method in methods]
    return shown if pair.truth is None else [*shown, ("truth", pair.truth)]


def _notes_on_fid(truth: Moments | None) -> tuple[str, ...]:
    if truth is None or truth.count >= 2048:
        return ()
    if truth.count < 2:
        return ("FID is not measured: it needs at least two pictures.",)
    return (f"FID of {truth.count} pictures is biased upwards; compare it only with that of equally many.",)


def _notes(pairs: Pairs, methods: Sequence[Method], pictures: Sequence[Measured]) -> list[str]:
    resized = sum(picture.facts["degraded_side"] != picture.facts["side"] for picture in pictures)
    if resized:
        notes = [
            f"{BASELINE} is the degraded picture, brought to the truth's size by bicubic interpolation ({resized} "
            f"of {count(len(pictures), 'picture')})."
        ]
    else:
        notes = [f"{BASELINE} is the degraded picture itself: it has full size, so there is no other bicubic baseline."]
    templates = {method.template for method in methods if method.template}
    if pairs.template and templates - {pairs.template}:
        others = ", ".join(method.name for method in methods if method.template not in (None, pairs.template))
        notes.append(
            f"The crops are aligned to the template {pairs.template}, and {others} was taught on another one: its "
            "figures are below what it reaches in gpen restore."
        )
    elif len(templates) > 1:
        notes.append("The models were taught on crops of different templates, so that not all of them suit these.")
    return notes

"""Restore the faces of frames so that they stay steady: in windows of consecutive frames, as steps and as stages.

    prepare_frames -> cut_frames -> restore -> judge_frames -> settle_frames -> shape_frames -> carry_frames ->
    paste_frames

Only `prepare_frames`, `settle_frames` and `carry_frames` need what the window before left behind. They are quick, but
for the first, which does nothing unless the settings ask for it. Everything else of several windows can run at the same
time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from ...progress import Progress, silent
from ...restored import RestoredWindow
from ...settings import Settings
from ...stages import Judgement, Networks, RestoredFaces, judge_faces, keep_own_detail
from ...steps import CutWindow, cut_window, paste_window, restore_window_crops
from ...types import Faces
from .carry import CarriedDetail, carry_detail
from .matching import match_slowly
from .preparing import SlowPreparation, prepare_frame
from .state import SteadyState
from .tracks import Tracks
from .values import SlowValues, go_on, is_judged


@dataclass(eq=False)
class SteadyWork:
    """A window of frames on its way; each step adds to it and drops what no later one needs.

    Attributes:
        numbers: of the frames, consecutive.
        images: B x 3 x H x W in 0..1; no pixels if nothing is to be done.
        source: the same prepared; None if the settings do not ask for it.
        cut: from `cut_frames`; None if there is no face.
        track, frame, share: of each face, its track, the number of its frame, and its share of the strength.
        answer: from the network.
        backend: what ran the network; empty if nothing did.
        judged: judgements by face.
        values: of each face.
        restored: with detail.
        result: what was pasted.
        state: what the window leaves behind.
        failed: why it could not be restored; empty if it could. Its frames stay as they are, and what the window before
            left behind goes on after it.
    """

    numbers: Sequence[int]
    images: torch.Tensor
    source: torch.Tensor | None = None
    cut: CutWindow | None = None
    track: Sequence[int] = ()
    frame: Sequence[int] = ()
    share: Sequence[float] = ()
    answer: torch.Tensor | None = None
    backend: str = ""
    judged: dict[int, Judgement] = field(default_factory=dict)
    values: list[SlowValues] = field(default_factory=list)
    restored: RestoredFaces | None = None
    result: RestoredWindow | None = None
    state: SteadyState = field(default_factory=SteadyState)
    failed: str = ""

    def fail(self, reason: str) -> None:
        """Leave the frames as they are, whatever steps were done."""
        self.failed, self.source, self.cut, self.answer, self.restored = reason, None, None, None, None
        self.track, self.frame, self.share, self.values, self.judged = (), (), (), [], {}
        self.result = _unchanged(self.images)

    def scale(self, number: int) -> float:
        """Pixels of the crop of a face for one of its frame."""
        assert self.cut is not None
        return math.sqrt(abs(float(np.linalg.det(self.cut.alignments[number].matrix[:, :2]))))

    @property
    def crops(self) -> torch.Tensor | None:
        """N x 3 x S x S in 0..1, that wait for the network; None if there is no face."""
        return self.cut.before if self.cut else None


class SteadyChain:
    """The steps for one video.

    Args:
        tracks: smooth ones of the faces to restore.
        networks: from `load_networks`; a backend `auto` is settled, see `backends.settled`, or the network could change
            within the video.
        settings: what to restore and how.
        spans: first and last frame of each track, for those that go beyond the frames of `tracks`.
        area: N x 1 x H x W in 0..1: where each frame, by its number, may change; None: everywhere.
    """

    def __init__(
        self,
        tracks: Tracks,
        networks: Networks,
        settings: Settings,
        *,
        spans: Mapping[int, tuple[int, int]] | None = None,
        area: torch.Tensor | None = None,
    ) -> None:
        networks.require(settings)
        self._tracks, self._networks, self._settings, self._area = tracks, networks, settings, area
        own = {number: tracks.frame[tracks.rows_of(number)] for number in tracks.numbers}
        ends = {number: (int(frames[0]), int(frames[-1])) for number, frames in own.items()} | dict(spans or {})
        self._first = {number: first for number, (first, _) in ends.items()}
        self._last = {number: last for number, (_, last) in ends.items()}

    def faces_of(self, numbers: Sequence[int]) -> Faces:
        """The faces in frames."""
        return self._tracks.faces_of(numbers)[0]

    def changes(self, numbers: Sequence[int]) -> bool:
        """Whether there is anything to do in frames: a face in one of them, or a preparation of all."""
        return self.prepares or len(self.faces_of(numbers)) > 0

    @property
    def prepares(self) -> bool:
        """Whether whole frames are prepared: all of a shot alike, with a face or without."""
        return self._settings.prepares

    def prepare_frames(
        self, work: SteadyWork, before: SlowPreparation | None, progress: Progress = silent
    ) -> SlowPreparation | None:
        """Prepare whole frames, given what the window before left behind; returns what this one does."""
        if not self.prepares:
            return None
        prepared, cuts, last = [], set(self._tracks.cuts.tolist()), before
        for position, number in enumerate(work.numbers):
            progress("prepare", position, len(work.numbers))
            faces, rows = self._tracks.faces_of([number])
            image, numbers = work.images[position : position + 1], self._tracks.track[rows].tolist()
            image, last = prepare_frame(image, number, faces, numbers, last, cuts, self._settings)
            prepared.append(image)
        assert last is not None, "a window has frames"
        work.source = torch.cat(prepared)
        lights = {number: one for number, one in last.lights.items() if self._goes_on(number, work)}
        return replace(last, lights=lights)

    def cut_frames(self, work: SteadyWork, progress: Progress = silent) -> None:
        """Cut the crops."""
        faces, rows = self._tracks.faces_of(work.numbers)
        if not len(faces):
            return
        area = self._area
        work.cut = cut_window(
            work.images,
            faces,
            self._networks,
            self._settings,
            source=work.source,
            area=None if area is None else area[work.numbers[0] : work.numbers[-1] + 1],
            progress=progress,
        )
        work.track, work.frame = self._tracks.track[rows].tolist(), self._tracks.frame[rows].tolist()
        work.share = self._tracks.share[rows].tolist()

    def judge_frames(self, work: SteadyWork) -> None:
        """Judge the faces whose turn it is."""
        if work.cut is None or work.answer is None:
            return
        pairs = enumerate(zip(work.frame, work.track, strict=True))
        due = [n for n, (frame, track) in pairs if is_judged(frame, self._first[track])]
        cut, own = work.cut, tuple(work.cut.alignments[n] for n in due)
        judged = judge_faces(cut.source, cut.before[due], work.answer[due], own, self._settings)
        work.judged = dict(zip(due, judged, strict=True))

    def settle_frames(self, work: SteadyWork, before: Mapping[int, SlowValues]) -> Mapping[int, SlowValues]:
        """Settle the values of each face, given those the window before left behind; returns what this one leaves."""
        after, settled = {}, dict[int, SlowValues]()
        for number in sorted(set(work.track)):
            own = [n for n, track in enumerate(work.track) if track == number]
            new = [(work.judged[n], work.scale(n)) for n in own if n in work.judged]
            each, after[number] = go_on(before.get(number), new, len(own))
            settled |= zip(own, each, strict=True)
        work.values = [settled[n] for n in range(len(work.track))]
        return {number: one for number, one in after.items() if self._goes_on(number, work)}

    def shape_frames(self, work: SteadyWork, progress: Progress = silent) -> None:
        """Keep the photograph's own detail."""
        if work.cut is None or work.answer is None:
            return
        judgements, cut = [one.judgement(work.scale(n)) for n, one in enumerate(work.values)], work.cut
        work.restored = keep_own_detail(
            cut.source,
            cut.before,
            work.answer,
            cut.alignments,
            self._settings,
            judgements=judgements,
            progress=lambda done, total: progress("detail", done, total),
        )
        work.answer, work.judged = None, {}

    def carry_frames(self, work: SteadyWork, before: Mapping[int, CarriedDetail]) -> Mapping[int, CarriedDetail]:
        """Carry the detail along, given what the window before left behind; returns what this one does."""
        details = dict(before)
        if work.cut is not None and work.restored is not None:
            for n, number in enumerate(work.track):
                if work.restored.records[n].left_alone is not None:
                    details.pop(number, None)
                    continue
                crop, details[number] = carry_detail(work.cut.before[n], work.restored.after[n], details.get(number))
                work.restored.after[n] = crop
        return {number: one for number, one in details.items() if self._goes_on(number, work)}

    def match_frames(self, work: SteadyWork, before: Mapping[int, np.ndarray]) -> Mapping[int, np.ndarray]:
        """Match colours by `mean_std`, given what the window before left behind; returns what this one does."""
        matches = dict(before)
        if self._settings.color_match == "mean_std" and work.cut is not None and work.restored is not None:
            for n, number in enumerate(work.track):
                record = work.restored.records[n]
                if record.left_alone is None:
                    own, made, last = work.cut.before[n], work.restored.after[n], matches.get(number)
                    crop, matches[number] = match_slowly(own, made, record.alignment, last, self._settings)
                    work.restored.after[n] = crop
        return {number: one for number, one in matches.items() if self._goes_on(number, work)}

    def paste_frames(self, work: SteadyWork, progress: Progress = silent) -> None:
        """Paste the faces."""
        if work.cut is None or work.restored is None:
            work.result = _unchanged(work.images)
            if work.source is not None and not work.failed:
                everywhere = torch.ones_like(work.images[:, :1])
                work.result = replace(work.result, images=work.source, mask=everywhere)
            return
        shares = [share * one.strength for share, one in zip(work.share, work.values, strict=True)]
        records = zip(work.restored.records, shares, strict=True)
        restored = replace(work.restored, records=tuple(replace(record, share=share) for record, share in records))
        matched = self._settings.color_match == "mean_std"  # in `match_frames`
        settings = replace(self._settings, color_match="none") if matched else self._settings
        work.result = paste_window(work.cut, restored, self._networks, settings, progress=progress)
        if work.source is not None:
            work.result = replace(work.result, mask=torch.ones_like(work.result.mask))
        work.cut = work.restored = work.source = None
        work.values = []

    def restore(
        self,
        images: torch.Tensor,
        numbers: Sequence[int],
        state: SteadyState,
        *,
        batch_size: int = 0,
        progress: Progress = silent,
    ) -> tuple[RestoredWindow, SteadyState]:
        """Restore the faces of a window of frames, all steps one after another.

        What comes out depends on where windows begin, a little; so a video that goes on after a stop must have the same
        windows.

        Args:
            images: B x 3 x H x W in 0..1.
            numbers: of the frames, consecutive.
            state: what the window before left behind; `SteadyState()` for the first.
            batch_size: faces per forward pass; 0: as many as memory allows.
            progress: called regularly; an exception it raises ends the work.

        Returns:
            The result, and what this window leaves behind.

        Raises:
            GPENError: there is not enough memory.
        """
        work = SteadyWork(numbers, images)
        preparation = self.prepare_frames(work, state.preparation, progress)
        self.cut_frames(work, progress)
        if work.cut is not None:
            work.answer = restore_window_crops(
                work.cut.before, self._networks, batch_size=batch_size, announced=True, progress=progress
            )
        self.judge_frames(work)
        values = self.settle_frames(work, state.values)
        self.shape_frames(work, progress)
        details, matches = self.carry_frames(work, state.details), self.match_frames(work, state.matches)
        self.paste_frames(work, progress)
        assert work.result is not None
        return work.result, SteadyState(values, details, matches, preparation)

    def _goes_on(self, number: int, work: SteadyWork) -> bool:
        return self._last.get(number, -1) > work.numbers[-1]


def _unchanged(images: torch.Tensor) -> RestoredWindow:
    nothing = images.new_zeros((0, 3, 0, 0))
    return RestoredWindow(images, torch.zeros_like(images[:, :1]), (), nothing, nothing, (None,) * len(images))

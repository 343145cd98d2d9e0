"""What `gpen restore` does with its options: a few pictures at once, or a job with a journal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..choices import LANCZOS
from ..errors import NoPictureError
from ..jobs.collect import Job
from ..jobs.entries import Recipe, name_of, stamp_of
from ..jobs.inputs import Settling, find_inputs, require_other_folder, watched
from ..jobs.job import Order, WorkList, list_work
from ..jobs.journal import Journal
from ..jobs.kept import has_journal, journal_to_read, kept_journal
from ..jobs.plan import first_of, plan
from ..jobs.ray_job import run_on_ray
from ..jobs.ray_worker import Setup
from ..jobs.recording import run_job
from ..jobs.since import changes_since
from ..jobs.tasks import Announce, Outcome, Task
from ..settings import Settings, change_settings
from ..versions import package_version
from ..wording import agree, count, faces_in_words
from .bars import duration
from .call import Call
from .files import open_report
from .interrupts import STOPS
from .run import Run
from .terminal import noted, say

if TYPE_CHECKING:
    from ..restorer import Restorer

# A folder that fills is looked at this often, in seconds. After a look that takes long, it rests a multiple of that.
_LOOK_EVERY, _REST = 0.5, 4


class Restoring:
    """Carries out a call.

    Args:
        call: the options.
        run: prints and counts; it records while this works.
        report: path of the JSON report, if there will be one.
    """

    def __init__(self, call: Call, run: Run, report: Path | None) -> None:
        self._call, self._run, self._report = call, run, report

    def go(self) -> None:
        """Do it.

        Raises:
            GPENError: the work cannot begin, or a job cannot go on.
        """
        try:
            if self._call.watch:
                self._watch()
                return
            call = self._call
            jobs, passed_over = find_inputs(call.inputs, call.files_from, call.recursive, call.output)
            call.check_places(name_of(job.source) for job in jobs)
            if call.folder is not None:
                require_other_folder(jobs, call.folder, call.pattern)
            open_report(self._report)
            self._run.add(jobs, passed_over)
            if call.is_job(jobs):
                self._do_job(jobs)
            else:
                self._do_plainly(jobs)
        finally:
            if "_restorer" in vars(self) and self._restorer.generator.preview and self._run.results:
                say(noted(self._preview))

    def _watch(self) -> None:
        call, settling = self._call, Settling()
        assert call.folder is not None  # or the call was refused
        require_other_folder(watched(call.inputs), call.folder, call.pattern)
        open_report(self._report)
        _ = self._restorer  # now, so that the first picture does not wait for it
        say(f"Waiting for pictures in {', '.join(call.inputs)}; Ctrl-C ends.")
        try:
            while True:
                began = time.monotonic()
                try:
                    found = find_inputs(call.inputs, "", call.recursive, call.output).jobs
                except NoPictureError:
                    found = []
                ready = settling.settled(found)
                if ready:
                    self._run.add(ready)
                    self._do_job(ready)
                else:
                    time.sleep(max(_LOOK_EVERY, _REST * (time.monotonic() - began)))
        except STOPS:
            say("Waiting has ended; all written files are complete.")

    def _do_plainly(self, jobs: Sequence[Job]) -> None:
        call = self._call
        planned, faults = plan(
            jobs, call.output, "-restored", call.endings, overwrite=call.overwrite, pattern=call.pattern
        )
        planned, postponed = first_of(planned, call.limit)
        if call.dry_run:
            _say_plan(WorkList(planned, [], faults, postponed), None)
            return
        for job, fault in faults.items():
            self._run.fail(job, fault)
        if planned:
            tasks = (Task(job.source, targets) for job, targets in planned.items())
            self._run.follow(
                self._restore_files(tasks, pictures=len(jobs)), planned, _line, enlarging=self._call.enlarging
            )
        if postponed:
            say(_postponed(postponed))

    def _do_job(self, jobs: Sequence[Job]) -> None:
        from ..model_files import background_hashes, model_hashes

        call, folder = self._call, self._call.folder
        assert folder is not None  # or it is no job
        order = Order(
            folder,
            Recipe(
                self._recipe,
                {
                    **model_hashes(call.model, call.detector, self._settings),
                    **background_hashes(call.enlarging.get("background", LANCZOS)),
                },
            ),
            call.endings,
            call.pattern,
            call.overwrite,
            call.again,
            call.shard,
            call.limit,
        )
        if call.dry_run:
            with journal_to_read(folder) if has_journal(folder) else nullcontext() as there:
                _say_plan(list_work(jobs, order, there, dry=True), there)
            return
        with kept_journal(folder, order.shard_name) as kept:
            journal = kept.journal
            for note in journal.notes:
                say(noted(note))
            work = list_work(jobs, order, journal)
            self._tell_there(work, journal)
            for job, fault in work.faults.items():
                self._run.fail(job, fault)
            if work.todo:
                self._run.resume = " The same command goes on with the rest."
                if call.cluster is None:
                    outcomes = run_job(work, order, journal, partial(self._restore_files, pictures=len(jobs)))
                else:
                    outcomes = run_on_ray(work, order, kept, self._setup(order.recipe, len(jobs)), **call.cluster)
                self._run.follow(outcomes, work.todo, _line, enlarging=call.enlarging)
        if work.postponed:
            say(_postponed(work.postponed))
        if self._run.failures and not call.watch:
            say(f"The same command tries failed pictures again; gpen job {folder} lists them.")

    def _tell_there(self, work: WorkList, journal: Journal) -> None:
        if not work.there:
            return
        number = len(work.there)
        say(f"{number} {agree(number, 'was', 'were')} there already.")
        for line in changes_since(work.known):
            say(noted(line))
        begun = journal.meta().get("version")
        if begun != package_version():
            say(noted(f"Version {begun} of gpen-blocks began this job; what it has done stays (--again does all)."))
        if self._report is None:
            return
        entries, settings = journal.entries(reports=True), journal.settings()
        for job in work.there:
            entry = entries[name_of(job.source)]
            told = settings.get(entry.settings or "", {}).get("settings", {})
            self._run.add_earlier(job, {**(entry.report or {}), "settings": told})

    def _restore_files(
        self, tasks: Iterator[Task], announce: Announce | None = None, *, pictures: int
    ) -> Iterator[Outcome]:
        restorer = self._restorer
        from ..jobs.restoring import restore_files

        return restore_files(
            tasks,
            restorer,
            pictures=pictures,
            progress=self._run.show_within,
            announce=announce,
            **self._call.restoring,
            **self._call.spread,
        )

    def _setup(self, recipe: Recipe, pictures: int) -> Setup:
        """What workers on Ray are told: they build the models themselves."""
        call = self._call
        restorer = {"model": call.model, "detector": call.detector, "preset": call.preset, "device": call.device}
        return Setup(
            {**restorer, **call.running, **call.enlarging, **call.settings},
            {**call.restoring, "pictures": pictures},
            recipe,
            **call.spread,
        )

    @cached_property
    def _restorer(self) -> Restorer:
        """The models, which are loaded when the first picture has to be restored."""
        from ..report import PREVIEW_NOTE
        from ..restorer import Restorer

        call = self._call
        restorer = Restorer(
            call.model,
            call.detector,
            call.preset,
            device=call.device,
            **call.running,
            **call.enlarging,
            **dict(call.settings),
        )
        self._preview = PREVIEW_NOTE.format(model=restorer.generator.name)
        self._run.say_once(*restorer.notes)
        self._run.leave_out(self._preview)  # the end says it
        return restorer

    @cached_property
    def _settings(self) -> Settings:
        return change_settings(self._call.preset.settings, dict(self._call.settings))

    @property
    def _recipe(self) -> dict[str, Any]:
        """What decides about the pixels of a result. How fast it is made does not belong to it."""
        call = self._call
        options = {name: call.restoring[name] for name in ("indices", "quality")}
        areas = call.restoring["areas"].digests()  # without any, the recipe is that of earlier versions
        if call.enlarging:  # as without
            options["upscale"] = call.enlarging["upscale"]  # its network is among the models
        return {"settings": asdict(self._settings), "precision": call.running["precision"], **options, **areas}


def _say_plan(work: WorkList, journal: Journal | None) -> None:
    for job, targets in work.todo.items():
        say(f"{job.source} → {targets.main}")
    for job, fault in work.faults.items():
        say(f"{job.source}: {fault}")
    size = sum(stamp.size for job in work.todo if (stamp := stamp_of(job.source)))
    said = [f"{count(len(work.todo), 'picture')} of {size / 1e6:.1f} MB would be done"]
    if work.there:
        said.append(f"{len(work.there)} {agree(len(work.there), 'is', 'are')} there already")
    if work.faults:
        said.append(f"{len(work.faults)} cannot be done")
    if work.postponed:
        said.append(f"{work.postponed} would be left")
    say(f"{', '.join(said)}.")
    pictures, _, seconds = journal.pace() if journal else (0, 0, 0.0)
    if pictures and work.todo:
        say(f"That takes about {duration(len(work.todo) * seconds / pictures)} at the pace of this job so far.")
    elif work.todo:
        say("How long that takes is known when some pictures of the job are done, for example with --limit 20.")


def _postponed(number: int) -> str:
    return f"{count(number, 'picture')} {agree(number, 'is', 'are')} left because of --limit."


def _line(source: Path, report: Mapping[str, Any]) -> str:
    """What came of a picture, in words."""
    restored = sum(face["restored"] for face in report["faces"])
    pages = f"{count(report['pages'], 'page')}, " if "pages" in report else ""
    words = f"{source} → {report['output']}: {pages}{faces_in_words(len(report['faces']), restored)}"
    if restored:
        return f"{words} in {sum(report['seconds'].values()):.1f} s"
    if "enlarged" in report:
        return f"{words}; the picture was enlarged"
    return words if pages or any(report["prepared"]) else f"{words}; the picture is as it was"

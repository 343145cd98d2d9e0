"""Run a job on Ray: names of pictures go out in a table, rows for the journal come back in tables.

The plan is a file read of the names, a pool of actors that work on them, and a write of the rows. Rows lie in the
folder of the results until they are in the journal, so that nothing is lost if the process that waits for them is
stopped. Each call plans what is left by the journal. The checkpoints of Ray Data know a picture only by its name, and
would skip one whose file or settings have changed.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import JobError, MissingPackageError
from ..wording import count
from .entries import Entry, now
from .ray_worker import Setup, Worker
from .rows import FOLDER, UNFIT, Row, RowFolder, to_table
from .storage import Place, hide_secrets

if TYPE_CHECKING:
    import pyarrow as arrow

# Pictures in a batch: enough to share passes of the network, few to lose with a machine.
_LARGEST_BATCH = 16
# Batches for each worker at least, so that all end at about the same time.
_BATCHES_PER_WORKER = 4
# A worker of a processor has at most so many cores: the interpreter is shared by its threads.
_MOST_CORES = 4
# Cores are left unused rather than many models held, but no more than this share.
_LEAST_USED = 0.9
# Times that a batch is begun again after its process died, and that what was lost is planned again.
_MOST_RETRIES = 3
_ROUNDS = 3
# Tables of names that are read, and of rows that are written, at the same time; each may have to start a process.
_TABLES_AT_ONCE = 2
# Seconds between looks at the rows, on this machine and in an object store.
_LOOK_EVERY, _LOOK_EVERY_REMOTE = 0.5, 3.0


@dataclass(frozen=True)
class Crew:
    """The workers of a cluster.

    Attributes:
        size: their number.
        cores: processor cores of each.
        gpus: GPUs of each; 0.5: two share one.
    """

    size: int
    cores: int
    gpus: float = 0.0


def plan_crew(nodes: Sequence[dict[str, float]], gpus_per_worker: float = 0.0, cores_per_worker: int = 0) -> Crew:
    """Choose workers that fit on a cluster, and leave a core to Ray itself and to the reading and writing of rows.

    Args:
        nodes: resources of each machine, as Ray tells them: `CPU`, and `GPU` if it has some.
        gpus_per_worker: GPUs of each worker; 0: processors only.
        cores_per_worker: cores of each worker; 0: as many as leave few unused.

    Raises:
        JobError: no worker fits.
    """
    cores = [int(node.get("CPU", 0)) for node in nodes]
    if cores:
        cores[cores.index(max(cores))] -= 1
    if not gpus_per_worker:
        wanted = [cores_per_worker] if cores_per_worker else range(1, _MOST_CORES + 1)
        sizes = {each: sum(free // each for free in cores) for each in wanted}
        most = max(size * each for each, size in sizes.items())
        each = max(each for each, size in sizes.items() if size * each >= _LEAST_USED * most)
        if not most:
            raise JobError(
                f"No machine of the Ray cluster has {count(min(wanted), 'core')} for a worker beside the one that "
                "reads; add machines, or choose fewer --workers."
            )
        return Crew(sizes[each], each)
    least = max(cores_per_worker, 1)
    shares = [int(node.get("GPU", 0) / gpus_per_worker + 1e-6) for node in nodes]
    workers = [min(share, free // least) for share, free in zip(shares, cores, strict=True)]
    fitting = [(number, free) for number, free in zip(workers, cores, strict=True) if number]
    if not fitting:
        raise JobError(
            f"No machine of the Ray cluster has {gpus_per_worker:g} GPUs and {count(least, 'core')} for a worker "
            "beside the core that reads; choose another --gpus-per-worker, or 0 for processors."
        )
    each = cores_per_worker or min(free // number for number, free in fitting)
    return Crew(sum(number for number, _ in fitting), each, gpus_per_worker)


def restore_on_ray(
    entries: Sequence[Entry],
    setup: Setup,
    output: Place,
    *,
    address: str | None = None,
    gpus_per_worker: float = 0.0,
    worker: type[Worker] = Worker,
) -> Generator[list[Row], None, None]:
    """Restore pictures on a Ray cluster.

    Args:
        entries: what is left, with the paths or URLs of sources and results. All machines see them.
        setup: what workers are told; their number of threads is set here.
        output: the folder of the results; what is under way lies in it.
        address: of the cluster, such as `ray://head:10001`, or `auto`; None: RAY_ADDRESS, or else a cluster on this
            machine alone that ends with the job.
        gpus_per_worker: GPUs of each worker; 0: processors only.
        worker: what works on each batch.

    Yields:
        Rows for the journal, in the order in which they are ready; closing the iterator ends the work. The error of a
        picture is in its row. A picture that was lost since its worker died again and again has failed, too.

    Raises:
        MissingPackageError: Ray is not installed.
        JobError: the cluster cannot be reached, no worker fits, or the workers cannot start.
    """
    ray = require_ray(address)
    left = {entry.source: entry for entry in entries}
    with _cluster(ray, address):
        largest = _LARGEST_BATCH
        for _ in range(_ROUNDS):
            alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            crew = plan_crew(alive, gpus_per_worker, setup.workers)
            with closing(_run_round(ray, list(left.values()), setup, crew, largest, output, worker)) as batches:
                for rows in batches:
                    for entry, _faces in rows:
                        left.pop(entry.source, None)
                    yield rows
            if not left:
                return
            # Lost with a machine, or beside a picture of which workers die: the fewer in a batch, the fewer suffer.
            largest = max(largest // _BATCHES_PER_WORKER, 1)
        yield [(_lost(entry), []) for entry in left.values()]


def _run_round(
    ray: Any, entries: list[Entry], setup: Setup, crew: Crew, largest: int, output: Place, worker: type[Worker]
) -> Generator[list[Row], None, None]:
    """Run a plan once; rows of pictures that were lost are missing."""
    # Each core of a worker has a picture, but for the last ones.
    batch = min(largest, max(crew.cores, len(entries) // (crew.size * _BATCHES_PER_WORKER)))
    run = output / FOLDER / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{uuid.uuid4().hex[:8]}"
    (run / "pictures.parquet").write(_as_parquet(to_table((entry, []) for entry in entries), batch))
    rows = RowFolder(run / "rows")
    work = _start(ray, _Plan(run, worker, replace(setup, workers=crew.cores), crew, batch, -(-len(entries) // batch)))
    every = _LOOK_EVERY_REMOTE if output.is_remote else _LOOK_EVERY
    running = [work]
    try:
        while running:
            _, running = ray.wait(running, timeout=every)
            if not running:
                _require_success(ray, work)
            if found := rows.new():
                _require_fit(found)
                yield found
    finally:
        for unfinished in running:  # to cancel a finished one could hit the next task of its process
            ray.cancel(unfinished, force=True)


@dataclass(frozen=True)
class _Plan:
    """What is run on the cluster: workers of this class and setup on the names in a folder, in batches of a size."""

    run: Place
    worker: type[Worker]
    setup: Setup
    crew: Crew
    batch: int
    batches: int


def _start(ray: Any, plan: _Plan) -> Any:
    """Start the plan as a task of its own: through `ray://`, this process is not on the cluster."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=here)(_run_plan).remote(plan)


def _run_plan(plan: _Plan) -> None:
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    # The second way to read Parquet begins with 32 processes that look at the ends of files; here there is one file.
    context.use_datasource_v2 = False
    context.max_errored_blocks = -1  # a batch whose worker dies again and again must not end the job
    names, rows, crew = plan.run / "pictures.parquet", plan.run / "rows", plan.crew
    # Reading names and writing rows take moments and ask for no core, so that they never wait for one: after a machine
    # died, workers may take all cores that are left.
    ray.data.read_parquet(
        names.path,
        filesystem=names.filesystem,
        override_num_blocks=plan.batches,
        num_cpus=0,
        concurrency=_TABLES_AT_ONCE,
    ).map_batches(
        plan.worker,
        batch_size=plan.batch,
        batch_format="pyarrow",
        fn_constructor_args=(plan.setup,),
        # Workers without work end, so that one whose machine died finds a place.
        compute=ActorPoolStrategy(min_size=1, max_size=crew.size, initial_size=crew.size),
        num_cpus=crew.cores,
        num_gpus=crew.gpus or None,
        max_task_retries=_MOST_RETRIES,
    ).write_parquet(rows.path, filesystem=rows.filesystem, ray_remote_args={"num_cpus": 0}, concurrency=_TABLES_AT_ONCE)


def _require_success(ray: Any, work: Any) -> None:
    try:
        ray.get(work)
    except Exception as error:  # any error of Ray or of the storage
        reason = hide_secrets(" ".join(str(error).split()[-60:]))
        raise JobError(
            f"The work on Ray ended early ({reason}); call the same command again for what is left."
        ) from error


def _lost(entry: Entry) -> Entry:
    why = "The worker died each time that it came to this picture or those beside it; it may need more memory."
    return replace(entry, state="failed", why=why, finished=now())


def _require_fit(rows: list[Row]) -> None:
    fault = next((entry.why for entry, _ in rows if entry.why and entry.why.startswith(UNFIT)), None)
    if fault:
        raise JobError(f"The workers cannot start: {fault.removeprefix(UNFIT)}")


def _as_parquet(table: arrow.Table, batch: int) -> bytes:
    import pyarrow as arrow
    from pyarrow import parquet

    sink = arrow.BufferOutputStream()
    parquet.write_table(table, sink, row_group_size=batch)
    return sink.getvalue().to_pybytes()


def require_ray(address: str | None) -> Any:
    """Import Ray for a cluster at an address; None: as for `restore_on_ray`.

    Raises:
        MissingPackageError: Ray is not installed.
    """
    if not address and not os.environ.get("RAY_ADDRESS"):
        # Below `uv run`, Ray would start each worker by `uv run` in a copy of the working folder, where another
        # environment is made. On this machine the interpreter of this process has what workers need. Read on import.
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPackageError(f"The engine ray needs Ray ({error}); install gpen-blocks[ray].") from error
    return ray


@contextmanager
def _cluster(ray: Any, address: str | None) -> Iterator[None]:
    """Connect to a cluster, unless the process has a connection already."""
    if ray.is_initialized():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(
            address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False if not address else None
        )
    except Exception as error:  # Ray raises its own errors, and those of the network
        where = f"at {address}" if address else "on this machine"
        raise JobError(f"Ray {where} cannot be reached: {hide_secrets(' '.join(str(error).split()))}") from error
    try:
        with _stopping_by_keyboard_interrupt(before):
            yield
    finally:
        ray.shutdown()


@contextmanager
def _stopping_by_keyboard_interrupt(handlers: dict[signal.Signals, Any]) -> Iterator[None]:
    """Let signals raise KeyboardInterrupt inside, the only exception that Ray's compiled code passes on, and hand them
    to their own handlers at the end; Ray's handler of SIGTERM, by which Kubernetes stops a pod, prints stacks.

    Args:
        handlers: the handlers from before Ray was started.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    for number, handler in handlers.items():
        signal.signal(number, signal.SIG_IGN if handler is signal.SIG_IGN else interrupt)
    try:
        yield
    except KeyboardInterrupt:
        own = handlers[signal.Signals(came[0])] if came else None
        if callable(own):
            own(came[0], None)
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)

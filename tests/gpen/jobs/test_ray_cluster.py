"""Jobs on a real Ray cluster of several machines in this one: the bytes and the journal of a job without it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from s3_server import BUCKET, SECRET, s3_server

from gpen_blocks.gpen.jobs import storage
from gpen_blocks.gpen.jobs.entries import Entry, FaceEntry, Recipe
from gpen_blocks.gpen.jobs.kept import journal_to_read
from gpen_blocks.gpen.jobs.ray_engine import restore_on_ray
from gpen_blocks.gpen.jobs.ray_worker import Setup, Worker
from gpen_blocks.gpen.jobs.rows import FOLDER, from_table, to_table
from gpen_blocks.gpen.jobs.storage import Place, path_of

pytest.importorskip("ray", reason="ray is not installed, so NO CLUSTER WAS TRIED")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get("GPEN_TEST_RAY_CLUSTER"), reason="GPEN_TEST_RAY_CLUSTER is unset, so NO CLUSTER WAS TRIED"
    ),
]

# On a processor: a GPU rounds by the place of a face in the pass.
MODELS = ("--model", "gpen-lite-256", "--detector", "face-detector-lite", "--backend", "eager", "--device", "cpu")
GPEN = (sys.executable, "-m", "gpen_blocks.gpen.cli")
STORE = 100_000_000
PICTURES = 11
# As many more that two workers are still busy when a signal arrives.
MANY = 41


@contextmanager
def cluster_of(*cores: int) -> Iterator[Any]:
    """A cluster with a machine for each number of cores; the first is the head."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        head = {"num_cpus": cores[0], "object_store_memory": STORE, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        try:
            for number in cores[1:]:
                made.add_node(num_cpus=number, object_store_memory=STORE)
            yield made
        finally:
            made.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three machines with a core each: one reads, and two work."""
    with cluster_of(1, 1, 1) as made:
        yield made


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven pictures in two folders, and a file that is none."""
    return filled(tmp_path_factory.mktemp("in"), PICTURES)


def filled(folder: Path, pictures: int) -> Path:
    """A folder with so many pictures and a file that is none."""
    portrait = Path(__file__).resolve().parents[3] / "examples" / "portrait-degraded.jpg"
    for number in range(pictures):
        name = folder / ("deep" if number % 3 == 0 else "") / f"photo {number:02d}.jpg"
        name.parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(portrait, name)
    (folder / "none.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def reference(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the job without Ray."""
    output = tmp_path_factory.mktemp("out")
    gpen("restore", photographs, "-r", "-o", output, *MODELS, code=1)
    return output


def gpen(*words: object, code: int = 0) -> str:
    """Run the command in a process of its own; what it printed."""
    done = subprocess.run([*GPEN, *map(str, words)], capture_output=True, text=True, timeout=500)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def on_ray(cluster: Any, source: object, output: object) -> tuple[object, ...]:
    """The words of a job on a cluster."""
    return ("restore", source, "-r", "-o", output, *MODELS, "--engine", "ray", "--address", cluster.address)


def written(output: object) -> dict[str, bytes]:
    """The results below a folder or URL."""
    place = Place.of(str(output))
    return {file.name: (place / file.name).read() for file in place.files() if file.name.endswith(".jpg")}


def journal_of(output: object, source: object) -> tuple[dict[str, Entry], list[FaceEntry]]:
    """What the journal of results says, without what differs from run to run."""

    def named(text: str | None) -> str:
        return (text or "").replace(str(output), "OUT").replace(str(source), "IN")

    with journal_to_read(path_of(str(output))) as journal:
        entries, faces = journal.entries(), journal.faces()
    times = {"mtime_ns": None, "output_mtime_ns": None, "seconds": None, "finished": None}
    plain = [
        replace(
            each,
            source=named(each.source),
            output=named(each.output),
            written={named(path): digest for path, digest in each.written.items()},
            why=named(each.why),
            **times,
        )
        for each in entries.values()
    ]
    return {each.source: each for each in plain}, [replace(face, source=named(face.source)) for face in faces]


def lines_of(process: subprocess.Popen[str], number: int) -> list[str]:
    """The next lines that tell of a picture."""
    assert process.stdout
    found: list[str] = []
    said = ""
    while len(found) < number:
        line = process.stdout.readline()
        said += line
        assert line, f"the command ended: {said}"
        if " → " in line:
            found.append(line.partition(" → ")[0])
    return found


def test_ray_writes_the_same_bytes_and_the_same_journal(cluster, photographs, reference, tmp_path):
    output = tmp_path / "out"
    said = gpen(*on_ray(cluster, photographs, output), code=1)
    assert f"{PICTURES} restored, 0 without a face, 1 failed." in said
    assert len(written(reference)) == PICTURES
    assert written(output) == written(reference)
    assert journal_of(output, photographs) == journal_of(reference, photographs)
    assert not (output / FOLDER).exists()
    again = gpen(*on_ray(cluster, photographs, output), code=1)
    assert f"{PICTURES} were there already." in again and again.count("none.jpg:") == 1
    assert f"{PICTURES} of {PICTURES + 1} pictures done, 1 failed, 0 left." in gpen("job", output)


def test_a_machine_that_dies_takes_no_picture_along(cluster, photographs, reference, tmp_path):
    extra, output = cluster.add_node(num_cpus=2, object_store_memory=STORE), tmp_path / "out"
    words = [str(word) for word in (*GPEN, *on_ray(cluster, photographs, output))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        late = threading.Timer(500, process.kill)
        late.start()
        lines_of(process, 2)
        cluster.remove_node(extra, allow_graceful=False)
        told = lines_of(process, PICTURES - 2)
        process.wait()
        late.cancel()
    assert process.returncode == 1 and len(told) == PICTURES - 2
    assert written(output) == written(reference)
    assert journal_of(output, photographs) == journal_of(reference, photographs)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_call_that_is_stopped_leaves_only_the_rest_to_the_next(cluster, tmp_path, how):
    photographs, output, whole = filled(tmp_path / "in", MANY), tmp_path / "out", tmp_path / "whole"
    words = [str(word) for word in (*GPEN, *on_ray(cluster, photographs, output))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        told = lines_of(process, 1)
        os.kill(process.pid, how)
        assert process.stdout
        last = process.stdout.read()
    if how == signal.SIGKILL:
        assert process.returncode == -how
    else:
        word, code = ("Interrupted", 130) if how == signal.SIGINT else ("Terminated", 143)
        assert process.returncode == code and word in last and "received" not in last
    with journal_to_read(output) as journal:
        done = {Path(entry.source).name for entry in journal.entries().values() if entry.state == "done"}
    assert {Path(name).name for name in told} <= done and len(done) < MANY
    before = {name: (output / name).stat().st_mtime_ns for name in written(output)}
    said = gpen(*on_ray(cluster, photographs, output), code=1)
    # Workers may have finished some that nobody heard of; the next call takes these in.
    assert "were there already." in said and 0 < said.count(" → ") <= MANY - len(done)
    gpen("restore", photographs, "-r", "-o", whole, *MODELS, code=1)
    assert written(output) == written(whole)
    assert journal_of(output, photographs) == journal_of(whole, photographs)
    again = {name for name, time in before.items() if (output / name).stat().st_mtime_ns != time}
    assert not {Path(name).name for name in again} & done, "finished pictures were done again"


class Mortal(Worker):
    """Finishes every picture at once, but its process dies of one."""

    def __init__(self, setup: Setup) -> None:
        del setup

    def __call__(self, batch: Any) -> Any:
        entries = [entry for entry, _ in from_table(batch)]
        if any(entry.source.endswith("deadly.jpg") for entry in entries):
            os.kill(os.getpid(), signal.SIGKILL)
        return to_table((replace(entry, state="done"), []) for entry in entries)


def test_a_picture_of_which_workers_die_fails_alone(cluster, tmp_path):
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers do not have this file
    names = [f"{number:02d}.jpg" for number in range(40)] + ["deadly.jpg"]
    entries = [Entry(source=f"/in/{name}", output=f"/out/{name}") for name in names]
    batches = restore_on_ray(
        entries, Setup({}, {}, Recipe({}, {})), Place.of(tmp_path), address=cluster.address, worker=Mortal
    )
    found = {row.source: row for rows in batches for row, _ in rows}
    assert sorted(found) == sorted(entry.source for entry in entries)
    failed = [row for row in found.values() if row.state != "done"]
    assert [row.source for row in failed] == ["/in/deadly.jpg"]
    assert "worker died" in (failed[0].why or "")


def test_a_job_from_s3_to_s3(photographs, reference, tmp_path):
    """Workers have the credentials of the environment in which the cluster was started."""
    pytest.importorskip("moto", reason="moto is not installed, so S3 WAS NOT TRIED")
    source, output, log = f"s3://{BUCKET}/in", f"s3://{BUCKET}/out", tmp_path / "gpen.log"
    with s3_server(tmp_path / "s3.txt") as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        storage._connect.cache_clear()
        with cluster_of(2) as made:
            for path in photographs.rglob("*.jpg"):
                (Place.of(source) / path.relative_to(photographs)).write(path.read_bytes())
            said = gpen(*on_ray(made, source, output), "--log", log, code=1)
            assert written(output) == written(reference)
            assert journal_of(output, source) == journal_of(reference, photographs)
            assert Place.of(f"{output}/{FOLDER}").files() == []
            again = gpen(*on_ray(made, source, output), "--log", log, code=1)
            assert f"{PICTURES} were there already." in again
            shown = gpen("job", output)
            assert f"{output}: {PICTURES} of {PICTURES + 1} pictures done, 1 failed, 0 left." in shown
        kept = [(Place.of(output) / file.name).read() for file in Place.of(output).files()]
        everything = b"".join([*kept, log.read_bytes(), said.encode(), again.encode(), shown.encode()])
        assert SECRET.encode() not in everything and environment["AWS_ACCESS_KEY_ID"].encode() not in everything
        storage._connect.cache_clear()

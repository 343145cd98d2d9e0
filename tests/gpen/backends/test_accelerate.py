"""Every backend gives eager's picture or gives way to it, with a word."""

from __future__ import annotations

import copy
import json
import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from caches import shelter_cache
from clock import Clock
from torch import Tensor

from gpen_blocks.gpen.backends import (
    Accelerated,
    Chosen,
    accelerate,
    automatic,
    expect,
    faults_of,
    precision_of,
    settled,
    trial,
)
from gpen_blocks.gpen.backends.automatic import Automatic
from gpen_blocks.gpen.backends.openvino_engine import OpenVINOEngine
from gpen_blocks.gpen.backends.trial import LARGEST, LARGEST_FP32, LARGEST_MEAN, Trial, compare, probe
from gpen_blocks.gpen.models import cache, load_generator
from gpen_blocks.gpen.network import Generator, GeneratorConfig, build_generator
from gpen_blocks.gpen.restore import restore_crops
from gpen_blocks.gpen.wording import pip_install
from gpen_blocks.weights import places

CPU = torch.device("cpu")
choosing = sys.modules[accelerate.__module__]


@pytest.fixture(autouse=True)
def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing has been measured yet; the file where it will be kept."""
    shelter_cache(monkeypatch, tmp_path)
    return places.cache_folder() / "backends.json"


@pytest.fixture
def generator(tiny) -> Generator:
    return build_generator(tiny.state_dict)


def used_long(chosen: Chosen, faces: Tensor | None = None) -> Chosen:
    """After faces enough to pay for the start of any engine."""
    expect(chosen.network, faces=10**6)
    with torch.inference_mode():
        for _ in range(3):
            chosen.network(torch.zeros(1, 3, 64, 64) if faces is None else faces)
    expect(chosen.network, faces=1)
    return chosen


@pytest.mark.parametrize(
    "backend, precision",
    [
        ("openvino", "fp32"),
        ("openvino", "bf16"),
        ("onnxruntime", "fp32"),
        ("eager", "bf16"),
        ("auto", "fp32"),
        ("auto", "bf16"),
    ],
)
def test_the_picture_stays(generator, tiny, backend: Any, precision: Any):
    chosen = accelerate(generator, "tiny", backend, precision, CPU)
    assert chosen.precision == precision and chosen.notes == ()
    assert backend in ("auto", chosen.backend)
    for _ in range(2):
        restored = chosen.network(tiny.input)
        assert restored.dtype == torch.float32
        mean, largest = compare(tiny.output, restored)
        assert largest < (LARGEST_FP32 if precision == "fp32" else LARGEST)
        assert mean < LARGEST_MEAN
        used_long(chosen)


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_batches_and_repetition(generator, tiny, backend: Any):
    """A runtime's memory is used again for the next face: an answer must not change when it is."""
    network = accelerate(generator, "tiny", backend, "fp32", CPU).network
    first = network(tiny.input)
    kept = first.clone()
    network(tiny.input.flip(0))
    assert torch.equal(first, kept)
    assert network(tiny.input[:0]).shape == (0, 3, 64, 64)
    assert torch.allclose(network(tiny.input.contiguous(memory_format=torch.channels_last)), kept, atol=1e-5)


@pytest.mark.slow
def test_compile_is_checked_at_its_first_face():
    """Of two levels: each level more is compiled for seconds."""
    network = build_generator(Generator(GeneratorConfig.from_multipliers(8, 16, 1, 1, 0.03125)).state_dict())
    faces = torch.rand(2, 3, 8, 8) * 2 - 1
    expected = network(faces)
    chosen = accelerate(network, "two levels", "compile", "fp32", CPU)
    assert chosen.backend == "compile"
    assert compare(expected, chosen.network(faces))[1] < LARGEST_FP32
    assert chosen.backend == "compile"


@pytest.mark.parametrize("backend", ["cudagraph", "tensorrt"])
def test_without_a_gpu_its_backends_give_way(generator, tiny, backend: Any):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    chosen = accelerate(generator, "tiny", backend, "fp32", CPU)
    assert chosen.backend == "eager" and chosen.network is generator
    assert backend in chosen.notes[0] and "CUDA" in chosen.notes[0]


@pytest.mark.parametrize(
    "backend, package", [("openvino", "openvino"), ("onnxruntime", "onnxruntime"), ("openvino", "onnx")]
)
def test_a_missing_package_is_named(generator, monkeypatch, backend: Any, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    chosen = accelerate(generator, "tiny", backend, "fp32", CPU)
    assert chosen.backend == "eager"
    assert pip_install(package).rstrip("`") in chosen.notes[0]


def off_by(error: float) -> Any:
    def build(generator: Generator, dtype: torch.dtype, device: torch.device, kept: Path | None) -> Any:
        return lambda faces: generator(faces) + error

    return build


@pytest.mark.parametrize("error", [0.1, float("nan")])
def test_an_engine_that_is_off_gives_way(generator, monkeypatch, error: float):
    monkeypatch.setitem(choosing._STANDING, "openvino", off_by(error))
    chosen = accelerate(generator, "tiny", "openvino", "fp32", CPU)
    assert chosen.backend == "eager" and "differs by" in chosen.notes[0]


@pytest.mark.parametrize("error", [0.1, float("nan")])
def test_so_does_one_that_is_found_off_at_its_first_face(generator, tiny, monkeypatch, caplog, error: float):
    monkeypatch.setitem(choosing._FOLLOWING, "compile", lambda generator: lambda faces: generator(faces) + error)
    network = accelerate(generator, "tiny", "compile", "fp32", CPU).network
    with caplog.at_level(logging.WARNING):
        assert torch.equal(network(tiny.input), generator(tiny.input))
        network(tiny.input)
    assert len(caplog.records) == 1 and "Plain PyTorch (eager) is used" in caplog.text


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    for module in (choosing, trial, automatic):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.mark.parametrize(
    "openvino, onnxruntime, backend",
    [
        (3.0, 2.0, "eager"),
        (0.96, 0.97, "eager"),  # a gain of less than a twentieth is worth no memory
        (0.94, 0.97, "openvino"),
        (0.2, 0.1, "onnxruntime"),
        (0.1, 0.2, "openvino"),
    ],
)
def test_auto_takes_the_fastest_and_only_what_is_faster(
    generator, clock, monkeypatch, openvino: float, onnxruntime: float, backend: str
):
    """Seconds of a face beside one second of the network as it is written."""
    for name, seconds in (("openvino", openvino), ("onnxruntime", onnxruntime)):
        engine = clock.taking(seconds, copy.deepcopy(generator))
        monkeypatch.setitem(choosing._STANDING, name, lambda *_, engine=engine: engine)
    monkeypatch.setattr(generator, "forward", clock.taking(1.0, copy.deepcopy(generator)))
    chosen = used_long(accelerate(generator, "tiny", "auto", "fp32", CPU))
    assert chosen.backend == backend and chosen.notes == ()
    # By its name each of them can be had.
    assert accelerate(generator, "tiny", "openvino", "fp32", CPU).backend == "openvino"


def test_a_race_that_was_disturbed_does_not_decide(generator, monkeypatch):
    """Beside ONNX Runtime eager once took twice its time, so that this seemed the faster one by far."""
    trials = {"openvino": Trial(0, 0, 0.035, 0.040), "onnxruntime": Trial(0, 0, 0.052, 0.080)}
    monkeypatch.setattr(choosing, "recall_or_run", lambda key, kind, run: trials[key.split(", ")[1]])
    monkeypatch.setattr(choosing, "recall", lambda key, kind: trials[key.split(", ")[1]])
    assert used_long(accelerate(generator, "tiny", "auto", "fp32", CPU)).backend == "openvino"
    monkeypatch.setattr(choosing, "_is_installed", lambda backend: backend == "onnxruntime")
    assert used_long(accelerate(generator, "tiny", "auto", "fp32", CPU)).backend == "onnxruntime"
    trials["onnxruntime"] = Trial(0, 0, 0.052, 0.054)
    assert used_long(accelerate(generator, "tiny", "auto", "fp32", CPU)).backend == "eager"


def test_fp16_is_not_emulated(generator):
    chosen = accelerate(generator, "tiny", "eager", "fp16", CPU)
    assert chosen.precision == "fp32" and "emulate" in chosen.notes[0]
    assert generator.generator.input.input.dtype == torch.float32


def test_a_number_format_that_changes_the_picture_is_refused(tiny):
    """Features that enter a hundred times as strongly make outputs of a hundred, whose rounding shows."""
    tensors = {
        name: value * 300 if name.endswith("to_rgbs.3.conv.weight") else value
        for name, value in tiny.state_dict.items()
    }
    chosen = accelerate(build_generator(tensors), "loud", "eager", "bf16", CPU)
    assert chosen.precision == "fp32" and "bf16 changes its picture" in chosen.notes[0]


@pytest.mark.slow
def test_what_was_measured_is_measured_once(generator, new_machine, monkeypatch):
    used_long(accelerate(generator, "tiny", "auto", "fp32", CPU))
    entries = json.loads(new_machine.read_text(encoding="utf-8"))
    assert len(entries) == 2  # of OpenVINO and ONNX Runtime
    assert all(entry["largest"] < LARGEST_FP32 and entry["seconds"] > 0 for entry in entries.values())
    monkeypatch.setattr(choosing, "race", lambda *_: pytest.fail("measured again"))
    used_long(accelerate(generator, "tiny", "auto", "fp32", CPU))
    with pytest.raises(BaseException, match="measured again"):
        used_long(accelerate(generator, "another", "auto", "fp32", CPU))


@pytest.mark.parametrize("backend, precision", [("openvino", "bf16"), ("onnxruntime", "fp32"), ("eager", "bf16")])
def test_what_is_asked_for_by_name_is_compared_and_not_raced(
    generator, new_machine, monkeypatch, backend: Any, precision: Any
):
    """Its time would decide nothing, and taking it takes up to six seconds."""
    monkeypatch.setattr(choosing, "race", lambda *_: pytest.fail("raced"))
    assert accelerate(generator, "tiny", backend, precision, CPU).backend == backend
    entries = json.loads(new_machine.read_text(encoding="utf-8")).values()
    assert entries and all(set(entry) == {"mean", "largest"} for entry in entries)
    monkeypatch.setattr(choosing, "_difference", lambda *_: pytest.fail("compared again"))
    assert accelerate(build_generator(generator.state_dict()), "tiny", backend, precision, CPU).backend == backend


@pytest.mark.slow
def test_what_was_only_compared_is_raced_for_auto(generator, new_machine):
    accelerate(generator, "tiny", "onnxruntime", "fp32", CPU)
    used_long(accelerate(generator, "tiny", "auto", "fp32", CPU))
    assert all("seconds" in entry for entry in json.loads(new_machine.read_text(encoding="utf-8")).values())


@pytest.mark.parametrize("seconds, backend", [(0.96, "eager"), (0.94, "onnxruntime")])
def test_a_single_engine_must_be_faster_too(generator, clock, monkeypatch, seconds: float, backend: str):
    engine = clock.taking(seconds, copy.deepcopy(generator))
    monkeypatch.setitem(choosing._STANDING, "onnxruntime", lambda *_: engine)
    monkeypatch.setattr(choosing, "_is_installed", lambda backend: backend == "onnxruntime")
    monkeypatch.setattr(generator, "forward", clock.taking(1.0, copy.deepcopy(generator)))
    assert used_long(accelerate(generator, "tiny", "auto", "fp32", CPU)).backend == backend


def test_eager_is_raced_where_the_engine_is(generator):
    """On a CPU it would lose against anything on a GPU."""
    shown: list[str] = []

    def noting(faces: Tensor) -> Tensor:
        shown.append(faces.device.type)
        return torch.zeros(faces.shape)

    choosing._race_beside(generator, noting, noting, torch.device("meta"))
    assert set(shown) == {"meta"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "[" * 100_000,
        '{"a": 1}',
        '{"a": {"mean": "x"}}',
        "\0",
        '{"a": {"mean": NaN, "largest": 0, "seconds": 1, "eager_seconds": 1}}',
        '{"a": {"mean": 0, "largest": 0, "seconds": 1, "eager_seconds": 0}}',
    ],
)
def test_a_damaged_note_is_as_good_as_none(generator, new_machine, content: str):
    new_machine.parent.mkdir(parents=True, exist_ok=True)
    new_machine.write_text(content, encoding="utf-8")
    assert accelerate(generator, "tiny", "onnxruntime", "fp32", CPU).backend == "onnxruntime"
    assert len(json.loads(new_machine.read_text(encoding="utf-8"))) == 1


def trials_of(monkeypatch: pytest.MonkeyPatch, **trials: Trial | None) -> None:
    monkeypatch.setattr(choosing, "_AUTO", {"cpu": tuple(trials)})
    monkeypatch.setattr(choosing, "recall", lambda key, kind: trials[key.split(", ")[1]])


def test_few_faces_start_no_engine(generator, tiny, monkeypatch):
    """Neither one face nor one after the other, as long as starting one would take longer than it saves."""
    trials_of(monkeypatch, openvino=None, onnxruntime=None)
    monkeypatch.setattr(choosing, "_first_of", lambda *_, **__: pytest.fail("an engine was started"))
    chosen = accelerate(generator, "tiny", "auto", "fp32", CPU)
    assert isinstance(chosen.network, Automatic)
    for _ in range(4):
        expect(chosen.network, faces=2, pictures_left=3)
        assert compare(tiny.output, chosen.network(tiny.input))[1] < LARGEST_FP32
        assert chosen.backend == "eager"


@pytest.mark.parametrize(
    "faces, pictures_left, calls, backend",
    [
        (1, 0, 1, "eager"),
        (19, 0, 1, "eager"),
        (21, 0, 1, "openvino"),  # 20 s to start, and a second less for each face
        (1, 18, 1, "eager"),
        (1, 30, 2, "openvino"),  # after the first picture, of one face, 30 are to come
        (1, 0, 15, "eager"),
        (1, 0, 25, "openvino"),  # nobody told of them, but there were so many
    ],
)
def test_an_engine_takes_over_when_the_work_ahead_pays_for_it(
    generator, tiny, monkeypatch, faces: int, pictures_left: int, calls: int, backend: str
):
    trials_of(monkeypatch, openvino=Trial(0, 0, 1.0, 2.0, start_seconds=20.0))
    engine = Accelerated(generator, lambda faces: generator(faces), "openvino", "cpu", checked=True)
    monkeypatch.setattr(choosing, "_first_of", lambda *_, **__: engine)
    network: Any = accelerate(generator, "tiny", "auto", "fp32", CPU).network
    monkeypatch.setattr(network, "_believed", lambda: 2.0)
    for call in range(calls):
        expect(network, faces=faces, pictures_left=max(pictures_left - call, 0))
        network(tiny.input[:1])
    assert network.backend == backend


@pytest.mark.parametrize(
    "map_bytes, faces, backend",
    [
        (32 << 20, 100, "eager"),  # the bundled generator: 0.05 s less for each face, and 4 s to start
        (32 << 20, 1000, "openvino"),
        (507 << 20, 10, "eager"),
        (507 << 20, 100, "openvino"),  # an official one of 512 pixels
    ],
)
def test_a_settled_choice_depends_on_size_and_number_alone(
    generator, tiny, monkeypatch, map_bytes: int, faces: int, backend: str
):
    trials_of(monkeypatch, openvino=None, onnxruntime=None)
    started: list[bool] = []

    def first_of(*_: object, raced: bool) -> Accelerated:
        started.append(raced)
        return Accelerated(generator, lambda faces: generator(faces), "openvino", "cpu", checked=True)

    monkeypatch.setattr(choosing, "_first_of", first_of)
    network: Any = accelerate(generator, "tiny", "auto", "fp32", CPU).network
    monkeypatch.setattr(network, "activation_bytes", lambda: map_bytes)
    with settled(network, faces=0):  # by an earlier, short job
        network(tiny.input[:1])
    monkeypatch.setattr(network, "_believed", lambda: 100.0)
    for _ in range(2):
        with settled(network, faces=faces):
            expect(network, faces=10**6)  # faces so slow that an engine would pay at once
            network(tiny.input[:1])
            assert network.backend == backend
    assert started == [False] * (backend == "openvino")  # no time decides which engine it is
    expect(network, faces=10**6)
    network(tiny.input[:1])
    assert (network.backend, started[-1]) == ("openvino", True)  # as before the context


def test_openvino_restores_faces_of_several_threads_beside_each_other(generator, tiny, monkeypatch):
    """As many as there are cores for, and each the same to the last bit."""
    engines = sys.modules[OpenVINOEngine.__module__]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(engines, "usable_cores", lambda: 3)
    try:
        engine = OpenVINOEngine(generator, torch.float32, CPU)
        one_by_one = [engine(face) for face in tiny.input.split(1)]
        with ThreadPoolExecutor(6) as pool:
            together = list(pool.map(engine, tiny.input.split(1) * 12))
    finally:
        torch.set_num_threads(before)
    assert engine._idle.qsize() == 3
    for number, restored in enumerate(together):
        assert torch.equal(restored, one_by_one[number % len(one_by_one)])


def test_what_ran_is_told_where_an_engine_took_over_in_between(generator, tiny, clock, monkeypatch):
    trials_of(monkeypatch, onnxruntime=None)
    engine = clock.taking(0.1, copy.deepcopy(generator))
    monkeypatch.setitem(choosing._STANDING, "onnxruntime", lambda *_: engine)
    monkeypatch.setattr(generator, "forward", clock.taking(1.0, copy.deepcopy(generator)))
    chosen = accelerate(generator, "tiny", "auto", "fp32", CPU)
    expect(chosen.network, faces=10**6)
    assert compare(tiny.output, chosen.network(tiny.input))[1] < LARGEST_FP32
    assert chosen.backend == "eager"  # two faces were timed, one by one
    chosen.network(tiny.input)
    assert chosen.backend == "eager and onnxruntime"
    expect(chosen.network, faces=2)
    assert compare(tiny.output, chosen.network(tiny.input))[1] < LARGEST_FP32
    assert chosen.backend == "onnxruntime"


def test_nobody_waits_for_an_engine_that_is_known_to_be_no_faster(generator, tiny, monkeypatch):
    trials_of(monkeypatch, openvino=Trial(0, 0, 0.99, 1.0, start_seconds=0.1))
    monkeypatch.setattr(choosing, "_first_of", lambda *_, **__: pytest.fail("an engine was started"))
    assert used_long(accelerate(generator, "tiny", "auto", "fp32", CPU)).backend == "eager"


def failing(faces: Tensor) -> Tensor:
    raise RuntimeError("no kernel for this card")


def off(generator: Generator) -> Any:
    return lambda faces: generator(faces) + 0.1


@pytest.mark.parametrize(
    "build, why", [(lambda _: failing, "RuntimeError: no kernel for this card"), (off, "differs by up to 12.8/255")]
)
def test_an_engine_that_fails_at_its_first_face_is_not_named_as_what_runs(generator, tiny, monkeypatch, build, why):
    monkeypatch.setitem(choosing._FOLLOWING, "compile", build)
    chosen = accelerate(generator, "tiny", "compile", "fp32", CPU)
    chosen.network(tiny.input)
    assert chosen.backend == "eager"
    (fault,) = faults_of(chosen.network)
    assert fault.startswith("compile cannot run this network") and why in fault and "(eager) is used" in fault


def test_an_engine_that_only_warms_at_its_first_face_is_checked_at_its_second(generator, tiny):
    """A CUDA graph is recorded when a batch comes for the second time: before, the generator itself answers."""
    calls: list[int] = []

    def engine(faces: Tensor) -> Tensor:
        calls.append(len(faces))
        return generator(faces) + 0.1 * (len(calls) > 1)

    network = Accelerated(generator, engine, "cudagraph", "cpu", checked=False)
    assert torch.equal(network(tiny.input), generator(tiny.input))
    assert network.backend == "eager" and "differs by" in network.faults[0]


def test_each_thread_is_told_what_ran_its_own_faces(generator, tiny):
    network = Accelerated(generator, lambda faces: generator(faces), "magic", "cpu", checked=True)
    assert network.backend == "magic"
    there = tiny.input.to("meta")
    elsewhere = Accelerated(generator, lambda faces: faces, "magic", "meta", checked=True)
    elsewhere(tiny.input)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: (elsewhere(there), elsewhere.backend)[1]).result() == "magic"
    assert elsewhere.backend == "eager"
    restore_crops(elsewhere, tiny.input[:0], place=lambda _: CPU)
    assert elsewhere.backend == "magic"  # nothing ran, and this would


def test_threads_check_an_engine_once(generator, tiny):
    checks: list[int] = []

    def engine(faces: Tensor) -> Tensor:
        checks.append(len(faces))
        time.sleep(0.05)
        return generator(faces) + 0.1

    network = Accelerated(generator, engine, "magic", "cpu", checked=False)
    with ThreadPoolExecutor(4) as pool:
        restored = list(pool.map(lambda _: network(tiny.input), range(4)))
    assert checks == [1, 1] and all(torch.equal(faces, restored[0]) for faces in restored)


@pytest.mark.parametrize("backend, precision", [("openvino", "fp32"), ("openvino", "bf16"), ("onnxruntime", "fp32")])
def test_a_kept_engine_starts_without_its_graph(
    generator, tiny, new_machine, monkeypatch, backend: Any, precision: Any
):
    first = accelerate(generator, "tiny", backend, precision, CPU).network(tiny.input)
    kept = list((new_machine.parent / "engines").iterdir())
    assert len(kept) == (2 if precision == "bf16" else 1)
    graph = sys.modules["gpen_blocks.gpen.backends.graph"]
    for name in ("whole_graph", "encoder_graph", "painter_graph"):
        monkeypatch.setattr(graph, name, lambda *_, **__: pytest.fail("the graph was written again"))
    again = accelerate(build_generator(tiny.state_dict), "tiny", backend, precision, CPU)
    assert again.backend == backend and torch.equal(again.network(tiny.input), first)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_a_damaged_engine_is_made_anew(generator, tiny, new_machine, backend: Any):
    first = accelerate(generator, "tiny", backend, "fp32", CPU).network(tiny.input)
    (kept,) = (new_machine.parent / "engines").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 3])
    again = accelerate(build_generator(tiny.state_dict), "tiny", backend, "fp32", CPU)
    assert again.backend == backend and torch.equal(again.network(tiny.input), first)
    assert kept.stat().st_size > len(whole) // 2


def test_a_folder_that_cannot_be_written_costs_only_time(generator, new_machine):
    new_machine.parent.parent.mkdir(parents=True, exist_ok=True)
    new_machine.parent.write_text("no folder", encoding="utf-8")
    assert accelerate(generator, "tiny", "onnxruntime", "fp32", CPU).backend == "onnxruntime"


def test_on_another_device_it_runs_as_it_is_written_and_says_so(generator, tiny, caplog):
    def engine(faces: Tensor) -> Tensor:
        raise AssertionError("it is for another device")

    network = Accelerated(generator, engine, "magic", "cuda", checked=True)
    with caplog.at_level(logging.WARNING):
        assert torch.equal(network(tiny.input), generator(tiny.input))
        network(tiny.input)
    assert network.config == generator.config and network.activation_bytes() == generator.activation_bytes()
    assert network.backend == "eager"
    assert network.faults == ("magic runs only on cuda, but the faces are on cpu. Plain PyTorch (eager) is used.",)
    assert caplog.messages == list(network.faults)


@pytest.mark.slow
def test_the_loader_says_what_runs():
    cache.clear()
    loaded = load_generator("gpen-lite-256", backend="openvino")
    assert loaded.backend == "openvino" and loaded.notes == ()
    assert load_generator("gpen-lite-256", backend="openvino") is loaded
    fallen = load_generator("gpen-lite-256", device=CPU, backend="eager", precision="fp16")
    assert fallen.precision == "fp32" and fallen.notes
    crops = (probe(256) + 1) / 2
    eager = load_generator("gpen-lite-256", backend="eager")
    found, expected = (restore_crops(model.module, crops, keep_grayscale=False) for model in (loaded, eager))
    assert (found - expected).abs().max() < LARGEST_FP32
    cache.clear()


def test_fp16_that_comes_to_lie_on_a_processor_is_named_for_what_it_is(generator, tiny):
    """ComfyUI leaves a network that was loaded for a GPU on the processor where its memory is short."""
    network = accelerate(generator, "tiny", "eager", "fp16", torch.device("cuda")).network
    assert precision_of(network) == "fp32"
    (fault,) = faults_of(network)
    assert fault.startswith("The network runs in fp32") and "emulate" in fault
    assert compare(tiny.output, network(tiny.input))[1] < LARGEST
    assert precision_of(build_generator(tiny.state_dict).set_precision(torch.bfloat16)) == "bf16"


# Builds an engine from the cache, if it is there, and lets threads use OpenVINO's types at once.
_TYPES_AT_ONCE = """
import sys, threading
from pathlib import Path
import openvino, torch
from gpen_blocks.gpen.backends.openvino_engine import OpenVINOEngine
from gpen_blocks.gpen.network import Generator, GeneratorConfig

torch.manual_seed(0)
generator = Generator(GeneratorConfig.from_multipliers(64)).eval()
OpenVINOEngine(generator, torch.float32, torch.device("cpu"), Path(sys.argv[1]))
sys.setswitchinterval(1e-6)
together = threading.Barrier(4)

def use():
    together.wait()
    openvino.Type.f32.to_dtype()

threads = [threading.Thread(target=use, daemon=True) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.slow
def test_threads_do_not_wait_for_each_other_for_ever_in_openvino(tmp_path):
    """Its types are made at their first use, where two threads can each hold what the other one waits for."""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", _TYPES_AT_ONCE, tmp_path / "engine"], check=True, timeout=120)

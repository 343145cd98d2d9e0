"""The benchmarks of speed: what they measure is what they say."""

from __future__ import annotations

import pytest
import torch
from speed import gpu, networks, ways
from speed.published import PublishedGenerator
from torch.utils.flop_counter import FlopCounterMode

from gpen_blocks.gpen.network import build_generator

CPU = torch.device("cpu")


def test_the_published_arithmetic_is_the_same_network(tiny):
    generator = build_generator(tiny.state_dict)
    with torch.inference_mode():
        torch.testing.assert_close(PublishedGenerator(generator)(tiny.input), tiny.output, atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("way", [way for way in ways.WAYS if not way.startswith("compile")])
def test_every_way_restores(way, tiny):
    generator = build_generator(tiny.state_dict)
    with torch.inference_mode():
        restored = ways.WAYS[way](generator)(tiny.input)
    assert (restored - tiny.output).abs().max() < (0.1 if way.endswith("bf16") else 1e-4)


@pytest.mark.slow
def test_operations_are_counted_as_the_profiler_counts_them():
    generator = networks.official(256)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        generator(networks.faces(256, 1))
    assert networks.flops(generator.config) == pytest.approx(counter.get_total_flops(), rel=0.03)


@pytest.mark.slow
def test_ways_that_need_a_gpu_are_left_out_and_the_others_restore(tiny):
    found = {way: engine for way, engine in gpu.ways(build_generator(tiny.state_dict), CPU) if "compile" not in way}
    assert {"eager fp32", "eager bf16", "eager fp16"} <= found.keys()
    assert not [way for way in found if way.startswith(("CUDA graph", "TensorRT"))]
    with torch.inference_mode():
        for way, engine in found.items():
            assert (engine(tiny.input) - tiny.output).abs().max() < (1e-4 if way.endswith("fp32") else 0.1), way


@pytest.mark.slow
def test_a_measurement_in_another_process_comes_back():
    seconds = ways.seconds_apart(256, "eager fp32", [1])
    assert seconds.keys() == {1}

"""The benchmarks: that what they measure is what it says, and that the page is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import gpu
import networks
import page
import pytest
import torch
import ways
from published import PublishedGenerator
from torch.utils.flop_counter import FlopCounterMode

from gpen_blocks.gpen.network import build_generator

DOCS = Path(__file__).parents[2] / "docs"
CPU = torch.device("cpu")


def test_the_page_is_what_was_measured(tmp_path):
    results = json.loads((DOCS / "performance" / "results.json").read_text(encoding="utf-8"))
    (tmp_path / "performance").mkdir()
    page.write(results, tmp_path)
    assert (tmp_path / "performance.md").read_text("utf-8") == (DOCS / "performance.md").read_text("utf-8")
    charts = {path.name for path in (tmp_path / "performance").iterdir()}
    assert charts == {path.name for path in (DOCS / "performance").glob("*.png")}


def test_the_published_arithmetic_is_the_same_network(tiny):
    generator = build_generator(tiny.state_dict)
    with torch.inference_mode():
        torch.testing.assert_close(PublishedGenerator(generator)(tiny.input), tiny.output, atol=1e-4, rtol=0)


@pytest.mark.parametrize("way", [way for way in ways.WAYS if not way.startswith("compile")])
def test_every_way_restores(way, tiny):
    generator = build_generator(tiny.state_dict)
    with torch.inference_mode():
        restored = ways.WAYS[way](generator)(tiny.input)
    assert (restored - tiny.output).abs().max() < (0.1 if way.endswith("bf16") else 1e-4)


def test_operations_are_counted_as_the_profiler_counts_them():
    generator = networks.official(256)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        generator(networks.faces(256, 1))
    assert networks.flops(generator.config) == pytest.approx(counter.get_total_flops(), rel=0.03)


def test_what_a_gpu_would_be_asked_runs(tiny, examples):
    """On the processor, whose numbers mean nothing."""
    generator = build_generator(tiny.state_dict)
    found = dict(gpu.ways(generator, CPU))
    assert "eager bf16" in found and "CUDA graph bf16" not in found
    timed = gpu.timed(found["eager bf16"], tiny.input, CPU)
    assert timed["seconds"][0] > 0 and timed["kernels"] > 0
    model = gpu.load_generator("gpen-lite-256", backend="eager", device=CPU)
    run = gpu.portraits(examples / "portrait.png", model, CPU, count=2)
    assert run["faces"] == 2 and run["total"] > 0

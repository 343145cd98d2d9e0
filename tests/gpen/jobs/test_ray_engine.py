"""Workers of a job on Ray: how many fit on a cluster, and what starts them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gpen_blocks.gpen.errors import JobError
from gpen_blocks.gpen.jobs.ray_engine import plan_crew


@pytest.mark.parametrize(
    ("nodes", "gpus", "size", "cores"),
    [
        ([{"CPU": 2}], 0, 1, 1),
        ([{"CPU": 8}], 0, 7, 1),
        ([{"CPU": 64}], 0, 15, 4),
        ([{"CPU": 1}, {"CPU": 2}, {"CPU": 2}], 0, 4, 1),
        ([{"CPU": 16, "GPU": 4}], 1, 4, 3),
        ([{"CPU": 4}, {"CPU": 8, "GPU": 1}, {"CPU": 8, "GPU": 1}], 0.5, 4, 3),
        ([{"CPU": 4}, {"CPU": 8, "GPU": 2}], 2, 1, 7),
    ],
)
def test_workers_fit_and_leave_a_core(nodes, gpus, size, cores):
    crew = plan_crew(nodes, gpus)
    assert (crew.size, crew.cores, crew.gpus) == (size, cores, gpus)
    assert crew.size * crew.cores < sum(node["CPU"] for node in nodes)


@pytest.mark.parametrize(
    ("nodes", "gpus"), [([], 0), ([{"CPU": 1}], 0), ([{"CPU": 8}], 1), ([{"CPU": 8, "GPU": 1}], 2)]
)
def test_a_cluster_without_room_is_a_sentence(nodes, gpus):
    with pytest.raises(JobError, match="GPUs and 1 core" if gpus else "1 core for a worker"):
        plan_crew(nodes, gpus)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "address", "by_uv"),
    [
        ({}, None, False),
        ({"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "1"}, None, True),
        ({}, "auto", True),
        ({"RAY_ADDRESS": "ray://head:10001"}, None, True),
    ],
)
def test_uv_run_starts_workers_on_clusters_elsewhere_alone(environment, address, by_uv):
    code = f"""
from gpen_blocks.gpen.jobs.ray_engine import require_ray
require_ray({address!r})
from ray._private.ray_constants import RAY_ENABLE_UV_RUN_RUNTIME_ENV
print(RAY_ENABLE_UV_RUN_RUNTIME_ENV)
"""
    pytest.importorskip("ray", reason="ray is not installed")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    said = subprocess.check_output([sys.executable, "-c", code], env={**plain, **environment}, text=True)
    assert said.split() == [str(by_uv)]

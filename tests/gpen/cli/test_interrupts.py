"""Ctrl-C and SIGTERM end a command with one line, whatever it is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there, no process can send another one these signals")

GPEN = (sys.executable, "-X", "importtime", "-m", "gpen_blocks.gpen.cli")
ENDINGS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "word"), ENDINGS, ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("module", ["typer._click", "gpen_blocks.gpen.jobs.collect", "numpy._core", "torch.nn.modules"])
def test_a_signal_during_imports(module, number, code, word, examples, tmp_path):
    """Imports hide what is raised in them, or raise something else instead."""
    words = ("restore", examples / "portrait-degraded.jpg", "-o", tmp_path / "out" / "a.jpg")
    with subprocess.Popen([*GPEN, *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None and run.stdout is not None
        for line in run.stderr:
            if module in line:
                break
        run.send_signal(number)
        rest = [line for line in run.stderr if not line.startswith("import time:")]
        assert run.stdout.read() == ""
    assert rest == [f"gpen: {word}.\n"] and run.returncode == code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("number", "code", "word"), ENDINGS, ids=["SIGINT", "SIGTERM"])
def test_a_signal_at_work_lets_the_work_end_itself_and_a_later_one_does_not(number, code, word):
    program = (
        "import time\n"
        "from gpen_blocks.gpen.cli.interrupts import ending_in_one_line\n"
        "with ending_in_one_line():\n"
        "    try:\n"
        "        print('at work', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('tidy', flush=True)\n"
        "        time.sleep({})\n"
    )
    for tidying, again in ((0, 0), (60, 1.2)):
        command = [sys.executable, "-c", program.format(tidying)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert run.stderr is not None and run.stdout is not None
            assert run.stdout.readline() == "at work\n"
            run.send_signal(number)
            assert run.stdout.readline() == "tidy\n"
            if again:
                run.send_signal(number)  # a copy of the first
                time.sleep(again)
                assert run.poll() is None
                run.send_signal(number)
            assert run.stderr.read() == f"gpen: {word}.\n"
        assert run.returncode == code


def test_an_ignored_signal_stays_ignored():
    program = (
        "import os, signal\n"
        "from gpen_blocks.gpen.cli.interrupts import ending_in_one_line\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "with ending_in_one_line():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n" and done.stderr == ""

"""The command itself."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gpen_blocks.gpen.cli import main


@pytest.mark.parametrize(
    "asked, found", [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")]
)
def test_threads_soon_sleep_while_they_wait_unless_told_otherwise(asked: dict[str, str], found: str):
    """The number is in place before torch, which reads it when it is loaded."""
    code = (
        "import os, sys\n"
        "from gpen_blocks.gpen.cli import commands, main\n"
        "assert 'torch' not in sys.modules\n"
        "commands.app = lambda: print(os.environ.get('GOMP_SPINCOUNT'))\n"
        "main()\n"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run([sys.executable, "-c", code], env=kept | asked, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [found]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--strength", "1.5"], "strength is 1.5"),
        (["--mask-mode", "oval"], "choose from"),
        (["--device", "foo"], "is not a device"),
        (["--preset", "nope"], "There is no preset"),
        (["--indices", "2-0"], "cannot be parsed"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_value_is_a_wrong_command_line(words: list[str], told: str, examples, tmp_path, monkeypatch, capsys):
    """Before any work, and once, however many pictures there are."""
    picture = str(examples / "portrait-degraded.jpg")
    monkeypatch.setattr("sys.argv", ["gpen", "restore", picture, "-o", str(tmp_path / "out"), *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["restore", "detect"])
def test_no_picture_at_all_is_a_wrong_command_line(command: str, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpen", command, str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "There is no picture in" in capsys.readouterr().err

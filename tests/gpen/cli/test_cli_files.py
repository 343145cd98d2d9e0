"""The commands on files of phones, scanners and archives, and on damaged ones."""

import json

import numpy as np
import pytest
import tifffile
from phone_files import jpeg, ultra_hdr
from PIL import Image
from typer.testing import CliRunner

from gpen_blocks.gpen.cli.commands import app
from gpen_blocks.gpen.images import read_picture

RUNNER = CliRunner()
BUNDLED = ["--model", "gpen-lite-256", "--detector", "face-detector-lite", "--device", "cpu", "--backend", "eager"]


def gpen(*args):
    return RUNNER.invoke(app, [str(arg) for arg in args], catch_exceptions=True)


def entry_of(report):
    return json.loads(report.read_text(encoding="utf-8"))["pictures"][0]


@pytest.fixture
def face(examples):
    return np.asarray(Image.open(examples / "portrait-degraded.jpg").convert("RGB"))


@pytest.fixture
def pages(face, tmp_path):
    """A TIFF of three pages: a face, no face, and a smaller face of 16 bits."""
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(face, photometric="rgb")
        file.write(np.full((200, 300, 3), 120, np.uint8), photometric="rgb")
        file.write(face[::2, ::2].astype(np.uint16) * 257, photometric="rgb")
    return path


def test_a_phones_face_is_restored_and_its_gain_map_told(face, tmp_path):
    """The picture is restored, the note tells of the gain map, and no trace of it is in the new file."""
    (tmp_path / "a.jpg").write_bytes(ultra_hdr(face))
    done = gpen("restore", tmp_path / "a.jpg", *BUNDLED, "-o", tmp_path / "b.jpg")
    assert done.exit_code == 0, done.output
    assert "HDR gain map was left out" in " ".join(done.output.split())
    assert b"hdrgm" not in (tmp_path / "b.jpg").read_bytes()


@pytest.mark.slow
def test_all_pages_are_restored(pages, face, tmp_path):
    """Each page goes through the chain: faces are told by page, a page without one stays bit for bit."""
    out, report = tmp_path / "out.tif", tmp_path / "report.json"
    done = gpen(
        "restore", pages, *BUNDLED, "-o", out, "--report", report, "--compare", "--save-faces", "--min-face-size", 24
    )
    assert done.exit_code == 0, done.output
    assert "3 pages, 2 faces restored" in " ".join(done.output.split())
    entry = entry_of(report)
    assert [one["page"] for one in entry["faces"] if one["restored"]] == [0, 2]
    assert any(note.startswith("Page 2: ") and "no face" in note for note in entry["notes"])
    results = [read_picture(out, page=page) for page in range(3)]
    sources = [read_picture(pages, page=page) for page in range(3)]
    changed = [bool((a.to_array() != b.to_array()).any()) for a, b in zip(results, sources, strict=True)]
    assert changed == [True, False, True]
    assert [picture.bit_depth for picture in results] == [8, 8, 16]
    assert len(list((tmp_path / "out-faces").iterdir())) == 4
    assert Image.open(tmp_path / "out-compare.png").height > 1000


def test_pages_into_another_format_are_told(pages, tmp_path):
    """A JPEG holds one page; the note says what to name."""
    done = gpen("restore", pages, *BUNDLED, "-o", tmp_path / "out.jpg")
    assert done.exit_code == 0, done.output
    assert "can hold one page; choose a result that ends in .tif to keep all 3" in " ".join(done.output.split())


def test_faces_of_all_pages_are_detected(pages, tmp_path):
    """Numbered pages, and boxes by page."""
    report = tmp_path / "report.json"
    done = gpen(
        "detect",
        pages,
        "--detector",
        "face-detector-lite",
        "--device",
        "cpu",
        "-o",
        tmp_path / "o.tif",
        "--report",
        report,
    )
    assert done.exit_code == 0, done.output
    assert "3 pages, 2 faces" in " ".join(done.output.split())
    assert [one["page"] for one in entry_of(report)["faces"]] == [0, 2]
    assert read_picture(tmp_path / "o.tif", page=2).n_frames == 3


@pytest.mark.parametrize("command", ["restore", "detect"])
def test_a_cut_file_is_read_where_it_is_allowed(face, tmp_path, command):
    """Refused with how much is there; with --allow-damaged what is there is worked on, and the note says so."""
    data = jpeg(face)
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 3 // 4])
    options = BUNDLED if command == "restore" else BUNDLED[2:6]
    done = gpen(command, tmp_path / "a.jpg", *options, "-o", tmp_path / "b.jpg")
    assert done.exit_code == 1
    assert "% of the picture can be read" in " ".join(done.output.split())
    done = gpen(command, tmp_path / "a.jpg", *options, "-o", tmp_path / "b.jpg", "--allow-damaged")
    assert done.exit_code == 0, done.output
    assert "could be read; the rest is lost" in " ".join(done.output.split())
    assert read_picture(tmp_path / "b.jpg").size == face.shape[:2]


def test_a_picture_without_a_face_keeps_its_bytes(tmp_path):
    """2.8 times as large was what encoding anew made of one."""
    gradient = np.linspace(0, 255, 300 * 400 * 3).reshape(300, 400, 3).astype(np.uint8)
    Image.fromarray(gradient).save(tmp_path / "a.jpg", quality=50)
    done = gpen("restore", tmp_path / "a.jpg", *BUNDLED, "-o", tmp_path / "b.jpg")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()


@pytest.mark.parametrize("installed", [True, False])
def test_raw_files_beside_photographs(tmp_path, monkeypatch, installed):
    """A camera's folder of pairs: without rawpy its raw files are passed over and counted, and nothing fails."""
    from importlib.machinery import ModuleSpec

    from gpen_blocks.gpen.jobs import collect

    monkeypatch.setattr(collect, "find_spec", lambda name: ModuleSpec(name, None) if installed else None)
    for name in ("a.jpg", "a.CR2", "b.dng", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    jobs, passed_over = collect.collect([str(tmp_path)], recursive=False)
    names = ["a.CR2", "a.jpg", "b.dng"] if installed else ["a.jpg"]
    assert sorted(job.source.name for job in jobs) == names
    reasons = sorted(one.reason for one in passed_over)
    assert reasons == (["other"] if installed else ["other", "raw", "raw"])

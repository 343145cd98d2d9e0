"""The contact sheet of a job: what its page says and shows, and that nothing in it can run or reach the network."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run_gpen
from jobs import a_face, run_small_job, write_noise
from PIL import Image

from gpen_blocks.gpen.errors import JobError, SettingsError
from gpen_blocks.gpen.jobs import contact_sheet, sheet_thumbnails
from gpen_blocks.gpen.jobs.collect import collect
from gpen_blocks.gpen.jobs.contact_sheet import write_contact_sheet
from gpen_blocks.gpen.jobs.journal import FILE, Journal
from gpen_blocks.gpen.wording import printable

HOSTILE = "</script><script>alert(1)</script>&quot;'\"><img src=x onerror=alert(2)> {{data}} \u202egpj.exe\u2028.png"


class Markup(html.parser.HTMLParser):
    """The tags of a page, and what is inside its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.closed = True
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append("")
        self.closed = False

    def handle_endtag(self, tag: str) -> None:
        self.closed = True

    def handle_data(self, data: str) -> None:
        if not self.closed:
            self.inside[-1] += data


def data_of(page: Path) -> dict[str, Any]:
    markup = Markup(page.read_text(encoding="utf-8"))
    (data,) = (text for (_, attrs), text in zip(markup.tags, markup.inside, strict=True) if attrs.get("id") == "data")
    return json.loads(data)


def pictures_of(page: Path) -> dict[str, dict[str, Any]]:
    return {picture["name"]: picture for picture in data_of(page)["pictures"]}


def brightness(path: Path) -> float:
    return float(np.asarray(Image.open(path).convert("L"), np.float32).mean())


@pytest.fixture
def sources(tmp_path) -> Path:
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def job(sources, out) -> Path:
    """Restored, left alone, without a face, failed, and still to be done."""
    for number, name in enumerate(("a.png", "b/c.png", "d.png", "z.png")):
        write_noise(sources / name, seed=number)
    (sources / "e.png").write_bytes(b"no picture")
    found = {
        "a.png": [a_face(10, 10, 60, change=30), a_face(120, 40, 50, change=9)],
        "c.png": [a_face(20, 20, 40, left_alone="sharp already")],
        "z.png": [a_face(0, 0, 40)],
    }
    run_small_job(sources, out, found, limit=4)
    return out


def test_the_page_has_all_pictures_with_their_states_and_reasons(job, tmp_path):
    sheet = write_contact_sheet(job, tmp_path / "sheet.html")
    assert (sheet.pictures, sheet.notes) == (5, ())
    found = pictures_of(sheet.page)
    assert {name: one["state"] for name, one in found.items()} == {
        **dict.fromkeys(("a.png", "b/c.png", "d.png"), "done"),
        "e.png": "failed",
        "z.png": "waiting",
    }
    assert [one["unchanged"] for one in found.values()] == [False, True, True, False, False]
    assert [one["came"] for one in found.values()] == ["restored", "left alone", "without a face", "failed", "waiting"]
    assert [one["facesTold"] for one in found.values()][:3] == [
        "2 faces restored",
        "no face restored, 1 left alone",
        "no face found",
    ]
    assert "is not a known picture" in found["e.png"]["why"]
    assert found["b/c.png"]["faces"][0]["leftAlone"] == "sharp already"
    assert [(face["number"], face["change"]) for face in found["a.png"]["faces"]] == [(0, 30.0), (1, 9.0)]
    assert found["a.png"]["notes"] == ["A note."]
    assert (found["e.png"]["before"], found["e.png"]["missing"]) == (None, []), "it is told once"
    assert found["z.png"]["before"] is None, "what is not done yet costs no thumbnail"


def test_thumbnails_show_before_and_after_of_the_picture_and_of_each_face(job, tmp_path):
    page = write_contact_sheet(job, tmp_path / "a sheet #1.html").page
    picture = pictures_of(page)["a.png"]

    def shown(url: str) -> float:
        assert url.startswith("a%20sheet%20%231_files/")
        return brightness(tmp_path / "a sheet #1_files" / url.partition("/")[2])

    assert shown(picture["after"]) > shown(picture["before"]) + 1
    first, second = picture["faces"]
    assert shown(first["after"]) - shown(first["before"]) == pytest.approx(30 / 1.5**2, abs=5)
    assert shown(second["after"]) - shown(second["before"]) == pytest.approx(9 / 1.5**2, abs=3)
    assert first["box"] == pytest.approx([10 / 200, 10 / 120, 70 / 200, 70 / 120])
    assert first["sharpness"] > 0


def test_links_lead_to_the_files(job, sources, tmp_path):
    page = write_contact_sheet(job, tmp_path / "sheet.html").page
    picture = pictures_of(page)["b/c.png"]
    assert (picture["sourceLink"], picture["outputLink"]) == ("in/b/c.png", "out/b/c.png")


def test_hostile_names_and_reasons_are_data(sources, out):
    """A page is opened with the rights of a local file, and names come with downloads."""
    name = HOSTILE.replace("/", "\u2215") if os.sep == "/" else "a'&{{data}}.png"
    write_noise(sources / name)
    (sources / f"broken {name}").write_bytes(b"")
    run_small_job(sources, out, {name: [a_face(1, 1, 50, left_alone="<b>why</b></script>")]})
    page = write_contact_sheet(out, out / "sheet.html").page
    text = page.read_text(encoding="utf-8")
    markup = Markup(text)
    assert [tag for tag, _ in markup.tags].count("script") == 2
    assert "alert(1)" not in "".join(
        inside for (_, attrs), inside in zip(markup.tags, markup.inside, strict=True) if attrs.get("id") != "data"
    )
    assert text.isascii() or not re.search(r"[\u202e\u2028]", text)
    name = printable(name)
    assert set(pictures_of(page)) == {name, f"broken {name}"}
    assert name.isprintable() and pictures_of(page)[name]["why"] is None
    assert pictures_of(page)[name]["faces"][0]["leftAlone"] == "<b>why</b></script>"
    assert not re.search(r"[<>'\"]|javascript", pictures_of(page)[name]["sourceLink"])


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes only there")
def test_a_name_that_is_no_utf8(sources, out):
    write_noise(sources / "x.png")
    (sources / "x.png").rename(os.fsdecode(os.fsencode(sources) + b"/caf\xe9.png"))
    run_small_job(sources, out, {})
    page = write_contact_sheet(out, out / "sheet.html").page
    (picture,) = pictures_of(page).values()
    assert picture["sourceLink"] == "../in/caf%E9.png"
    assert picture["before"] and picture["after"]


def test_a_policy_forbids_the_network_and_other_scripts(job, tmp_path):
    """The browser's own check: even a script that got into the page would not run."""
    page = write_contact_sheet(job, tmp_path / "sheet.html").page
    markup = Markup(page.read_text(encoding="utf-8"))
    (policy,) = (attrs["content"] for _, attrs in markup.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy and "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    for (tag, attrs), inside in zip(markup.tags, markup.inside, strict=True):
        assert not any(name.startswith("on") or name == "style" for name in attrs)
        assert not str(attrs.get("src", "")).startswith("http")
        if tag == "style" or (tag == "script" and "type" not in attrs):
            digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy


def test_files_that_are_gone_or_changed_are_told_and_keep_their_thumbnails(job, sources, tmp_path):
    page = tmp_path / "sheet.html"
    write_contact_sheet(job, page)
    (sources / "a.png").unlink()
    (job / "d.png").unlink()
    write_noise(job / "b/c.png", seed=9)
    sheet = write_contact_sheet(job, page)
    found = pictures_of(page)
    assert found["a.png"]["missing"] == ["The source is gone."]
    assert found["d.png"]["missing"] == ["The result is gone."]
    assert found["b/c.png"]["missing"] == ["The result was changed after it was written."]
    assert found["a.png"]["before"] and (tmp_path / found["a.png"]["before"]).is_file()
    assert sheet.notes == ("1 of 5 pictures: the source is gone.", "1 of 5 pictures: the result is gone.")


def test_without_the_source_the_result_is_shown_alone(job, sources, tmp_path):
    (sources / "a.png").unlink()
    picture = pictures_of(write_contact_sheet(job, tmp_path / "sheet.html").page)["a.png"]
    assert picture["before"] is None and picture["after"]
    assert picture["faces"][0]["after"] and picture["faces"][0]["before"] is None


def test_thumbnails_are_made_once_and_old_ones_go(job, sources, tmp_path, monkeypatch):
    page = tmp_path / "sheet.html"
    write_contact_sheet(job, page)
    files = tmp_path / "sheet_files"
    before = {path.name: path.stat().st_mtime_ns for path in files.iterdir()}
    (files / "mine.webp").write_bytes(b"of the user")
    read: list[str] = []
    real = sheet_thumbnails.read_small
    monkeypatch.setattr(sheet_thumbnails, "read_small", lambda path, *more: read.append(path) or real(path, *more))
    write_contact_sheet(job, page)
    assert not read
    write_noise(sources / "a.png", seed=7)
    run_small_job(sources, job, {"a.png": [a_face(5, 5, 50)]})
    write_contact_sheet(job, page)
    assert {Path(path).name for path in read} == {"a.png", "z.png"}
    after = {path.name: path.stat().st_mtime_ns for path in files.iterdir()}
    assert after.pop("mine.webp")
    assert len(set(before) & set(after)) == len(before) - 8, "2 of the old picture, 4 of its faces, 2 lists"
    named = re.findall(r"[0-9a-f]{32}-\w+\.webp", page.read_text(encoding="utf-8"))
    assert {name for name in after if name.endswith(".webp")} == set(named)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_text("{")])
@pytest.mark.parametrize("suffix", [".webp", ".json"])
def test_thumbnails_that_are_gone_or_empty_are_made_again(job, tmp_path, damage, suffix):
    page = tmp_path / "sheet.html"
    write_contact_sheet(job, page)
    files = {path: path.read_bytes() for path in (tmp_path / "sheet_files").iterdir()}
    damage(next(path for path in sorted(files) if path.suffix == suffix))
    write_contact_sheet(job, page)
    assert {path: path.read_bytes() for path in (tmp_path / "sheet_files").iterdir()} == files


def test_an_interrupted_call_leaves_the_old_page_and_its_thumbnails(job, sources, tmp_path):
    page = tmp_path / "sheet.html"

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_contact_sheet(job, page, progress=stop)
    assert not page.exists()
    write_contact_sheet(job, page)
    old = page.read_bytes()
    write_noise(sources / "a.png", seed=7)
    run_small_job(sources, job, {})
    with pytest.raises(KeyboardInterrupt):
        write_contact_sheet(job, page, progress=stop)
    assert page.read_bytes() == old
    for url in re.findall(rb"sheet_files/[\w.-]+", old):
        assert (tmp_path / url.decode()).is_file()


def test_a_disk_that_is_full_is_a_sentence(job, tmp_path, monkeypatch):
    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(JobError, match=r"sheet_files cannot be written: No space left on device"):
        write_contact_sheet(job, tmp_path / "sheet.html")
    assert not (tmp_path / "sheet.html").exists()


def test_one_file_on_request(job, tmp_path):
    page = write_contact_sheet(job, tmp_path / "sheet.html", embed=True).page
    assert not (tmp_path / "sheet_files").exists()
    url = pictures_of(page)["a.png"]["after"]
    kind, _, data = url.partition(",")
    assert kind == "data:image/webp;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (200, 120)


def test_a_job_by_url_is_read_through_its_storage(job, sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect(job / FILE)) as journal, journal:
        journal.create_function("url", 1, lambda path: Path(path).as_uri())
        for table in ("pictures", "faces"):
            journal.execute(f"UPDATE {table} SET source = url(source)")
    (job / "d.png").unlink()
    run_gpen("contact-sheet", job.as_uri())
    found = pictures_of(tmp_path / "contact-sheet.html")
    picture = found["a.png"]
    assert (picture["sourceLink"], picture["outputLink"], picture["missing"]) == (None, None, [])
    before, after = (brightness(tmp_path / picture[when]) for when in ("before", "after"))
    assert after > before + 1
    assert picture["faces"][0]["after"]
    assert "d.png cannot be read" in found["d.png"]["missing"][0]


def test_pages_of_others_are_not_replaced(job, tmp_path):
    (tmp_path / "index.html").write_text("<h1>My page</h1>")
    with pytest.raises(JobError, match="is no contact sheet"):
        write_contact_sheet(job, tmp_path / "index.html")
    with pytest.raises(JobError, match=r"must end in \.html"):
        write_contact_sheet(job, tmp_path / "photograph.jpg")


def test_a_folder_without_a_job(tmp_path):
    with pytest.raises(JobError, match="There is no job"):
        write_contact_sheet(tmp_path, tmp_path / "sheet.html")


def test_values_of_the_journal_decide_what_can_be_sorted_by(job, tmp_path):
    page = tmp_path / "sheet.html"
    with pytest.raises(SettingsError, match="does not hold the identity of faces; sort by change, sharpness, name"):
        write_contact_sheet(job, page, sort="identity")
    assert data_of(write_contact_sheet(job, page).page)["sharpness"] == "page"
    with closing(sqlite3.connect(job / FILE)) as journal, journal:
        journal.execute("UPDATE faces SET identity = 0.5 + 0.1 * number, sharpness = 3 WHERE restored")
    write_contact_sheet(job, page, sort="identity")
    data = data_of(page)
    assert (data["sort"], data["sharpness"]) == ("identity", "journal")
    assert [(f["identity"], f["sharpness"]) for f in pictures_of(page)["a.png"]["faces"]] == [(0.5, 3.0), (0.6, 3.0)]
    assert pictures_of(page)["b/c.png"]["faces"][0]["sharpness"] is None, "two measures would not compare"


def test_of_a_large_job_the_first_in_an_order_and_all_that_failed(sources, out, tmp_path):
    for number, name in enumerate(("9.png", "10.png", "11.png", "12.png", "13.png")):
        write_noise(sources / name, seed=number)
    (sources / "bad.png").write_bytes(b"")
    found = {
        "9.png": [a_face(5, 5, 60, change=2)],
        "10.png": [a_face(5, 5, 60, change=30), a_face(90, 5, 60, change=1)],
        "11.png": [a_face(5, 5, 60, change=9)],
        "12.png": [a_face(5, 5, 60, left_alone="sharp already")],
    }
    run_small_job(sources, out, found)
    page = tmp_path / "sheet.html"
    sheet = write_contact_sheet(out, page, limit=2)
    assert (sheet.pictures, sheet.notes) == (3, ("The job has 6 pictures.",))
    assert list(pictures_of(page)) == ["bad.png", "10.png", "11.png"]
    assert data_of(page)["total"] == 6
    assert len(list((tmp_path / "sheet_files").glob("*.json"))) == 3, "the others cost nothing"
    write_contact_sheet(out, page, limit=3, sort="name")
    assert list(pictures_of(page)) == ["bad.png", "9.png", "10.png", "11.png"]
    with pytest.raises(SettingsError, match="the sharpness of faces, which --limit needs; sort by change, name"):
        write_contact_sheet(out, page, limit=3, sort="sharpness")
    with closing(sqlite3.connect(out / FILE)) as journal, journal:
        journal.execute("UPDATE faces SET identity = changed_mean, sharpness = -changed_mean WHERE restored")
    write_contact_sheet(out, page, limit=3, sort="identity")
    assert list(pictures_of(page)) == ["bad.png", "10.png", "9.png", "11.png"]
    write_contact_sheet(out, page, limit=1, sort="sharpness")
    assert list(pictures_of(page)) == ["bad.png", "10.png"]


def test_faces_of_later_pages_have_no_crop_on_the_first(sources, out, tmp_path):
    write_noise(sources / "a.tif")
    run_small_job(sources, out, {"a.tif": [a_face(10, 10, 60, page=0), a_face(10, 10, 60, page=1)]})
    first, second = pictures_of(write_contact_sheet(out, tmp_path / "sheet.html").page)["a.tif"]["faces"]
    assert first["before"] and second["before"] is None and (first["page"], second["page"]) == (1, 2)


def test_thumbnails_are_no_pictures_of_another_job(job, out):
    write_contact_sheet(job, job / "contact-sheet.html")
    collection = collect([str(job)], recursive=True)
    assert not any("contact-sheet_files" in str(one.source) for one in collection.jobs)
    assert any(one.path.name == "contact-sheet_files" and one.reason == "result" for one in collection.passed_over)


def test_the_command_writes_beside_the_results_without_torch(job):
    code = (
        "import sys; from gpen_blocks.gpen.cli.commands import app\n"
        "app(['contact-sheet', sys.argv[1]], standalone_mode=False); print('torch' in sys.modules)"
    )
    words = [sys.executable, "-c", code, str(job)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[-1] == "False"
    assert said[0] == f"{job / 'contact-sheet.html'}: 5 pictures."
    assert set(pictures_of(job / "contact-sheet.html")) == {"a.png", "b/c.png", "d.png", "e.png", "z.png"}


def test_the_command_refuses_what_it_cannot_sort_by(job):
    with pytest.raises(SettingsError, match="choose from change, sharpness, identity, name"):
        run_gpen("contact-sheet", job, "--sort", "beauty")


@pytest.mark.slow
def test_the_sheet_of_a_real_job(examples, tmp_path):
    """The report of the chain has what the page needs: sizes, boxes, numbers and changes of faces."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jpg").write_bytes((examples / "portrait-degraded.jpg").read_bytes())
    run_gpen("restore", source, "-o", tmp_path / "out", "--again")
    said = run_gpen("contact-sheet", tmp_path / "out", "-o", tmp_path / "sheet.html")
    assert "1 picture." in said
    (picture,) = pictures_of(tmp_path / "sheet.html").values()
    (face,) = picture["faces"]
    assert (picture["size"], picture["missing"], picture["came"]) == ([512, 512], [], "restored")
    assert face["change"] > 1 and face["number"] == 0
    (before, after) = (tmp_path / face[when] for when in ("before", "after"))
    assert Image.open(before).size == (160, 160)
    assert np.abs(np.asarray(Image.open(before), float) - np.asarray(Image.open(after), float)).mean() > 1


def test_the_journal_is_only_read(job, tmp_path):
    with closing(Journal.read(job)) as journal:
        before = journal.entries(reports=True), journal.faces()
    os.utime(job / FILE, ns=(1, 1))
    write_contact_sheet(job, tmp_path / "sheet.html")
    assert (job / FILE).stat().st_mtime_ns == 1
    with closing(Journal.read(job)) as journal:
        assert (journal.entries(reports=True), journal.faces()) == before


def test_the_parts_of_the_page_are_all_in_it():
    """A script that is not named would be missing from the page."""
    scripts = {path.name for path in contact_sheet._PARTS.iterdir() if path.suffix == ".js"}
    assert scripts == set(contact_sheet._SCRIPTS)

"""Downloads from a real server that misbehaves: what gets a model's name is whole and true, or nothing is."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gpen_blocks.weights import places, registry
from gpen_blocks.weights.download import address_of, download
from gpen_blocks.weights.errors import DownloadError, ModelNotFoundError
from gpen_blocks.weights.registry import Source


@pytest.fixture
def content(make_checkpoint) -> bytes:
    return make_checkpoint(size=2000)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def fetch(make_record, folder, hasty, content):
    """Download `content` from some addresses into an empty folder."""

    def fetch(*urls: str, hashed: bool = True, **options):
        return download(make_record(content, *urls, hashed=hashed), folder=folder, patience=hasty, **options)

    return fetch


def left_in(folder: Path) -> set[str]:
    """What lies in the folder, without the lock, which holds nothing."""
    return {entry.name for entry in folder.iterdir() if not entry.name.endswith(".lock")}


def assert_nothing_looks_whole(folder: Path) -> None:
    assert left_in(folder) <= {"toy.safetensors.part", "toy.safetensors.part.json"}


def test_a_file_arrives_whole_and_alone(server, fetch, folder, content):
    path = fetch(server.serve("/toy", content))
    assert path == folder / "toy.safetensors" and path.read_bytes() == content
    assert left_in(folder) == {"toy.safetensors"}


def test_progress_is_told(server, fetch, content):
    told: list[tuple[int, int | None]] = []
    fetch(server.serve("/toy", content), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(content), len(content))
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_file_that_is_there_is_not_asked_for_again(server, fetch, content):
    url = server.serve("/toy", content)
    first, asked = fetch(url), len(server.requests)
    assert fetch(url, on_licence=lambda text: pytest.fail("nothing is fetched")) == first
    assert len(server.requests) == asked


def test_the_licence_comes_before_the_first_byte(server, fetch, folder, content):
    class DeclinedError(Exception):
        pass

    def decline(text: str) -> None:
        assert "toy.safetensors" in text and "For play only." in text
        assert server.requests == []
        raise DeclinedError

    with pytest.raises(DeclinedError):
        fetch(server.serve("/toy", content), on_licence=decline)
    assert server.requests == [] and left_in(folder) == set()


def test_a_connection_cut_at_any_byte_is_taken_up_where_it_broke(server, make_record, tmp_path, hasty, content):
    """One cut per download, at many places, and none of the bytes is sent twice."""
    for cut in sorted({*range(12), *range(100, len(content), 397), len(content) - 1}):
        url = server.serve("/toy", content, cuts=[cut])
        server.requests.clear()
        path = download(make_record(content, url), folder=tmp_path / str(cut), patience=hasty)
        assert path.read_bytes() == content
        assert server.ranges_asked() == [None, f"bytes={cut}-" if cut else None]


def test_many_cuts_in_one_download(server, fetch, make_record, content, tmp_path):
    """Three connections in a row may fail, and no more: here two, then one that gets through."""
    url = server.serve("/toy", content, cuts=[1000, 2000])
    assert fetch(url).read_bytes() == content
    assert server.ranges_asked() == [None, "bytes=1000-", "bytes=2000-"]


def test_after_too_many_cuts_the_next_call_goes_on(server, fetch, folder, content):
    url = server.serve("/toy", content, cuts=[100, 200, 300])
    with pytest.raises(DownloadError, match="connection ended after 300 of"):
        fetch(url)
    assert_nothing_looks_whole(folder)
    assert fetch(url).read_bytes() == content
    assert server.ranges_asked()[-1] == "bytes=300-"
    assert left_in(folder) == {"toy.safetensors"}


def test_a_cut_answer_that_does_not_say_its_length_is_noticed(server, fetch, folder, content):
    url = server.serve("/toy", content, length=False, cuts=[500])
    assert fetch(url).read_bytes() == content


def test_a_stalled_connection_is_given_up_and_taken_up_again(server, fetch, content):
    url = server.serve("/toy", content, stalls=[700])
    assert fetch(url).read_bytes() == content
    assert server.ranges_asked() == [None, "bytes=700-"]


@pytest.mark.slow
def test_a_server_that_stalls_for_good_is_named(server, fetch, folder, content):
    with pytest.raises(DownloadError, match=r"/toy no data for 0\.4 s"):
        fetch(server.serve("/toy", content, stalls=[0, 0, 0]))
    assert len(server.requests) == 3
    assert_nothing_looks_whole(folder)


@pytest.mark.slow
def test_a_dripping_connection_is_as_good_as_none(server, fetch, content):
    """Every byte comes in time, and the file would take hours."""
    with pytest.raises(DownloadError, match="almost no data"):
        fetch(server.serve("/toy", content, drip=0.02))


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_fault_is_asked_again(server, fetch, content, status):
    assert fetch(server.serve("/toy", content, statuses=[status, status])).read_bytes() == content


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_lasting_fault_leads_to_the_next_source_at_once(server, fetch, content, status):
    broken = server.serve("/broken", content, statuses=[status] * 9)
    assert fetch(broken, server.serve("/toy", content)).read_bytes() == content
    assert [path for path, _ in server.requests] == ["/broken", "/toy"]


def test_every_source_and_the_folder_are_named_when_all_fail(server, fetch, folder, content):
    sources = [
        server.url + "/missing",
        server.serve("/down", content, statuses=[500] * 9),
        server.serve("/short", content[:-1]),
        server.serve("/page", b"<html>", headers={"Content-Type": "text/html"}),
        "http://127.0.0.1:9/refused",
    ]
    with pytest.raises(DownloadError) as refusal:
        fetch(*sources)
    sentence = str(refusal.value)
    assert "\n" not in sentence
    for words in (
        "/missing answers 404",
        "/down answers 500",
        f"/short offers {len(content) - 1:,} bytes instead of {len(content):,}",
        "/page answers with a web page",
        "/refused the connection failed",
        f"copy the file ({len(content):,} bytes) into {folder} yourself",
    ):
        assert words in sentence
    assert_nothing_looks_whole(folder)


@pytest.mark.parametrize(
    "stand_in",
    [
        b"<!DOCTYPE html><html><body>Quota exceeded</body></html>" + b" " * 2000,
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 2000,
        b'{"error": "no such file"}' + b" " * 2000,
    ],
)
@pytest.mark.parametrize("hashed", [True, False])
def test_a_page_in_the_files_stead_is_recognised_whatever_it_is_called(
    server, fetch, folder, content, stand_in, hashed
):
    """With status 200, as a binary file, and without a length that would betray it."""
    with pytest.raises(DownloadError, match="sends a"):
        fetch(server.serve("/toy", stand_in, length=False), hashed=hashed)
    assert left_in(folder) == set(), "a page is not the beginning of the file"


def test_a_short_page_in_the_files_stead_is_recognised(server, fetch, folder):
    with pytest.raises(DownloadError, match="it is a Git LFS pointer"):
        fetch(server.serve("/toy", b"version https://git-lfs.github.com/spec/v1\n"), hashed=False)
    assert left_in(folder) == set()


def test_a_file_with_a_wrong_hash_is_refused_and_removed(server, fetch, folder, content):
    altered = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(DownloadError, match="sent another file: its SHA-256 is"):
        fetch(server.serve("/toy", altered))
    assert left_in(folder) == set()


def test_after_a_wrong_hash_the_next_source_is_asked_from_the_beginning(server, fetch, content):
    altered = content[:-1] + bytes([content[-1] ^ 1])
    path = fetch(server.serve("/wrong", altered), server.serve("/toy", content))
    assert path.read_bytes() == content
    assert server.ranges_asked() == [None, None]


def test_the_next_source_goes_on_from_where_the_first_broke(server, fetch, content):
    """The hash is known, so all mirrors serve the same bytes."""
    first = server.serve("/first", content, cuts=[100, 200, 300])
    second = server.serve("/second", content, etag=None)
    assert fetch(first, second).read_bytes() == content
    assert server.requests[-1][0] == "/second" and server.ranges_asked()[-1] == "bytes=300-"


def test_without_a_known_hash_no_source_continues_another(server, fetch, make_checkpoint, content):
    """Two mirrors may hold two versions; mixed, they would give a file that is neither."""
    first = server.serve("/first", make_checkpoint(seed=1, size=2000), cuts=[100, 200, 300])
    second = server.serve("/second", content)
    assert fetch(first, second, hashed=False).read_bytes() == content
    assert server.ranges_asked()[-1] is None


def test_a_server_that_ignores_ranges_is_begun_again(server, fetch, content):
    url = server.serve("/toy", content, ranges=False, cuts=[1500])
    assert fetch(url).read_bytes() == content
    assert server.ranges_asked() == [None, "bytes=1500-"]


def test_content_that_changes_between_two_calls_is_begun_again(server, fetch, make_checkpoint, content):
    """`If-Range` names the version begun, so the server sends the new one whole."""
    old = make_checkpoint(seed=1, size=2000)
    url = server.serve("/toy", old, etag='"old"', cuts=[900, 1000, 1100])
    with pytest.raises(DownloadError):
        fetch(url, hashed=False)
    server.serve("/toy", content, etag='"new"')
    assert fetch(url, hashed=False).read_bytes() == content
    assert server.requests[-1][1]["if-range"] == '"old"'


def test_content_that_changes_behind_the_same_tag_is_fetched_once_more(server, fetch, make_checkpoint, content):
    """A mixture of two versions fails its hash; that is no reason to give the source up."""
    url = server.serve("/toy", make_checkpoint(seed=1, size=2000), cuts=[900, 1000, 1100])
    with pytest.raises(DownloadError):
        fetch(url)
    server.serve("/toy", content)
    assert fetch(url).read_bytes() == content
    assert server.ranges_asked()[-2:] == ["bytes=1100-", None]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_version_or_a_hash_nothing_is_continued(server, fetch, content, etag):
    url = server.serve("/toy", content, etag=etag, cuts=[900])
    assert fetch(url, hashed=False).read_bytes() == content
    assert server.ranges_asked() == [None, None]


def test_an_answer_at_another_offset_is_refused(server, fetch, content):
    url = server.serve("/toy", content, cuts=[900], lie_about_range=lambda start: start - 5)
    assert fetch(url).read_bytes() == content
    assert server.ranges_asked() == [None, "bytes=900-", None]


def test_a_part_that_is_longer_than_the_file_is_begun_again(server, fetch, folder, content):
    """As after a version that was longer; the server answers 416."""
    url = server.serve("/toy", content + b"more", cuts=[len(content) + 2] * 3)
    with pytest.raises(DownloadError):
        fetch(url, hashed=False)
    server.serve("/toy", content)
    assert fetch(url, hashed=False).read_bytes() == content


def test_a_part_that_is_whole_already_needs_no_byte(server, fetch, folder, content):
    """As after a crash between the last byte and the renaming."""
    url = server.serve("/toy", content)
    folder.mkdir()
    (folder / "toy.safetensors.part").write_bytes(content)
    assert fetch(url).read_bytes() == content
    assert server.requests == []


@pytest.mark.parametrize("fault", ["noise", "zeros at the end", "a damaged note"])
def test_a_damaged_part_costs_time_and_no_more(server, fetch, folder, content, fault):
    """As after a power cut, which may leave zeros where bytes should be."""
    folder.mkdir()
    note = '{"url": 3, "validator": [' if fault == "a damaged note" else "{}"
    begun = {"noise": b"?" * 300, "zeros at the end": content[:-100] + bytes(100)}.get(fault, content[:300])
    (folder / "toy.safetensors.part").write_bytes(begun)
    (folder / "toy.safetensors.part.json").write_text(note, encoding="utf-8")
    assert fetch(server.serve("/toy", content)).read_bytes() == content
    assert left_in(folder) == {"toy.safetensors"}


def test_more_than_the_file_has_is_refused(server, fetch, folder, content):
    with pytest.raises(DownloadError, match="sends more bytes than the file has"):
        fetch(server.serve("/toy", content + bytes(10), length=False))
    assert left_in(folder) == set()


def test_a_compressed_answer_is_refused(server, fetch, content):
    with pytest.raises(DownloadError, match="gzip-encoded"):
        fetch(server.serve("/toy", content, headers={"Content-Encoding": "gzip"}))


def test_redirects_are_followed_with_the_range(server, fetch, content):
    server.serve("/real", content, cuts=[600])
    assert fetch(server.serve("/toy", b"", redirect=server.url + "/real")).read_bytes() == content
    assert [entry for entry in server.requests if entry[0] == "/real"][-1][1]["range"] == "bytes=600-"


@pytest.mark.parametrize("target", ["http://example.org/toy", "file:///etc/passwd", "ftp://example.org/toy"])
def test_redirects_out_of_https_are_refused(server, fetch, content, target):
    with pytest.raises(DownloadError, match=r"which is not https|is not allowed"):
        fetch(server.serve("/toy", content, redirect=target))


def test_an_endless_redirect_ends(server, fetch, content):
    with pytest.raises(DownloadError, match="answers 302"):
        fetch(server.serve("/toy", content, redirect=server.url + "/toy"))


def test_a_file_without_a_known_hash_must_be_a_checkpoint(server, fetch, folder, content, caplog):
    with caplog.at_level(logging.WARNING):
        assert fetch(server.serve("/toy", content), hashed=False).read_bytes() == content
    assert "no SHA-256 is published" in caplog.text
    (folder / "toy.safetensors").unlink()
    with pytest.raises(DownloadError, match="damaged safetensors file"):
        fetch(server.serve("/toy", content[:-1]), hashed=False)
    assert left_in(folder) == set()


def test_a_file_in_the_way_is_kept(server, fetch, folder, content, caplog):
    """It is not the model, but it is the user's, and two models share one name in the wild."""
    folder.mkdir()
    (folder / "toy.safetensors").write_bytes(b"mine")
    assert fetch(server.serve("/toy", content)).read_bytes() == content
    (kept,) = (entry for entry in folder.iterdir() if entry.name.endswith(".old"))
    assert kept.read_bytes() == b"mine" and kept.name in caplog.text


def test_a_file_in_the_way_stays_where_the_download_fails(server, fetch, folder):
    folder.mkdir()
    (folder / "toy.safetensors").write_bytes(b"mine")
    with pytest.raises(DownloadError):
        fetch(server.url + "/missing")
    assert (folder / "toy.safetensors").read_bytes() == b"mine"


def test_a_full_disk_is_said_before_the_first_byte(server, make_record, content, folder, hasty):
    url = server.serve("/toy", content, length=False, headers={"Content-Length": str(10**18)})
    with pytest.raises(DownloadError, match=r"bytes free, but .* are needed"):
        download(make_record(content, url, hashed=False), folder=folder, patience=hasty)


def test_a_folder_that_cannot_be_made_is_said(fetch, folder, server, content):
    folder.parent.mkdir(exist_ok=True)
    folder.write_bytes(b"a file")
    with pytest.raises(DownloadError, match="cannot be created"):
        fetch(server.serve("/toy", content))


def test_what_progress_raises_ends_the_download_and_what_has_arrived_stays(server, fetch, folder, content):
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    url = server.serve("/toy", content)
    with pytest.raises(KeyboardInterrupt):
        fetch(url, progress=stop)
    assert_nothing_looks_whole(folder)
    assert (folder / "toy.safetensors.part").stat().st_size > 0
    assert fetch(url).read_bytes() == content


def test_the_default_folder_is_made(server, make_record, content, hasty):
    path = download(make_record(content, server.serve("/toy", content)), patience=hasty)
    assert path.parent == places.data_folder() and path.read_bytes() == content


def test_bundled_models_are_given_back_and_unknown_ones_refused(folder):
    assert download("gpen-lite-256").parent == places.BUNDLED
    with pytest.raises(ModelNotFoundError):
        download("../../etc/passwd", folder=folder)
    assert not folder.exists()


def test_a_record_without_sources_says_where_to_put_the_file(make_record, content):
    with pytest.raises(DownloadError, match="copy it into"):
        download(make_record(content))


def test_two_threads_at_once_fetch_once(server, make_record, folder, hasty, content):
    url = server.serve("/toy", content, stalls=[500])
    paths: list[Path] = []

    def work() -> None:
        paths.append(download(make_record(content, url), folder=folder, patience=hasty))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert paths == [folder / "toy.safetensors"] * 3 and paths[0].read_bytes() == content
    assert server.ranges_asked() == [None, "bytes=500-"], "the others waited and found it there"


CHILD = """
import signal
import sys
from gpen_blocks.weights.download import download
from gpen_blocks.weights.registry import ModelRecord, Source
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with Ctrl-C ignored
url, folder, size, sha256 = sys.argv[1:]
sources = (Source.parse(url),)
record = ModelRecord("toy", "generator", "", "toy.safetensors", "", "", (), sources, int(size), sha256)
try:
    print(download(record, folder=folder), flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    raise SystemExit(130)
"""


def child(source: str, folder: Path, content: bytes, **environment: str) -> subprocess.Popen[str]:
    arguments = [source, str(folder), str(len(content)), hashlib.sha256(content).hexdigest()]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def wait_for_part(folder: Path, size: int) -> None:
    part = folder / "toy.safetensors.part"
    end = time.monotonic() + 30
    while not part.exists() or part.stat().st_size < size:
        assert time.monotonic() < end, "the download does not begin"
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send Ctrl-C to one process alone")
@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGKILL"])
def test_a_process_that_is_ended_leaves_a_part_that_the_next_call_resumes(server, fetch, folder, content, signal_name):
    """Ctrl-C, and the worse way."""
    url = server.serve("/toy", content, stalls=[3000])
    process = child(url, folder, content)
    wait_for_part(folder, 3000)
    process.send_signal(getattr(signal, signal_name))
    output, _ = process.communicate(timeout=20)
    assert process.returncode == (130 if signal_name == "SIGINT" else -signal.SIGKILL)
    assert output == ("interrupted\n" if signal_name == "SIGINT" else "")
    assert_nothing_looks_whole(folder)
    assert fetch(url).read_bytes() == content
    assert server.ranges_asked()[-1] == "bytes=3000-"


@pytest.mark.slow
def test_two_processes_at_once_do_not_corrupt_each_other(server, folder, content):
    url = server.serve("/toy", content, drip=0.0001)
    processes = [child(url, folder, content) for _ in range(2)]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == [
        str(folder / "toy.safetensors")
    ] * 2
    assert (folder / "toy.safetensors").read_bytes() == content
    assert len(server.requests) == 1


def test_hugging_face_goes_through_its_own_library(server, folder, content):
    """Its endpoint and token are used, and the token stays with it when it redirects."""
    server.serve("/spaces/me/app/resolve/main/a/toy.pth", b"", redirect=server.url + "/store")
    server.serve("/store", content)
    source = "huggingface:spaces/me/app/a/toy.pth"
    # A process of its own: the library reads these variables once.
    output, _ = child(source, folder, content, HF_ENDPOINT=server.url, HF_TOKEN="hf_secret").communicate(timeout=60)
    assert output.strip() == str(folder / "toy.safetensors")
    (_, first), (_, second) = server.requests
    assert first["authorization"] == "Bearer hf_secret" and "authorization" not in second


def test_hugging_faces_offline_switch_is_honoured(fetch, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match=r"huggingface:me/toys/toy\.pth HF_HUB_OFFLINE is set"):
        fetch(sources=["huggingface:me/toys/toy.pth"])


def test_the_addresses_of_the_registry():
    assert address_of(registry.get("gpen-bfr-512").sources[0]).url == (
        "https://huggingface.co/akhaliq/GPEN-BFR-512/resolve/main/GPEN-BFR-512.pth"
    )
    assert address_of(registry.get("gpen-bfr-256").sources[1]).url == (
        "https://huggingface.co/spaces/ygtxr1997/ReliableSwap_Demo/resolve/main/third_party/GPEN/weights/GPEN-BFR-256.pth"
    )
    assert address_of(registry.get("gpen-bfr-2048").sources[0]).url == (
        "https://modelscope.cn/models/iic/cv_gpen_image-portrait-enhancement-hires/resolve/master/pytorch_model-2048.pt"
    )
    assert address_of(Source.parse("modelscope:me/toys/a b.pt")).url.endswith("/a%20b.pt")

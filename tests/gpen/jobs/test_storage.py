"""Files and folders by path and URL: whole writes, names of any kind, and no credentials in sight."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import BUCKET, SECRET, s3_server

from gpen_blocks.gpen.errors import StorageError
from gpen_blocks.gpen.jobs import storage
from gpen_blocks.gpen.jobs.storage import Place, hide_secrets, is_url

NAMES = ["a.jpg", "with space.jpg", "100% #1 ?.jpg", "ä/日本/c.jpg"]


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/a b", "gs://b/x", "fsspec+memory:///x", "file:///tmp"])
def test_addresses_of_storages_are_told_from_paths(address):
    assert is_url(address)


@pytest.mark.parametrize(
    "path", ["photo.jpg", "/abs/s3", r"C:\photos", "C:/photos", "s3:/bucket", "a://b", Path("s3://b")]
)
def test_paths_are_told_from_addresses(path):
    assert not is_url(path)


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIA:wJalrXUtnFEMI@bucket/in",
        "s3://bucket?secret_key=wJalrXUtnFEMI",
        "abfs://c@a/x?sas_token=wJalrXUtnFEMI",
    ],
)
def test_an_address_with_credentials_is_refused_without_repeating_them(address):
    with pytest.raises(StorageError, match="AWS_SECRET_ACCESS_KEY") as refused:
        Place.of(address)
    assert "wJalr" not in str(refused.value)


def test_a_container_of_azure_is_no_credential():
    assert Place.of("abfs://photos@account.dfs.core.windows.net/in/").address.endswith("windows.net/in")


def test_secrets_of_the_environment_are_hidden(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("MY_TOKEN", "no")
    assert hide_secrets(f"bad {SECRET}, no more") == "bad <AWS_SECRET_ACCESS_KEY>, no more"


def places(root: Place) -> Place:
    """Files of all names in a folder."""
    for name in NAMES:
        (root / name).write(name.encode())
    return root


def check_folder(root: Place, *, tells_times: bool = True) -> None:
    """What holds for a folder in any storage."""
    assert root.files() == []
    assert not root.is_dir()
    places(root)
    assert [entry.name for entry in root.files()] == sorted(NAMES)
    found = {place.address: (list(folders), [entry.name for entry in files]) for place, folders, files in root.walk()}
    assert found == {
        root.address: (["ä"], sorted(NAMES[:3])),
        (root / "ä").address: (["日本"], []),
        (root / "ä/日本").address: ([], ["c.jpg"]),
    }
    assert root.is_dir()
    for name in NAMES:
        place = pickle.loads(pickle.dumps(root / name))
        assert place.read() == name.encode()
        found = place.stat()
        assert found is not None and found.size == len(name.encode())
        assert (found.mtime_ns > 1e18) == tells_times
        assert found.name == place.name == name.rpartition("/")[2]
    (root / "a.jpg").write(b"new")
    assert (root / "a.jpg").read() == b"new"
    assert (root / "none.jpg").stat() is None
    with pytest.raises(StorageError, match=r"none\.jpg cannot be read"):
        (root / "none.jpg").read()
    (root / "a.jpg").delete()
    (root / "a.jpg").delete()
    assert (root / "a.jpg").stat() is None
    assert len(root.files()) == len(NAMES) - 1
    root.delete()
    assert root.files() == []


def test_a_folder_on_this_machine(tmp_path):
    check_folder(Place.of(tmp_path / "job"))
    assert list(tmp_path.rglob("*.tmp")) == []


def test_a_folder_by_url_on_this_machine(tmp_path):
    check_folder(Place.of(f"file://{tmp_path}/job"))
    assert list(tmp_path.rglob("*.tmp")) == []


def test_a_folder_of_fsspec():
    check_folder(Place.of("fsspec+memory:///job"), tells_times=False)


def test_nothing_remains_of_a_write_that_fails(tmp_path, monkeypatch):
    root = Place.of("fsspec+memory:///failing")
    (root / "a.jpg").write(b"old")

    def fail(*_, **__):
        raise OSError("the connection broke")

    system = root.filesystem
    monkeypatch.setattr(type(system.handler.fs), "mv", fail)
    with pytest.raises(StorageError, match="cannot be written: the connection broke"):
        (root / "a.jpg").write(b"new")
    assert [(entry.name, entry.size) for entry in root.files()] == [("a.jpg", 3)]
    assert (root / "a.jpg").read() == b"old"


def test_an_unknown_storage_is_a_sentence():
    with pytest.raises(StorageError, match=r"^nowhere://x/y cannot be opened: .*nowhere.*\.$"):
        (Place.of("nowhere://x") / "y").read()


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("moto", reason="moto is not installed, so S3 was not tried")
    with s3_server(tmp_path_factory.mktemp("s3") / "log.txt") as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        storage._connect.cache_clear()
        yield f"s3://{BUCKET}"
    storage._connect.cache_clear()


@pytest.mark.slow
def test_a_folder_in_s3(s3):
    check_folder(Place.of(f"{s3}/job/"))


@pytest.mark.slow
@pytest.mark.slow
def test_errors_of_s3_tell_what_is_wrong_and_no_secret(s3):
    with pytest.raises(StorageError, match=r"no-such-bucket/x cannot be written: .*bucket does not exist") as error:
        Place.of("s3://no-such-bucket/x").write(b"")
    assert SECRET not in str(error.value)

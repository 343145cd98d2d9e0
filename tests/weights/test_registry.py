"""The registry's data is what the rest relies on."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from pathlib import Path

import pytest

from gpen_blocks.weights import places, registry
from gpen_blocks.weights.errors import ModelNotFoundError, WeightsError
from gpen_blocks.weights.registry import Source

RECORDS = list(registry.records().values())
BUNDLED = [record for record in RECORDS if record.bundled]

each = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)


@each
def test_a_record_can_be_shown_found_and_fetched(record):
    assert record.licence and len(record.licence_note) > 30 and record.description
    assert record.bundled or record.sources
    assert (record.task is None) == (record.template is None) == (record.kind != "generator")
    assert record.bytes is None or record.bytes > 1_000_000
    assert registry.find(record.name) == record == registry.find(record.file)


@each
def test_names_and_files_are_legal_everywhere(record):
    """A name becomes a file on Windows, too."""
    for name in (record.name, *record.file_names):
        assert re.fullmatch(r"[A-Za-z0-9][\w.-]*\w", name), name
        assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name.lower()), name


@each
def test_only_encrypted_addresses_are_shipped(record):
    assert all(source.location.startswith("https://") for source in record.sources if source.scheme == "https")


def test_hashes_are_unique():
    hashes = [record.sha256 for record in RECORDS if record.sha256]
    assert len(set(hashes)) == len(hashes)


def test_the_gpen_weights_are_never_called_free():
    """Their licence is shown before a download; it must not get lost in an edit."""
    gpen = [record for record in RECORDS if record.file.startswith("GPEN-")]
    assert len(gpen) == 7
    assert all("non-commercial" in record.licence and "non-commercial" in record.licence_note for record in gpen)


@pytest.mark.parametrize("record", BUNDLED, ids=lambda record: record.name)
def test_the_bundled_files_are_those_of_the_registry(record):
    """Whoever replaces a bundled file must replace its sha256 in registry.toml: this prints the new one."""
    digest = hashlib.sha256((places.BUNDLED / record.file).read_bytes()).hexdigest()
    assert record.sha256 == digest, f'registry.toml, {record.name}: sha256 = "{digest}"'


def test_the_bundled_files_stay_small():
    files = list(places.BUNDLED.glob("*.safetensors"))
    assert {file.name for file in files} == {record.file for record in BUNDLED}
    others = sum(
        file.stat().st_size for file in files if any(task in file.name for task in ("colorize", "inpaint", "draw"))
    )
    assert others < 12_000_000
    assert sum(file.stat().st_size for file in files) - others < 12_000_000


def test_templates():
    """The two templates differ by up to 12 pixels at 512: a wrong one gives plausible but wrong faces."""
    assert registry.get("gpen-bfr-512").template == "gpen"
    assert registry.get("gpen-lite-256").template == "ffhq"


@pytest.mark.parametrize(
    "name",
    [
        "gpen-bfr-512",
        "GPEN-BFR-512",
        "GPEN-BFR-512.pth",
        "gpen-bfr-512.PTH",
        " gpen-bfr-512 ",
        "GPEN-BFR-512.safetensors",
    ],
)
def test_a_model_answers_to_its_names(name):
    assert registry.get(name).name == "gpen-bfr-512"


def test_aliases_are_names():
    assert registry.get("RetinaFace-R50.pth").name == "retinaface-resnet50"
    assert registry.get("ParseNet-latest").name == "parsenet"


@pytest.mark.parametrize("name", ["GPEN-BFR-512-D.pth", "pytorch_model.pt", "", "..", "GPEN-BFR-512.onnx"])
def test_other_files_are_no_models(name):
    """Discriminators, ONNX files and names that several models share must not pass for a generator."""
    assert registry.find(name) is None


def test_a_misspelt_name_is_answered_with_the_right_one():
    with pytest.raises(ModelNotFoundError, match="Did you mean gpen-bfr-512"):
        registry.get("gpen-brf-512")


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RECORDS[0].name = "other"  # type: ignore[misc]


def test_hashes_and_sizes_are_the_known_ones(shared):
    """Every row of the table of known files that has a SHA-256 is in the registry, digit for digit."""
    rows = re.findall(
        r"^\| ([^|]+\.pth)[^|]*\|[^|]*\| (\d+) \| ([0-9a-f]{64}) \|",
        (shared / "WEIGHTS.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert len(rows) == 8
    for names, size, sha256 in rows:
        for name in names.split(" = "):
            record = registry.get(name)
            assert (record.bytes, record.sha256) == (int(size), sha256)


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_the_official_networks_are_in_the_registry(size):
    assert registry.get(f"GPEN-BFR-{size}").file == f"GPEN-BFR-{size}.pth"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("https://example.org/a/b.pth?x=1", Source("https", "https://example.org/a/b.pth?x=1")),
        ("http://127.0.0.1:8000/b.pth", Source("https", "http://127.0.0.1:8000/b.pth")),
        ("huggingface:me/repo/folder/b.pth", Source("huggingface", "me/repo", "folder/b.pth")),
        ("huggingface:spaces/me/app/b.pth", Source("huggingface", "me/app", "b.pth", space=True)),
        ("modelscope:iic/model/b.pt", Source("modelscope", "iic/model", "b.pt")),
    ],
)
def test_sources_are_read(text, source):
    assert Source.parse(text) == source


@pytest.mark.parametrize(
    "text",
    [
        "http://example.org/b.pth",
        "ftp://example.org/b.pth",
        "file:///etc/passwd",
        "https://",
        "https://[broken/b.pth",
        "huggingface:me/repo",
        "huggingface:me/repo/../../b.pth",
        "modelscope:/model/b.pt",
        "b.pth",
        "",
    ],
)
def test_other_sources_are_refused(text):
    with pytest.raises(WeightsError, match="is not a source"):
        Source.parse(text)


ENTRY = """
[licences.a]
name = "A"
note = "a licence"
[[models]]
name = "one"
kind = "generator"
description = "a model"
file = "one.pth"
licence = "a"
"""


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('kind = "generator"', 'kind = "generators"'),
        ('licence = "a"', 'licence = "b"'),
        ('licence = "a"', 'licence = "a"\nsha256 = "12"'),
        ('licence = "a"', 'licence = "a"\ntemplate = "dlib"'),
        ('licence = "a"', 'licence = "a"\nurl = "https://example.org"'),
        ('licence = "a"', 'licence = "a"\nsources = ["http://example.org/one.pth"]'),
    ],
)
def test_a_registry_that_breaks_its_rules_is_refused(tmp_path: Path, line, fault):
    file = tmp_path / "registry.toml"
    file.write_text(ENTRY, encoding="utf-8")
    assert list(registry.load(file)) == ["one"]
    file.write_text(ENTRY.replace(line, fault), encoding="utf-8")
    with pytest.raises(WeightsError):
        registry.load(file)

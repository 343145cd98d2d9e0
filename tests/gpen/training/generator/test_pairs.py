"""Faces from folders and tables, and an order that a stopped run finds again."""

import io

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from gpen_blocks.gpen.degradation.degrade import MIXED
from gpen_blocks.gpen.degradation.faces import read_faces, split
from gpen_blocks.gpen.errors import MissingPackageError, SettingsError
from gpen_blocks.gpen.training.generator.batches import Batches
from gpen_blocks.gpen.training.generator.pairs import PairOrder, training_pair


def face(number: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def faces() -> np.ndarray:
    return np.stack([face(number) for number in range(10)])


def test_folders_parquet_files_and_datasets_folders_give_the_same_faces(tmp_path, faces):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for name in ("folder", "parquet", "datasets"):
        (tmp_path / name).mkdir()
    for number, picture in enumerate(faces):
        Image.fromarray(picture).save(tmp_path / "folder" / f"{number:02d}.png")
    table = arrow.table({"image": [{"bytes": png(picture), "path": None} for picture in faces]})
    parquet.write_table(table, tmp_path / "parquet" / "train.parquet")
    # As `Dataset.save_to_disk` lays it out.
    file = tmp_path / "datasets" / "data-00000-of-00001.arrow"
    with arrow.OSFile(str(file), "wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    for path in ("folder", "parquet", "parquet/train.parquet", "datasets"):
        np.testing.assert_array_equal(read_faces(tmp_path / path, size=16), faces)
    assert read_faces(tmp_path / "folder", 3, 8).shape == (3, 8, 8, 3)


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(SettingsError, match=r"broken\.png"):
        read_faces(tmp_path)
    (tmp_path / "broken.png").unlink()
    Image.new("RGB", (20, 10)).save(tmp_path / "wide.png")
    with pytest.raises(SettingsError, match="20 x 10"):
        read_faces(tmp_path)
    (tmp_path / "wide.png").unlink()
    with pytest.raises(SettingsError, match="holds no pictures"):
        read_faces(tmp_path)
    with pytest.raises(SettingsError, match="neither a folder"):
        read_faces(tmp_path / "nowhere.zip")


def test_missing_pyarrow_is_said_with_the_cure(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match=r"gpen-blocks\[training\]"):
        read_faces(tmp_path / "any.parquet")


def test_a_table_without_pictures_is_named(tmp_path):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"text": ["a"]}), tmp_path / "words.parquet")
    with pytest.raises(SettingsError, match="no column image, only text"):
        read_faces(tmp_path / "words.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(SettingsError, match="cannot be read as a table"):
        read_faces(tmp_path / "broken.parquet")


def test_every_tenth_face_is_held_out():
    taught, held_out = split(np.arange(25))
    assert held_out.tolist() == [0, 10, 20]
    assert sorted([*taught, *held_out]) == list(range(25))


def test_a_round_has_every_face_once_and_partners_take_turns():
    order = PairOrder(faces=10, partners=3, batch=5, seed=4)
    rounds = [[place for step in (2 * r, 2 * r + 1) for place in order.at(step)] for r in range(6)]
    for places in rounds:
        assert sorted(face for face, _, _ in places) == list(range(10))
    seen = [{face: partner for face, partner, _ in places} for places in rounds]
    for number in range(10):
        assert {partners[number] for partners in seen[:3]} == {0, 1, 2}
    # When partners come again, they come mirrored.
    mirrored = {(f, p): m for places in rounds[:3] for f, p, m in places}
    assert all(mirrored[f, p] is not m for places in rounds[3:] for f, p, m in places)
    assert [f for f, _, _ in rounds[0]] != [f for f, _, _ in rounds[1]]


def test_batches_from_a_step_are_those_the_whole_run_had(faces):
    """A stopped run goes on with the very pairs, bit for bit; also with worker processes."""
    order = PairOrder(len(faces), 5, 4, seed=1)
    whole = list(Batches("restoration", faces, order, MIXED, 0, 6))
    rest = list(Batches("restoration", faces, order, MIXED, 3, 6))
    loaded = list(DataLoader(Batches("restoration", faces, order, MIXED, 3, 6), batch_size=None, num_workers=2))
    assert len(whole) == 6 and len(rest) == len(loaded) == 3
    for (a, b, _), (c, d, _), (e, f, _) in zip(whole[3:], rest, loaded, strict=True):
        assert a.equal(c) and b.equal(d) and a.equal(e) and b.equal(f)


def test_processes_share_a_batch_out(faces):
    order = PairOrder(len(faces), 5, 4, seed=1)
    (whole,) = Batches("restoration", faces, order, MIXED, 2, 3)
    parts = [next(iter(Batches("restoration", faces, order, MIXED, 2, 3, rank, 2))) for rank in (0, 1)]
    for rank, part in enumerate(parts):
        assert part[0].equal(whole[0][rank::2]) and part[1].equal(whole[1][rank::2])


def test_a_pair_is_moved_and_mirrored_before_it_is_damaged():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20:40, 5:25] = 255
    _, truth = training_pair(picture, 0, 0, MIXED, mirror=False)
    _, mirrored = training_pair(picture, 0, 0, MIXED, mirror=True)
    np.testing.assert_array_equal(truth.mean(axis=2) > 128, mirrored[:, ::-1].mean(axis=2) > 128)
    assert truth.any() and not np.array_equal(truth, picture)


def test_pictures_that_were_enlarged_are_told(tmp_path, caplog):
    for number, side in enumerate((64, 16, 1)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{number}.png")
    assert read_faces(tmp_path, size=32).shape == (3, 32, 32, 3)
    assert "2 of 3 pictures are smaller than 32 pixels" in caplog.text

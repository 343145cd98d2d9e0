"""Networks that enlarge."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from upscalers import write_compact, write_rrdb

from gpen_blocks.gpen.devices import on_device
from gpen_blocks.gpen.enlarging import load_upscaler
from gpen_blocks.gpen.errors import CheckpointError, MissingPackageError, ModelNotFoundError

CPU = on_device(torch.device("cpu"))


def picture(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(("write", "scale"), [(write_compact, 2), (write_compact, 4), (write_rrdb, 4), (write_rrdb, 2)])
def test_a_file_is_read_and_enlarges(tmp_path, write, scale, suffix):
    upscaler = load_upscaler(write(tmp_path / f"net{suffix}", scale))
    assert (upscaler.scale, upscaler.name) == (scale, "net")
    image = picture(40, 51)
    made = upscaler(image, CPU)
    assert made.shape == (1, 3, 40 * scale, 51 * scale)
    with torch.no_grad():
        torch.testing.assert_close(made, upscaler._descriptor.model(image).clamp(0, 1), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_a_large_picture_has_no_seams(tmp_path):
    upscaler = load_upscaler(write_rrdb(tmp_path / "net.pth", 4))
    image = picture(64, 520)
    whole = upscaler._descriptor(image)
    assert float((upscaler(image, CPU) - whole).abs().max()) < 1 / 255


@pytest.mark.parametrize("size", [(1, 1), (3, 70), (31, 9)])
def test_tiny_pictures_are_enlarged(tmp_path, size):
    assert load_upscaler(write_rrdb(tmp_path / "net.pth", 2))(picture(*size), CPU).shape[-2:] == (
        2 * size[0],
        2 * size[1],
    )


def test_a_grey_picture_stays_grey(tmp_path):
    upscaler = load_upscaler(write_compact(tmp_path / "net.pth", 2))
    grey = picture(40, 40)[:, :1].expand(-1, 3, -1, -1)
    made = upscaler(grey, CPU)
    assert torch.equal(made[:, 0], made[:, 1]) and torch.equal(made[:, 0], made[:, 2])
    raw = upscaler._descriptor(grey.contiguous())
    assert not torch.equal(raw[:, 0], raw[:, 1])  # the network alone colours it


def test_it_stops_where_it_is_told_to(tmp_path):
    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_upscaler(write_compact(tmp_path / "net.pth", 2))(picture(300, 300), CPU, progress=stop)


def test_smaller_tiles_are_tried_where_memory_runs_out(tmp_path):
    upscaler = load_upscaler(write_compact(tmp_path / "net.pth", 2))
    image, descriptor, sides = picture(200, 300), upscaler._descriptor, []

    class Small:
        def __getattr__(self, name):
            return getattr(descriptor, name)

        def __call__(self, tile):
            sides.append(max(tile.shape[-2:]))
            if sides[-1] > 130:
                raise MemoryError
            return descriptor(tile)

    upscaler._descriptor = Small()
    made = upscaler(image, CPU)
    assert {256, 128} == set(sides)
    assert float((made - descriptor(image)).abs().max()) < 1 / 255


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_used_where_it_holds(tmp_path, precision):
    image = picture(40, 40)
    exact = load_upscaler(write_compact(tmp_path / "net.pth", 2))(image, CPU)
    calm = load_upscaler(write_compact(tmp_path / "net.pth", 2), precision=precision)
    made = calm(image, CPU)
    assert calm.notes or calm.dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert float((made - exact).abs().max()) <= 2 / 255 + 1e-6
    # A network in which everything is large rounds visibly in eight bits.
    wild = load_upscaler(write_compact(tmp_path / "wild.pth", 2, gain=40), precision=precision)
    before = load_upscaler(tmp_path / "wild.pth")(image, CPU)
    torch.testing.assert_close(wild(image, CPU), before, atol=2 / 255, rtol=0)
    if precision == "bf16":
        assert wild.dtype == torch.float32 and "enlarges in fp32, not bf16" in wild.notes[0]
        assert torch.equal(wild(image, CPU), before)


def test_what_is_no_network_for_enlarging_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("spandrel")
    with pytest.raises(ModelNotFoundError, match="There is no file"):
        load_upscaler(tmp_path / "nothing.pth")
    save_file({"some.weight": torch.zeros(3, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="no network that spandrel knows"):
        load_upscaler(tmp_path / "other.safetensors")

    class Evil:
        def __reduce__(self):
            return (print, ("executed",))

    with (tmp_path / "evil.pth").open("wb") as file:
        pickle.dump({"params": Evil()}, file)
    with pytest.raises(CheckpointError):
        load_upscaler(tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="does not enlarge pictures"):
        load_upscaler(write_compact(tmp_path / "same-size.pth", 1))
    monkeypatch.setitem(__import__("sys").modules, "spandrel", None)
    with pytest.raises(MissingPackageError, match=r"install.* spandrel"):
        load_upscaler(tmp_path / "other.safetensors")

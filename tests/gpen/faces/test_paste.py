"""Pasting restored crops back: what must change, what must not, and that no seam shows."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from masks import face_masks
from PIL import Image
from safetensors.numpy import load_file

from gpen_blocks.gpen.errors import ImageError, MaskError, SettingsError
from gpen_blocks.gpen.faces.align import TEMPLATES, align_faces
from gpen_blocks.gpen.faces.paste import paste_faces
from gpen_blocks.gpen.pixels.color import luma
from gpen_blocks.gpen.pixels.filters import gaussian_blur
from gpen_blocks.gpen.types import Alignment, Face, Faces

SIZE = (160, 200)


def face_at(x: float, y: float, side: float, tilt: float = 0.2, image_index: int = 0) -> Face:
    """A face whose crop has its middle at (x, y), `side` pixels of the image to a side."""
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    points = side * (TEMPLATES["ffhq"] - 0.5) @ turn.T + [x, y]
    return Face((x - side / 3, y - side / 3, x + side / 3, y + side / 3), 0.9, points, image_index)


def photograph(size: tuple[int, int] = SIZE, seed: int = 0) -> torch.Tensor:
    """Smooth and colourful, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 0.2 + 0.6 * torch.rand(1, 3, 9, 9, generator=generator)
    noise = 0.02 * torch.randn(1, 3, *size, generator=generator)
    return (F.interpolate(coarse, size, mode="bicubic") + noise).clamp(0, 1)


def aligned(images: torch.Tensor, *faces: Face, size: int = 128) -> tuple[torch.Tensor, tuple[Alignment, ...]]:
    height, width = images.shape[-2:]
    return align_faces(images, Faces(faces, ((height, width),) * len(images)), size, "ffhq")


def change_of(image: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    return (result - image).abs().amax(dim=1, keepdim=True)


@pytest.mark.parametrize("side", [40, 110, 300])
@pytest.mark.parametrize("color_match", ["low_band", "mean_std", "none"])
def test_an_unchanged_crop_changes_nothing(side, color_match):
    """Not even by the blur of going there and back, whether the face is smaller or larger than the crop."""
    image = photograph((400, 420))
    crops, alignments = aligned(image, face_at(200, 190, side))
    result, mask = paste_faces(image, crops, alignments, color_match=color_match)
    assert mask.max() > 0.99
    assert change_of(image, result).max() < 1e-5


def test_outside_of_the_mask_every_bit_stays():
    """Also where the image leaves 0..1, as high dynamic range does."""
    image = photograph()
    image[..., :20, :] = 1.7
    image[..., -20:, :] = -0.3
    crops, alignments = aligned(image, face_at(90, 80, 90))
    result, mask = paste_faces(image, torch.rand_like(crops), alignments, color_match="none")
    outside = (mask == 0).expand_as(image)
    assert torch.equal(result[outside], image[outside])
    assert change_of(image, result)[mask > 0.9].min() > 0
    assert 0 <= result[(mask > 0).expand_as(image)].min() <= result[(mask > 0).expand_as(image)].max() <= 1


def test_nothing_to_paste_gives_the_very_tensor():
    image = photograph()
    result, mask = paste_faces(image, torch.zeros(0, 3, 64, 64), ())
    assert result is image
    assert mask.shape == (1, 1, *SIZE)
    assert not mask.any()


def test_strength_blends_in_proportion():
    """0 leaves the image as it is, to the bit; a half lies in the middle."""
    image = photograph()
    crops, alignments = aligned(image, face_at(90, 80, 90))
    painted = crops * 0.5 + 0.2
    none, half, full = (
        paste_faces(image, painted, alignments, color_match="none", strength=strength)[0] for strength in (0, 0.5, 1)
    )
    assert torch.equal(none, image)
    torch.testing.assert_close(half, (image + full) / 2, atol=1e-5, rtol=0)


def test_the_mask_tells_where_and_how_much():
    """A crop brighter by 0.1 brightens each pixel by 0.1 times the mask: no rectangle, no step."""
    image = photograph()
    crops, alignments = aligned(image, face_at(90, 80, 90))
    result, mask = paste_faces(image, crops + 0.1, alignments, color_match="none")
    torch.testing.assert_close(result - image, (0.1 * mask).expand_as(image), atol=2e-3, rtol=0)


def test_the_photograph_rules_light_and_colour():
    """A cast and another exposure of the restored crop do not get into the picture."""
    image = photograph()
    crops, alignments = aligned(image, face_at(90, 80, 90))
    cast = crops + torch.tensor([0.2, -0.1, 0.05]).view(1, 3, 1, 1)
    result, _ = paste_faces(image, cast, alignments, color_match="low_band")
    assert change_of(image, result).max() < 1e-4
    result, _ = paste_faces(image, crops * 0.5 + 0.1, alignments, color_match="mean_std")
    assert change_of(image, result).mean() < 0.01


@pytest.mark.parametrize("crop_size", [64, 128, 512])
def test_a_mark_lands_where_it_was_painted(crop_size):
    """Pixel centres agree at every size of the returned crop: the centre of a spot is off by less than 0.1 px."""
    image = torch.full((1, 3, *SIZE), 0.5)
    _, (alignment,) = aligned(image, face_at(90.3, 80.6, 100), size=128)
    u, v = 0.45 * crop_size, 0.6 * crop_size
    y, x = torch.meshgrid(torch.arange(float(crop_size)), torch.arange(float(crop_size)), indexing="ij")
    spot = 0.4 * torch.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * (0.04 * crop_size) ** 2))
    crop = (0.5 + spot).expand(1, 3, -1, -1)
    change = (paste_faces(image, crop, (alignment,), color_match="none")[0] - image)[0, 0]
    rows, columns = torch.meshgrid(torch.arange(float(SIZE[0])), torch.arange(float(SIZE[1])), indexing="ij")
    centroid = [float((change * axis).sum() / change.sum()) for axis in (columns, rows)]
    at_aligned_size = (np.array([u, v]) + 0.5) * 128 / crop_size - 0.5
    np.testing.assert_allclose(centroid, alignment.inverse @ [*at_aligned_size, 1], atol=0.1)


def test_a_shifted_image_gives_a_shifted_result():
    image = photograph((260, 260))
    _, alignments = aligned(image, face_at(120, 110, 80))
    painted = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    result, mask = paste_faces(image, painted, alignments)
    moved = torch.roll(image, (11, 7), dims=(2, 3))
    _, moved_alignments = aligned(moved, face_at(127, 121, 80))
    moved_result, moved_mask = paste_faces(moved, painted, moved_alignments)
    torch.testing.assert_close(torch.roll(result, (11, 7), dims=(2, 3)), moved_result, atol=2e-3, rtol=0)
    torch.testing.assert_close(torch.roll(mask, (11, 7), dims=(2, 3)), moved_mask, atol=2e-3, rtol=0)


def test_a_small_face_is_not_aliased():
    """A chequerboard of the crop, far finer than a face of 30 px can show, becomes its mean."""
    image = torch.full((1, 3, *SIZE), 0.5)
    board = ((torch.arange(512)[:, None] + torch.arange(512)) % 2).float().expand(1, 3, -1, -1)
    _, alignments = aligned(image, face_at(90, 80, 40), size=512)
    result, _ = paste_faces(image, board, alignments, color_match="none")
    assert change_of(image, result).max() < 0.02


def test_a_large_face_keeps_detail_the_crop_cannot_hold():
    """Where the network changed nothing, a face four times the crop's size keeps its pores."""
    image = photograph((600, 600))
    crops, alignments = aligned(image, face_at(300, 300, 512))
    painted = crops.clone()
    painted[..., 70:90, 50:78] += 0.2 * torch.rand(1, 1, 20, 28)
    result, mask = paste_faces(image, painted, alignments)
    untouched = (
        (mask > 0.99) & (torch.arange(600) < 480).view(1, 1, 1, -1) & (torch.arange(600) < 290).view(1, 1, -1, 1)
    )
    assert untouched.sum() > 10_000
    assert change_of(image, result)[untouched].mean() < 2e-3
    assert change_of(image, result).max() > 0.05


@pytest.mark.parametrize("side", [60, 128])
def test_noise_the_network_removed_is_gone(side):
    """Fine detail gives way where the network cleaned: under a third of the noise is left."""
    clean = torch.full((1, 3, *SIZE), 0.5)
    noisy = clean + 0.08 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    _, alignments = aligned(noisy, face_at(90, 80, side))
    result, mask = paste_faces(noisy, torch.full((1, 3, 128, 128), 0.5), alignments, color_match="none")
    inside = (mask > 0.99).expand_as(clean)
    assert (result - clean)[inside].std() < 0.3 * (noisy - clean)[inside].std()


def test_grain_is_given_back_on_request():
    """Full grain has the photograph's deviation again, half of it lies between, and it is the same every time."""
    clean = torch.full((1, 3, 220, 220), 0.5)
    noisy = clean + 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    _, alignments = aligned(noisy, face_at(110, 110, 180), size=256)
    smooth = torch.full((1, 3, 256, 256), 0.5)
    results = [paste_faces(noisy, smooth, alignments, match_grain=grain)[0] for grain in (0, 0.5, 1, 1)]
    inside = (paste_faces(noisy, smooth, alignments)[1] > 0.99).expand_as(clean)
    none, half, full = (float((result - clean)[inside].std()) for result in results[:3])
    assert full == pytest.approx(0.05, rel=0.15)
    assert none < half < full
    assert torch.equal(results[2], results[3])


def test_a_gray_photograph_stays_gray_to_the_bit():
    """Grain included, no channel differs from another by rounding."""
    image = luma(photograph()).expand(1, 3, *SIZE).contiguous()
    _, alignments = aligned(image, face_at(90, 80, 100))
    painted = torch.rand(1, 1, 128, 128).expand(1, 3, -1, -1)
    for color_match in ("low_band", "mean_std", "none"):
        result, _ = paste_faces(image, painted, alignments, color_match=color_match, match_grain=1.0)
        assert torch.equal(result[:, 0], result[:, 1])
        assert torch.equal(result[:, 0], result[:, 2])


def test_overlapping_faces_share_their_pixels():
    """No double exposure where masks overlap, and no dependence on the order."""
    image = photograph()
    crops, alignments = aligned(image, face_at(80, 80, 90), face_at(115, 85, 70))
    result, mask = paste_faces(image, crops + 0.1, alignments, color_match="none")
    assert (result - image).max() < 0.1 + 2e-3
    assert mask.max() <= 1
    painted = torch.rand(2, 3, 128, 128)
    forward, _ = paste_faces(image, painted, alignments)
    backward, _ = paste_faces(image, painted.flip(0), alignments[::-1])
    torch.testing.assert_close(forward, backward, atol=1e-5, rtol=0)


def test_the_larger_face_stands_in_front():
    """Where both are certain the larger counts for more; in its own core, beyond the other's mask, each is alone."""
    image = torch.full((1, 3, *SIZE), 0.5)
    _, alignments = aligned(image, face_at(80, 80, 120, 0), face_at(120, 80, 60, 0))
    painted = torch.stack([torch.full((3, 128, 128), 0.9), torch.full((3, 128, 128), 0.1)])
    result, _ = paste_faces(image, painted, alignments, color_match="none")
    assert float(result[0, 0, 80, 60]) == pytest.approx(0.9, abs=0.01)
    assert float(result[0, 0, 80, 107]) > 0.7


def test_faces_of_a_batch_go_to_their_images():
    """A face on the last image is pasted there, and the others stay to the bit."""
    images = torch.cat([photograph(seed=seed) for seed in (1, 2, 3)])
    crops, alignments = aligned(images, face_at(90, 80, 90, image_index=2))
    result, mask = paste_faces(images, crops, alignments)
    assert change_of(images, result).max() < 1e-5
    result, mask = paste_faces(images, crops + 0.1, alignments, color_match="none", match_grain=1.0)
    assert torch.equal(result[:2], images[:2])
    assert not mask[:2].any()
    assert (result - images)[2].max() > 0.09


@pytest.mark.parametrize(("x", "y"), [(-8, 70), (195, 155)])
def test_a_face_beyond_the_border_is_pasted_as_far_as_it_is_seen(x, y):
    image = photograph()
    crops, alignments = aligned(image, face_at(x, y, 90))
    result, mask = paste_faces(image, crops + 0.1, alignments, color_match="none")
    assert torch.isfinite(result).all()
    assert mask.any()
    torch.testing.assert_close(result - image, (0.1 * mask).expand_as(image), atol=5e-3, rtol=0)


def test_a_face_that_the_picture_does_not_show_is_an_error():
    """Nothing would be pasted, and nobody would know; with masks of one's own, 0 says so by intent."""
    image = photograph()
    crops, alignments = aligned(image, face_at(90, 80, 90), face_at(-500, 20, 90))
    with pytest.raises(MaskError, match="face 1: no pixel of the picture"):
        paste_faces(image, crops + 0.1, alignments)
    result, _ = paste_faces(image, crops + 0.1, alignments, masks=face_masks(alignments, 64), color_match="none")
    assert change_of(image, result).max() > 0.05


def test_masks_of_ones_own_are_used():
    image = photograph()
    crops, alignments = aligned(image, face_at(90, 80, 90))
    empty, _ = paste_faces(image, crops + 0.1, alignments, masks=torch.zeros(1, 1, 64, 64), color_match="none")
    assert empty is image
    masks = face_masks(alignments, 64)
    result, mask = paste_faces(image, crops + 0.1, alignments, masks=masks, color_match="none")
    torch.testing.assert_close(result - image, (0.1 * mask).expand_as(image), atol=2e-3, rtol=0)


def test_what_does_not_fit_is_refused():
    image = photograph()
    crops, alignments = aligned(image, face_at(90, 80, 90))
    with pytest.raises(ImageError, match="NaN"):
        paste_faces(image, torch.full_like(crops, float("nan")), alignments)
    with pytest.raises(ImageError, match="masks hold NaN"):
        paste_faces(image, crops, alignments, masks=torch.full((1, 1, 8, 8), float("nan")))
    with pytest.raises(ImageError, match="1 alignment needs as many"):
        paste_faces(image, torch.cat([crops, crops]), alignments)
    with pytest.raises(ImageError, match="square"):
        paste_faces(image, crops[..., :100], alignments)
    with pytest.raises(ImageError, match="paste into the images that were aligned"):
        paste_faces(image[..., :150], crops, alignments)
    with pytest.raises(ImageError, match="Masks"):
        paste_faces(image, crops, alignments, masks=torch.ones(2, 1, 64, 64))
    with pytest.raises(SettingsError, match="strength"):
        paste_faces(image, crops, alignments, strength=1.5)
    with pytest.raises(SettingsError, match="match_grain"):
        paste_faces(image, crops, alignments, match_grain=-0.1)
    with pytest.raises(SettingsError, match="low_band, mean_std, none"):
        paste_faces(image, crops, alignments, color_match="wavelet")


# Faces of the photograph, and the files of what the official GPEN-BFR-512 made of them; their alignments agree best.
OFFICIAL = {25: 13, 7: 28, 13: 23, 11: 10, 10: 0}


@pytest.fixture(scope="module")
def solvay(shared) -> tuple[torch.Tensor, torch.Tensor, tuple[Alignment, ...]]:
    folder = shared / "data" / "real"
    image = pixels_of(folder / "Solvay_conference_1927.png")
    golden = load_file(shared / "golden" / "alignment_solvay.safetensors")
    faces = tuple(Face(tuple(golden["boxes"][n]), 0.9, golden["landmarks"][n]) for n in OFFICIAL)
    _, alignments = align_faces(image, Faces(faces, ((568, 1328),)), 512, "gpen")
    files = [folder / "solvay_official" / f"Solvay_conference_1927_face{n:02d}.jpg" for n in OFFICIAL.values()]
    crops = torch.cat([luma(pixels_of(file)[..., 512:]).expand(-1, 3, -1, -1) for file in files])
    return image, crops, alignments


def pixels_of(path) -> torch.Tensor:
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float() / 255


def steepness(images: torch.Tensor) -> torch.Tensor:
    """Length of the gradient of the first channel, one pixel less at the right and at the bottom."""
    down, right = torch.diff(images[:, :1], dim=2), torch.diff(images[:, :1], dim=3)
    return F.pad(torch.hypot(down[..., :-1], right[..., :-1, :]), (0, 1, 0, 1))


def seam(image: torch.Tensor, result: torch.Tensor, mask: torch.Tensor) -> tuple[float, float]:
    """How much steeper the picture became along the outer half of the masks' edges, and within the faces."""
    before, after = steepness(image), steepness(result)
    edge, core = (mask > 0) & (mask < 0.5), mask > 0.9
    return tuple(float(after[where].mean() / before[where].mean()) for where in (edge, core))  # type: ignore[return-value]


@pytest.mark.parametrize("exposure", [0.0, 0.1])
def test_official_faces_leave_no_seam(solvay, exposure):
    """Faces gain a quarter in sharpness, their edges nothing: no seam, also if the network made them brighter."""
    image, crops, alignments = solvay
    result, mask = paste_faces(image, (crops + exposure).clamp(0, 1), alignments)
    edge, core = seam(image, result, mask)
    assert edge < 1.04
    assert core > 1.2
    assert torch.equal(result[:, 0], result[:, 2])


def test_the_seam_measure_sees_a_seam(solvay):
    """The same faces, brighter, unmatched and with a hard edge, fail the test above."""
    image, crops, alignments = solvay
    result, mask = paste_faces(
        image, (crops + 0.1).clamp(0, 1), alignments, color_match="none", masks=face_masks(alignments, 64, feather=0)
    )
    assert seam(image, result, mask)[0] > 1.08


def test_official_faces_keep_the_photographs_light(solvay):
    """The low band moves by under 2/255 within the faces, where the plain paste moves it by more than 3."""
    image, crops, alignments = solvay
    shifts = {}
    for color_match in ("low_band", "none"):
        result, mask = paste_faces(image, crops, alignments, color_match=color_match)
        moved = gaussian_blur((result - image) * mask, 3.0) / gaussian_blur(mask, 3.0).clamp_min(1e-3)
        shifts[color_match] = float(moved[(mask > 0.9).expand_as(moved)].abs().mean()) * 255
    assert shifts["low_band"] < 2
    assert shifts["none"] > 3


def test_beyond_the_masks_pixels_stay_whatever_their_range():
    """A mask may be so thin that the picture's own is 0 there."""
    image = 3 * photograph() - 1
    crops, alignments = aligned(image, face_at(80, 80, 90), face_at(110, 85, 100), size=256)
    result, mask = paste_faces(image, 1 - crops, alignments)
    assert torch.equal(result[(mask == 0).expand_as(result)], image[(mask == 0).expand_as(image)])


def _beyond_the_crop(images: torch.Tensor, scale: float) -> torch.Tensor:
    """What a crop whose pixels cover `scale` of the image's cannot hold."""
    size = images.shape[-2:]
    frequency = torch.hypot(torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1]))
    return torch.fft.irfft2(torch.fft.rfft2(images) * (frequency > 1 / scale), s=size)


def test_what_the_network_cannot_see_it_does_not_touch():
    """However much the crop changes, detail finer than its pixels is the photograph's."""
    image = photograph((600, 600))
    pores = torch.rand(1, 1, 600, 600, generator=torch.Generator().manual_seed(1)) - 0.5
    image = (image + 0.3 * pores * (torch.arange(600) // 100 % 2 == 0)).clamp(0, 1)
    crops, alignments = aligned(image, face_at(300, 300, 512))
    painted = (crops + 0.2 * torch.randn(crops.shape, generator=torch.Generator().manual_seed(2))).clamp(0, 1)
    result, mask = paste_faces(image, painted, alignments)
    inside = (mask > 0.99).expand_as(image)
    own, kept = (_beyond_the_crop(each, 4.0)[inside] for each in (image, result))
    assert change_of(image, result).max() > 0.1
    assert float((own * kept).sum() / (own.norm() * kept.norm())) > 0.97
    assert float((kept**2).sum() / (own**2).sum()) == pytest.approx(1, abs=0.07)


@pytest.mark.parametrize(
    ("deviation", "denoise", "least", "most"),
    [(0.02, 0.5, 0.95, 1.05), (0.1, 0.0, 0.95, 1.05), (0.1, 0.5, 0.2, 0.75), (0.1, 1.0, 0.0, 0.3)],
)
def test_noise_finer_than_the_crop_is_what_denoise_takes(deviation, denoise, least, most):
    """The grain of a print stays at a half, noise beyond it goes; all of it at 1, none at 0."""
    clean = torch.full((1, 3, 600, 600), 0.5)
    noise = deviation * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    _, alignments = aligned(clean + noise, face_at(300, 300, 512))
    result, mask = paste_faces(clean + noise, torch.full((1, 3, 128, 128), 0.5), alignments, denoise=denoise)
    inside = (mask > 0.99).expand_as(clean)
    left = _beyond_the_crop(result - clean, 4.0)[inside].std() / _beyond_the_crop(noise, 4.0)[inside].std()
    assert least <= float(left) <= most

"""The operators against their definitions, written out."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gpen_blocks.gpen.network.ops import (
    concatenate,
    fir_filter,
    fir_kernel,
    fir_upsample,
    linear_fp32,
    scale_channels,
    scaled_leaky_relu,
)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def kernel() -> Tensor:
    """Neither symmetric nor separable, as a checkpoint may hold one."""
    return torch.randn(4, 4, generator=torch.Generator().manual_seed(2))


def convolve(padded: Tensor, kernel: Tensor) -> Tensor:
    """The definition of convolution: out[i, j] = sum of kernel[a, b] * padded[i + 3 - a, j + 3 - b]."""
    height, width = padded.shape[2] - 3, padded.shape[3] - 3
    out = torch.zeros(*padded.shape[:2], height, width)
    for a in range(4):
        for b in range(4):
            out += kernel[a, b] * padded[:, :, 3 - a : 3 - a + height, 3 - b : 3 - b + width]
    return out


def test_fir_kernel_is_the_normalised_binomial():
    kernel = fir_kernel(gain=4.0)
    assert kernel.sum().item() == 4
    assert torch.equal(kernel[0] * 16, torch.tensor([1.0, 3.0, 3.0, 1.0]))


@pytest.mark.parametrize("padding", [1, 2])
def test_fir_filter_convolves(x: Tensor, kernel: Tensor, padding: int):
    expected = convolve(F.pad(x, [padding] * 4), kernel) * 0.5
    torch.testing.assert_close(fir_filter(x, kernel, padding, gain=0.5), expected)


def test_fir_upsample_is_zeros_then_convolution(x: Tensor, kernel: Tensor):
    zeros_between = torch.zeros(2, 5, 12, 14)
    zeros_between[:, :, ::2, ::2] = x
    torch.testing.assert_close(fir_upsample(x, kernel), convolve(F.pad(zeros_between, [2, 1, 2, 1]), kernel))


def test_scaled_leaky_relu_is_its_definition(x: Tensor):
    gain, bias = torch.tensor([[1.0, -2, 0.5, 3, 0], [2, 1, 1, -1, 4]]), torch.tensor([0.1, -0.2, 0, 1, 2])
    expected = math.sqrt(2) * F.leaky_relu(x * gain[:, :, None, None] + bias[:, None, None], 0.2)
    torch.testing.assert_close(scaled_leaky_relu(x.clone(), gain, bias), expected)


def test_maps_are_overwritten_only_without_gradients(x: Tensor):
    """Overwriting is what makes it fast; under autograd it would falsify the gradients."""
    gain, bias = torch.full((1, 5), 2.0), torch.zeros(5)
    spent = x.clone()
    assert scale_channels(spent, gain).data_ptr() == spent.data_ptr()
    assert scaled_leaky_relu(spent, gain, bias).data_ptr() == spent.data_ptr()
    kept = x.clone().requires_grad_()
    assert scale_channels(kept, gain).data_ptr() != kept.data_ptr()
    scaled_leaky_relu(kept, gain, bias).sum().backward()
    assert torch.equal(kept.detach(), x)
    assert kept.grad is not None
    torch.testing.assert_close(kept.grad, math.sqrt(8) * torch.where(x > 0, 1.0, 0.2))


def test_concatenate_uses_the_spare_memory_if_it_fits(x: Tensor):
    expected = torch.cat([x, -x], dim=1)
    spare = torch.empty(2, 10, 6, 7)
    result = concatenate(x, -x, spare)
    assert result.data_ptr() == spare.data_ptr()
    assert torch.equal(result, expected)
    smaller = torch.empty(2, 10, 3, 7)
    assert torch.equal(concatenate(x, -x, smaller), expected)
    assert smaller.shape == (2, 10, 3, 7)
    recorded = x.clone().requires_grad_()
    assert concatenate(recorded, -x, spare).data_ptr() != spare.data_ptr()


def test_vectors_stay_in_float32_under_autocast():
    vector, weight = torch.full((1, 4), 300.0), torch.full((2, 4), 300.0)  # their products overflow float16
    with torch.autocast("cpu", torch.float16):
        result = linear_fp32(vector.half(), weight.half())
    assert result.dtype == torch.float32
    assert torch.equal(result, torch.full((1, 2), 360000.0))

"""Pictures of 8 bits, as ComfyUI shows them, beside those of the library."""

from __future__ import annotations

import numpy as np
import torch


def same(first: np.ndarray, second: np.ndarray, tolerance: float = 1.0) -> bool:
    """Equal but for the rounding of one 8-bit step (ComfyUI cuts off where the library rounds)."""
    return first.shape == second.shape and np.abs(first.astype(int) - second).max() <= tolerance + 1e-9


def tensor(*pixels: np.ndarray) -> torch.Tensor:
    """Pictures of 8 bits as the library takes them."""
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).float() / 255


def array(images: torch.Tensor) -> np.ndarray:
    """B x 3 x H x W as B x H x W x 3 of 0..255, not rounded."""
    return images.permute(0, 2, 3, 1).numpy() * 255

"""Networks as after training, where the starting values of their normalisations would hide mistakes."""

from __future__ import annotations

import torch
from torch import nn


def trained(network: nn.Module) -> nn.Module:
    """The network in eval mode, without gradients, its batch normalisations far from the identity."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            with torch.no_grad():
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
    return network.eval().requires_grad_(False)

"""Guess from the names of its tensors what a checkpoint is, for the error message if it is not GPEN."""

from __future__ import annotations

import re
from collections.abc import Iterable

# (description, patterns that must all occur among the tensors' names). The first match wins, so a network that shares
# names with another (a LoRA) comes before it. The names are those of the projects' releases.
_SIGNS = (
    ("a LoRA", r"[._]lora_?(up|down|A|B)\b"),
    ("a GFPGAN face restorer", r"^stylegan_decoder\."),
    ("a CodeFormer face restorer", r"^idx_pred_layer\.", r"^position_emb$"),
    ("a RestoreFormer face restorer", r"quantize\.embedding\.weight$", r"encoder\.conv_in\.weight$"),
    ("a Real-ESRGAN upscaler (RRDB)", r"\.(rdb|RDB)1\.conv1\."),
    ("a Real-ESRGAN upscaler (compact)", r"^body\.0\.weight$", r"^body\.1\.weight$", r"^body\.2\.weight$"),
    (
        "a discriminator, which is used only for training (a -D file)",
        r"^convs\.1\.conv1\.0\.weight$",
        r"^final_conv\.",
    ),
    ("a StyleGAN2 generator without GPEN's encoder", r"^style\.1\.weight$", r"^to_rgb1\.conv\.weight$"),
    ("a StyleGAN2 or StyleGAN3 generator", r"(^|\.)synthesis\.", r"(^|\.)mapping\.fc0\.weight$"),
    ("a RetinaFace face detector", r"^BboxHead\.", r"^LandmarkHead\."),
    ("a BiSeNet face parser", r"^cp\.resnet\.", r"^ffm\."),
    ("a ParseNet face parser", r"^out_mask_conv\."),
    ("an ArcFace face recogniser", r"^input_layer\.0\.weight$", r"^output_layer\."),
    ("a Stable Diffusion or SDXL checkpoint", r"^model\.diffusion_model\.input_blocks\."),
    ("a diffusion model", r"^model\.diffusion_model\.|^(double|joint|transformer)_blocks\.0\."),
    ("a diffusion UNet of the diffusers library", r"^down_blocks\.0\.", r"^mid_block\.", r"^up_blocks\.0\."),
    (
        "the autoencoder (VAE) of a diffusion model",
        r"encoder\.conv_in\.weight$",
        r"decoder\.conv_out\.weight$",
    ),
    ("an incomplete GPEN", r"^ecd0\.0\.0\.weight$"),
)


def describe(names: Iterable[str]) -> str:
    """Describe, as a noun phrase, the network that has tensors of these names."""
    names = [str(name) for name in names]
    if not names:
        return "empty"
    text = "\n".join(names)
    for what, *patterns in _SIGNS:
        if all(re.search(pattern, text, re.MULTILINE) for pattern in patterns):
            return what
    more = ", ..." if len(names) > 3 else ""
    return f"an unknown network (its tensors: {', '.join(names[:3])}{more})"

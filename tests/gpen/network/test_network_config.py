"""The configuration is read off shapes; what is not GPEN is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from speed import networks

from gpen_blocks.gpen.errors import NotGPENError
from gpen_blocks.gpen.network import Generator, GeneratorConfig, build_generator
from gpen_blocks.gpen.network.identify import describe

BUNDLED = Path(__file__).parents[3] / "weights" / "bundled"


@pytest.mark.parametrize("size", [256, 512, 1024, 2048])
def test_official_configurations(size: int):
    """In the terms of the authors' code; that these make the published tensors is tested with the generator."""
    named = {"size": size, "style_dim": 512, "n_mlp": 8, **networks.OFFICIAL[size]}
    with torch.device("meta"):
        shapes = Generator(networks.config(size)).state_dict()
    config = GeneratorConfig.from_state_dict(shapes)
    assert {key: getattr(config, key) for key in named} == named
    assert config == GeneratorConfig.from_multipliers(**named)


def test_tiny_configuration(tiny):
    config = GeneratorConfig.from_state_dict(tiny.state_dict)
    assert config == GeneratorConfig(size=64, style_dim=64, n_mlp=4, channels=(64, 64, 64, 64, 32))
    assert (config.channel_multiplier, config.narrow) == (1, 0.125)


def test_widths_that_no_multiplier_gives_are_read_too(tiny):
    """Channels come from the tensors, not from a formula."""
    tensors = dict(tiny.state_dict)
    tensors["generator.convs.4.conv.weight"] = torch.zeros(1, 51, 128, 3, 3)
    assert GeneratorConfig.from_state_dict(tensors).channels == (64, 64, 64, 51, 32)


@pytest.mark.parametrize(
    "what, names",
    [
        ("GFPGAN", ["conv_body_first.weight", "stylegan_decoder.style_mlp.1.weight", "toRGB.0.weight"]),
        ("CodeFormer", ["position_emb", "idx_pred_layer.1.weight", "quantize.embedding.weight"]),
        ("RestoreFormer", ["encoder.conv_in.weight", "quantize.embedding.weight", "decoder.conv_out.weight"]),
        ("RestoreFormer", ["vqvae.encoder.conv_in.weight", "vqvae.quantize.embedding.weight"]),
        ("Real-ESRGAN", ["conv_first.weight", "body.0.rdb1.conv1.weight", "conv_last.weight"]),
        ("Real-ESRGAN", ["model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"]),
        ("Real-ESRGAN", ["body.0.weight", "body.0.bias", "body.1.weight", "body.2.weight"]),
        ("discriminator", ["convs.0.0.weight", "convs.1.conv1.0.weight", "final_conv.0.weight"]),
        ("StyleGAN2", ["style.1.weight", "input.input", "conv1.conv.weight", "to_rgb1.conv.weight"]),
        ("StyleGAN2", ["synthesis.b4.const", "mapping.fc0.weight"]),
        (
            "RetinaFace",
            ["body.stage1.0.0.weight", "BboxHead.0.conv1x1.weight", "LandmarkHead.0.conv1x1.weight"],
        ),
        (
            "ParseNet",
            ["encoder.0.conv2d.weight", "out_img_conv.conv2d.weight", "out_mask_conv.conv2d.weight"],
        ),
        ("BiSeNet", ["cp.resnet.conv1.weight", "ffm.convblk.conv.weight"]),
        ("ArcFace", ["input_layer.0.weight", "output_layer.3.weight", "body.0.res_layer.0.weight"]),
        ("Stable Diffusion", ["model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.encoder"]),
        ("diffusion model", ["double_blocks.0.img_attn.qkv.weight", "img_in.weight"]),
        ("diffusers", ["conv_in.weight", "down_blocks.0.a", "mid_block.b", "up_blocks.0.c"]),
        ("VAE", ["encoder.conv_in.weight", "decoder.conv_out.weight", "quant_conv.weight"]),
        ("LoRA", ["lora_unet_down_blocks_0_attn.lora_down.weight", "lora_unet_mid_block.lora_up.weight"]),
        ("LoRA", ["unet.down_blocks.0.to_k.lora_A.weight"]),
        ("unknown network (its tensors: a, b, c, ...)", ["a", "b", "c", "d"]),
        ("empty", []),
    ],
)
def test_other_networks_are_named(what: str, names: list[str]):
    with pytest.raises(NotGPENError) as caught:
        build_generator(dict.fromkeys(names, torch.zeros(1)))
    assert what in str(caught.value)
    assert "GPEN-BFR-512.pth" in str(caught.value)


def test_the_bundled_detector_is_named():
    with pytest.raises(NotGPENError, match="RetinaFace"):
        build_generator(load_file(BUNDLED / "face-detector-lite.safetensors"))


def test_gpen_is_not_taken_for_another(tiny):
    """No sign of another network may fit GPEN's own names."""
    assert describe(tiny.state_dict).startswith("an incomplete GPEN")


def test_variants_of_gpen_are_named(tiny):
    coarse = {name: value for name, value in tiny.state_dict.items() if not name.startswith("ecd4.")}
    with pytest.raises(NotGPENError, match="input of 32 and an output of 64 pixels"):
        build_generator(coarse)
    headless = {name: value for name, value in tiny.state_dict.items() if not name.startswith("final_linear.")}
    with pytest.raises(NotGPENError, match="an incomplete GPEN"):
        build_generator(headless)
    flat = {**tiny.state_dict, "generator.input.input": torch.zeros(4)}
    with pytest.raises(NotGPENError, match=r"generator\.input\.input has the shape \(4,\)"):
        build_generator(flat)

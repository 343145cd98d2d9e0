"""What shared workflows are made of: ids, sockets and menus as ComfyUI sees them."""

from __future__ import annotations

from typing import get_args

import pytest

from gpen_blocks.gpen.backends import Backend, Precision
from gpen_blocks.gpen.choices import ColorMatch, FaceOrder, WhiteBalance
from gpen_blocks.gpen.presets import bundled_presets
from gpen_blocks.gpen.settings import SETTINGS
from gpen_blocks.nodes.block_settings import setting_widgets
from gpen_blocks.weights.registry import records

# node: ({input: type, optional ones in brackets}, {output: type}), in the order of the sockets.
CONTRACT = {
    "GPENLoadModel": (
        {"model": "COMBO", "precision": "COMBO", "backend": "COMBO"},
        {"gpen_model": "GPEN_MODEL"},
    ),
    "GPENLoadFaceDetector": ({"detector": "COMBO"}, {"face_detector": "GPEN_FACE_DETECTOR"}),
    "GPENLoadFaceParser": ({"parser": "COMBO"}, {"face_parser": "GPEN_FACE_PARSER"}),
    "GPENDetectFaces": (
        {
            "image": "IMAGE",
            "face_detector": "GPEN_FACE_DETECTOR",
            "score_threshold": "FLOAT",
            "min_face_size": "INT",
            "max_faces": "INT",
            "landmarks": "COMBO",
            "rotated": "BOOLEAN",
            "[landmarks68]": "BOOLEAN",
        },
        {"faces": "GPEN_FACES", "preview": "IMAGE", "box_mask": "MASK", "count": "INT", "boxes": "BOUNDING_BOX"},
    ),
    "GPENSelectFaces": (
        {
            "faces": "GPEN_FACES,FACE_LANDMARKS",
            "order": "COMBO",
            "indices": "STRING",
            "min_face_size": "INT",
            "[image]": "IMAGE",
            "[regions]": "MASK,BOUNDING_BOX,SEGS",
        },
        {"selected": "GPEN_FACES", "rejected": "GPEN_FACES", "preview": "IMAGE"},
    ),
    "GPENAlignFaces": (
        {
            "image": "IMAGE",
            "faces": "GPEN_FACES,FACE_LANDMARKS",
            "size": "INT",
            "template": "COMBO",
            "[gpen_model]": "GPEN_MODEL",
        },
        {"crops": "IMAGE", "alignment": "GPEN_ALIGNMENT"},
    ),
    "GPENRestoreFaces": (
        {
            "gpen_model": "GPEN_MODEL",
            "crops": "IMAGE",
            "strength": "FLOAT",
            "keep_grayscale": "BOOLEAN",
            "batch_size": "INT",
            "[colour]": "COMBO",
        },
        {"crops": "IMAGE"},
    ),
    "GPENFrequencySpectrum": (
        {"image": "IMAGE", "dark": "BOOLEAN", "[reference]": "IMAGE"},
        {
            "spectrum": "IMAGE",
            "chart": "IMAGE",
            "high_frequency_ratio": "FLOAT",
            "report": "STRING",
            "image_spectrum": "IMAGE",
            "reference_spectrum": "IMAGE",
        },
    ),
    "GPENFrequencyBlend": (
        {
            "detail": "IMAGE",
            "base": "IMAGE",
            "cutoff": "FLOAT",
            "middle_gain": "FLOAT",
            "high_gain": "FLOAT",
            "deblur": "FLOAT",
            "keep_grayscale": "BOOLEAN",
            "eyes_gain": "FLOAT",
            "lips_gain": "FLOAT",
            "skin_gain": "FLOAT",
            "hair_gain": "FLOAT",
            "[alignment]": "GPEN_ALIGNMENT",
            "[colour]": "COMBO",
            "[denoise]": "FLOAT",
        },
        {"crops": "IMAGE"},
    ),
    "GPENLocalAdaptiveEnhance": (
        {
            "crops": "IMAGE",
            "strength": "FLOAT",
            "eyes": "FLOAT",
            "lips": "FLOAT",
            "cheeks": "FLOAT",
            "hairline": "FLOAT",
            "[alignment]": "GPEN_ALIGNMENT",
        },
        {"crops": "IMAGE", "gain": "MASK"},
    ),
    "GPENPasteFaces": (
        {
            "image": "IMAGE",
            "crops": "IMAGE",
            "alignment": "GPEN_ALIGNMENT",
            "mask_mode": "COMBO",
            "feather": "FLOAT",
            "color_match": "COMBO",
            "match_grain": "FLOAT",
            "strength": "FLOAT",
            "[denoise]": "FLOAT",
            "[face_parser]": "GPEN_FACE_PARSER",
            "[only_here]": "MASK",
            "[not_here]": "MASK",
            "[background]": "IMAGE",
        },
        {"image": "IMAGE", "paste_mask": "MASK"},
    ),
    "GPENPrepareImage": (
        {
            "image": "IMAGE",
            "white_balance": "COMBO",
            "deblock": "FLOAT",
            "exposure": "FLOAT",
            "levels": "FLOAT",
            "[faces]": "GPEN_FACES,FACE_LANDMARKS",
        },
        {"image": "IMAGE", "report": "STRING"},
    ),
    "GPENFinish": (
        {
            "image": "IMAGE",
            "sigma": "FLOAT",
            "mix": "FLOAT",
            "match_grain": "FLOAT",
            "[reference]": "IMAGE",
            "[mask]": "MASK",
        },
        {"image": "IMAGE"},
    ),
    "GPENFaceRestore": (
        {
            "image": "IMAGE",
            "gpen_model": "GPEN_MODEL",
            "face_detector": "GPEN_FACE_DETECTOR",
            "strength": "FLOAT",
            "[preset]": "GPEN_PRESET",
            "[faces]": "GPEN_FACES,FACE_LANDMARKS",
            "[indices]": "STRING",
            "[regions]": "MASK,BOUNDING_BOX,SEGS",
            "[face_parser]": "GPEN_FACE_PARSER",
            "[frames_of_one_shot]": "BOOLEAN",
            "[only_here]": "MASK",
            "[not_here]": "MASK",
            "[background]": "IMAGE",
        },
        {
            "image": "IMAGE",
            "before": "IMAGE",
            "after": "IMAGE",
            "paste_mask": "MASK",
            "report": "STRING",
            "faces": "GPEN_FACES",
            "face_masks": "MASK",
        },
    ),
    "GPENRestoreVideo": (
        {
            "video": "VIDEO",
            "gpen_model": "GPEN_MODEL",
            "face_detector": "GPEN_FACE_DETECTOR",
            "strength": "FLOAT",
            "[preset]": "GPEN_PRESET",
            "[indices]": "STRING",
            "[codec]": "COMBO",
            "[crf]": "INT",
            "[face_parser]": "GPEN_FACE_PARSER",
        },
        {"video": "VIDEO", "before": "IMAGE", "after": "IMAGE", "report": "STRING"},
    ),
    "GPENColorize": (
        {
            "image": "IMAGE",
            "face_detector": "GPEN_FACE_DETECTOR",
            "strength": "FLOAT",
            "recolor": "BOOLEAN",
            "[gpen_model]": "GPEN_MODEL",
            "[indices]": "STRING",
            "[background]": "IMAGE",
        },
        {"image": "IMAGE", "mask": "MASK", "report": "STRING"},
    ),
    "GPENProposeScratches": ({"image": "IMAGE", "sensitivity": "FLOAT"}, {"mask": "MASK"}),
    "GPENInpaint": (
        {
            "image": "IMAGE",
            "mask": "MASK",
            "face_detector": "GPEN_FACE_DETECTOR",
            "elsewhere": "COMBO",
            "[gpen_model]": "GPEN_MODEL",
            "[indices]": "STRING",
        },
        {"image": "IMAGE", "mask": "MASK", "report": "STRING"},
    ),
    "GPENFaceMap": (
        {
            "image": "IMAGE",
            "face_detector": "GPEN_FACE_DETECTOR",
            "[face_parser]": "GPEN_FACE_PARSER",
            "[indices]": "STRING",
        },
        {"map": "IMAGE", "legend": "IMAGE"},
    ),
    "GPENDrawFace": ({"map": "IMAGE", "[gpen_model]": "GPEN_MODEL"}, {"image": "IMAGE"}),
    "GPENFaceMasks": (
        {
            "image": "IMAGE",
            **dict.fromkeys(("brows", "eyes", "nose", "lips", "skin", "hair", "glasses"), "BOOLEAN"),
            "grow": "INT",
            "feather": "INT",
            "[face_detector]": "GPEN_FACE_DETECTOR",
            "[faces]": "GPEN_FACES,FACE_LANDMARKS",
            "[face_parser]": "GPEN_FACE_PARSER",
        },
        {"mask": "MASK"},
    ),
    "GPENPreset": ({"preset": "COMBO"}, {"preset": "GPEN_PRESET"}),
    "GPENSettings": (
        {
            "[preset]": "GPEN_PRESET",
            "[score_threshold]": "FLOAT",
            "[min_face_size]": "INT",
            "[max_faces]": "INT",
            "[order]": "COMBO",
            "[rotated]": "BOOLEAN",
            "[focus]": "BOOLEAN",
            "[white_balance]": "COMBO",
            "[deblock]": "FLOAT",
            "[exposure]": "FLOAT",
            "[levels]": "FLOAT",
            "[strength]": "FLOAT",
            "[keep_grayscale]": "BOOLEAN",
            "[colour]": "COMBO",
            "[frequency_blend]": "FLOAT",
            "[deblur]": "FLOAT",
            "[local_enhance]": "FLOAT",
            "[denoise]": "FLOAT",
            "[middle_gain]": "FLOAT",
            "[high_gain]": "FLOAT",
            "[eyes_gain]": "FLOAT",
            "[lips_gain]": "FLOAT",
            "[skin_gain]": "FLOAT",
            "[hair_gain]": "FLOAT",
            "[enhance_eyes]": "FLOAT",
            "[enhance_lips]": "FLOAT",
            "[enhance_cheeks]": "FLOAT",
            "[enhance_hairline]": "FLOAT",
            "[mask_mode]": "COMBO",
            "[feather]": "FLOAT",
            "[color_match]": "COMBO",
            "[match_grain]": "FLOAT",
            "[landmark_network]": "COMBO",
            "[finish_sigma]": "FLOAT",
            "[finish_mix]": "FLOAT",
            "[reset]": "STRING",
            "[strength_brows]": "FLOAT",
            "[strength_eyes]": "FLOAT",
            "[strength_nose]": "FLOAT",
            "[strength_lips]": "FLOAT",
            "[strength_skin]": "FLOAT",
            "[strength_hair]": "FLOAT",
            "[match_sharpness]": "FLOAT",
        },
        {"preset": "GPEN_PRESET"},
    ),
    "GPENSavePreset": (
        {
            "name": "STRING",
            "description": "STRING",
            "overwrite": "BOOLEAN",
            "score_threshold": "FLOAT",
            "min_face_size": "INT",
            "max_faces": "INT",
            "order": "COMBO",
            "rotated": "BOOLEAN",
            "strength": "FLOAT",
            "keep_grayscale": "BOOLEAN",
            "mask_mode": "COMBO",
            "feather": "FLOAT",
            "color_match": "COMBO",
            "match_grain": "FLOAT",
            "white_balance": "COMBO",
            "deblock": "FLOAT",
            "exposure": "FLOAT",
            "frequency_blend": "FLOAT",
            "deblur": "FLOAT",
            "local_enhance": "FLOAT",
            "finish_sigma": "FLOAT",
            "finish_mix": "FLOAT",
            "landmarks68": "BOOLEAN",
            "levels": "FLOAT",
            "[preset]": "GPEN_PRESET",
            "[colour]": "COMBO",
            "[focus]": "BOOLEAN",
            "[denoise]": "FLOAT",
            "[middle_gain]": "FLOAT",
            "[high_gain]": "FLOAT",
            "[eyes_gain]": "FLOAT",
            "[lips_gain]": "FLOAT",
            "[skin_gain]": "FLOAT",
            "[hair_gain]": "FLOAT",
            "[enhance_eyes]": "FLOAT",
            "[enhance_lips]": "FLOAT",
            "[enhance_cheeks]": "FLOAT",
            "[enhance_hairline]": "FLOAT",
            "[strength_brows]": "FLOAT",
            "[strength_eyes]": "FLOAT",
            "[strength_nose]": "FLOAT",
            "[strength_lips]": "FLOAT",
            "[strength_skin]": "FLOAT",
            "[strength_hair]": "FLOAT",
            "[match_sharpness]": "FLOAT",
        },
        {"preset": "GPEN_PRESET"},
    ),
}


# Where each block lies in the menu of nodes; the whole chain at the top.
GROUPS = {
    node_id: "/".join(["GPEN Blocks", *group])
    for group, node_ids in {
        (): ("GPENFaceRestore", "GPENRestoreVideo"),
        ("loaders",): ("GPENLoadModel", "GPENLoadFaceDetector", "GPENLoadFaceParser"),
        ("faces",): (
            "GPENDetectFaces",
            "GPENSelectFaces",
            "GPENAlignFaces",
            "GPENRestoreFaces",
            "GPENPasteFaces",
            "GPENFaceMasks",
        ),
        ("detail",): ("GPENFrequencySpectrum", "GPENFrequencyBlend", "GPENLocalAdaptiveEnhance"),
        ("picture",): ("GPENPrepareImage", "GPENFinish"),
        ("redraw",): ("GPENColorize", "GPENProposeScratches", "GPENInpaint", "GPENFaceMap", "GPENDrawFace"),
        ("settings",): ("GPENPreset", "GPENSettings", "GPENSavePreset"),
    }.items()
    for node_id in node_ids
}


@pytest.fixture(scope="module")
def info(comfyui):
    return comfyui.get("/object_info")


def inputs_of(node: dict) -> dict[str, tuple]:
    """Inputs as the contract writes them: name to (type, options)."""
    return {
        name if section == "required" else f"[{name}]": spec
        for section in ("required", "optional")
        for name, spec in node["input"].get(section, {}).items()
    }


@pytest.mark.parametrize("node_id", CONTRACT)
def test_sockets_are_those_of_the_contract(info, node_id):
    inputs, outputs = CONTRACT[node_id]
    node = info[node_id]
    types = {name: "COMBO" if isinstance(spec[0], list) else spec[0] for name, spec in inputs_of(node).items()}
    assert types == inputs
    assert list(types) == list(inputs)
    assert dict(zip(node["output_name"], node["output"], strict=True)) == outputs


@pytest.mark.parametrize("node_id", CONTRACT)
def test_everything_is_explained_and_bounded(info, node_id):
    node = info[node_id]
    assert node["description"] and node["display_name"] and node["category"] == GROUPS[node_id]
    assert all(node["output_tooltips"])
    # The page puts a block with this field among ComfyUI's own, apart from the others, and shows it nowhere else.
    assert not node.get("essentials_category")
    for name, spec in inputs_of(node).items():
        options = spec[1]
        assert options.get("tooltip"), name
        if spec[0] in ("INT", "FLOAT"):
            assert options["min"] <= options["default"] <= options["max"], name
        if spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"):
            assert "default" in options, name


def test_menus_derive_from_the_engine(info):
    def menu(node_id: str, name: str) -> list[str]:
        spec = info[node_id]["input"]["required"][name]
        return spec[0] if isinstance(spec[0], list) else spec[1]["options"]

    models = [one.name for one in records().values() if one.kind == "generator"]
    detectors = [record.name for record in records().values() if record.kind == "detector"]
    offered = menu("GPENLoadModel", "model")
    assert offered[0] == "auto" and set(offered) >= set(models)
    assert menu("GPENLoadFaceDetector", "detector") == ["auto", *detectors]
    parsers = [record.name for record in records().values() if record.kind == "parser"]
    assert menu("GPENLoadFaceParser", "parser")[: len(parsers) + 1] == ["auto", *parsers]
    assert menu("GPENLoadModel", "precision") == list(get_args(Precision))
    assert menu("GPENLoadModel", "backend") == list(get_args(Backend))
    assert menu("GPENSelectFaces", "order") == list(get_args(FaceOrder))
    assert menu("GPENPasteFaces", "color_match") == list(get_args(ColorMatch))
    assert menu("GPENPrepareImage", "white_balance") == list(get_args(WhiteBalance))
    assert set(bundled_presets()) <= set(menu("GPENPreset", "preset"))


# Inputs that bear the name of a setting and are something else.
NAMESAKES = {
    ("GPENSelectFaces", "min_face_size"),  # of faces that were found already; 0 leaves none out
    ("GPENFaceRestore", "strength"),  # a share of the preset's
    ("GPENRestoreVideo", "strength"),  # as above
    ("GPENColorize", "strength"),  # of colours
    ("GPENFaceMasks", "feather"),  # in pixels
}


@pytest.mark.parametrize("node_id", CONTRACT)
def test_a_setting_is_the_same_in_every_block(info, node_id):
    """Range, choices, default and words are those of its declaration."""
    widgets = setting_widgets(node_id)
    inputs = {name.strip("[]"): spec for name, spec in inputs_of(info[node_id]).items()}
    unclaimed = {name for name in inputs if name in SETTINGS and name not in widgets}
    assert {(node_id, name) for name in unclaimed} <= NAMESAKES
    assert [name for name in inputs if name in widgets] == list(widgets)
    for name, widget in widgets.items():
        kind, options = inputs[name][0], inputs[name][1]
        setting = widget.declaration
        assert options["tooltip"] == widget.tooltip
        assert (f"[{name}]" in inputs_of(info[node_id])) == widget.optional
        if widget.on:
            assert kind == "BOOLEAN" and options["default"] == (widget.shown_default == widget.on)
            continue
        assert options["default"] == widget.shown_default, name
        if setting.choices:
            offered = kind if isinstance(kind, list) else options["options"]
            assert offered == [choice for choice in setting.choices if choice not in widget.without]
        elif setting.range:
            assert (options["min"], options["max"]) == setting.range, name


def test_the_pack_loads_whole(comfyui, info):
    assert "IMPORT FAILED" not in comfyui.text_of_log()
    assert {name for name, node in info.items() if node["python_module"].startswith("custom_nodes.gpen")} >= set(
        CONTRACT
    )

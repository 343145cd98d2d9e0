"""Building a detector from tensors: what is read off them, and what is refused."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
import torch
from trained import trained

from gpen_blocks.gpen.errors import CheckpointError
from gpen_blocks.gpen.faces.detection.detector import REFINER_PREFIX, build_detector
from gpen_blocks.gpen.faces.detection.refine import LandmarkRefiner
from gpen_blocks.gpen.faces.detection.retinaface import RetinaFace, load_retinaface


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return RetinaFace("mobile0.25").state_dict()


def test_names_are_those_of_the_published_weights(shared):
    """Names and shapes of the file that facexlib loads."""
    published = torch.load(
        shared / "weights" / "detection_mobilenet0.25_Final.pth", map_location="cpu", weights_only=True
    )
    ours = RetinaFace("mobile0.25").state_dict()
    assert {key.removeprefix("module."): value.shape for key, value in published.items()} == {
        key: value.shape for key, value in ours.items()
    }


def test_both_networks_have_the_names_of_facexlib():
    """facexlib's own class is the witness, for the network whose weights do not lie here as well."""
    from facexlib.detection.retinaface import RetinaFace as Reference

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("mobile0.25", "resnet50"):
            reference = Reference(network_name=name, device="cpu").state_dict()
            ours = RetinaFace(name).state_dict()
            assert {key: value.shape for key, value in ours.items()} == {
                key: value.shape for key, value in reference.items()
            }


@pytest.mark.parametrize("name", ["mobile0.25", "resnet50"])
def test_the_network_is_that_of_facexlib(name):
    """The published tensors belong to facexlib's code: ours must make of them exactly what it makes."""
    from facexlib.detection.retinaface import RetinaFace as Reference

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = trained(Reference(network_name=name, device="cpu"))
    ours = load_retinaface(theirs.state_dict()).eval()
    images = torch.rand(2, 3, 96, 136)
    with torch.inference_mode():
        boxes, logits, landmarks = ours(images)
        expected_boxes, expected_scores, expected_landmarks = theirs(images)
    assert torch.equal(boxes, expected_boxes) and torch.equal(landmarks, expected_landmarks)
    assert torch.equal(logits.softmax(-1), expected_scores)


@pytest.mark.parametrize("name", ["mobile0.25", "resnet50"])
def test_network_is_read_off_the_tensors_without_a_warning(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = build_detector({"module." + key: value for key, value in RetinaFace(name).state_dict().items()})
    assert detector.network.network == name
    assert detector.refiner is None
    assert not detector.training
    assert not any(parameter.requires_grad for parameter in detector.parameters())
    scores, boxes, landmarks = detector(torch.zeros(1, 3, 40, 56))
    anchors = 2 * (5 * 7 + 3 * 4 + 2 * 2)
    assert (scores.shape, boxes.shape, landmarks.shape) == ((1, anchors), (1, anchors, 4), (1, anchors, 10))


def test_half_precision_tensors_make_a_full_precision_detector(tensors):
    half = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
    assert next(build_detector(half).parameters()).dtype == torch.float32


def test_refiner_is_taken_from_its_prefix(tensors):
    refiner = {REFINER_PREFIX + key: value for key, value in LandmarkRefiner().state_dict().items()}
    assert build_detector(tensors | refiner).refiner is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: {}, "not a RetinaFace"),
        (lambda t: {"convs.0.weight": torch.zeros(3)}, "convs.0.weight"),
        (lambda t: {k: v for k, v in t.items() if not k.startswith("fpn.")}, "Missing key"),
        (lambda t: t | {"extra": torch.zeros(1)}, "Unexpected key"),
        (lambda t: t | {"BboxHead.0.conv1x1.bias": torch.zeros(3)}, "size mismatch"),
        (lambda t: t | {REFINER_PREFIX + "odd": torch.zeros(1)}, "landmark refiner"),
        (lambda t: {"body.stage1.0.0.weight": torch.zeros(1)}, "incomplete or altered"),
    ],
)
def test_other_tensors_are_refused_in_a_sentence(tensors, change, words):
    with pytest.raises(CheckpointError, match=words) as error:
        build_detector(change(tensors))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_importing_the_adapter_leaves_facexlib_alone():
    """facexlib and torchvision are imported when a detector is built, not before."""
    code = (
        "import sys, gpen_blocks.gpen.faces.detect as d; "
        "sys.exit(any(m.split('.')[0] in ('facexlib', 'torchvision', 'cv2') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["mobile0.25", "resnet50"])
def test_frozen_it_finds_the_same(name):
    """Normalisation, mean and order of colours go into the convolutions; what pads the border stays the mean."""
    torch.manual_seed(1)
    network = RetinaFace(name).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training: not the identity
            module.running_mean.normal_(0, 0.2)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    tensors = {key: value.clone() for key, value in network.state_dict().items()}
    images = torch.rand(2, 3, 96, 120)
    expected = build_detector(tensors)(images)
    frozen = build_detector(tensors).freeze().freeze()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in frozen.modules())
    with torch.inference_mode():
        fused = frozen(images)
    for answer in (fused, frozen(images)):  # with gradients, torch's own operations run
        for found, wanted in zip(answer, expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))

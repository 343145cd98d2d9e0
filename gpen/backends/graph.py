"""GPEN as an ONNX graph, built from the tensors of a generator.

The graph has the arithmetic of `network.generator`; everything that does not depend on the face is folded: the scales
of the equal learning rate, the square root of two, the gains of the filters. It can be the whole network or one of its
two halves: the encoder, and the painter, whose modulations are inputs. With two halves, a runtime can compute the maps
in bfloat16 while the modulations stay in float32 (see `Generator.set_precision`).

The split is the reason for this file: with it, OpenVINO on two cores takes 0.70 s for a face of 512 pixels in bfloat16,
compared with 1.37 s in float32. An export by torch cannot be split. At 256 pixels it has at least 516 nodes instead of
375, and is about a tenth slower (docs/performance.md).

Convention: maps are B x C x H x W float32, except those passed between the halves, which are B x H x W x C as CPUs
compute them. A graph for one face has B = 1, others the symbol `batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from ..network import Generator
from ..network.layers import EqualLinear, ModulatedConv, StyledConv, ToRGB
from ..network.ops import EPSILON, NEGATIVE_SLOPE, SQRT2
from ..wording import pip_install
from .engine import EngineError

if TYPE_CHECKING:
    import onnx

# Version of the operator set; all operators used exist in it.
_OPSET = 17
_IR_VERSION = 8

INPUT, OUTPUT = "input", "output"

# Permutations of axes.
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def whole_graph(generator: Generator, *, fixed: bool = False) -> onnx.ModelProto:
    """The whole network: `input`, B x 3 x S x S in -1..1, to `output`, the same shape, about -1..1.

    Args:
        generator: in float32.
        fixed: fix the batch size to one face.
    """
    graph = _Graph(1 if fixed else "batch")
    size = generator.config.size
    features = _encode(graph, generator, graph.input(INPUT, (3, size, size)))
    latent = graph.add("Flatten", features[-1])
    final: Any = generator.final_linear[0]
    latent = _linear(graph, final, latent)
    mean = graph.add("ReduceMean", graph.add("Mul", latent, latent), axes=[1], keepdims=1)
    norm = graph.add("Sqrt", graph.add("Add", mean, graph.constant(EPSILON)))
    latent = graph.add("Div", latent, norm)
    decoder: Any = generator.generator
    for layer in list(decoder.style)[1:]:
        latent = _linear(graph, layer, latent)
    styled = [_modulation(graph, layer, latent) for layer in (decoder.conv1, *decoder.convs)]
    painted = [_painting(graph, layer, latent) for layer in (decoder.to_rgb1, *decoder.to_rgbs)]
    _paint(graph, generator, [_Map(feature) for feature in features], styled, painted)
    return graph.model(f"GPEN-{size}", {OUTPUT: (3, size, size)})


def encoder_graph(generator: Generator) -> onnx.ModelProto:
    """The encoder of one face: `input` to the features `feature0`, `feature1`, ..., finest first and channels last."""
    graph = _Graph(1)
    size, channels = generator.config.size, generator.config.channels[::-1]
    features = _encode(graph, generator, graph.input(INPUT, (3, size, size)))
    outputs = {}
    for level, (feature, count) in enumerate(zip(features, channels, strict=True)):
        last = graph.add("Transpose", feature, perm=_TO_LAST)
        outputs[graph.rename(last, f"feature{level}")] = (size >> level, size >> level, count)
    return graph.model(f"GPEN-{size} encoder", outputs)


def painter_graph(generator: Generator) -> onnx.ModelProto:
    """The decoder of one face without its mapping network.

    Inputs: the features of `encoder_graph`; `style0`, `gain0`, `style1`, ... and `paint0`, `paint1`, ..., the flat
    modulations of `Generator.modulate`. Output: `output`.
    """
    graph = _Graph(1)
    size, channels = generator.config.size, generator.config.channels[::-1]
    features = [
        _Map(graph.input(f"feature{level}", (size >> level, size >> level, count)), channels_last=True)
        for level, count in enumerate(channels)
    ]
    decoder: Any = generator.generator
    styled = []
    for index, layer in enumerate((decoder.conv1, *decoder.convs)):
        outputs, inputs = layer.conv.weight.shape[1:3]
        styled.append((graph.input(f"style{index}", (inputs, 1, 1)), graph.input(f"gain{index}", (outputs, 1, 1))))
    painted = [
        graph.input(f"paint{index}", (layer.conv.weight.shape[2], 1, 1))
        for index, layer in enumerate((decoder.to_rgb1, *decoder.to_rgbs))
    ]
    _paint(graph, generator, features, styled, painted)
    return graph.model(f"GPEN-{size} painter", {OUTPUT: (3, size, size)})


class _Map(NamedTuple):
    """Name of a map, and whether it is channels-last."""

    name: str
    channels_last: bool = False


class _Graph:
    """Builder of a graph; operators are called by their ONNX names and return the names of their results."""

    def __init__(self, batch: int | str) -> None:
        try:
            import onnx
        except ImportError as error:
            raise EngineError(f"ONNX graphs need onnx ({error}); install it with {pip_install('onnx')}.") from error
        self._onnx = onnx
        self._batch = batch
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str, shape: Sequence[int]) -> str:
        self._inputs.append(self._described(name, shape))
        return name

    def constant(self, value: Tensor | float) -> str:
        if isinstance(value, Tensor):
            return self._keep(value.detach().float().cpu().contiguous().numpy())
        return self._keep(np.array(value, np.float32))

    def whole_numbers(self, *values: int) -> str:
        """An integer constant for shapes, axes and so on."""
        return self._keep(np.array(values, np.int64))

    def split(self, value: str, axis: int, count: int, share: int) -> list[str]:
        """Split a value into equal parts."""
        if count == 1:
            return [value]
        names = [f"{value}_{number}" for number in range(count)]
        inputs = [value, self.whole_numbers(*[share] * count)]
        self._nodes.append(self._onnx.helper.make_node("Split", inputs, names, name=f"split_{value}", axis=axis))
        return names

    def _keep(self, array: np.ndarray) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def rename(self, value: str, name: str) -> str:
        """Rename a value that is an output of the graph."""
        for node in self._nodes:
            node.input[:] = [name if entry == value else entry for entry in node.input]
            node.output[:] = [name if entry == value else entry for entry in node.output]
        return name

    def model(self, name: str, outputs: dict[str, Sequence[int]]) -> onnx.ModelProto:
        described = [self._described(output, shape) for output, shape in outputs.items()]
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, name, self._inputs, described, self._constants)
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="gpen-blocks",
        )

    def _described(self, name: str, shape: Sequence[int]) -> Any:
        onnx = self._onnx
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [self._batch, *shape])


def _encode(graph: _Graph, generator: Generator, x: str) -> list[str]:
    features = []
    for index in range(len(generator.config.channels)):
        *blur, conv, activation = getattr(generator, f"ecd{index}")[0]
        gain = conv.scale * SQRT2
        if blur:
            x = _filter(graph, x, conv.weight.shape[1], blur[0].kernel, blur[0].padding)
            gain *= blur[0].scale
        weight, bias = graph.constant(conv.weight * gain), graph.constant(activation.bias * SQRT2)
        pads = [conv.padding] * 4
        x = graph.add("Conv", x, weight, bias, pads=pads, strides=[conv.stride] * 2)
        x = graph.add("LeakyRelu", x, alpha=NEGATIVE_SLOPE)
        features.append(x)
    return features


def _filter(graph: _Graph, x: str, channels: int, kernel: Tensor, padding: int) -> str:
    weight = kernel.flip(0, 1).repeat(channels, 1, 1, 1)  # Conv correlates
    return graph.add("Conv", x, graph.constant(weight), group=channels, pads=[padding] * 4)


def _linear(graph: _Graph, layer: EqualLinear, x: str, gain: float = 1.0) -> str:
    gain *= SQRT2 if layer.activate else 1.0
    weight, bias = layer.weight * (layer.scale * gain), layer.bias * (layer.lr * gain)
    x = graph.add("Gemm", x, graph.constant(weight), graph.constant(bias), transB=1)
    return graph.add("LeakyRelu", x, alpha=NEGATIVE_SLOPE) if layer.activate else x


def _modulation(graph: _Graph, layer: StyledConv, latent: str) -> tuple[str, str]:
    """The inputs `style` and `demodulation` of a styled convolution, B x C x 1 x 1."""
    conv: ModulatedConv = layer.conv
    style = _linear(graph, conv.modulation, latent, conv.scale)
    energy = graph.constant(conv.weight[0].float().square().sum(dim=(2, 3)).T)
    power = graph.add("MatMul", graph.add("Mul", style, style), energy)
    demodulation = graph.add("Reciprocal", graph.add("Sqrt", graph.add("Add", power, graph.constant(EPSILON))))
    as_map = graph.whole_numbers(2, 3)
    return graph.add("Unsqueeze", style, as_map), graph.add("Unsqueeze", demodulation, as_map)


def _painting(graph: _Graph, layer: ToRGB, latent: str) -> str:
    """The input `style` of an RGB layer, B x I x 1 x 1."""
    style = _linear(graph, layer.conv.modulation, latent, layer.conv.scale)
    return graph.add("Unsqueeze", style, graph.whole_numbers(2, 3))


def _paint(
    graph: _Graph, generator: Generator, features: list[_Map], styled: list[tuple[str, str]], painted: list[str]
) -> None:
    decoder: Any = generator.generator
    parts = _styled(graph, decoder.conv1, [_Map(graph.constant(decoder.input.input))], styled[0], features[-1])
    rgb = _painted(graph, decoder.to_rgb1, parts, painted[0], None)
    for level, to_rgb in enumerate(decoder.to_rgbs):
        for index in (2 * level, 2 * level + 1):
            parts = _styled(graph, decoder.convs[index], parts, styled[index + 1], features[-2 - level])
        rgb = _painted(graph, to_rgb, parts, painted[level + 1], rgb)
    graph.rename(rgb, OUTPUT)


def _styled(
    graph: _Graph, layer: StyledConv, parts: list[_Map], modulation: tuple[str, str], feature: _Map
) -> list[_Map]:
    """One layer of the decoder; its map and the features are not concatenated.

    Concatenation costs as much as a small convolution, and the next convolution can be the sum of two instead. Only a
    transposed convolution is slower in two parts.
    """
    style, demodulation = modulation
    conv: ModulatedConv = layer.conv
    outputs, inputs = conv.weight.shape[1:3]
    weight = conv.weight[0] * SQRT2  # gain of the activation
    if conv.blur is None:
        x = _convolved(graph, parts, style, weight, padding=1)
    else:
        x = graph.add("Concat", *_scaled(graph, parts, style, inputs), axis=1)
        x = graph.add("ConvTranspose", x, graph.constant(weight.transpose(0, 1)), strides=[2, 2])
        x = _filter(graph, x, outputs, conv.blur.kernel, 1)
    noise = graph.constant(layer.noise.weight.float() * SQRT2)
    return [
        _activated(graph, one, gain, bias)
        for one, gain, bias in zip(
            (_Map(x), feature), (demodulation, noise), (layer.activate.bias * SQRT2).split(outputs), strict=True
        )
    ]


def _activated(graph: _Graph, x: _Map, gain: str, bias: Tensor) -> _Map:
    biases = graph.constant(bias.view((1, 1, 1, -1) if x.channels_last else (1, -1, 1, 1)))
    name = graph.add("LeakyRelu", graph.add("Add", graph.add("Mul", x.name, gain), biases), alpha=NEGATIVE_SLOPE)
    return _Map(name, x.channels_last)


def _scaled(graph: _Graph, parts: list[_Map], style: str, channels: int) -> list[str]:
    """Maps of equal width multiplied by their parts of a style, B x C x 1 x 1, channels first.

    Channels-last maps are scaled without conversion, since a runtime keeps that order directly before a convolution.
    """
    scaled = []
    for part, share in zip(parts, graph.split(style, 1, len(parts), channels // len(parts)), strict=True):
        if part.channels_last:
            last = graph.add("Mul", part.name, graph.add("Transpose", share, perm=_TO_LAST))
            scaled.append(graph.add("Transpose", last, perm=_TO_FIRST))
        else:
            scaled.append(graph.add("Mul", part.name, share))
    return scaled


def _convolved(graph: _Graph, parts: list[_Map], style: str, weight: Tensor, padding: int) -> str:
    """A modulated convolution of several maps as the sum of one convolution per map."""
    inputs = weight.shape[1]
    terms = [
        graph.add("Conv", part, graph.constant(share), pads=[padding] * 4)
        for part, share in zip(
            _scaled(graph, parts, style, inputs), weight.split(inputs // len(parts), dim=1), strict=True
        )
    ]
    return terms[0] if len(terms) == 1 else graph.add("Add", *terms)


def _painted(graph: _Graph, layer: ToRGB, parts: list[_Map], style: str, skip: str | None) -> str:
    # Not one matrix per face as in `ToRGB`, since a matrix product needs another memory order than convolutions.
    rgb = _convolved(graph, parts, style, layer.conv.weight[0], padding=0)
    rgb = graph.add("Add", rgb, graph.constant(layer.bias))
    if skip is None or layer.upsample is None:
        return rgb
    kernel = layer.upsample.kernel.repeat(3, 1, 1, 1)
    doubled = graph.add("ConvTranspose", skip, graph.constant(kernel), group=3, strides=[2, 2], pads=[1] * 4)
    return graph.add("Add", rgb, doubled)


def flat_modulations(generator: Generator, feature: Tensor) -> dict[str, np.ndarray]:
    """The inputs of `painter_graph` computed from the encoder's coarsest map, 1 x C x 4 x 4."""
    styled, painted = generator.modulate(feature)
    named: dict[str, Tensor] = {}
    for index, (style, gain) in enumerate(styled):
        demodulation = gain[:, : gain.shape[1] // 2]  # the rest belongs to the features and is constant
        named |= {f"style{index}": style[:, :, None, None], f"gain{index}": demodulation[:, :, None, None]}
    named |= {f"paint{index}": style[:, :, None, None] for index, style in enumerate(painted)}
    return {name: value.contiguous().numpy() for name, value in named.items()}

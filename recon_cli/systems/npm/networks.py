"""The networks of shape and pose: perceptrons of a point and of codes (Palafox et al. 2021; Park et al. 2019).

Rectified layers with weight normalisation, a positional encoding of the point, and a layer in the middle that is given the input once more.
A code is the same for many points: the layers that take it are split, and its part is multiplied once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from recon_cli.systems.npm.networks_config import FlowNetworkConfig, NetworkConfig, ShapeNetworkConfig


@dataclass(frozen=True)
class Form:
    """What of a network is not weights.

    Attributes:
        code: numbers C of all codes together.
        frequencies: octaves K of the positional encoding.
        skip: layer that is given the input once more.
        is_bounded: whether the output goes through a hyperbolic tangent.
    """

    code: int
    frequencies: int
    skip: int
    is_bounded: bool

    @property
    def encoding(self) -> int:
        """Numbers E of an encoded point."""
        return 3 + 6 * self.frequencies

    def inputs(self, layer: int, width: int) -> int:
        """Numbers that a layer takes, for hidden layers of this width."""
        return (width if layer else 0) + (self.encoding + self.code if layer in (0, self.skip) else 0)


@dataclass(frozen=True)
class Perceptron:
    """A network as it is evaluated; gradients flow to everything.

    Attributes:
        form: what is not weights.
        weights: of every layer, shape [outputs, inputs]; inputs are the layer before, the encoded point, the codes.
        biases: of every layer, shape [outputs].
    """

    form: Form
    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __call__(self, points: Tensor, codes: Tensor) -> Tensor:  # [B, N, 3], [B, C] -> [B, N, D]
        """Outputs at points, each row of them with a code of its own."""
        features = encoded(points, self.form.frequencies)
        hidden = self._first(0, features, codes)
        for layer in range(1, len(self.weights)):
            # In place: nothing but the rectified numbers is asked for again.
            hidden, weight, bias = torch.relu_(hidden), self.weights[layer], self.biases[layer]
            if layer == self.form.skip:
                of_hidden = functional.linear(hidden, weight[:, : hidden.shape[-1]])
                hidden = of_hidden.add_(self._first(layer, features, codes))
            else:
                hidden = functional.linear(hidden, weight, bias)
        return torch.tanh(hidden) if self.form.is_bounded else hidden

    def to(self, device: torch.device | str) -> Perceptron:
        """The same network on another device."""
        weights, biases = (tuple(part.to(device) for part in parts) for parts in (self.weights, self.biases))
        return replace(self, weights=weights, biases=biases)

    def _first(self, layer: int, features: Tensor, codes: Tensor) -> Tensor:  # [B, N, E], [B, C] -> [B, N, W]
        """What the encoded points and the codes bring to a layer, with its bias."""
        weight, end = self.weights[layer], self.weights[layer].shape[1] - self.form.code
        of_code = functional.linear(codes, weight[:, end:], self.biases[layer])
        return functional.linear(features, weight[:, end - self.form.encoding : end]) + of_code[:, None]


class WeightNormed(nn.Module):
    """A perceptron whose weights are directions times lengths (Salimans and Kingma 2016), but for the last layer's; to be trained.

    Args:
        form: what is not weights.
        widths: outputs of every layer.
        generator: of the first weights, on the CPU: uniform within one over the root of a layer's inputs.
    """

    def __init__(self, form: Form, widths: Sequence[int], *, generator: torch.Generator) -> None:
        super().__init__()
        self.form = form
        self.directions, self.lengths, self.biases = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for layer, width in enumerate(widths):
            inputs = form.inputs(layer, widths[layer - 1] if layer else 0)
            draws = (2 * torch.rand(width, inputs + 1, generator=generator) - 1) / math.sqrt(inputs)
            self.directions.append(draws[:, :-1].clone())
            self.biases.append(draws[:, -1].clone())
            if layer < len(widths) - 1:
                self.lengths.append(draws[:, :-1].norm(dim=1))

    def perceptron(self) -> Perceptron:
        """The network at the present weights; gradients flow to the parameters."""
        weights = list(self.directions)
        for layer, length in enumerate(self.lengths):
            weights[layer] = weights[layer] * (length / weights[layer].norm(dim=1))[:, None]
        return Perceptron(self.form, tuple(weights), tuple(self.biases))


def shape_network(config: ShapeNetworkConfig, *, generator: torch.Generator) -> WeightNormed:
    """Shape code and point to signed distance, at first random."""
    form = Form(config.code, config.frequencies, config.skip, is_bounded=True)
    return WeightNormed(form, _widths(config, 1), generator=generator)


def flow_network(shape_code: int, config: FlowNetworkConfig, *, generator: torch.Generator) -> WeightNormed:
    """Shape code of that size, pose code and point to displacement, at first random."""
    form = Form(shape_code + config.code, config.frequencies, config.skip, is_bounded=False)
    return WeightNormed(form, _widths(config, 3), generator=generator)


def encoded(points: Tensor, frequencies: int) -> Tensor:  # [..., 3] -> [..., 3 + 6 K]
    """Points with sines and cosines of their coordinates in octaves (Mildenhall et al. 2020, Eq. 4); the first has a wavelength of 2."""
    octaves = math.pi * 2.0 ** torch.arange(frequencies, dtype=points.dtype, device=points.device)
    angles = (points[..., None, :] * octaves[:, None]).flatten(-2)  # [..., 3 K]
    return torch.cat([points, angles.sin(), angles.cos()], dim=-1)


def _widths(config: NetworkConfig, outputs: int) -> list[int]:
    return [config.width] * config.layers + [outputs]

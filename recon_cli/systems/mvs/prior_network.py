"""The network that scores photo-consistency (Zins et al. 2022, Section 3.3 and Fig. 6).

It runs in three parts: a few convolutions once a picture; a comparison of each source view with the reference at a point of space, by the
same weights for all; and a symmetric pooling, so that the score depends neither on the number of source views nor on their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from recon_cli.core.errors import InputError
from recon_cli.kernels.prior_embedding import CHANNELS, EMBEDDED, HIDDEN, QUANTUM, SOFTENING, STATISTICS, Layer

FORMAT, VERSION = "recon-photo-consistency", "1"
WINDOW = 11
"""Side [px] of the window whose mean and deviation normalise the colours."""
FLOOR = 3.0 / 255.0
"""Deviation that is added to the window's own, about that of camera noise: flat areas stay flat."""
DIRECT = 0.5
"""Share of a normalised colour that its feature starts with."""
SMALL = 0.3
"""Share of the usual random weights that the rest starts with."""
EVEN = 0.7
"""Correlation that scores one half at the start."""
WIDTH = 16
INPUTS = 6
CONVOLVED = 4
"""Pixels that the three convolutions see on each side."""
MARGIN = WINDOW // 2 + CONVOLVED
"""Pixels that a feature sees on each side of its own: the window and the convolutions."""
STRIP = 192
"""Rows of a picture that are convolved at a time, which bounds the memory."""


class PriorNetwork(nn.Module):
    """Scores of points from features of a reference and of any number of sources."""

    def __init__(self) -> None:
        super().__init__()
        self.extract = nn.Sequential(
            nn.Conv2d(INPUTS, WIDTH, 3),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3),
            nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, dilation=2),
            nn.ReLU(),
            nn.Conv2d(WIDTH, CHANNELS, 1),
        ).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.direct = nn.Conv2d(INPUTS, CHANNELS, 1)
        self.embed = nn.Sequential(nn.Linear(STATISTICS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, EMBEDDED + 1))
        self.pool = nn.Sequential(nn.Linear(3 * EMBEDDED + 1, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
        self._start_as_correlation()

    def features(self, images: Tensor) -> Tensor:  # [B, H, W, 3] in [0, 1] -> [B, CHANNELS, H, W]
        """Features in [-1, 1] of pictures; beyond their border the pictures are continued by its pixels."""
        padded = functional.pad(images.permute(0, 3, 1, 2), (MARGIN,) * 4, mode="replicate")
        return self._convolved(normalised(padded))

    def quantised_features(self, image: Tensor) -> Tensor:  # [H, W, 3] uint8 -> [H, W, CHANNELS] int8
        """Features as whole numbers, strip by strip of the picture; what the kernels read."""
        height = image.shape[0]
        padded = functional.pad(image.permute(2, 0, 1)[None].float() / 255, (MARGIN,) * 4, mode="replicate")
        strips = []
        with torch.no_grad():
            for row in range(0, height, STRIP):
                strip = padded[:, :, row : min(row + STRIP, height) + 2 * MARGIN]
                values = self._convolved(normalised(strip))[0].permute(1, 2, 0)
                strips.append((values * QUANTUM).round().to(torch.int8))
        return torch.cat(strips)

    @torch.no_grad()
    def _start_as_correlation(self) -> None:
        """Begin as a correlation of 3 x 3 normalised colours, pooled over the better half of the views; training goes on from there."""
        self.direct.weight.copy_(DIRECT * torch.eye(CHANNELS, INPUTS)[:, :, None, None])
        if self.direct.bias is not None:
            self.direct.bias.zero_()
        embed, pool = _dense(self.embed), _dense(self.pool)
        for layer in (self.extract[-1], *embed, *pool):
            for name, parameter in layer.named_parameters():
                parameter.mul_(SMALL if name == "weight" else 0.0)
        for unit, sign in ((0, 1.0), (1, -1.0)):
            embed[0].weight[unit, STATISTICS - 1] = sign  # positive and negative part of the correlation
            embed[1].weight[0, unit] = sign
            embed[1].weight[EMBEDDED, unit] = 4.0 * sign  # what correlates is seen
        pool[0].weight[0, EMBEDDED] = 4.0
        pool[1].weight[0, 0] = 4.0
        pool[1].bias.fill_(-4.0 * 4.0 * EVEN)

    def _convolved(self, inputs: Tensor) -> Tensor:  # [B, INPUTS, H + 8, W + 8] -> [B, CHANNELS, H, W]
        inner = inputs[:, :, CONVOLVED:-CONVOLVED, CONVOLVED:-CONVOLVED]
        return torch.tanh(self.direct(inner) + self.extract(inputs))

    def embedding(
        self,
        reference: Tensor,  # [P, 1, TAPS, CHANNELS]
        source: Tensor,  # [P, S, TAPS, CHANNELS]
    ) -> Tensor:  # [P, S, EMBEDDED + 1]
        """How one source agrees with the reference, and last the logit of its visibility; symmetric in the two."""
        difference = (reference - source).abs().mean(dim=2)
        product = (reference * source).mean(dim=2)
        energy = 0.5 * (reference.square() + source.square()).mean(dim=2)
        total = product.sum(dim=-1, keepdim=True) / (energy.sum(dim=-1, keepdim=True) + SOFTENING)
        return self.embed(torch.cat([difference, product / (energy + SOFTENING), energy, total], dim=-1))

    def pooled(
        self,
        embeddings: Tensor,  # [K, ..., EMBEDDED + 1]
        is_seen: Tensor,  # [K, ...] bool
    ) -> Tensor:  # [...]
        """Logit of the score: mean, mean of the best-seen half and variance of the embeddings, weighted by visibility."""
        values, logits = embeddings[..., :-1], embeddings[..., -1]
        weights = torch.sigmoid(logits) * is_seen
        total = weights.sum(dim=0) + 1e-6
        mean = (weights[..., None] * values).sum(dim=0) / total[..., None]
        variance = (weights[..., None] * (values - mean).square()).sum(dim=0) / total[..., None]
        seen = is_seen.sum(dim=0).clamp(min=1)
        ranks = logits.masked_fill(~is_seen, -torch.inf).argsort(dim=0, descending=True, stable=True).argsort(dim=0)
        is_best = (ranks < (seen + 1) // 2) & is_seen
        best = (is_best[..., None] * values).sum(dim=0) / is_best.sum(dim=0).clamp(min=1)[..., None]
        share = weights.sum(dim=0) / seen
        return self.pool(torch.cat([mean, best, variance, share[..., None]], dim=-1))[..., 0]

    def embedding_layer(self) -> Layer:
        """Weights as the kernels take them."""
        return _layer(self.embed)

    def pooling_layer(self) -> Layer:
        """Weights as the kernels take them."""
        return _layer(self.pool)


def normalised(images: Tensor) -> Tensor:  # [B, 3, H, W] in [0, 1] -> [B, INPUTS, H - WINDOW + 1, W - WINDOW + 1]
    """Colours less their local mean over the local deviation of the brightness, hue of the mean, and strength of the texture.

    A change of exposure cancels, but for the camera noise that is assumed.
    """
    margin = WINDOW // 2
    grey = images.mean(dim=1, keepdim=True)
    mean = _box_mean(images)
    grey_mean = mean.mean(dim=1, keepdim=True)
    square = _box_mean(grey.square())
    deviation = ((square - grey_mean.square()).clamp(min=0) + FLOOR**2).sqrt()
    inner = images[:, :, margin:-margin, margin:-margin]
    hue = mean[:, ::2] / (3 * grey_mean + 0.05) - 1 / 3
    strength = (deviation / FLOOR).log() / 3
    # With the channels last, the convolutions take less than half the time on a CPU.
    return torch.cat([(inner - mean) / deviation, 4 * hue, strength], dim=1).contiguous(memory_format=torch.channels_last)


def _box_mean(images: Tensor) -> Tensor:  # [B, D, H, W] -> [B, D, H - WINDOW + 1, W - WINDOW + 1]
    return functional.avg_pool2d(functional.avg_pool2d(images, (WINDOW, 1), stride=1), (1, WINDOW), stride=1)


def read_features(features: Tensor, places: Tensor) -> Tensor:  # [CHANNELS, H, W], [..., 2] px -> [..., CHANNELS]
    """Bilinear between pixel centres; beyond the outermost ones the border is repeated."""
    height, width = features.shape[1:]
    grid = places / torch.tensor([width, height]).to(places) * 2 - 1
    read = functional.grid_sample(features[None], grid.reshape(1, 1, -1, 2), mode="bilinear", padding_mode="border", align_corners=False)
    return read[0, :, 0].T.contiguous().reshape(*places.shape[:-1], len(features))


def _layer(layers: nn.Sequential) -> Layer:
    first, second = (torch.cat([layer.weight, layer.bias[:, None]], dim=1).detach().float().contiguous() for layer in _dense(layers))
    return Layer(first, second)


def _dense(layers: nn.Sequential) -> list[nn.Linear]:
    return [layer for layer in layers if isinstance(layer, nn.Linear)]


def network_tensors(network: PriorNetwork) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What a weights file holds: tensors, and texts that say what they are."""
    return {name: value.detach() for name, value in network.state_dict().items()}, {"format": FORMAT, "version": VERSION}


def network_from(tensors: Mapping[str, Tensor], texts: Mapping[str, str], *, path: str | None = None) -> PriorNetwork:
    """The network of a weights file's contents.

    Raises:
        InputError: they are those of something else, of another version, misshapen, or not finite.
    """
    hint = "use the weights that ship with recon, or those that `recon mvs train-prior` wrote"
    if texts.get("format") != FORMAT:
        seen = texts.get("format") or "no format"
        raise InputError(f"holds weights of something else ({seen}); expected {FORMAT}", path=path, hint=hint)
    if texts.get("version") != VERSION:
        raise InputError(f"has version {texts.get('version')} of the network; expected {VERSION}", path=path, hint="train it again")
    network = PriorNetwork()
    expected = network.state_dict()
    if set(tensors) != set(expected):
        raise InputError(f"holds {_some(sorted(set(tensors) ^ set(expected)))} too many or too few", path=path, hint=hint)
    for name, value in expected.items():
        given = tensors[name]
        if given.shape != value.shape or not given.is_floating_point():
            seen = f"{given.dtype} {list(given.shape)}"
            raise InputError(f"'{name}' is {seen}; expected floats {list(value.shape)}", path=path, hint=hint)
        if not bool(given.isfinite().all()):
            raise InputError(f"'{name}' has a NaN or infinite entry; expected finite weights", path=path, hint=hint)
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network.eval()


def _some(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3]) + (", …" if len(names) > 3 else "")

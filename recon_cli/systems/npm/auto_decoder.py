"""A network and a code for each of its items, learned together by Adam (Park et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim import Adam

from recon_cli.core.errors import NumericsError
from recon_cli.systems.npm.draws import Purpose, generator_of
from recon_cli.systems.npm.networks import Perceptron, WeightNormed
from recon_cli.systems.npm.networks_config import NetworkConfig
from recon_cli.systems.npm.ranks import Ranks


class Losses(Protocol):
    """What a network is to make small for an item."""

    def __call__(self, network: WeightNormed, code: Tensor, item: int, epoch: int) -> Iterable[Tensor]:  # [C]
        """Terms whose sum is the mean over the item's points; each is taken back to the gradients before the next is asked for."""
        ...


class AutoDecoder:
    """The state of a training; a step of it is decided by the seed and its number alone, so it can go on from any.

    Args:
        network: at its first weights.
        config: schedule and priors.
        items: number I of codes.
        order: purpose of the draws that shuffle the items.
        seed: of all draws.
        generator: of the first codes.
        device: where to train.

    Attributes:
        network: at its present weights.
        codes: shape [I, C].
        losses: mean over the points of every step so far, without the prior, shape [steps], on the CPU.
        step: number of steps done.
    """

    def __init__(
        self,
        network: WeightNormed,
        config: NetworkConfig,
        items: int,
        *,
        order: Purpose,
        seed: int,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self._config, self._order, self._seed, self._device = config, order, seed, device
        self._ranks = Ranks.current()
        self.network = network.to(device)
        self.codes = nn.Parameter((torch.randn(items, config.code, generator=generator) / config.code).to(device))
        groups = [{"params": list(self.network.parameters())}, {"params": [self.codes]}]
        self._optimiser = Adam(groups, lr=config.rate, foreach=False)
        self.losses, self.step = torch.zeros(self.steps), 0

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self._config.epochs * self._batches

    @property
    def _batches(self) -> int:
        """Of an epoch."""
        return -(-len(self.codes) // self._config.batch)

    def advance(self, losses: Losses) -> float:
        """One step; the mean loss of its items.

        Raises:
            NumericsError: the loss is not finite.
        """
        epoch, number = divmod(self.step, self._batches)
        batch = self._batch(epoch, number)
        self._optimiser.zero_grad(set_to_none=False)
        total = torch.zeros((), device=self._device)
        for item in self._ranks.share(batch):
            total += self._backward(losses, item, epoch, len(batch))
        loss = float(self._share_gradients(total))
        if not abs(loss) < float("inf"):
            raise NumericsError(f"the loss of step {self.step + 1} is not finite", hint="take smaller rates, or a shorter halving")
        self._set_rates(epoch)
        self._optimiser.step()
        self.losses[self.step] = loss
        self.step += 1
        return loss

    def tensors(self) -> dict[str, Tensor]:
        """The state as a checkpoint."""
        state = {"losses": self.losses, "step": torch.tensor(self.step)}
        for name, parameter in self._parameters().items():
            state[f"value.{name}"] = parameter.detach()
            for key, value in self._optimiser.state.get(parameter, {}).items():
                state[f"adam.{key}.{name}"] = value
        return state

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint of the same settings, items and seed."""
        for name, parameter in self._parameters().items():
            parameter.data.copy_(tensors[f"value.{name}"])
            moments = {key: tensors[f"adam.{key}.{name}"].clone() for key in ("step", "exp_avg", "exp_avg_sq")}
            self._optimiser.state[parameter] = {key: value if key == "step" else value.to(self._device) for key, value in moments.items()}
        self.losses, self.step = tensors["losses"].cpu().clone(), int(tensors["step"])

    def perceptron(self) -> Perceptron:
        """The network at its present weights, without gradients."""
        with torch.no_grad():
            found = self.network.perceptron()
        return Perceptron(found.form, *(tuple(part.detach().clone() for part in parts) for parts in (found.weights, found.biases)))

    def _parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters()) | {"codes": self.codes}

    def _batch(self, epoch: int, number: int) -> list[int]:
        order = torch.randperm(len(self.codes), generator=generator_of(self._seed, self._order, epoch))
        return order[number * self._config.batch :][: self._config.batch].tolist()

    def _backward(self, losses: Losses, item: int, epoch: int, batch: int) -> Tensor:
        """Gradients of an item; its share of the mean loss."""
        weight = self._config.prior * min(1.0, epoch / self._config.ramp if self._config.ramp else 1.0)
        (weight / batch * self.codes[item].square().sum()).backward()
        total = torch.zeros((), device=self._device)
        for term in losses(self.network, self.codes[item], item, epoch):
            (term / batch).backward()
            total += term.detach() / batch
        return total

    def _share_gradients(self, loss: Tensor) -> Tensor:
        """Gradients of all processes put together, and the loss with them."""
        if self._ranks.count == 1:
            return loss
        parameters = list(self._parameters().values())
        parts = [torch.zeros_like(part) if part.grad is None else part.grad for part in parameters]
        total = self._ranks.summed(torch.cat([*(part.reshape(-1) for part in parts), loss.reshape(1)]))
        for parameter, part in zip(parameters, total[:-1].split([part.numel() for part in parts]), strict=True):
            parameter.grad = part.reshape(parameter.shape)
        return total[-1]

    def _set_rates(self, epoch: int) -> None:
        halved = 0.5 ** (epoch // self._config.halving)
        for group, rate in zip(self._optimiser.param_groups, (self._config.rate, self._config.code_rate), strict=True):
            group["lr"] = rate * halved

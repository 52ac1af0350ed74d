"""The shared descent on a problem with a known answer: convergence, resume to the bit, stopping and divergence."""

from dataclasses import dataclass, field

import pytest
import torch

from recon_cli.core.errors import NumericsError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.systems.sft.descent import descend
from recon_cli.systems.sft.shooting_config import DescentConfig, ShootingConfig, WindowConfig

WINDOW = WindowConfig(first_frames=3, first_iterations=20, iterations_per_frame=10, last_iterations=60)
CONFIG = ShootingConfig(window=WINDOW, descent=DescentConfig(learning_rate=0.05))


class Walk:
    """A point that moves by its own step plus a shared one; implements ``Sequence``."""

    def __init__(self, count=6):
        self.shared = {"drift": torch.zeros(3, dtype=torch.float64, requires_grad=True)}
        self.per_frame = [torch.zeros(1, 3, dtype=torch.float64, requires_grad=True) for _ in range(count - 1)]
        self.confined = 0

    def positions(self, count):
        steps = torch.stack(self.per_frame[: count - 1]) + self.shared["drift"]
        return torch.cat([torch.zeros(1, 1, 3, dtype=torch.float64), torch.cumsum(steps, dim=0)])

    def confine(self):
        self.confined += 1


@dataclass
class Quadratic:
    """Squared distance to a parabola; ``broken_from`` makes the energy explode after so many evaluations."""

    count: int = 6
    broken_from: int | None = None
    size: float = 1e6
    calls: int = 0
    windows: list = field(default_factory=list)

    def __len__(self):
        return self.count

    def energies_and_gradient(self, positions):
        self.calls += 1
        self.windows.append(len(positions))
        time = torch.arange(len(positions), dtype=torch.float64)[:, None, None]
        difference = (positions - torch.cat([time, 0.1 * time**2, 0 * time], dim=-1)).detach()
        scale = self.size if self.broken_from is not None and self.calls > self.broken_from else 1.0
        return scale * difference.square().sum((1, 2)), 2 * difference


class Recorder(NoHooks):
    """Keeps what it is given and asks to stop after so many checkpoints."""

    def __init__(self, stop_after=None):
        self.states, self.done, self.stop_after = [], [], stop_after

    def progress(self, done, total, **numbers):
        self.done.append((done, total))

    def checkpoint(self, tensors, numbers):
        self.states.append({name: tensor.clone() for name, tensor in tensors.items()})

    def should_stop(self):
        return self.stop_after is not None and len(self.states) >= self.stop_after


def test_descent_reaches_the_answer_through_growing_windows():
    walk, energies, hooks = Walk(), Quadratic(), Recorder()
    descent = descend(walk, energies, CONFIG, hooks=hooks)
    assert float(descent.energies[1:].max()) < 0.01
    assert energies.windows == sorted(energies.windows)
    assert set(energies.windows) == {3, 4, 5, 6}
    assert walk.confined == energies.calls == len(hooks.states)
    assert hooks.done[-1][0] == hooks.done[-1][1]


def test_frames_that_wait_are_not_moved():
    walk, hooks = Walk(), Recorder(stop_after=5)
    with pytest.raises(StoppedError):
        descend(walk, Quadratic(), CONFIG, hooks=hooks)
    assert all(float(step.detach().abs().max()) > 0 for step in walk.per_frame[:2])
    assert all(float(step.detach().abs().max()) == 0 for step in walk.per_frame[2:])


@pytest.mark.parametrize("stop_after", [1, 19, 20, 37, 70])
def test_resumed_descent_is_identical_to_the_bit(stop_after):
    straight = Walk()
    whole = descend(straight, Quadratic(), CONFIG, hooks=NoHooks())
    hooks = Recorder(stop_after=stop_after)
    with pytest.raises(StoppedError):
        descend(Walk(), Quadratic(), CONFIG, hooks=hooks)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in hooks.states[-1].values())
    again = Walk()
    rest = descend(again, Quadratic(), CONFIG, hooks=NoHooks(), resume=hooks.states[-1])
    assert torch.equal(whole.energies, rest.energies)
    assert torch.equal(torch.stack(straight.per_frame), torch.stack(again.per_frame))
    assert torch.equal(straight.shared["drift"], again.shared["drift"])


@pytest.mark.parametrize("size", [1e6, float("nan"), float("inf")])
def test_divergence_stops_after_the_last_good_state(size):
    hooks = Recorder()
    with pytest.raises(NumericsError) as caught:
        descend(Walk(), Quadratic(broken_from=25, size=size), CONFIG, hooks=hooks)
    assert caught.value.hint
    assert len(hooks.states) == 25
    assert all(bool(torch.isfinite(tensor).all()) for tensor in hooks.states[-1].values())

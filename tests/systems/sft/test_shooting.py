"""The paper's fit and its baseline of offsets: a known motion found again, through stand-in and real energies."""

from dataclasses import dataclass

import pytest
import torch

from recon_cli.core.errors import InputError, NumericsError, StoppedError
from recon_cli.core.hooks import NoHooks
from recon_cli.systems.sft.config import SimulationConfig
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.offsets import fit_offsets
from recon_cli.systems.sft.shooting import SimulatedSequence, shoot
from recon_cli.systems.sft.shooting_config import DescentConfig, ShootingConfig, WindowConfig
from recon_cli.systems.sft.simulator import ClothState, make_cloth, simulate

WINDOW = WindowConfig(first_frames=4, first_iterations=20, iterations_per_frame=8, last_iterations=24)
CONFIG = ShootingConfig(window=WINDOW, descent=DescentConfig(force_scale=10.0))
BRIEF = ShootingConfig(
    window=WindowConfig(first_frames=3, first_iterations=5, iterations_per_frame=3, last_iterations=4),
    descent=DescentConfig(force_scale=10.0),
)
FPS = 30.0


@dataclass
class Distance:
    """Mean squared distance to known positions, in place of images."""

    truth: torch.Tensor

    def __len__(self):
        return len(self.truth)

    def energies_and_gradient(self, positions):
        difference = (positions - self.truth[: len(positions)]).detach()
        return difference.square().mean((1, 2)), 2 * difference / difference[0].numel()


class Recorder(NoHooks):
    def __init__(self, stop_after):
        self.state, self.count, self.stop_after = None, 0, stop_after

    def checkpoint(self, tensors, numbers):
        self.state, self.count = {name: tensor.clone() for name, tensor in tensors.items()}, self.count + 1

    def should_stop(self):
        return self.count >= self.stop_after


def waving(mesh, count=7):
    time = torch.arange(count, dtype=torch.float64)[:, None]
    positions = mesh.vertices.repeat(count, 1, 1)
    positions[..., 2] += 0.01 * time * torch.sin(8 * mesh.vertices[:, 0]) + 0.005 * time
    positions[..., 1] += 0.004 * time
    return positions


def mean_distance(found, truth):
    return float((found - truth).norm(dim=-1).mean())


@pytest.mark.parametrize("steps_per_frame", [1, 2])
def test_shooting_finds_a_motion_and_its_result_replays(make_sheet, steps_per_frame):
    mesh = make_sheet(4, 4)
    truth = waving(mesh, 6)
    simulation = SimulationConfig(steps_per_frame=steps_per_frame)
    found = shoot(mesh, Distance(truth), CONFIG, simulation, fps=FPS, hooks=NoHooks())
    assert mean_distance(found.positions, truth) < 0.3 * mean_distance(truth[:1].expand_as(truth), truth)
    assert found.material is not None
    assert found.forces is not None
    assert len(found.forces) == 5 * steps_per_frame
    replay = simulate(
        make_cloth(mesh),
        found.material,
        ClothState.at_rest(truth[0]),
        steps=len(found.forces),
        h=1 / FPS / steps_per_frame,
        forces=found.forces,
        wind=found.wind,
        physics=found.physics,
        steps_per_frame=steps_per_frame,
    )
    torch.testing.assert_close(replay, found.positions, rtol=0, atol=1e-12)


def test_start_is_the_template_the_published_material_and_still_air(make_sheet):
    """Sec. 3.3: the initial parameters leave the template where it is."""
    mesh = make_sheet(4, 4)
    sequence = SimulatedSequence(mesh, 5, CONFIG, SimulationConfig(), fps=FPS)
    torch.testing.assert_close(sequence.positions(5), mesh.vertices.repeat(5, 1, 1), rtol=0, atol=1e-9)
    torch.testing.assert_close(sequence.material.stretching, published("eight_fabrics").stretching)
    torch.testing.assert_close(sequence.material.bending, published("eight_fabrics").bending)
    assert float(sequence.wind.velocity.detach().abs().max()) == 0.0


def test_force_is_the_paper_s_change_of_velocity(make_sheet):
    """Sec. 3.4: v += F. A uniform stored force moves a free sheet by F per frame, whatever the number of steps."""
    mesh = make_sheet(4, 4)
    for steps_per_frame in (1, 3):
        config = ShootingConfig()
        sequence = SimulatedSequence(mesh, 2, config, SimulationConfig(steps_per_frame=steps_per_frame, air_density=0.0), fps=FPS)
        undamped = config.damping.mass / FPS
        sequence.per_frame[0].data[:, 2] = 0.3
        moved = sequence.positions(2)[1] - mesh.vertices
        first_order = 0.3 / FPS * (1 + 1 / steps_per_frame) / 2
        torch.testing.assert_close(moved[:, 2], torch.full((16,), first_order, dtype=torch.float64), rtol=1.5 * undamped, atol=0)


def test_groups_with_scale_zero_keep_their_values(make_sheet):
    mesh = make_sheet(4, 4)
    descent = DescentConfig(density_scale=0.0, stretching_scale=0.0, bending_scale=0.0, wind_scale=0.0, force_scale=10.0)
    found = shoot(
        mesh, Distance(waving(mesh, 4)), ShootingConfig(window=BRIEF.window, descent=descent), SimulationConfig(), fps=FPS, hooks=NoHooks()
    )
    initial = published("eight_fabrics")
    assert found.material is not None
    assert found.wind is not None
    assert torch.equal(found.material.density, initial.density)
    assert torch.equal(found.material.stretching, initial.stretching)
    assert torch.equal(found.material.bending, initial.bending)
    assert float(found.wind.velocity.abs().max()) == 0.0


def test_all_groups_move_otherwise(make_sheet):
    mesh = make_sheet(4, 4)
    found = shoot(mesh, Distance(waving(mesh, 5)), BRIEF, SimulationConfig(), fps=FPS, hooks=NoHooks())
    initial = published("eight_fabrics")
    assert found.material is not None
    assert found.wind is not None
    assert float((found.material.density - initial.density).abs()) > 1e-4
    assert float((found.material.stretching - initial.stretching).abs().max()) > 0.1
    assert float((found.material.bending - initial.bending).abs().max()) > 1e-8
    assert float(found.wind.velocity.abs().max()) > 1e-4


def test_resumed_shooting_is_identical_to_the_bit(make_sheet):
    mesh = make_sheet(4, 4)
    energies = Distance(waving(mesh, 6))
    whole = shoot(mesh, energies, BRIEF, SimulationConfig(), fps=FPS, hooks=NoHooks())
    hooks = Recorder(stop_after=9)
    with pytest.raises(StoppedError):
        shoot(mesh, energies, BRIEF, SimulationConfig(), fps=FPS, hooks=hooks)
    rest = shoot(mesh, energies, BRIEF, SimulationConfig(), fps=FPS, hooks=NoHooks(), resume=hooks.state)
    assert torch.equal(whole.positions, rest.positions)
    assert torch.equal(whole.energies, rest.energies)


def test_absurd_steps_diverge_with_an_error_after_a_good_state(make_sheet):
    mesh = make_sheet(4, 4)
    wild = ShootingConfig(window=WINDOW, descent=DescentConfig(learning_rate=1e3, force_scale=100.0))
    hooks = Recorder(stop_after=10**9)
    with pytest.raises(NumericsError):
        shoot(mesh, Distance(waving(mesh)), wild, SimulationConfig(), fps=FPS, hooks=hooks)
    assert hooks.state is not None
    assert all(bool(torch.isfinite(tensor).all()) for tensor in hooks.state.values())


def test_offsets_find_a_motion_and_leave_the_template_s_frame(make_sheet):
    mesh = make_sheet(5, 5)
    truth = waving(mesh)
    found = fit_offsets(mesh, Distance(truth), CONFIG, hooks=NoHooks())
    assert torch.equal(found.positions[0], mesh.vertices)
    assert mean_distance(found.positions, truth) < 0.3 * mean_distance(truth[:1].expand_as(truth), truth)
    assert found.material is None
    assert found.forces is None


def test_offsets_of_a_new_frame_begin_at_the_frame_before(make_sheet):
    mesh = make_sheet(4, 4)
    hooks = Recorder(stop_after=21)  # the fifth frame has just joined and moved once
    with pytest.raises(StoppedError):
        fit_offsets(mesh, Distance(waving(mesh)), CONFIG, hooks=hooks)
    steps = hooks.state["per_frame"]
    assert float(steps[2].abs().max()) > 0
    assert float(steps[4].abs().max()) == 0.0


def test_offsets_need_two_frames(make_sheet):
    mesh = make_sheet(4, 4)
    with pytest.raises(InputError, match="1 frames"):
        fit_offsets(mesh, Distance(mesh.vertices[None]), CONFIG, hooks=NoHooks())

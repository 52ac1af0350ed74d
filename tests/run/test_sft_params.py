import json

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.records import read_json, write_json
from recon_cli.run.sft_params import FittedPhysics, force_summary, read_physics, write_physics
from recon_cli.systems.sft.balance import Physics
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.wind import Wind


def example(steps_per_frame: int = 2) -> FittedPhysics:
    generator = torch.Generator().manual_seed(0)
    return FittedPhysics(
        material=published("ten_fabrics"),
        wind=Wind(torch.rand(3, generator=generator, dtype=torch.float64), air_density=1.2, drag=0.1),
        physics=Physics(gravity=(0.0, 9.81, 0.1 + 0.2), mass_damping=0.3, stretching_damping=0.01, bending_damping=1e-3),
        fps=29.97,
        steps_per_frame=steps_per_frame,
        warp_axis=12.5,
        pins=(0, 4),
        forces=torch.rand(6, 5, 3, generator=generator, dtype=torch.float64),
    )


def test_physics_comes_back_to_the_last_bit(tmp_path):
    wrote = example()
    write_physics(tmp_path, wrote)
    back = read_physics(tmp_path)
    for name in ("density", "stretching", "bending"):
        assert torch.equal(getattr(back.material, name), getattr(wrote.material, name))
    assert back.wind is not None
    assert wrote.wind is not None
    assert torch.equal(back.wind.velocity, wrote.wind.velocity)
    assert (back.wind.air_density, back.wind.drag) == (1.2, 0.1)
    assert back.physics == wrote.physics
    assert (back.fps, back.steps_per_frame, back.warp_axis, back.pins) == (29.97, 2, 12.5, (0, 4))
    assert back.forces is not None
    assert wrote.forces is not None
    assert torch.equal(back.forces, wrote.forces)


def test_every_number_has_a_unit(tmp_path):
    write_physics(tmp_path, example())
    record = read_json(tmp_path / "params.json")
    units = {name: entry["unit"] for name, entry in record.items() if isinstance(entry, dict)}
    assert units["density"] == "kg/m^2"
    assert units["stretching"] == "N/m"
    assert units["bending"] == "N*m"
    assert units["wind"] == "m/s"
    assert units["forces"] == "N"
    assert len(record["forces"]["frames"]) == 3


def test_force_summary_is_the_mean_the_largest_and_the_sum():
    forces = torch.zeros(2, 4, 3, dtype=torch.float64)
    forces[0, 0] = torch.tensor([3.0, 4.0, 0.0])
    forces[1, 1] = torch.tensor([0.0, 0.0, 1.0])
    (only,) = force_summary(forces, 2)
    assert only["mean"] == pytest.approx((5.0 + 1.0) / 8)
    assert only["max"] == 5.0
    assert only["sum"] == pytest.approx([1.5, 2.0, 0.5])


def test_a_run_without_forces_or_wind_says_so(tmp_path):
    physics = example()
    write_physics(tmp_path, FittedPhysics(physics.material, None, Physics(), fps=25.0, steps_per_frame=4))
    back = read_physics(tmp_path)
    assert back.wind is None
    assert back.forces is None


@pytest.mark.parametrize("break_it", [lambda r: r.pop("density"), lambda r: r["wind"].pop("drag"), lambda r: r.update(format="other")])
def test_a_damaged_file_is_named(tmp_path, break_it):
    write_physics(tmp_path, example())
    record = json.loads((tmp_path / "params.json").read_text())
    break_it(record)
    write_json(tmp_path / "params.json", record)
    with pytest.raises(InputError, match=r"params\.json"):
        read_physics(tmp_path)

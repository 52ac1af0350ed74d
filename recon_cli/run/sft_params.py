"""The physics of a finished run as files: ``params.json`` with units, the corrective forces as safetensors, and both read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.records import read_json, write_json
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.systems.sft.balance import Physics
from recon_cli.systems.sft.config import SftRecipe
from recon_cli.systems.sft.materials import Material
from recon_cli.systems.sft.result import SftResult
from recon_cli.systems.sft.wind import Wind

FORMAT = "recon-sft-params"
PARAMS, FORCES = "params.json", "forces.safetensors"


@dataclass(frozen=True)
class FittedPhysics:
    """All that the simulator needs besides the template in order to repeat a run.

    Attributes:
        material: of the cloth.
        wind: the air, or None where the run had none.
        physics: gravity and damping.
        fps: frames per second.
        steps_per_frame: simulator steps in a frame.
        warp_axis: direction of the warp in the flattened template [degrees].
        pins: vertices that never move.
        forces: corrective forces [N] of every step, shape [S, V, 3]; None where there are none.
    """

    material: Material
    wind: Wind | None
    physics: Physics
    fps: float
    steps_per_frame: int
    warp_axis: float = 0.0
    pins: tuple[int, ...] = ()
    forces: Tensor | None = None  # [S, V, 3]


def fitted_physics(result: SftResult, recipe: SftRecipe) -> FittedPhysics:
    """The physics that a fit ended with."""
    settings = recipe.simulation
    return FittedPhysics(
        material=result.material.detach().to("cpu", torch.float64),
        wind=Wind(result.wind.double().cpu(), air_density=settings.air_density),
        physics=result.physics,
        fps=result.fps,
        steps_per_frame=result.steps_per_frame,
        warp_axis=settings.warp_axis,
        forces=result.forces.double().cpu(),
    )


def write_physics(out: Path, fitted: FittedPhysics) -> None:
    """Write ``params.json`` and, where there are forces, ``forces.safetensors`` into ``out``."""
    record = params_record(fitted)
    if fitted.forces is not None:
        write_tensors(out / FORCES, {"forces": fitted.forces.contiguous()}, {"unit": "N", "axes": "step, vertex, world xyz"})
    write_json(out / PARAMS, record)


def params_record(fitted: FittedPhysics) -> dict[str, Any]:
    """Every number with its unit; floats are written so that they read back to the same bits."""
    material, physics, wind = fitted.material, fitted.physics, fitted.wind
    record: dict[str, Any] = {
        "format": FORMAT,
        "version": 1,
        "fps": _with_unit(fitted.fps, "1/s"),
        "steps_per_frame": fitted.steps_per_frame,
        "density": _with_unit(float(material.density), "kg/m^2"),
        "stretching": _with_unit(material.stretching.tolist(), "N/m") | {"rows": "strain", "columns": ["c11", "c12", "c22", "c33"]},
        "bending": _with_unit(material.bending.tolist(), "N*m") | {"rows": "direction", "columns": "curvature"},
        "wind": None if wind is None else _wind_record(wind),
        "gravity": _with_unit(list(physics.gravity), "m/s^2"),
        "mass_damping": _with_unit(physics.mass_damping, "1/s"),
        "stretching_damping": _with_unit(physics.stretching_damping, "s"),
        "bending_damping": _with_unit(physics.bending_damping, "s"),
        "warp_axis": _with_unit(fitted.warp_axis, "deg"),
        "pins": list(fitted.pins),
    }
    if fitted.forces is not None:
        record["forces"] = {"file": FORCES, "unit": "N", "frames": force_summary(fitted.forces, fitted.steps_per_frame)}
    return record


def force_summary(
    forces: Tensor,  # [S, V, 3]
    steps_per_frame: int,
) -> list[dict[str, Any]]:
    """Of every frame but the first: mean and largest corrective force on a vertex, and the mean over its steps of their sum [N]."""
    by_frame = forces.reshape(-1, steps_per_frame, *forces.shape[1:])
    size = by_frame.norm(dim=-1)
    summary = zip(size.mean(dim=(1, 2)).tolist(), size.amax(dim=(1, 2)).tolist(), by_frame.sum(dim=2).mean(dim=1).tolist())
    return [{"frame": t + 1, "mean": mean, "max": largest, "sum": total} for t, (mean, largest, total) in enumerate(summary)]


def read_physics(out: Path) -> FittedPhysics:
    """What ``write_physics`` wrote.

    Raises:
        InputError: a file is missing or is not what it should be.
    """
    path = out / PARAMS
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT or record.get("version") != 1:
        raise InputError(f"is not a version 1 {FORMAT} file", path=path, hint="give the folder of a finished `recon sft` run")
    try:
        return _physics_from(record, _forces_from(out, record))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"does not hold what it should: {error}", path=path, hint="run the fit again") from error


def _physics_from(record: Mapping[str, Any], forces: Tensor | None) -> FittedPhysics:
    value = {name: entry["value"] for name, entry in record.items() if isinstance(entry, dict) and "value" in entry}
    tensors = (torch.tensor(value[name], dtype=torch.float64) for name in ("density", "stretching", "bending"))
    damping = {name: float(value[name]) for name in ("mass_damping", "stretching_damping", "bending_damping")}
    x, y, z = (float(axis) for axis in value["gravity"])
    return FittedPhysics(
        material=Material(*tensors),
        wind=None if record["wind"] is None else _wind_from(record["wind"]),
        physics=Physics(gravity=(x, y, z), **damping),
        fps=float(value["fps"]),
        steps_per_frame=int(record["steps_per_frame"]),
        warp_axis=float(value["warp_axis"]),
        pins=tuple(int(pin) for pin in record["pins"]),
        forces=forces,
    )


def _forces_from(out: Path, record: Mapping[str, Any]) -> Tensor | None:
    if "forces" not in record:
        return None
    tensors, _ = read_tensors(out / str(record["forces"]["file"]))
    return tensors["forces"]


def _wind_record(wind: Wind) -> dict[str, Any]:
    return _with_unit(wind.velocity.tolist(), "m/s") | {
        "air_density": _with_unit(wind.air_density, "kg/m^3"),
        "drag": _with_unit(wind.drag, "kg/(m^2*s)"),
    }


def _wind_from(record: Mapping[str, Any]) -> Wind:
    velocity = torch.tensor(record["value"], dtype=torch.float64)
    return Wind(velocity, air_density=float(record["air_density"]["value"]), drag=float(record["drag"]["value"]))


def _with_unit(value: Any, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit}

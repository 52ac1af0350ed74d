"""The job behind ``recon sft simulate``: play the cloth simulator forward, or replay a finished fit from its own physics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, NumericsError, StoppedError, UsageError
from recon_cli.core.flatten import flatten
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_manifold
from recon_cli.io.digest import digest
from recon_cli.io.meshes import read_mesh
from recon_cli.run.folder import RunFolder, plan_run
from recon_cli.run.hooks import Display
from recon_cli.run.sft_outputs import read_surface, write_frame, write_template
from recon_cli.run.sft_params import FittedPhysics, read_physics, write_physics
from recon_cli.run.sft_render import RenderJob, render
from recon_cli.run.signals import StopSignals
from recon_cli.systems.sft.balance import Physics
from recon_cli.systems.sft.cloth import Cloth, make_cloth
from recon_cli.systems.sft.materials import DENSITIES, Material, fabric_density, published
from recon_cli.systems.sft.simulator import ClothState, step
from recon_cli.systems.sft.wind import Wind

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class SimulateJob:
    """One simulation as asked for.

    Attributes:
        out: the run folder to write.
        template: the sheet at its start, or None to replay ``run``.
        run: a finished run whose sheet, physics and forces are taken; ``template`` is then None.
        material: a published mean, or the name of a fabric: the paper's mean with that fabric's density.
        wind: velocity of the air [m/s]; zero is still air, which resists.
        gravity: [m/s²], world axes.
        pins: "none", "corners", "top", vertex indices with commas between them, or a file of indices.
        frames: frames of the result, the start included.
        fps: frames per second.
        steps_per_frame: simulator steps between two frames.
        has_film: also draw out/simulation.mp4, from the side that the template faces.
        overwrite: whether a finished run in ``out`` may be replaced.
        command: the command line, for the record.
    """

    out: Path
    template: Path | None = None
    run: Path | None = None
    material: str = "ten_fabrics"
    wind: Vector = (0.0, 0.0, 0.0)
    gravity: Vector = (0.0, 9.81, 0.0)
    pins: str = "none"
    frames: int = 50
    fps: float = 25.0
    steps_per_frame: int = 4
    has_film: bool = False
    overwrite: bool = False
    command: Sequence[str] = ("recon", "sft", "simulate")


@dataclass(frozen=True)
class _Scene:
    """A sheet, its physics, and how long it is played."""

    template: Mesh
    physics: FittedPhysics
    frames: int


def simulate(job: SimulateJob, display: Display) -> dict[str, Any]:
    """Play the job and return its record; every frame is written as soon as it is computed.

    Raises:
        InputError, UsageError: before anything is computed, or when an output cannot be written.
        NumericsError: a step is singular or explodes; the frames before it stay in the folder, which is marked as failed.
        StoppedError: a signal asked to stop.
    """
    scene = _scene_of_run(job.run) if job.run is not None else _new_scene(job)
    switches: dict[str, Any] = {"overwrite": job.overwrite, "resume": False, "fresh": True, "fingerprint": digest(repr(job), ())}
    plan_run(job.out, **switches)
    with RunFolder.create(job.out, **switches) as folder, StopSignals() as stop:
        folder.write_header("", job.command, 0, "cpu")
        write_physics(folder.out, scene.physics)
        write_template(folder.out, scene.template)
        for t, positions in enumerate(_play(scene)):
            write_frame(folder.out, scene.template.with_vertices(positions), t)
            display.progress(t + 1, scene.frames, {})
            if stop.request is not None and t + 1 < scene.frames:
                raise StoppedError(f"stopped after frame {t} of {scene.frames}", hint="run the same command again")
        if job.has_film:
            film = RenderJob(run=folder.path, out=folder.out / "simulation.mp4", orbit=0.0, light="head", device="cpu")
            render(film, display)
        record = {"run": str(folder.path), "frames": scene.frames, "vertices": len(scene.template.vertices)}
        folder.log(record)
        folder.finish()
    return record


def material_named(name: str) -> Material:
    """A published mean material, or the paper's mean with the density of a named fabric.

    Raises:
        UsageError: there is no such material or fabric.
    """
    return published("ten_fabrics").with_density(fabric_density(name)) if name in DENSITIES else published(name)


def pins_named(text: str, template: Mesh, *, gravity: Vector = (0.0, 0.0, 0.0)) -> tuple[int, ...]:
    """Vertex indices of "none", "corners" (of the flat sheet), "top" (the two that hang highest), "0,5,7" or a file of indices.

    Raises:
        UsageError: the text is none of these.
        InputError: an index is out of range, or the file holds something else.
    """
    if text == "none":
        return ()
    if text in ("corners", "top"):
        corners = _corners(template)
        return corners if text == "corners" else _highest(corners, template, gravity)
    path = Path(text)
    words = path.read_text(encoding="utf-8") if path.is_file() else text
    try:
        pins = tuple(int(word) for word in words.replace(",", " ").split())
    except ValueError:
        if path.is_file():
            raise InputError(
                "holds something else than vertex indices", path=path, hint="write whole numbers with spaces between them"
            ) from None
        raise UsageError(f"--pins {text}: expected none, corners, top, indices such as 0,31, or an existing file of indices") from None
    count = len(template.vertices)
    for pin in pins:
        if not 0 <= pin < count:
            raise InputError(f"pin {pin} is not a vertex: there are {count}, counted from 0")
    return pins


def _new_scene(job: SimulateJob) -> _Scene:
    if job.template is None:
        raise UsageError(
            "nothing to simulate: neither --template nor --run is given", hint="--template sheet.obj, or --run RUN to replay a fit"
        )
    template = read_mesh(job.template).to(dtype=torch.float64)
    check_manifold(template, job.template)
    physics = FittedPhysics(
        material=material_named(job.material),
        wind=Wind(torch.tensor(job.wind, dtype=torch.float64)),
        physics=Physics(gravity=job.gravity),
        fps=job.fps,
        steps_per_frame=job.steps_per_frame,
        pins=pins_named(job.pins, template, gravity=job.gravity),
    )
    return _Scene(template, physics, job.frames)


def _scene_of_run(run: Path) -> _Scene:
    """The start, physics and forces of a finished run."""
    surface = read_surface(run)
    physics = read_physics(run / "out")
    if physics.forces is None:
        return _Scene(surface.template, physics, surface.count)
    return _Scene(surface.template, physics, 1 + len(physics.forces) // physics.steps_per_frame)


def _play(scene: _Scene) -> Iterator[Tensor]:  # each [V, 3]
    """Positions [m] of frame after frame, the start first."""
    physics = scene.physics
    cloth = make_cloth(scene.template, warp_axis=physics.warp_axis, pins=physics.pins)
    state = ClothState.at_rest(scene.template.vertices.double())
    yield state.positions
    for frame in range(1, scene.frames):
        first = (frame - 1) * physics.steps_per_frame
        for index in range(first, first + physics.steps_per_frame):
            state = _step(cloth, physics, state, index, frame)
        yield state.positions


def _step(cloth: Cloth, physics: FittedPhysics, state: ClothState, index: int, frame: int) -> ClothState:
    force = None if physics.forces is None else physics.forces[index]
    h = 1.0 / (physics.fps * physics.steps_per_frame)
    try:
        with torch.no_grad():
            return step(cloth, physics.material, state, h=h, forces=force, wind=physics.wind, physics=physics.physics)
    except NumericsError as error:
        raise NumericsError(f"frame {frame}: {error.message}", hint=error.hint) from error


def _corners(template: Mesh) -> tuple[int, ...]:
    """The four vertices that reach furthest along the diagonals of the flattened sheet."""
    flat = flatten(template.vertices.double(), template.faces)
    flat = (flat - flat.mean(dim=0)) / flat.std(dim=0)
    diagonals = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    return tuple(sorted({int(index) for index in (flat @ diagonals.mT).argmax(dim=0)}))


def _highest(corners: Sequence[int], template: Mesh, gravity: Vector) -> tuple[int, ...]:
    """The two corners furthest against gravity, or against the world's y axis (down) where there is none."""
    down = torch.tensor(gravity if any(gravity) else (0.0, 1.0, 0.0), dtype=torch.float64)
    height = -(template.vertices.double()[list(corners)] @ down)
    return tuple(sorted(corners[int(k)] for k in height.argsort(descending=True)[:2]))

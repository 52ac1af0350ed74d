"""The door of the system: a clip, a template and a recipe in, surfaces, forces and material out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon_cli.core.errors import NumericsError
from recon_cli.core.hooks import Hooks, NoHooks
from recon_cli.core.mesh import Mesh
from recon_cli.render.protocol import get_renderer
from recon_cli.systems.sft.balance import Physics
from recon_cli.systems.sft.cloth import Cloth, make_cloth
from recon_cli.systems.sft.config import SftRecipe, SimulationConfig
from recon_cli.systems.sft.image_energy import ImageEnergy
from recon_cli.systems.sft.inverse_dynamics import inverse_dynamics
from recon_cli.systems.sft.material_estimation import EstimationSettings, MaterialEstimate, estimate_material
from recon_cli.systems.sft.materials import Material, published
from recon_cli.systems.sft.offsets import fit_offsets
from recon_cli.systems.sft.result import SftInputs, SftResult
from recon_cli.systems.sft.shooting import shoot
from recon_cli.systems.sft.simulator import ClothState, simulate
from recon_cli.systems.sft.template import check_template, with_projected_texture
from recon_cli.systems.sft.tracker import Tracker, track
from recon_cli.systems.sft.wind import Wind

# The replay through the simulator must give the positions back to within this [m].
REPLAY_TOLERANCE = 1e-6
# A template outside this range [m] is probably in other units.
SMALLEST_CLOTH, LARGEST_CLOTH = 0.01, 30.0
# Frames that show a smaller share of the surface are reported.
LEAST_SEEN = 0.3
# An image [H, W, 3] and a mask [H, W] that show the template in the reference pose.
Reference = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True)
class Explanation:
    """Physics under which the simulator reproduces given positions."""

    forces: Tensor  # [S, V, 3]
    material: Material
    wind: Tensor  # [3]
    physics: Physics
    replay_error: float
    notes: tuple[str, ...]


def run(
    inputs: SftInputs,
    recipe: SftRecipe,
    *,
    hooks: Hooks | None = None,
    resume: Mapping[str, Tensor] | None = None,
    device: torch.device | str = "cpu",
) -> SftResult:
    """Fit the template to every frame of the clip.

    Args:
        inputs: clip, masks, template, camera and frame rate, which must fit each other.
        recipe: how to fit.
        hooks: who watches.
        resume: the last state that ``hooks.checkpoint`` was given.
        device: where images are read.

    Raises:
        InputError: the template does not fit the reference frame.
        NumericsError: the fit diverged.
        StoppedError: ``hooks.should_stop`` said so.
    """
    hooks = hooks or NoHooks()
    frame, mask = inputs.frames[0].cpu().numpy(), inputs.masks[0].cpu().numpy()
    check = check_template(inputs.template, inputs.camera, mask, minimum_visible=recipe.appearance.minimum_visible)
    template, reference = _appearance(inputs, recipe, frame, mask)
    notes = _size_note(template)
    _tell(hooks, notes)
    watched = {"hooks": hooks, "resume": resume}
    if recipe.method == "tracking":
        positions, curves, explained = _tracked(inputs, template, reference, recipe, device=torch.device(device), **watched)
        unseen = _unseen_note(curves["seen"])
        _tell(hooks, unseen)
        notes += unseen
    else:
        positions, curves, explained = _descended(inputs, template, recipe, device=torch.device(device), **watched)
    return SftResult(
        positions=positions,
        template=template,
        camera=inputs.camera,
        fps=inputs.fps,
        steps_per_frame=recipe.simulation.steps_per_frame,
        forces=explained.forces,
        material=explained.material,
        wind=explained.wind,
        physics=explained.physics,
        curves=curves,
        check=check,
        replay_error=explained.replay_error,
        notes=notes + explained.notes,
    )


Fitted = tuple[Tensor, Mapping[str, Tensor], Explanation]


def _tracked(
    inputs: SftInputs,
    template: Mesh,
    reference: Reference,
    recipe: SftRecipe,
    *,
    device: torch.device,
    hooks: Hooks,
    resume: Mapping[str, Tensor] | None,
) -> Fitted:
    """Positions frame by frame, then the physics that explains them."""
    surface = (inputs.template.vertices, inputs.template.faces, inputs.camera)
    tracker = Tracker(*surface, reference, config=recipe.tracking, fps=inputs.fps, device=device)
    tracked = track(tracker, inputs.frames, inputs.masks, hooks=hooks, resume=resume)
    hooks.note("explaining the motion by forces and material")
    return tracked.positions, tracked.curves, explain(template, tracked.positions, recipe.simulation, fps=inputs.fps)


def _descended(
    inputs: SftInputs,
    template: Mesh,
    recipe: SftRecipe,
    *,
    device: torch.device,
    hooks: Hooks,
    resume: Mapping[str, Tensor] | None,
) -> Fitted:
    """The paper's way: Adam through the renderer, and through the simulator unless the recipe asks for free offsets."""
    renderer = get_renderer("builtin", device)
    energy = ImageEnergy(inputs.frames, inputs.masks, template, inputs.camera, renderer, recipe.shooting.energy)
    watched = {"hooks": hooks, "resume": resume}
    if recipe.method == "offsets":
        found = fit_offsets(template, energy, recipe.shooting, **watched)
        return found.positions, {"energy": found.energies}, explain(template, found.positions, recipe.simulation, fps=inputs.fps)
    found = shoot(template, energy, recipe.shooting, recipe.simulation, fps=inputs.fps, **watched)
    assert found.forces is not None
    assert found.material is not None
    assert found.wind is not None
    assert found.physics is not None
    cloth = make_cloth(template, warp_axis=recipe.simulation.warp_axis)
    timing = {"h": 1.0 / (inputs.fps * recipe.simulation.steps_per_frame), "steps_per_frame": recipe.simulation.steps_per_frame}
    error = replay_error(cloth, found.material, found.positions, found.forces, wind=found.wind, physics=found.physics, **timing)
    explained = Explanation(found.forces, found.material, found.wind.velocity, found.physics, error, ())
    return found.positions, {"energy": found.energies}, explained


def _appearance(inputs: SftInputs, recipe: SftRecipe, frame: NDArray[np.uint8], mask: NDArray[np.uint8]) -> tuple[Mesh, Reference]:
    """The template as it looks, and an image and mask [H, W] of it in the reference pose."""
    if recipe.appearance.source == "projection":
        return with_projected_texture(inputs.template, inputs.camera, torch.from_numpy(frame)), (frame, mask)
    return inputs.template, drawn_reference(inputs.template, inputs)


def drawn_reference(template: Mesh, inputs: SftInputs) -> Reference:
    """Image and mask of the template with its own texture, unlit, in the reference pose."""
    drawn = get_renderer("builtin").render(template, inputs.camera)
    image = (drawn.color[0].clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()
    mask = (drawn.silhouette[0] > 0.5).to(torch.uint8).cpu().numpy() * np.uint8(255)
    return image, mask


def explain(template: Mesh, positions: Tensor, config: SimulationConfig, *, fps: float) -> Explanation:
    """Material, wind and corrective forces with which the simulator replays ``positions`` [T, V, 3].

    The forces are those of least acceleration over materials near the published ones; they replay the positions whatever the material is.

    Raises:
        NumericsError: the simulator does not give the positions back.
    """
    cloth = make_cloth(template, warp_axis=config.warp_axis)
    h = 1.0 / (fps * config.steps_per_frame)
    physics = Physics(gravity=config.gravity)
    options = {"h": h, "steps_per_frame": config.steps_per_frame, "physics": physics}
    material, wind, notes = published(config.material), Wind(torch.zeros(3, dtype=torch.float64), config.air_density), _flat_note(cloth)
    if config.estimate and len(positions) >= 3:
        estimate = estimate_material(cloth, material, positions, wind=wind, settings=EstimationSettings(), **options)
        material, wind = estimate.material, estimate.wind or wind
        notes += (_estimate_note(estimate),)
    forces = inverse_dynamics(cloth, material, positions, wind=wind, **options)
    error = replay_error(cloth, material, positions, forces, wind=wind, **options)
    if error > REPLAY_TOLERANCE:
        raise NumericsError(f"the simulator replays the positions only to {error:.3g} m", hint="--set simulation.steps_per_frame=4 or more")
    return Explanation(forces, material, wind.velocity, physics, error, notes)


def replay_error(
    cloth: Cloth, material: Material, positions: Tensor, forces: Tensor, *, h: float, steps_per_frame: int, wind: Wind, physics: Physics
) -> float:
    """Largest distance [m] between ``positions`` and what the simulator makes of the forces."""
    with torch.no_grad():
        replayed = simulate(
            cloth,
            material,
            ClothState.at_rest(positions[0]),
            steps=len(forces),
            h=h,
            forces=forces,
            wind=wind,
            physics=physics,
            steps_per_frame=steps_per_frame,
        )
    return float((replayed - positions).norm(dim=-1).max())


def _tell(hooks: Hooks, notes: tuple[str, ...]) -> None:
    for note in notes:
        hooks.note(note)


def _unseen_note(seen: Tensor) -> tuple[str, ...]:  # [T]
    """Which frames hardly say anything of the surface."""
    frames = (seen < LEAST_SEEN).nonzero()[:, 0].tolist()
    if not frames:
        return ()
    return (
        f"In {len(frames)} of {len(seen)} frames, the first of them {frames[0]}, less than {LEAST_SEEN:.0%} of the surface was compared "
        "with the image: inertia carried it. Are the masks right there?",
    )


def _size_note(template: Mesh) -> tuple[str, ...]:
    extent = float((template.vertices.amax(dim=0) - template.vertices.amin(dim=0)).max())
    if SMALLEST_CLOTH <= extent <= LARGEST_CLOTH:
        return ()
    return (f"The template is {extent:.3g} m large: are its units metres? The recipe's weights and the forces rely on it.",)


def _flat_note(cloth: Cloth) -> tuple[str, ...]:
    return (f"The flattened template keeps its edges to {cloth.flattening.mean:.2%} on average, {cloth.flattening.largest:.2%} at worst.",)


def _estimate_note(estimate: MaterialEstimate) -> str:
    text = (
        f"Smooth part of the corrective acceleration (root mean square): {estimate.initial_acceleration:.3g} m/s² with the published "
        f"material, {estimate.acceleration:.3g} with the estimated one."
    )
    if estimate.bounded:
        text += (
            f" {estimate.bounded} of 39 elastic constants stand at the bounds of measured fabrics: this motion does not tell the material."
        )
    return text

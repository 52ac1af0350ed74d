"""Bodies of people, quadrupeds and hands in motion with everything that is true about them: shape at rest, meshes, depth and camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.io.cameras import write_cameras
from recon_cli.io.exr import write_depth
from recon_cli.io.meshes import write_mesh
from recon_cli.io.records import write_json
from recon_cli.prepare.synth.body_camera import VIEWS, watching_camera
from recon_cli.prepare.synth.body_families import FAMILIES
from recon_cli.prepare.synth.body_figure import Body, draw_body
from recon_cli.prepare.synth.body_motion import FPS, MOTIONS, Motion
from recon_cli.prepare.synth.body_rotations import quaternions, swing_after_twist
from recon_cli.prepare.synth.body_sensor import sensed_depth
from recon_cli.prepare.synth.body_skin import skinned
from recon_cli.prepare.synth.body_soft import soft_states, softened
from recon_cli.prepare.synth.draws import expect_one_of, expect_range, generators
from recon_cli.prepare.synth.individuals import write_individuals
from recon_cli.render.depth import mesh_depths

Array = np.ndarray

EDGE_JUMP = 0.03
"""Difference of depth between neighbouring pixels that makes an edge, over the body's longest side."""

CONTENTS = ("manifest.jsonl", "[0-9]*", "canonical.ply", "meshes", "depth", "cameras.json", "truth.json")
"""Names that a folder of bodies may have."""


@dataclass(frozen=True)
class BodySpec:
    """What bodies are like; what it leaves open is drawn from the seed.

    Attributes:
        family: "people", "quadrupeds" or "hands".
        frames: poses of each individual.
        motion: "smooth" (a sequence at 30 frames a second) or "scattered" (independent poses, for training).
        view: "front", "side" or "around": where the camera stands, off the body's first heading.
        depth: whether depth maps are made.
        soft: share of the individuals whose flesh and clothes move on the skeleton.
        size: longest side of a depth map [px].
        noise: standard deviation of the depth's noise, over the longest side of the box around the body at rest.
        missing: share of the body's pixels that have no depth.

    Raises:
        UsageError: a value makes no sense.
    """

    family: str = "people"
    frames: int = 20
    motion: str = "smooth"
    view: str = "front"
    depth: bool = True
    soft: float = 0.5
    size: int = 192
    noise: float = 0.0
    missing: float = 0.0

    def __post_init__(self) -> None:
        expect_one_of("family", self.family, FAMILIES)
        expect_one_of("motion", self.motion, MOTIONS)
        expect_one_of("view", self.view, VIEWS)
        for name, low, high in (
            ("frames", 2, 100_000),
            ("size", 16, 8192),
            ("soft", 0.0, 1.0),
            ("noise", 0.0, 1.0),
            ("missing", 0.0, 0.95),
        ):
            expect_range(name, getattr(self, name), low, high)


@dataclass(frozen=True)
class MovedBody:
    """An individual and what it did.

    Attributes:
        body: at rest.
        motion: angles and places of its bones.
        soft: states of its soft parts by name, each [T, S]; empty for one that only its skeleton moves.
        positions: of its vertices in the world [m], float32, shape [T, V, 3].
        camera: that watches it.
    """

    body: Body
    motion: Motion
    soft: dict[str, Array]
    positions: Array  # [T, V, 3]
    camera: Cameras

    def mesh(self, t: int) -> Mesh:
        """The body in a frame."""
        return Mesh(torch.from_numpy(self.positions[t]), torch.from_numpy(self.body.faces))


def make_body(spec: BodySpec, *, seed: int | list[int]) -> tuple[MovedBody, np.random.Generator]:
    """An individual and the generator of its sensor's noise; the same seed gives the same individual.

    Each cause has its own random numbers: another view or motion leaves shape and softness as they were.
    """
    draws = generators(seed, "identity", "motion", "root", "soft", "states", "camera", "noise")
    family = FAMILIES[spec.family]
    body = draw_body(family.draw, draws["identity"])
    motion = MOTIONS[spec.motion](body, family.repertoire, spec.frames, draws["motion"], draws["root"])
    is_soft = draws["soft"].uniform() < spec.soft
    fields = family.soft(body.proportions, body.skeleton.moved(1 / body.scale, np.zeros(3)), draws["soft"]) if is_soft else ()
    states = soft_states(body, fields, motion, draws["states"])
    positions = skinned(motion.placed, body.weights, softened(body, fields, states)).astype(np.float32)
    ahead = motion.placed.rotations[0, 0, :, 2]
    camera = watching_camera(
        positions.reshape(-1, 3),
        view=spec.view,
        heading=float(np.degrees(np.arctan2(ahead[0], ahead[2]))),
        width=round(family.aspect[0] * spec.size),
        height=round(family.aspect[1] * spec.size),
        generator=draws["camera"],
    )
    return MovedBody(body, motion, states, positions, camera), draws["noise"]


def write_body_samples(
    out: Path,
    spec: BodySpec,
    *,
    seed: int,
    count: int,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Make ``count`` individuals and list them in ``manifest.jsonl``.

    A single individual lies in the folder itself, several lie in numbered folders beside the manifest. Individual i of a seed is the same
    whatever the count.

    Args:
        out: the folder, which appears when it is whole.
        spec: family, motion, view and sensor.
        seed: of all draws.
        count: number of individuals.
        overwrite: whether earlier samples may be replaced.
        progress: told the number of frames made and their total.

    Raises:
        UsageError: ``count`` is too small.
        InputError: the folder cannot be made.
    """

    def write(index: int, folder: Path, place: str) -> dict[str, object]:
        moved, noise = make_body(spec, seed=[seed, index])
        _write_individual(folder, moved, spec, noise, lambda done: progress(index * spec.frames + done, count * spec.frames))
        return _record(f"{spec.family}-{seed}-{index:06d}", place, spec, bool(moved.soft))

    write_individuals(out, write, count=count, contents=CONTENTS, overwrite=overwrite)


def _record(name: str, place: str, spec: BodySpec, is_soft: bool) -> dict[str, object]:
    record: dict[str, object] = {"id": name, "family": spec.family, "canonical": f"{place}canonical.ply", "meshes": f"{place}meshes"}
    if spec.depth:
        record |= {"camera": f"{place}cameras.json", "depth": f"{place}depth", "view": spec.view}
    return record | {"truth": f"{place}truth.json", "soft": is_soft, "motion": spec.motion, "frames": spec.frames}


def _write_individual(folder: Path, moved: MovedBody, spec: BodySpec, noise: np.random.Generator, tell: Callable[[int], None]) -> None:
    faces = torch.from_numpy(moved.body.faces)
    write_mesh(folder / "canonical.ply", Mesh(torch.from_numpy(moved.body.vertices.astype(np.float32)), faces))
    for t in range(spec.frames):
        mesh = moved.mesh(t)
        write_mesh(folder / "meshes" / f"{t:06d}.ply", mesh)
        if spec.depth:
            write_depth(folder / "depth" / f"{t:06d}.exr", _seen(mesh, moved, spec, noise))
        tell(t + 1)
    if spec.depth:
        write_cameras(folder / "cameras.json", moved.camera)
    write_json(folder / "truth.json", _truth(moved, spec))


def _seen(mesh: Mesh, moved: MovedBody, spec: BodySpec, noise: np.random.Generator) -> Array:  # [H, W]
    (depth,) = mesh_depths(mesh, moved.camera).depth
    side = moved.body.box_side
    if spec.noise == 0 and spec.missing == 0:
        return depth.numpy()
    return sensed_depth(depth.numpy(), noise=spec.noise * side, missing=spec.missing, jump=EDGE_JUMP * side, generator=noise)


def _truth(moved: MovedBody, spec: BodySpec) -> dict[str, object]:
    """What a fit may be asked for beyond the meshes, with units in the names."""
    skeleton, motion = moved.body.skeleton, moved.motion
    return {
        "spec": asdict(spec),
        "proportions": moved.body.proportions,
        "joints": list(skeleton.names),
        "parents": list(skeleton.parents),
        "rest_positions_m": skeleton.heads,
        "frames_per_second": None if motion.times is None else FPS,
        "is_gait": motion.is_gait,
        "root_rotations_wxyz": quaternions(motion.placed.rotations[:, 0]),
        "root_translations_m": motion.placed.joints[:, 0] - skeleton.heads[0],
        "joint_rotations_wxyz": quaternions(swing_after_twist(motion.angles, skeleton.axes)),
        "soft_states": moved.soft,
        "noise_m": spec.noise * moved.body.box_side,
    }

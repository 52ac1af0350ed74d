"""``recon npm`` on the topology of a real person: a mesh posed with a procedural skeleton, learned from, and fitted to held-out depth.

Run: python -m benchmarks.npm_real_mesh MESH.obj -o FOLDER [--identities 12] [--poses 12] [--sequences 4] [--frames 20]

Every individual is the mesh warped to other proportions, thinned to a number of vertices of its own and shuffled: the training is told
nothing that corresponds between them. The sequences show individuals and motions that the training has not seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.rigged_mesh import RiggedMesh, draw_individual, read_closed, rigged
from recon_cli.cli.console import Console
from recon_cli.config.recipe import load_recipe
from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.io.atomic import write_bytes
from recon_cli.io.cameras import write_cameras
from recon_cli.io.exr import write_depth
from recon_cli.io.images import write_image
from recon_cli.io.meshes import read_mesh, write_mesh
from recon_cli.metrics.chamfer import chamfer, surface_points
from recon_cli.metrics.end_point import end_point_errors
from recon_cli.metrics.frame_pairs import FramePair, longest_side
from recon_cli.metrics.occupancy import volume_overlaps
from recon_cli.prepare.synth.bodies import CONTENTS
from recon_cli.prepare.synth.body_camera import watching_camera
from recon_cli.prepare.synth.body_families import FAMILIES
from recon_cli.prepare.synth.body_motion import MOTIONS
from recon_cli.prepare.synth.body_skin import skinned
from recon_cli.prepare.synth.draws import generators
from recon_cli.prepare.synth.individuals import write_individuals
from recon_cli.render.depth import mesh_depths
from recon_cli.run.mesh_pictures import lit
from recon_cli.run.npm_body_pictures import around, part_colors, standing
from recon_cli.run.npm_fit import FitJob, fit
from recon_cli.run.npm_inputs import FitSources
from recon_cli.run.npm_model_file import read_model_file
from recon_cli.run.npm_train import TrainJob, train
from recon_cli.run.pictures import side_by_side
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.config import NpmRecipe

PEOPLE = FAMILIES["people"]
SIZE = 192
"""Longest side of a depth map [px]."""
SHOWN = 4
"""Frames of a sequence in its picture."""


@dataclass(frozen=True)
class Plan:
    """What one individual does and who looks at it."""

    seed: tuple[int, int]
    motion: str
    frames: int
    view: str | None = None

    def write(self, mesh: RiggedMesh, folder: Path) -> None:
        """Canonical and posed meshes, and with a view depth and camera."""
        draws = generators(self.seed, "identity", "motion", "root", "camera")
        body = draw_individual(mesh, draws["identity"])
        motion = MOTIONS[self.motion](body, PEOPLE.repertoire, self.frames, draws["motion"], draws["root"])
        positions = skinned(motion.placed, body.weights, body.vertices).astype(np.float32)
        faces = torch.from_numpy(body.faces)
        write_mesh(folder / "canonical.ply", Mesh(torch.from_numpy(body.vertices.astype(np.float32)), faces))
        posed = [Mesh(torch.from_numpy(vertices), faces) for vertices in positions]
        for t, surface in enumerate(posed):
            write_mesh(folder / "meshes" / f"{t:06d}.ply", surface)
        if self.view is None:
            return
        camera = self._camera(positions, motion.placed.rotations[0, 0, :, 2], draws["camera"])
        write_cameras(folder / "cameras.json", camera)
        for t, surface in enumerate(posed):
            write_depth(folder / "depth" / f"{t:06d}.exr", mesh_depths(surface, camera).depth[0].numpy())

    def _camera(self, positions: np.ndarray, ahead: np.ndarray, generator: np.random.Generator) -> Cameras:
        heading = float(np.degrees(np.arctan2(ahead[0], ahead[2])))
        width, height = (round(aspect * SIZE) for aspect in PEOPLE.aspect)
        points = positions.reshape(-1, 3)
        return watching_camera(points, view=self.view or "front", heading=heading, width=width, height=height, generator=generator)


def write_bodies(out: Path, mesh: RiggedMesh, plans: Sequence[Plan]) -> None:
    """A folder of bodies with a record each."""

    def write(index: int, folder: Path, place: str) -> dict[str, Any]:
        plans[index].write(mesh, folder)
        return {"id": f"person-{index}", "canonical": f"{place}canonical.ply", "meshes": f"{place}meshes"}

    write_individuals(out, write, count=len(plans), contents=CONTENTS, overwrite=True)


def measured(found: Path, truth: Path) -> dict[str, float]:
    """Means over a sequence: IoU, C-l2 × 1e-3 and end-point error × 1e-2 in the box of the truth's first frame."""
    names = sorted(file.name for file in truth.glob("*.ply"))
    pairs = [
        FramePair(t, read_mesh(found / name, geometry_only=True), read_mesh(truth / name, geometry_only=True))
        for t, name in enumerate(names)
    ]
    side = longest_side(pairs[0].reference)
    pairs = [pair.in_units_of(side) for pair in pairs]
    distances = [chamfer(*(surface_points(mesh, samples=100_000, seed=0) for mesh in (pair.predicted, pair.reference))) for pair in pairs]
    return {
        "iou": statistics.mean(overlap.iou for overlap in volume_overlaps(pairs, samples=200_000)),
        "c_l2": 1e3 * statistics.mean(distance.c_l2 for distance in distances),
        "epe": 1e2 * statistics.mean(error.epe for error in end_point_errors(pairs)),
    }


def fit_picture(found: Path, truth: Path) -> np.ndarray:
    """Some frames of a sequence from the front and the side: truth above, fit below."""
    names = sorted(file.name for file in truth.glob("*.ply"))
    chosen = [names[place] for place in np.linspace(0, len(names) - 1, SHOWN).round().astype(int)]
    rows = [[read_mesh(folder / name, geometry_only=True) for name in chosen] for folder in (truth, found)]
    stand = standing([mesh for row in rows for mesh in row])
    cameras = [stand.camera(yaw, side=260) for yaw in (0.0, np.pi / 2)]
    return np.concatenate([side_by_side([lit(mesh, camera) for camera in cameras for mesh in row]) for row in rows])


def template_picture(model: Path) -> np.ndarray:
    """The mean body, coloured by parts, from three sides."""
    body = read_model_file(model).model
    assert isinstance(body, BodyModel)
    surface = body.surface(torch.zeros(body.shape_size))
    return around(Mesh(surface.vertices, surface.faces, colors=part_colors(body.weights)), side=480)


def main() -> None:
    given = _arguments()
    torch.manual_seed(given.seed)
    mesh, needed = read_closed(given.mesh)
    print(f"{given.mesh.name}: {len(mesh.vertices)} vertices; needed for a closed surface: {needed}", flush=True)
    body = rigged(mesh)
    write_bodies(given.out / "train", body, [Plan((given.seed, i), "scattered", given.poses) for i in range(given.identities)])
    views = ("front", "side")
    held_out = [Plan((given.seed + 1, i), "smooth", given.frames, views[i % 2]) for i in range(given.sequences)]
    write_bodies(given.out / "test", body, held_out)
    recipe = load_recipe("npm_default", NpmRecipe, given.set)
    with Console() as console:
        started, used = time.monotonic(), time.process_time()
        job = TrainJob((given.out / "train",), recipe, given.out / "model", seed=given.seed, device="cpu", overwrite=True, resume=False)
        record = train(job, console)
        spent = {"seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - used}
        write_image(given.out / "template.png", template_picture(Path(record["model"])))
        print(json.dumps({**record, **spent}), flush=True)
        rows = [_fitted(given, recipe, console, number, plan) for number, plan in enumerate(held_out)]
    median = {key: statistics.median(row[key] for row in rows) for key in ("iou", "c_l2", "epe", "cpu_seconds_a_frame")}
    print(json.dumps({"median": median}))
    write_bytes(given.out / "figures.json", json.dumps({"training": record | spent, "fits": rows, "median": median}, indent=1).encode())


def _fitted(given: argparse.Namespace, recipe: NpmRecipe, console: Console, number: int, plan: Plan) -> dict[str, Any]:
    folder = given.out / "test" / f"{number:06d}" if given.sequences > 1 else given.out / "test"
    out, used = given.out / f"fit_{number}", time.process_time()
    sources = FitSources(folder / "depth", up="+y")
    job = FitJob(sources, recipe, out, model=given.out / "model", seed=given.seed, device="cpu", overwrite=True, resume=False)
    record = fit(job, console)
    spent = (time.process_time() - used) / plan.frames
    row = {"view": plan.view, **measured(out / "out" / "meshes", folder / "meshes"), "doubtful": record["doubtful"]}
    row |= {"fit_seconds": record["fit_seconds"], "cpu_seconds_a_frame": spent}
    write_image(given.out / f"fit_{number}.png", fit_picture(out / "out" / "meshes", folder / "meshes"))
    print(json.dumps(row), flush=True)
    return row


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mesh", type=Path, help="a closed mesh of a person, arms stretched aside, y up, facing +z")
    parser.add_argument("-o", "--out", type=Path, required=True, help="where everything is written")
    parser.add_argument("--identities", type=int, default=12, help="to learn from")
    parser.add_argument("--poses", type=int, default=12, help="of each")
    parser.add_argument("--sequences", type=int, default=4, help="to fit to, from the front and from the side in turn")
    parser.add_argument("--frames", type=int, default=20, help="of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the recipe npm_default")
    return parser.parse_args()


if __name__ == "__main__":
    main()

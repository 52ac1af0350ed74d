"""One template for all identities: a member's mesh, warped onto each and averaged, and with it through their poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.closed_surface import closed_mesh, enclosed_volume
from recon_cli.core.closest_points import ClosestPoints, SurfacePoints
from recon_cli.core.errors import InputError, StoppedError
from recon_cli.core.hooks import Hooks
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_areas, face_normals
from recon_cli.core.sampling import sample_surface
from recon_cli.systems.npm.bodies import Bodies, poses_taken
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.config import TemplateConfig
from recon_cli.systems.npm.registration import Cloud, Registration


@dataclass(frozen=True)
class Registered:
    """Every identity and every pose with the template's vertices, in units of the box.

    Attributes:
        box: its unit and origin.
        template: the mean shape.
        canonical: each identity's surface at the template's vertices, shape [I, V, 3], float32.
        posed: the same points in every pose, shape [P, V, 3], float32.
        identity: whose pose each is, shape [P].
        error: mean distance of the warped template from each identity's surface before it was put onto it, shape [I].
    """

    box: Box
    template: Mesh
    canonical: Tensor
    posed: Tensor
    identity: Tensor
    error: Tensor


@dataclass(frozen=True)
class Warps:
    """How far a registration has come.

    Attributes:
        turn: number of the round, from 0.
        template: what is warped in it, float64.
        warped: where the template's vertices come to lie on the first N identities [box], shape [N, V, 3], float64.
    """

    turn: int
    template: Mesh
    warped: Tensor

    @staticmethod
    def first(template: Mesh, turn: int = 0) -> Warps:
        """Of a round that begins."""
        return Warps(turn, template, torch.zeros(0, len(template.vertices), 3, dtype=torch.float64))

    @staticmethod
    def of(state: Mapping[str, Tensor]) -> Warps:
        """What ``tensors`` gave."""
        return Warps(int(state["turn"]), Mesh(state["vertices"], state["faces"]), state["warped"])

    def tensors(self) -> dict[str, Tensor]:
        """All of it, for a checkpoint."""
        turn = torch.tensor(self.turn)
        return {"turn": turn, "vertices": self.template.vertices, "faces": self.template.faces, "warped": self.warped}

    def next_round(self) -> Warps:
        """The mean of the warped templates is the next one."""
        return Warps.first(self.template.with_vertices(self.warped.mean(dim=0)), self.turn + 1)


def register(
    bodies: Bodies, config: TemplateConfig, *, poses: int, seed: int, hooks: Hooks, resume: Mapping[str, Tensor] | None = None
) -> Registered:
    """Give all identities the vertices of one mesh.

    The member whose extent is nearest to the mean begins as the template. Scaled along the axes onto the box of each identity it is
    warped onto its surface; the mean of the warped ones is the next template. A point of an identity's canonical surface is then known in
    all of its poses.

    Args:
        bodies: what to train on.
        config: of the template.
        poses: most poses that are taken, spread evenly over each identity's.
        seed: of the points drawn on the surfaces.
        hooks: told of every warp, and given a state after it.
        resume: a state of the same bodies, settings and seed.

    Raises:
        InputError: there is no identity, or a mesh has no area.
        StoppedError: the hooks asked to stop.
    """
    if not len(bodies.names):
        raise InputError("there are no bodies to train on; expected at least one identity")
    meshes = [bodies.canonical(identity) for identity in range(len(bodies.names))]
    box = Box.around(meshes)
    shapes = [mesh.with_vertices(box.inside(mesh.vertices)) for mesh in meshes]
    extents = np.array([_extent(shape) for shape in shapes])  # [I, 2, 3]
    clouds = [_cloud(shape, config.samples, seed) for shape in shapes]
    warps = Warps.of(resume) if resume else Warps.first(_first_template(shapes, extents, config))
    warps = _warped(warps, clouds, extents, config, hooks)
    while warps.turn < config.rounds - 1:
        warps = _warped(warps.next_round(), clouds, extents, config, hooks)
    return _carried(bodies, shapes, box, warps, poses)


def _extent(shape: Mesh) -> np.ndarray:  # [2, 3]
    """Middle and size of a mesh's box."""
    vertices = shape.vertices.numpy()
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return np.stack([(low + high) / 2, high - low])


def _first_template(shapes: Sequence[Mesh], extents: np.ndarray, config: TemplateConfig) -> Mesh:
    """A slender or a stout member of about the mean extent, thinned to the vertices asked for and scaled onto the mean extent.

    What is a web in the template, such as a skirt between the legs, stays one in all bodies; what is apart stays apart in all.
    """
    mean = extents.mean(axis=0)
    slenderness = np.array([_slenderness(shape) for shape in shapes])
    off = np.square(np.log(extents[:, 1] / mean[1])).sum(axis=1)
    is_of_half = (slenderness >= np.median(slenderness)) == (config.member == "slender")
    member = int(np.where(is_of_half if is_of_half.any() else True, off, np.inf).argmin())
    mesh = _thinned(closed_mesh(Mesh(shapes[member].vertices, shapes[member].faces)), config.vertices)
    return mesh.with_vertices(torch.from_numpy(_rescaled(mesh.vertices.numpy(), extents[member], mean)))


def _slenderness(shape: Mesh) -> float:
    """Surface for the volume, whatever the size: 10.6 for a ball."""
    area = float(face_areas(shape.vertices, shape.faces).sum())
    return area**1.5 / float(enclosed_volume(shape.vertices, shape.faces).abs().clamp(min=1e-30))


def _thinned(mesh: Mesh, vertices: int) -> Mesh:
    """The mesh with about this many vertices, by quadric edge collapses (Garland and Heckbert 1997), which keep it closed."""
    if len(mesh.vertices) <= vertices:
        return mesh
    import open3d

    vector = open3d.utility
    dense = open3d.geometry.TriangleMesh(
        vector.Vector3dVector(mesh.vertices.double().numpy()), vector.Vector3iVector(mesh.faces.to(torch.int32).numpy())
    )
    thin = dense.simplify_quadric_decimation(2 * vertices)
    return Mesh(torch.from_numpy(np.asarray(thin.vertices).copy()), torch.from_numpy(np.asarray(thin.triangles).astype(np.int64)))


def _cloud(shape: Mesh, samples: int, seed: int) -> Cloud:
    points, face, _ = sample_surface(shape.vertices, shape.faces, samples, generator=torch.Generator().manual_seed(seed))
    return Cloud(points.numpy(), face_normals(shape.vertices, shape.faces)[face].numpy())


def _rescaled(vertices: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Points moved from one box to another, axis by axis."""
    return (vertices - source[0]) * (target[1] / source[1]) + target[0]


def _warped(warps: Warps, clouds: Sequence[Cloud], extents: np.ndarray, config: TemplateConfig, hooks: Hooks) -> Warps:
    """The same round with the template warped onto all identities."""
    done, turn = len(warps.warped), warps.turn
    if done == len(clouds):
        return warps
    # The last round alone goes to the softest stages: before it only the mean matters.
    coarsest = config.stages[0].spacing
    stages = config.stages if turn == config.rounds - 1 else tuple(stage for stage in config.stages if stage.spacing == coarsest)
    registration = Registration(warps.template, stages, reach=config.reach)
    vertices, own = warps.template.vertices.numpy(), _extent(warps.template)
    if done:  # the first warp leaves the factors behind that all others are solved with: it is made again where a stopped round goes on
        registration.onto(_rescaled(vertices, own, extents[0]), clouds[0])
    for index in range(done, len(clouds)):
        found = torch.from_numpy(registration.onto(_rescaled(vertices, own, extents[index]), clouds[index]))
        warps = replace(warps, warped=torch.cat([warps.warped, found[None]]))
        finished, total = turn * len(clouds) + index + 1, config.rounds * len(clouds)
        hooks.progress(finished, total)
        hooks.checkpoint(warps.tensors(), {"warps": finished})
        if hooks.should_stop():
            raise StoppedError(f"stopped after {finished} of {total} warps", hint="run the same command again to go on")
    return warps


def _carried(bodies: Bodies, shapes: Sequence[Mesh], box: Box, warps: Warps, poses: int) -> Registered:
    """Warped vertices put onto each identity's surface, and with its triangles into its poses."""
    canonical, posed, owner, error = [], [], [], []
    for identity, shape in enumerate(shapes):
        points: SurfacePoints = ClosestPoints(shape)(warps.warped[identity])
        surface = points.on(shape.vertices.double())
        canonical.append(surface.float())
        error.append(float((surface - warps.warped[identity]).norm(dim=-1).mean()))
        for pose in poses_taken(bodies, identity, poses):
            posed.append(points.on(box.inside(bodies.posed(identity, pose))).float())
            owner.append(identity)
    return Registered(
        box=box,
        template=warps.template.with_vertices(warps.template.vertices.float()),
        canonical=torch.stack(canonical),
        posed=torch.stack(posed) if posed else torch.zeros(0, len(warps.template.vertices), 3),
        identity=torch.tensor(owner, dtype=torch.int64),
        error=torch.tensor(error),
    )

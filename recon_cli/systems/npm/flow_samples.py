"""Points near canonical surfaces and where poses take them: what the network of poses is trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_normals
from recon_cli.core.procrustes import procrustes
from recon_cli.core.sampling import sample_surface
from recon_cli.systems.npm.bodies import Bodies, all_poses_taken
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.draws import Purpose, generator_of
from recon_cli.systems.npm.networks_config import FlowNetworkConfig


class FlowSamples:
    """Pairs of points for every pose and epoch, in units of the box.

    A pose is brought into the body's own frame by the rigid motion that aligns its vertices best with the canonical ones (Kabsch 1976), so
    ``root @ (x + flow) + place`` is where it was.

    Args:
        bodies: canonical and posed meshes.
        box: their unit.
        config: how many points where.
        most: most poses, spread evenly over each identity's.
        memory_mb: of posed meshes that are kept; others are read every time.
        seed: of the draws.

    Attributes:
        identity: whose pose each is, shape [P].
        roots: from the body's own frame to that of its mesh, shape [P, 3, 3], float32.
        places: [box], shape [P, 3], float32.

    Raises:
        InputError: there are no poses, or one has other vertices than its canonical mesh.
    """

    def __init__(self, bodies: Bodies, box: Box, config: FlowNetworkConfig, *, most: int, memory_mb: int, seed: int) -> None:
        self._bodies, self._box, self._config, self._seed = bodies, box, config, seed
        meshes = [bodies.canonical(identity) for identity in range(len(bodies.names))]
        self._shapes = [mesh.with_vertices(box.inside(mesh.vertices).float()) for mesh in meshes]
        self._poses = all_poses_taken(bodies, most)
        if not self._poses:
            raise InputError("no identity has a posed mesh; expected poses to learn from")
        self.identity = torch.tensor([identity for identity, _ in self._poses])
        self.roots, self.places = torch.empty(len(self), 3, 3), torch.empty(len(self), 3)
        self._kept: dict[int, Tensor] = {}
        self._align(memory_mb << 20)

    def __len__(self) -> int:
        return len(self._poses)

    def batch(self, item: int, epoch: int) -> tuple[Tensor, Tensor]:  # [N, 3], [N, 3]
        """Points near the canonical surface in an epoch and their displacements in a pose [box], float32.

        All poses of an identity are given the same points in an epoch: on the same places of the triangles, moved along the normal there
        by the same offset.
        """
        identity = self._poses[item][0]
        shape = self._shapes[identity]
        generator = generator_of(self._seed, Purpose.POSE_POINTS, identity, epoch)
        _, face, barycentric = sample_surface(shape.vertices, shape.faces, self._config.points, generator=generator)
        reach = torch.tensor(self._config.offsets)[torch.arange(len(face)) % len(self._config.offsets)]
        offset = reach * (2 * torch.rand(len(face), generator=generator) - 1)
        canonical = moved_points(shape, face, barycentric, offset)
        return canonical, moved_points(shape.with_vertices(self.body(item)), face, barycentric, offset) - canonical

    def body(self, item: int) -> Tensor:  # [V, 3] float32
        """Vertices of a pose in the body's own frame [box]."""
        kept = self._kept.get(item)
        if kept is not None:
            return kept
        return (self._posed(item).float() - self.places[item]) @ self.roots[item]

    def _posed(self, item: int) -> Tensor:  # [V, 3] float64
        identity, pose = self._poses[item]
        vertices = self._box.inside(self._bodies.posed(identity, pose))
        expected = len(self._shapes[identity].vertices)
        if len(vertices) != expected:
            name = self._bodies.names[identity]
            raise InputError(
                f"pose {pose} of {name} has {len(vertices)} vertices, expected the {expected} of the canonical mesh",
                hint="every posed mesh is the canonical one with its vertices moved",
            )
        return vertices

    def _align(self, memory: int) -> None:
        for item, (identity, _) in enumerate(self._poses):
            vertices = self._posed(item)
            motion = procrustes(self._shapes[identity].vertices, vertices)
            self.roots[item], self.places[item] = motion.rotation.float(), motion.translation.float()
            memory -= 12 * len(vertices)
            if memory >= 0:
                self._kept[item] = (vertices.float() - self.places[item]) @ self.roots[item]


def moved_points(mesh: Mesh, face: Tensor, barycentric: Tensor, offset: Tensor) -> Tensor:  # [N], [N, 3], [N] -> [N, 3]
    """Points of triangles, moved along the triangles' normals."""
    corners = mesh.faces[face]
    on_surface = (barycentric[:, :, None] * mesh.vertices[corners]).sum(dim=1)
    return on_surface + offset[:, None] * face_normals(mesh.vertices, corners)

"""Points around canonical bodies with their signed distance: what the network of shapes is trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.mesh import Mesh
from recon_cli.core.sampling import sample_surface
from recon_cli.core.winding import Winding
from recon_cli.systems.npm.bodies import Bodies
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.draws import Purpose, generator_of
from recon_cli.systems.npm.networks_config import ShapeNetworkConfig

CHUNK = 1 << 16
"""Points whose distance is measured at once."""


class SignedDistance:
    """The exact signed distance of a closed mesh, for any number of calls.

    Args:
        mesh: any units.

    Raises:
        InputError: the surface is not closed.
    """

    def __init__(self, mesh: Mesh) -> None:
        closed = closed_mesh(mesh)
        self._vertices = closed.vertices.detach().cpu().double()
        self._nearest, self._winding = ClosestPoints(closed), Winding(closed)

    def __call__(self, points: Tensor) -> Tensor:  # [N, 3] -> [N] float64
        """Distance from the surface, negative inside [units of the mesh]."""
        return torch.cat([self._of(chunk) for chunk in points.detach().cpu().double().split(CHUNK)])

    def _of(self, points: Tensor) -> Tensor:
        distance = (self._nearest(points).on(self._vertices) - points).norm(dim=-1)
        return torch.where(self._winding(points) != 0, -distance, distance)


class DistanceSamples:
    """Points with signed distances for every identity and epoch, in units of the box.

    The points of several epochs are drawn at once, at the first use, and kept in half precision. They are rounded before their distance is
    measured, so that this costs nothing but the last digits of the distance itself.

    Args:
        bodies: closed canonical meshes.
        box: their unit.
        config: how many points where.
        seed: of the draws.
    """

    def __init__(self, bodies: Bodies, box: Box, config: ShapeNetworkConfig, *, seed: int) -> None:
        self._bodies, self._box, self._config, self._seed = bodies, box, config, seed
        self._pools: dict[int, tuple[int, Tensor]] = {}

    def __len__(self) -> int:
        return len(self._bodies.names)

    def batch(self, identity: int, epoch: int) -> tuple[Tensor, Tensor]:  # [N, 3], [N]
        """The points of an identity in an epoch and their signed distances [box], float32.

        Raises:
            InputError: its canonical mesh is not closed.
        """
        generation, count = epoch // self._config.kept, self._config.points
        if self._pools.get(identity, (-1,))[0] != generation:
            generator = generator_of(self._seed, Purpose.SHAPE_POINTS, identity, generation)
            self._pools[identity] = generation, self._drawn(identity, generator)
        begin = epoch % self._config.kept % self._config.drawn * count
        rows = self._pools[identity][1][begin : begin + count].float()
        return rows[:, :3], rows[:, 3]

    def _drawn(self, identity: int, generator: torch.Generator) -> Tensor:  # [epochs * N, 4] float16
        mesh = self._bodies.canonical(identity)
        shape = mesh.with_vertices(self._box.inside(mesh.vertices))
        parts = [distance_points(shape, self._config, generator=generator) for _ in range(self._config.drawn)]
        points = torch.cat(parts).half()
        return torch.cat([points, SignedDistance(shape)(points)[:, None].half()], dim=1)


def distance_points(shape: Mesh, config: ShapeNetworkConfig, *, generator: torch.Generator) -> Tensor:  # [N, 3]
    """Points near a surface, Gaussian about points of it, and others uniform in the padded unit box [box]."""
    near = round(config.near * config.points)
    surface, _, _ = sample_surface(shape.vertices.double(), shape.faces, near, generator=generator)
    scale = torch.tensor(config.spread, dtype=torch.float64)[torch.arange(near) % len(config.spread)]
    surface = surface + scale[:, None] * torch.randn(near, 3, generator=generator, dtype=torch.float64)
    uniform = torch.rand(config.points - near, 3, generator=generator, dtype=torch.float64) - 0.5
    return torch.cat([surface, (1 + 2 * config.padding) * uniform])

"""The surface on which a function is 0, looked for from coarse cells to fine ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.core.surface_net import surface_net
from recon_cli.core.topology import components

COARSEST = 16
"""Cells along a side of the first grid, at least."""
FINE = 64
"""Cells along a side of grids in which the surface passes between corners; in coarser ones it is looked for near them too."""
CHUNK = 1 << 15
"""Points at which the function is asked for at once."""

Function = Callable[[Tensor], Tensor]
"""From points [N, 3] to about the signed distance [N], negative inside."""


def zero_level(function: Function, *, reach: float, cells: int, device: torch.device) -> Mesh:
    """The largest closed piece of the surface in the cube from -reach to reach, float32 on the CPU; without faces where there is none.

    Cells that the surface may pass, as far as the function is a distance, are halved, those of finer grids if it does pass them; from
    these it is followed into their neighbours, so that it closes whatever the function is. Outside of the cube is outside of the body.

    Args:
        function: whose 0 is looked for, without gradients.
        reach: half the side of the cube.
        cells: cells along its side, at least; finally a power of 2 times 16 to 31.
        device: of the points that the function is given.
    """
    halvings = max(0, (cells // COARSEST).bit_length() - 1)
    side = -(-cells // 2**halvings)
    lattice = _Lattice(function, reach, side, device)
    found = _grid(side)
    for _ in range(halvings):
        found = lattice.halve(found[lattice.are_passed(found)])
    places, values = lattice.followed(found)
    mesh = surface_net(places, -values)
    if not len(mesh.faces):
        return mesh
    return _largest(Mesh(lattice.points(mesh.vertices).float(), mesh.faces))


class _Lattice:
    """Values of the function at the corners of cells; a cell is named by its lowest corner."""

    def __init__(self, function: Function, reach: float, side: int, device: torch.device) -> None:
        self._function, self._reach, self._side, self._device = function, reach, side, device
        self._keys, self._values = torch.zeros(0, dtype=torch.int64), torch.zeros(0)

    @property
    def cell(self) -> float:
        """Side of a cell."""
        return 2 * self._reach / self._side

    def points(self, places: Tensor) -> Tensor:  # [N, 3] -> [N, 3]
        """Where places of the lattice lie."""
        return places.double() * self.cell - self._reach

    def halve(self, found: Tensor) -> Tensor:  # [N, 3] -> [8 N, 3]
        """Go on with cells of half the side; those within the ones found."""
        self._side *= 2
        self._keys, self._values = torch.zeros(0, dtype=torch.int64), torch.zeros(0)
        return (2 * found[:, None] + _CORNERS).reshape(-1, 3)

    def are_passed(self, found: Tensor) -> Tensor:  # [N, 3] -> [N]
        """Whether the surface passes a cell; in coarse grids, if it may, were the function never to change by more than twice the way."""
        values = self.at_corners(found)
        may_be = values.abs().amin(dim=1) <= 3**0.5 * self.cell
        return _is_cut(values) | (may_be & (self._side < FINE))

    def followed(self, found: Tensor) -> tuple[Tensor, Tensor]:  # [N, 3] -> [M, 3], [M]
        """Corners, and values at them, of all cells that the surfaces pass which pass any of these."""
        passed = fresh = found[_is_cut(self.at_corners(found))]
        while len(fresh):
            near = self._known_once((fresh[:, None] + _NEIGHBOURS).reshape(-1, 3))
            near = near[((near >= 0) & (near < self._side)).all(dim=1)]
            near = near[~torch.isin(self._key(near), self._key(passed))]
            fresh = near[_is_cut(self.at_corners(near))]
            passed = torch.cat([passed, fresh])
        corners = self._known_once((passed[:, None] + _CORNERS).reshape(-1, 3))
        return corners, self._at(corners)

    def at_corners(self, found: Tensor) -> Tensor:  # [N, 3] -> [N, 8]
        """Values at the corners of cells."""
        return self._at((found[:, None] + _CORNERS).reshape(-1, 3)).reshape(-1, 8)

    def _at(self, places: Tensor) -> Tensor:  # [N, 3] -> [N]
        """Values at places, computed where they are not known."""
        wanted, index = self._key(places).unique(return_inverse=True)
        fresh = wanted[~torch.isin(wanted, self._keys)]
        if len(fresh):
            keys = torch.cat([self._keys, fresh])
            self._keys, order = keys.sort()
            self._values = torch.cat([self._values, self._computed(self._place(fresh))])[order]
        return self._values[torch.searchsorted(self._keys, wanted)][index]

    def _computed(self, places: Tensor) -> Tensor:  # [N, 3] -> [N]
        points = self.points(places).float()
        with torch.no_grad():
            values = torch.cat([self._function(chunk.to(self._device)).float().cpu() for chunk in points.split(CHUNK)])
        is_rim = ((places == 0) | (places == self._side)).any(dim=1)
        return torch.where(is_rim, values.clamp(min=self.cell), values)

    def _known_once(self, places: Tensor) -> Tensor:  # [N, 3] -> [M, 3]
        return self._place(self._key(places).unique())

    def _key(self, places: Tensor) -> Tensor:  # [N, 3] -> [N]
        # One place more on either side, for neighbours beyond the rim.
        x, y, z = (places + 1).unbind(-1)
        return (x * (self._side + 3) + y) * (self._side + 3) + z

    def _place(self, keys: Tensor) -> Tensor:  # [N] -> [N, 3]
        sides = self._side + 3
        return torch.stack([keys // sides**2, keys // sides % sides, keys % sides], dim=-1) - 1


def _grid(side: int) -> Tensor:  # [side³, 3]
    steps = torch.arange(side)
    return torch.cartesian_prod(steps, steps, steps)


def _is_cut(values: Tensor) -> Tensor:  # [N, 8] -> [N]
    """Whether the corners of a cell are on both sides; 0 is outside, as for ``surface_net``."""
    return (values < 0).any(dim=1) & (values >= 0).any(dim=1)


def _largest(mesh: Mesh) -> Mesh:
    """The piece with the most vertices."""
    label = components(mesh.faces, len(mesh.vertices))
    is_kept = label == torch.bincount(label).argmax()
    faces = mesh.faces[is_kept[mesh.faces[:, 0]]]
    return Mesh(mesh.vertices[is_kept], (is_kept.cumsum(0) - 1)[faces])


_CORNERS = torch.tensor([[c & 1, c >> 1 & 1, c >> 2 & 1] for c in range(8)])
_NEIGHBOURS = torch.cat([torch.eye(3, dtype=torch.int64), -torch.eye(3, dtype=torch.int64)])

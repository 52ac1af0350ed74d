"""Edges, boundaries and connected pieces of triangle meshes, and the check that a mesh is an oriented manifold."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh

# A face is degenerate when its area is below this share of its longest edge squared (an equilateral one has 0.43).
MINIMUM_SHAPE = 1e-8


@dataclass(frozen=True)
class EdgeFaces:
    """Every edge with the one or two faces beside it.

    Attributes:
        edges: vertex indices, shape [E, 2], as the first face walks the edge.
        faces: face indices, shape [E, 2]; the second is -1 on the boundary.
        opposite: the vertex of each face that is not on the edge, shape [E, 2]; the second is -1 on the boundary.
    """

    edges: Tensor  # [E, 2]
    faces: Tensor  # [E, 2]
    opposite: Tensor  # [E, 2]

    @property
    def is_boundary(self) -> Tensor:  # [E]
        """Whether only one face has the edge."""
        return self.faces[:, 1] < 0


def half_edges(
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [3 F, 2]
    """Directed edges; rows f, F + f and 2 F + f belong to face f and lie opposite its corners 2, 0 and 1."""
    return torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def edges(
    faces: Tensor,  # [F, 3]
) -> Tensor:  # [E, 2]
    """Undirected edges, each once, smaller index first, in ascending order."""
    return unique_edges(half_edges(faces))[0]


def unique_edges(
    pairs: Tensor,  # [N, 2]
) -> tuple[Tensor, Tensor, Tensor]:  # [E, 2], [N], [E]
    """Undirected edges as ``edges`` gives them, the one that each pair is, and how many pairs each has."""
    low, high = pairs.amin(dim=1).long(), pairs.amax(dim=1).long()
    # One number an edge, in the same order: sorting rows takes ten times as long.
    base = int(high.max()) + 1 if len(high) else 1
    keys, group, counts = torch.unique(low * base + high, return_inverse=True, return_counts=True)
    return torch.stack([keys.div(base, rounding_mode="floor"), keys % base], dim=1).to(pairs.dtype), group, counts


def adjacency(faces: Tensor, count: int) -> Any:  # [F, 3] -> sparse [count, count]
    """Scipy's sparse matrix of neighbours along edges: 1 from every vertex of a closed mesh to each of its neighbours."""
    import numpy as np
    from scipy.sparse import coo_array

    rows, columns = half_edges(faces.cpu()).T.numpy()
    return coo_array((np.ones(len(rows)), (rows, columns)), shape=(count, count)).tocsr()


def edge_faces(
    faces: Tensor,  # [F, 3]
) -> EdgeFaces:
    """Edges with their faces, in the order of ``edges``; the mesh must have passed ``check_manifold``."""
    directed = half_edges(faces)
    owner = torch.arange(len(faces), device=faces.device).repeat(3)
    corner = torch.cat([faces[:, 2], faces[:, 0], faces[:, 1]])
    unique, group, counts = unique_edges(directed)
    order = torch.argsort(group, stable=True)
    first = order[torch.cumsum(counts, 0) - counts]
    second = order[torch.cumsum(counts, 0) - 1]
    alone = counts == 1
    return EdgeFaces(
        directed[first],
        torch.stack([owner[first], torch.where(alone, torch.full_like(unique[:, 0], -1), owner[second])], dim=1),
        torch.stack([corner[first], torch.where(alone, torch.full_like(unique[:, 0], -1), corner[second])], dim=1),
    )


def boundary_loops(
    faces: Tensor,  # [F, 3]
) -> list[Tensor]:
    """Closed boundary walks, each [L] vertex indices with the surface on the left, longest first.

    The mesh must have passed ``check_manifold``.
    """
    info = edge_faces(faces)
    following = {int(a): int(b) for a, b in info.edges[info.is_boundary].tolist()}
    loops = []
    while following:
        start = min(following)
        loop = [start]
        while (vertex := following.pop(loop[-1])) != start:
            loop.append(vertex)
        loops.append(torch.tensor(loop, dtype=torch.int64, device=faces.device))
    return sorted(loops, key=len, reverse=True)


def components(
    faces: Tensor,  # [F, 3]
    vertex_count: int,
) -> Tensor:  # [V]
    """Label of the connected piece of every vertex, 0, 1, … in order of their smallest vertex."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = half_edges(faces).cpu().numpy()
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(vertex_count, vertex_count))
    labels = connected_components(graph, directed=False)[1]
    return torch.as_tensor(labels, dtype=torch.int64, device=faces.device)


def check_manifold(mesh: Mesh, path: str | PathLike[str] | None = None) -> None:
    """Refuse anything but an oriented manifold (with boundary) whose vertices are all finite and used.

    Raises:
        InputError: names the first offending vertex, edge or face and how many there are.
    """
    faces = mesh.faces
    if not len(faces):
        raise InputError("the mesh has no faces", path=path, hint="export the surface as triangles, not as points")
    _check_vertices(mesh, path)
    _check_shapes(mesh, path)
    _check_edges(faces, path)
    _check_corners(faces, len(mesh.vertices), path)


def check_finite(mesh: Mesh, path: str | PathLike[str] | None = None) -> None:
    """Refuse a mesh with a coordinate that is NaN or infinite.

    Raises:
        InputError: names the first such vertex and how many there are.
    """
    broken = (~torch.isfinite(mesh.vertices).all(dim=1)).nonzero()[:, 0]
    if len(broken):
        raise InputError(f"{len(broken)} vertices are NaN or infinite, the first is vertex {int(broken[0])}", path=path)


def _check_vertices(mesh: Mesh, path: str | PathLike[str] | None) -> None:
    check_finite(mesh, path)
    is_used = torch.zeros(len(mesh.vertices), dtype=torch.bool, device=mesh.faces.device)
    is_used[mesh.faces.flatten()] = True
    unused = (~is_used).nonzero()[:, 0]
    if len(unused):
        raise InputError(
            f"{len(unused)} vertices belong to no face, the first is vertex {int(unused[0])}",
            path=path,
            hint="remove unreferenced vertices from the mesh",
        )


def _check_shapes(mesh: Mesh, path: str | PathLike[str] | None) -> None:
    corners = mesh.vertices.double()[mesh.faces]  # [F, 3, 3]
    sides = corners.roll(-1, dims=1) - corners
    area = 0.5 * torch.linalg.vector_norm(torch.linalg.cross(sides[:, 0], sides[:, 1]), dim=-1)
    repeated = (mesh.faces == mesh.faces.roll(-1, dims=1)).any(dim=1)
    degenerate = (repeated | (area <= MINIMUM_SHAPE * sides.square().sum(-1).max(dim=1).values)).nonzero()[:, 0]
    if len(degenerate):
        face = int(degenerate[0])
        raise InputError(
            f"{len(degenerate)} faces have no area, the first is face {face} (vertices {_listed(mesh.faces[face])})",
            path=path,
            hint="remove degenerate faces and merge duplicate vertices",
        )


def _check_edges(faces: Tensor, path: str | PathLike[str] | None) -> None:
    directed = half_edges(faces)
    unique, group, counts = unique_edges(directed)
    crowded = (counts > 2).nonzero()[:, 0]
    if len(crowded):
        edge = int(crowded[0])
        raise InputError(
            f"{len(crowded)} edges are not manifold: edge {_listed(unique[edge])} belongs to {int(counts[edge])} faces "
            f"({_owners(group, edge, len(faces))})",
            path=path,
            hint="each edge may belong to at most two faces; remove the extra ones",
        )
    ascending = torch.zeros(len(unique), dtype=torch.int64, device=faces.device)
    ascending.index_add_(0, group, (directed[:, 0] < directed[:, 1]).to(torch.int64))
    clashing = ((counts == 2) & (ascending != 1)).nonzero()[:, 0]
    if len(clashing):
        edge = int(clashing[0])
        raise InputError(
            f"faces are flipped against each other at {len(clashing)} edges: faces {_owners(group, edge, len(faces))} "
            f"walk edge {_listed(unique[edge])} in the same direction",
            path=path,
            hint="orient all faces counter-clockwise as seen from one side",
        )


def _check_corners(faces: Tensor, vertex_count: int, path: str | PathLike[str] | None) -> None:
    """Refuse a vertex where two pieces of surface touch in a point: its faces must form one fan."""
    touching = (_fans(edge_faces(faces), faces, vertex_count) > 1).nonzero()[:, 0]
    if len(touching):
        raise InputError(
            f"{len(touching)} vertices join surfaces that share no edge, the first is vertex {int(touching[0])}",
            path=path,
            hint="duplicate the vertex so that each piece has its own",
        )


def _fans(info: EdgeFaces, faces: Tensor, vertex_count: int) -> Tensor:  # [V]
    """How many edge-connected fans of faces meet in each vertex."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    table = faces.cpu().numpy()
    inner = ~info.is_boundary
    pairs, ends = info.faces[inner].cpu().numpy(), info.edges[inner].cpu().numpy()
    links = []
    for side in range(2):  # the corner of face f at vertex v is node 3 f + k; an inner edge links the corners at both its ends
        corner = [3 * pairs[:, j] + np.argmax(table[pairs[:, j]] == ends[:, side : side + 1], axis=1) for j in range(2)]
        links.append(np.stack(corner))
    rows, columns = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(table.size, table.size))
    labels = connected_components(graph, directed=False)[1]
    fans = np.unique(np.stack([table.flatten(), labels]), axis=1)[0]
    return torch.as_tensor(np.bincount(fans, minlength=vertex_count), device=faces.device)


def _listed(indices: Tensor) -> str:
    return "-".join(str(int(i)) for i in indices)


def _owners(group: Tensor, edge: int, face_count: int) -> str:
    owners = sorted(int(h) % face_count for h in (group == edge).nonzero()[:, 0])
    return ", ".join(map(str, owners))

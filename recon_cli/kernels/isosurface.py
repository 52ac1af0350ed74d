# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""The zero surface of a sparse volume: marching cubes over blocks, with every vertex once.

Blocks are counted first and written second, so that each block knows where its output begins and the mesh does not
depend on the number of cores. A vertex is named by the voxel and the axis of its edge; names ascend as written.
"""

from __future__ import annotations

import torch
import warp as wp
from torch import Tensor

from recon_cli.core.marching_cubes import marching_cubes_cases
from recon_cli.core.mesh import Mesh
from recon_cli.core.tsdf import TsdfVolume
from recon_cli.kernels.launch import launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


def extract_surface(volume: TsdfVolume) -> Mesh:
    """Triangles where the distance changes sign, in cells whose eight voxels are known.

    Returns:
        Float32 vertices [scene units] in world coordinates, faces counter-clockwise from the positive side; vertices
        are shared by all faces around them. Closed where no cell beside the surface is unknown.
    """
    grid, device = volume.grid, volume.distance.device
    neighbours = grid.neighbours()
    starts, rows = (part.to(device) for part in marching_cubes_cases())
    vertex_count = torch.zeros(len(grid), dtype=torch.int32, device=device)
    face_count = torch.zeros_like(vertex_count)
    arguments = (volume.distance, neighbours, starts)
    launch_bands(_count, len(grid), (*arguments, vertex_count, face_count), device=device)
    first_vertex, first_face = _before(vertex_count), _before(face_count)
    names = torch.empty(int(vertex_count.sum()), dtype=torch.int64, device=device)
    positions = torch.empty(len(names), 3, device=device)
    corners = torch.empty(int(face_count.sum()), 3, dtype=torch.int64, device=device)
    outputs = (first_vertex, first_face, names, positions, corners)
    launch_bands(_write, len(grid), (*arguments, rows, grid.blocks, *outputs), device=device)
    faces = torch.searchsorted(names, corners)
    used = torch.zeros(len(names), dtype=torch.bool, device=device)
    used[faces.flatten()] = True
    faces = (used.cumsum(0) - 1)[faces]
    vertices = positions[used].double() * grid.voxel + grid.origin.to(device)
    return Mesh(vertices.float(), faces)


def _before(counts: Tensor) -> Tensor:  # [B] -> [B] int64
    return counts.cumsum(0, dtype=torch.int64) - counts


@wp.func
def value_at(
    distance: wp.array2d(dtype=wp.float32), neighbours: wp.array2d(dtype=wp.int32), block: int, x: int, y: int, z: int
) -> wp.float32:
    """Distance at a voxel of a block or, at coordinate 8, of the next one; NaN where nothing is known."""
    holder = neighbours[block, (x / 8) + 2 * (y / 8) + 4 * (z / 8)]
    if holder < 0:
        return wp.nan
    return distance[holder, (x % 8) + 8 * (y % 8) + 64 * (z % 8)]


@wp.func
def crosses(a: wp.float32, b: wp.float32) -> wp.bool:
    """Whether a surface lies between two known values; a comparison with NaN is false."""
    return (a < 0.0 and b >= 0.0) or (a >= 0.0 and b < 0.0)


@wp.func
def case_of(distance: wp.array2d(dtype=wp.float32), neighbours: wp.array2d(dtype=wp.int32), block: int, x: int, y: int, z: int) -> int:
    """Bit c is set where corner c is inside; 0 where a corner is unknown."""
    case = wp.int32(0)
    for c in range(8):
        value = value_at(distance, neighbours, block, x + (c & 1), y + ((c >> 1) & 1), z + (c >> 2))
        if wp.isnan(value):
            return 0
        if value < 0.0:
            case += 1 << c
    return case


@wp.kernel
def _count(
    first: wp.int32,
    distance: wp.array2d(dtype=wp.float32),
    neighbours: wp.array2d(dtype=wp.int32),
    starts: wp.array(dtype=wp.int32),
    vertex_count: wp.array(dtype=wp.int32),
    face_count: wp.array(dtype=wp.int32),
):
    block = first + wp.tid()
    vertices = wp.int32(0)
    faces = wp.int32(0)
    for voxel in range(512):
        x = voxel % 8
        y = (voxel / 8) % 8
        z = voxel / 64
        here = distance[block, voxel]
        if not wp.isnan(here):
            if crosses(here, value_at(distance, neighbours, block, x + 1, y, z)):
                vertices += 1
            if crosses(here, value_at(distance, neighbours, block, x, y + 1, z)):
                vertices += 1
            if crosses(here, value_at(distance, neighbours, block, x, y, z + 1)):
                vertices += 1
            case = case_of(distance, neighbours, block, x, y, z)
            faces += starts[case + 1] - starts[case]
    vertex_count[block] = vertices
    face_count[block] = faces


@wp.func
def name_of(neighbours: wp.array2d(dtype=wp.int32), block: int, x: int, y: int, z: int, edge: int) -> wp.int64:
    """Name of the vertex on an edge of the cell at (x, y, z): three for each voxel, by the edge's lower corner."""
    axis = edge / 4
    low = edge % 4
    # The lower corner has 0 at the bit of the axis and the bits of `low` at the other two, in order.
    dx = wp.int32(0)
    dy = wp.int32(0)
    dz = wp.int32(0)
    if axis == 0:
        dy = low & 1
        dz = low >> 1
    elif axis == 1:
        dx = low & 1
        dz = low >> 1
    else:
        dx = low & 1
        dy = low >> 1
    holder = neighbours[block, ((x + dx) / 8) + 2 * ((y + dy) / 8) + 4 * ((z + dz) / 8)]
    voxel = ((x + dx) % 8) + 8 * ((y + dy) % 8) + 64 * ((z + dz) % 8)
    return (wp.int64(holder) * wp.int64(512) + wp.int64(voxel)) * wp.int64(3) + wp.int64(axis)


@wp.kernel
def _write(
    first: wp.int32,
    distance: wp.array2d(dtype=wp.float32),
    neighbours: wp.array2d(dtype=wp.int32),
    starts: wp.array(dtype=wp.int32),
    rows: wp.array2d(dtype=wp.int32),
    blocks: wp.array2d(dtype=wp.int32),
    first_vertex: wp.array(dtype=wp.int64),
    first_face: wp.array(dtype=wp.int64),
    names: wp.array(dtype=wp.int64),
    positions: wp.array2d(dtype=wp.float32),
    corners: wp.array2d(dtype=wp.int64),
):
    block = first + wp.tid()
    vertex = first_vertex[block]
    face = first_face[block]
    for voxel in range(512):
        x = voxel % 8
        y = (voxel / 8) % 8
        z = voxel / 64
        here = distance[block, voxel]
        if not wp.isnan(here):
            for axis in range(3):
                dx = wp.where(axis == 0, 1, 0)
                dy = wp.where(axis == 1, 1, 0)
                dz = wp.where(axis == 2, 1, 0)
                there = value_at(distance, neighbours, block, x + dx, y + dy, z + dz)
                if crosses(here, there):
                    # Off the voxels by a thousandth: vertices around one never coincide, and no face is without area.
                    share = wp.clamp(here / (here - there), 0.001, 0.999)
                    names[vertex] = (wp.int64(block) * wp.int64(512) + wp.int64(voxel)) * wp.int64(3) + wp.int64(axis)
                    positions[vertex, 0] = wp.float32(8 * blocks[block, 0] + x) + share * wp.float32(dx)
                    positions[vertex, 1] = wp.float32(8 * blocks[block, 1] + y) + share * wp.float32(dy)
                    positions[vertex, 2] = wp.float32(8 * blocks[block, 2] + z) + share * wp.float32(dz)
                    vertex += wp.int64(1)
            case = case_of(distance, neighbours, block, x, y, z)
            for row in range(starts[case], starts[case + 1]):
                for k in range(3):
                    corners[face, k] = name_of(neighbours, block, x, y, z, rows[row, k])
                face += wp.int64(1)

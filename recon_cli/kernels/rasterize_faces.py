# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Warp kernels of the rasteriser.

A thread owns a block of pixels, a block lies in a bin, and a bin lists the faces whose bounds meet it, in their order.
On a CPU a block is a whole bin (a strip of rows), so that a face's setup serves many pixels; on CUDA it is one pixel
of a 16 x 16 bin. The arithmetic of a pixel is the same, hence so is the picture.

All geometry is computed in float64: for float32 vertices the edge functions are exact but for one rounding.
"""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


@wp.struct
class Edge:
    """One edge function E(p) = sign * (direction x (p - origin)), positive on the side of the face."""

    origin: wp.vec2d
    direction: wp.vec2d
    sign: wp.float64


@wp.struct
class Triangle:
    """A face on the image plane; edge i lies opposite corner i."""

    edges: wp.mat33d  # rows: origin x, origin y, sign of edge i
    directions: wp.mat33d  # rows: direction x, direction y, 1 if a point on edge i belongs to the face
    corners: wp.mat33d  # rows: u [px], v [px], z of corner i
    weight: wp.vec3d  # 1 / (z_i * twice the area)


@wp.struct
class Grid:
    """Size of the image, its blocks and its bins [px]."""

    width: wp.int32
    height: wp.int32
    block_width: wp.int32
    block_height: wp.int32
    bin_width: wp.int32
    bin_height: wp.int32


@wp.func
def corner(points: wp.array2d(dtype=wp.float64), faces: wp.array2d(dtype=wp.int32), face: int, index: int) -> wp.vec3d:
    vertex = faces[face, index]
    return wp.vec3d(points[vertex, 0], points[vertex, 1], points[vertex, 2])


@wp.func
def doubled_area(a: wp.vec3d, b: wp.vec3d, c: wp.vec3d) -> wp.float64:
    """Twice the signed area [px²]; negative where the corners run counter-clockwise on screen, since v points down."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@wp.func
def make_edge(a: wp.vec3d, b: wp.vec3d, orientation: wp.float64) -> Edge:
    """The edge from a to b, always evaluated from its lexicographically smaller end.

    Both faces of an edge thus compute the same number up to its sign. A point exactly on the edge belongs to the
    positive side of that direction, as if every pixel were moved by (-epsilon², epsilon): one face of a fan owns it.
    """
    edge = Edge()
    if a[0] < b[0] or (a[0] == b[0] and a[1] < b[1]):
        edge.origin = wp.vec2d(a[0], a[1])
        edge.direction = wp.vec2d(b[0] - a[0], b[1] - a[1])
        edge.sign = orientation
    else:
        edge.origin = wp.vec2d(b[0], b[1])
        edge.direction = wp.vec2d(a[0] - b[0], a[1] - b[1])
        edge.sign = -orientation
    return edge


@wp.func
def make_triangle(points: wp.array2d(dtype=wp.float64), faces: wp.array2d(dtype=wp.int32), face: int) -> Triangle:
    triangle = Triangle()
    a = corner(points, faces, face, 0)
    b = corner(points, faces, face, 1)
    c = corner(points, faces, face, 2)
    area = doubled_area(a, b, c)
    orientation = wp.sign(area)
    first = make_edge(b, c, orientation)
    second = make_edge(c, a, orientation)
    third = make_edge(a, b, orientation)
    triangle.edges = wp.matrix_from_rows(
        wp.vec3d(first.origin[0], first.origin[1], first.sign),
        wp.vec3d(second.origin[0], second.origin[1], second.sign),
        wp.vec3d(third.origin[0], third.origin[1], third.sign),
    )
    triangle.directions = wp.matrix_from_rows(
        wp.vec3d(first.direction[0], first.direction[1], wp.max(first.sign, wp.float64(0.0))),
        wp.vec3d(second.direction[0], second.direction[1], wp.max(second.sign, wp.float64(0.0))),
        wp.vec3d(third.direction[0], third.direction[1], wp.max(third.sign, wp.float64(0.0))),
    )
    triangle.corners = wp.matrix_from_rows(a, b, c)
    scale = wp.float64(1.0) / wp.abs(area)
    triangle.weight = wp.vec3d(scale / a[2], scale / b[2], scale / c[2])
    return triangle


@wp.func
def edge_value(triangle: Triangle, i: int, x: wp.float64, y: wp.float64) -> wp.float64:
    # The two products do not depend on which face asks, so neither does their difference.
    along = triangle.directions[i, 0] * (y - triangle.edges[i, 1])
    across = triangle.directions[i, 1] * (x - triangle.edges[i, 0])
    return triangle.edges[i, 2] * (along - across)


@wp.func
def edge_values(triangle: Triangle, x: wp.float64, y: wp.float64) -> wp.vec3d:
    return wp.vec3d(edge_value(triangle, 0, x, y), edge_value(triangle, 1, x, y), edge_value(triangle, 2, x, y))


@wp.func
def is_inside(triangle: Triangle, e: wp.vec3d) -> bool:
    zero = wp.float64(0.0)
    if e[0] < zero or e[1] < zero or e[2] < zero:
        return False
    if e[0] > zero and e[1] > zero and e[2] > zero:
        return True
    on_first = e[0] > zero or triangle.directions[0, 2] > zero
    on_second = e[1] > zero or triangle.directions[1, 2] > zero
    on_third = e[2] > zero or triangle.directions[2, 2] > zero
    return on_first and on_second and on_third


@wp.func
def squared_distance_to_segment(a: wp.vec3d, b: wp.vec3d, x: wp.float64, y: wp.float64) -> wp.float64:
    direction = wp.vec2d(b[0] - a[0], b[1] - a[1])
    offset = wp.vec2d(x - a[0], y - a[1])
    along = wp.dot(offset, direction) / wp.max(wp.dot(direction, direction), wp.float64(1.0e-30))
    gap = offset - wp.clamp(along, wp.float64(0.0), wp.float64(1.0)) * direction
    return wp.dot(gap, gap)


@wp.func
def squared_distance(triangle: Triangle, x: wp.float64, y: wp.float64) -> wp.float64:
    """From a pixel to the outline of a face [px²]."""
    opposite_a = squared_distance_to_segment(triangle.corners[1], triangle.corners[2], x, y)
    opposite_b = squared_distance_to_segment(triangle.corners[2], triangle.corners[0], x, y)
    return wp.min(wp.min(opposite_a, opposite_b), squared_distance_to_segment(triangle.corners[0], triangle.corners[1], x, y))


@wp.func
def perspective_weights(triangle: Triangle, e: wp.vec3d) -> wp.vec3d:
    """Barycentric coordinates over depth, those of a pixel beside the face clipped to it: their sum is 1 / z."""
    return wp.cw_mul(wp.max(e, wp.vec3d()), triangle.weight)


@wp.func
def depth_of(triangle: Triangle, q: wp.vec3d) -> wp.float64:
    """z at the point whose weights are q; equals 1 / sum(q) inside the face."""
    z = wp.vec3d(triangle.corners[0, 2], triangle.corners[1, 2], triangle.corners[2, 2])
    return wp.dot(q, z) / (q[0] + q[1] + q[2])


@wp.func
def span(triangle: Triangle, y: wp.float64, first: int, last: int) -> wp.vec2i:
    """First and last column of a row that can lie inside, a column too many on either side."""
    low = wp.float64(first)
    high = wp.float64(last)
    for i in range(3):
        slope = -triangle.edges[i, 2] * triangle.directions[i, 1]
        height = triangle.edges[i, 2] * triangle.directions[i, 0] * (y - triangle.edges[i, 1])
        if slope > wp.float64(0.0):
            low = wp.max(low, triangle.edges[i, 0] - height / slope - wp.float64(1.5))
        elif slope < wp.float64(0.0):
            high = wp.min(high, triangle.edges[i, 0] - height / slope + wp.float64(0.5))
        elif height < wp.float64(0.0):
            high = low - wp.float64(2.0)
    return wp.vec2i(int(wp.ceil(low)), int(wp.floor(high)))


@wp.func
def insert(
    face_image: wp.array2d(dtype=wp.int32),
    depth_image: wp.array2d(dtype=wp.float32),
    pixel: int,
    face: int,
    depth: wp.float32,
):
    """Put a face among the nearest ones of a pixel, ordered by depth, then by index."""
    slot = face_image.shape[1] - 1
    held = face_image[pixel, slot]
    if held >= 0 and (depth_image[pixel, slot] < depth or (depth_image[pixel, slot] == depth and held < face)):
        return
    while slot > 0:
        previous = face_image[pixel, slot - 1]
        nearer = depth_image[pixel, slot - 1]
        if previous >= 0 and (nearer < depth or (nearer == depth and previous < face)):
            break
        face_image[pixel, slot] = previous
        depth_image[pixel, slot] = nearer
        slot = slot - 1
    face_image[pixel, slot] = face
    depth_image[pixel, slot] = depth


@wp.func
def pixel_range(low: wp.float64, high: wp.float64, count: int) -> wp.vec2i:
    """First and last pixel whose centre lies in [low, high], cut to the image."""
    bound = wp.float64(count)
    first = wp.ceil(wp.clamp(low - wp.float64(0.5), wp.float64(0.0), bound))
    last = wp.floor(wp.clamp(high - wp.float64(0.5), wp.float64(-1.0), bound - wp.float64(1.0)))
    return wp.vec2i(int(first), int(last))


@wp.kernel
def find_bounds(
    first: wp.int32,
    points: wp.array2d(dtype=wp.float64),
    faces: wp.array2d(dtype=wp.int32),
    width: wp.int32,
    height: wp.int32,
    near: wp.float64,
    blur_radius: wp.float64,
    is_culling: wp.bool,
    bounds: wp.array2d(dtype=wp.int32),
):
    """Columns and rows of the pixels that each face may cover; none for a face that is not drawn."""
    face = first + wp.tid()
    a = corner(points, faces, face, 0)
    b = corner(points, faces, face, 1)
    c = corner(points, faces, face, 2)
    columns = pixel_range(wp.min(wp.min(a[0], b[0]), c[0]) - blur_radius, wp.max(wp.max(a[0], b[0]), c[0]) + blur_radius, width)
    rows = pixel_range(wp.min(wp.min(a[1], b[1]), c[1]) - blur_radius, wp.max(wp.max(a[1], b[1]), c[1]) + blur_radius, height)
    area = doubled_area(a, b, c)
    is_finite = wp.isfinite(area) and wp.isfinite(a[2] + b[2] + c[2])
    is_drawn = is_finite and area != wp.float64(0.0) and a[2] > near and b[2] > near and c[2] > near
    if is_culling and area > wp.float64(0.0):
        is_drawn = False
    if not is_drawn:
        columns = wp.vec2i(0, -1)
        rows = wp.vec2i(0, -1)
    bounds[face, 0] = columns[0]
    bounds[face, 1] = columns[1]
    bounds[face, 2] = rows[0]
    bounds[face, 3] = rows[1]


@wp.func
def meets_bin(bounds: wp.array2d(dtype=wp.int32), face: int, grid: Grid, column: int, row: int) -> bool:
    if bounds[face, 2] >= row + grid.bin_height or bounds[face, 3] < row:
        return False
    return bounds[face, 0] < column + grid.bin_width and bounds[face, 1] >= column and bounds[face, 0] <= bounds[face, 1]


@wp.func
def bin_origin(index: int, grid: Grid) -> wp.vec2i:
    columns = (grid.width + grid.bin_width - 1) / grid.bin_width
    return wp.vec2i((index % columns) * grid.bin_width, (index / columns) * grid.bin_height)


@wp.kernel
def count_bin_faces(first: wp.int32, bounds: wp.array2d(dtype=wp.int32), grid: Grid, counts: wp.array(dtype=wp.int32)):
    index = first + wp.tid()
    origin = bin_origin(index, grid)
    count = wp.int32(0)
    for face in range(bounds.shape[0]):
        if meets_bin(bounds, face, grid, origin[0], origin[1]):
            count += 1
    counts[index] = count


@wp.kernel
def fill_bin_faces(
    first: wp.int32,
    bounds: wp.array2d(dtype=wp.int32),
    grid: Grid,
    starts: wp.array(dtype=wp.int64),
    bin_faces: wp.array(dtype=wp.int32),
):
    index = first + wp.tid()
    origin = bin_origin(index, grid)
    slot = starts[index]
    for face in range(bounds.shape[0]):
        if meets_bin(bounds, face, grid, origin[0], origin[1]):
            bin_faces[slot] = face
            slot += wp.int64(1)


@wp.func
def draw_row(
    triangle: Triangle,
    face: int,
    columns: wp.vec2i,
    row: int,
    width: int,
    blur_radius: wp.float64,
    face_image: wp.array2d(dtype=wp.int32),
    depth_image: wp.array2d(dtype=wp.float32),
):
    y = wp.float64(row) + wp.float64(0.5)
    for column in range(columns[0], columns[1] + 1):
        x = wp.float64(column) + wp.float64(0.5)
        e = edge_values(triangle, x, y)
        is_hit = is_inside(triangle, e)
        if not is_hit and blur_radius > wp.float64(0.0):
            is_hit = squared_distance(triangle, x, y) < blur_radius * blur_radius
        if is_hit:
            depth = wp.float32(depth_of(triangle, perspective_weights(triangle, e)))
            insert(face_image, depth_image, row * width + column, face, depth)


@wp.kernel
def draw_blocks(
    first: wp.int32,
    points: wp.array2d(dtype=wp.float64),
    faces: wp.array2d(dtype=wp.int32),
    bounds: wp.array2d(dtype=wp.int32),
    starts: wp.array(dtype=wp.int64),
    bin_faces: wp.array(dtype=wp.int32),
    grid: Grid,
    blur_radius: wp.float64,
    face_image: wp.array2d(dtype=wp.int32),
    depth_image: wp.array2d(dtype=wp.float32),
):
    index = first + wp.tid()
    blocks_wide = (grid.width + grid.block_width - 1) / grid.block_width
    left = (index % blocks_wide) * grid.block_width
    top = (index / blocks_wide) * grid.block_height
    right = wp.min(left + grid.block_width, grid.width) - 1
    bottom = wp.min(top + grid.block_height, grid.height) - 1
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            for slot in range(face_image.shape[1]):
                face_image[row * grid.width + column, slot] = -1
                depth_image[row * grid.width + column, slot] = wp.float32(0.0)
    bins_wide = (grid.width + grid.bin_width - 1) / grid.bin_width
    bin_index = (top / grid.bin_height) * bins_wide + left / grid.bin_width
    for entry in range(int(starts[bin_index]), int(starts[bin_index + 1])):
        face = bin_faces[entry]
        columns = wp.vec2i(wp.max(bounds[face, 0], left), wp.min(bounds[face, 1], right))
        low = wp.max(bounds[face, 2], top)
        high = wp.min(bounds[face, 3], bottom)
        if columns[0] <= columns[1] and low <= high:
            triangle = make_triangle(points, faces, face)
            for row in range(low, high + 1):
                reach = columns
                if blur_radius <= wp.float64(0.0):
                    reach = span(triangle, wp.float64(row) + wp.float64(0.5), columns[0], columns[1])
                draw_row(triangle, face, reach, row, grid.width, blur_radius, face_image, depth_image)


@wp.func
def weigh_run(
    triangle: Triangle,
    column: int,
    row: int,
    width: int,
    slot: int,
    face_image: wp.array2d(dtype=wp.int32),
    barycentric: wp.array2d(dtype=wp.vec3f),
) -> int:
    """Weights of the pixels to the right that see the same face; returns the column after the last of them."""
    y = wp.float64(row) + wp.float64(0.5)
    face = face_image[row * width + column, slot]
    end = column
    while end < width and face_image[row * width + end, slot] == face:
        q = perspective_weights(triangle, edge_values(triangle, wp.float64(end) + wp.float64(0.5), y))
        scale = wp.float64(1.0) / (q[0] + q[1] + q[2])
        weights = wp.vec3f(wp.float32(q[0] * scale), wp.float32(q[1] * scale), wp.float32(q[2] * scale))
        barycentric[row * width + end, slot] = weights
        end += 1
    return end


@wp.kernel
def find_barycentrics(
    first: wp.int32,
    points: wp.array2d(dtype=wp.float64),
    faces: wp.array2d(dtype=wp.int32),
    width: wp.int32,
    face_image: wp.array2d(dtype=wp.int32),
    barycentric: wp.array2d(dtype=wp.vec3f),
):
    """Perspective-correct barycentric coordinates of one row of pixels."""
    row = first + wp.tid()
    for slot in range(face_image.shape[1]):
        column = wp.int32(0)
        while column < width:
            face = face_image[row * width + column, slot]
            if face < 0:
                barycentric[row * width + column, slot] = wp.vec3f()
                column += 1
            else:
                column = weigh_run(make_triangle(points, faces, face), column, row, width, slot, face_image, barycentric)

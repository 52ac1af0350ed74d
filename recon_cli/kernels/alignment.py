# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Gauss-Newton blocks of an image alignment on a triangle mesh.

Fixed samples on every face are projected, the frame's features are read there and compared with the samples' own; nothing is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import as_vectors, launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


@wp.struct
class Projection:
    """Rows of a 3x4 matrix that takes world points to texel coordinates (texel centres at integers) times depth."""

    u: wp.vec4
    v: wp.vec4
    w: wp.vec4


@wp.func
def _texel(image: wp.array2d(dtype=wp.vec3), row: int, column: int, a: float, b: float) -> wp.vec3:
    top = image[row, column] * (1.0 - a) + image[row, column + 1] * a
    bottom = image[row + 1, column] * (1.0 - a) + image[row + 1, column + 1] * a
    return top * (1.0 - b) + bottom * b


@wp.func
def _axes(row: wp.vec4) -> wp.vec3:
    return wp.vec3(row[0], row[1], row[2])


@wp.kernel
def _alignment_blocks(
    first_face: int,
    positions: wp.array(dtype=wp.vec3),  # [V]
    faces: wp.array2d(dtype=wp.int32),  # [F, 3]
    areas: wp.array(dtype=float),  # [F]
    barycentric: wp.array(dtype=wp.vec3),  # [S]
    expected: wp.array2d(dtype=wp.vec3),  # [F, S]
    confidence: wp.array2d(dtype=float),  # [F, S]
    image: wp.array2d(dtype=wp.vec3),  # [H, W]
    valid: wp.array2d(dtype=float),  # [H, W]
    projection: Projection,
    weight: float,
    inverse_scale: float,
    blocks: wp.array2d(dtype=wp.mat33),  # [F, 6]
    slopes: wp.array2d(dtype=wp.vec3),  # [F, 3]
    sums: wp.array(dtype=wp.vec3),  # [F]: energy, squared residual times area, area
):
    face = first_face + wp.tid()
    x0 = positions[faces[face, 0]]
    x1 = positions[faces[face, 1]]
    x2 = positions[faces[face, 2]]
    height = image.shape[0]
    width = image.shape[1]
    samples = barycentric.shape[0]
    share = areas[face] / float(samples)
    h00 = wp.mat33(0.0)
    h01 = wp.mat33(0.0)
    h02 = wp.mat33(0.0)
    h11 = wp.mat33(0.0)
    h12 = wp.mat33(0.0)
    h22 = wp.mat33(0.0)
    g0 = wp.vec3(0.0)
    g1 = wp.vec3(0.0)
    g2 = wp.vec3(0.0)
    total = wp.vec3(0.0)
    for s in range(samples):
        trust = confidence[face, s]
        if trust > 0.0:
            b = barycentric[s]
            x = x0 * b[0] + x1 * b[1] + x2 * b[2]
            h = wp.vec4(x[0], x[1], x[2], 1.0)
            depth = wp.dot(projection.w, h)
            if depth > 1.0e-6:
                u = wp.dot(projection.u, h) / depth
                v = wp.dot(projection.v, h) / depth
                if u >= 1.0 and v >= 1.0 and u < float(width - 2) and v < float(height - 2):
                    column = int(wp.floor(u))
                    row = int(wp.floor(v))
                    a = u - float(column)
                    c = v - float(row)
                    seen = (valid[row, column] * (1.0 - a) + valid[row, column + 1] * a) * (1.0 - c) + (
                        valid[row + 1, column] * (1.0 - a) + valid[row + 1, column + 1] * a
                    ) * c
                    residual = _texel(image, row, column, a, c) - expected[face, s]
                    slope_u = (_texel(image, row, column + 1, a, c) - _texel(image, row, column - 1, a, c)) * 0.5
                    slope_v = (_texel(image, row + 1, column, a, c) - _texel(image, row - 1, column, a, c)) * 0.5
                    squared = wp.dot(residual, residual)
                    # Geman-McClure: rho = r² / (1 + r²/c²), its weight is (1 + r²/c²)^-2.
                    soft = 1.0 / (1.0 + squared * inverse_scale)
                    part = seen * trust * share
                    k = weight * part * soft * soft
                    total += wp.vec3(0.5 * weight * part * squared * soft, part * squared, part)
                    pu = _axes(projection.u - projection.w * u)
                    pv = _axes(projection.v - projection.w * v)
                    pu = pu / depth
                    pv = pv / depth
                    cross = wp.outer(pu, pv)
                    hessian = (
                        wp.outer(pu, pu) * wp.dot(slope_u, slope_u)
                        + (cross + wp.transpose(cross)) * wp.dot(slope_u, slope_v)
                        + wp.outer(pv, pv) * wp.dot(slope_v, slope_v)
                    ) * k
                    slope = (pu * wp.dot(residual, slope_u) + pv * wp.dot(residual, slope_v)) * k
                    h00 += hessian * (b[0] * b[0])
                    h01 += hessian * (b[0] * b[1])
                    h02 += hessian * (b[0] * b[2])
                    h11 += hessian * (b[1] * b[1])
                    h12 += hessian * (b[1] * b[2])
                    h22 += hessian * (b[2] * b[2])
                    g0 += slope * b[0]
                    g1 += slope * b[1]
                    g2 += slope * b[2]
    blocks[face, 0] = h00
    blocks[face, 1] = h01
    blocks[face, 2] = h02
    blocks[face, 3] = h11
    blocks[face, 4] = h12
    blocks[face, 5] = h22
    slopes[face, 0] = g0
    slopes[face, 1] = g1
    slopes[face, 2] = g2
    sums[face] = total


@dataclass(frozen=True)
class AlignmentBlocks:
    """Gauss-Newton system of the image energy, by face, in float32.

    Attributes:
        hessians: blocks of the vertex pairs 00, 01, 02, 11, 12, 22, shape [F, 6, 3, 3].
        gradients: shape [F, 3, 3].
        sums: energy, squared residual times area, and area that was seen, shape [F, 3].
    """

    hessians: Tensor  # [F, 6, 3, 3]
    gradients: Tensor  # [F, 3, 3]
    sums: Tensor  # [F, 3]


@dataclass(frozen=True)
class FaceSamples:
    """Samples at the same barycentric places of every face, and what they should look like.

    Attributes:
        faces: shape [F, 3], int32.
        areas: face areas at rest [m²], shape [F].
        barycentric: shape [S, 3].
        expected: feature of every sample, shape [F, S, 3].
        confidence: weight of every sample, 0 where the reference frame does not show it, shape [F, S].
    """

    faces: Tensor  # [F, 3]
    areas: Tensor  # [F]
    barycentric: Tensor  # [S, 3]
    expected: Tensor  # [F, S, 3]
    confidence: Tensor  # [F, S]


def alignment_blocks(
    positions: Tensor,  # [V, 3]
    samples: FaceSamples,
    image: Tensor,  # [H, W, 3]
    valid: Tensor,  # [H, W]
    *,
    texel_from_world: Tensor,  # [3, 4]
    weight: float,
    robust_scale: float,
) -> AlignmentBlocks:
    """Linearise ``weight / 2 * area * rho(|image(project(x)) - expected|)`` about ``positions``.

    The robust function is Geman and McClure's with scale ``robust_scale`` [feature units]. Everything is float32 on one device;
    ``texel_from_world`` maps to texel coordinates whose centres are integers. A sample counts by the bilinear value of ``valid`` where
    it falls.
    """
    device = positions.device
    count = samples.faces.shape[0]
    blocks = AlignmentBlocks(
        torch.empty(count, 6, 3, 3, device=device), torch.empty(count, 3, 3, device=device), torch.empty(count, 3, device=device)
    )
    projection = Projection()
    projection.u, projection.v, projection.w = (wp.vec4(*row) for row in texel_from_world.tolist())
    arguments = (
        as_vectors(positions.contiguous()),
        samples.faces,
        samples.areas,
        as_vectors(samples.barycentric),
        as_vectors(samples.expected),
        samples.confidence,
        as_vectors(image),
        valid,
        projection,
        weight,
        1.0 / robust_scale**2,
        wp.from_torch(blocks.hessians, dtype=wp.mat33),
        as_vectors(blocks.gradients),
        as_vectors(blocks.sums),
    )
    launch_bands(_alignment_blocks, count, arguments, device=device)
    return blocks

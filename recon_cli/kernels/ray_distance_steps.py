# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Warp kernels of signed ray distances (Zins et al. 2022, Eq. 1 to 3): the energy of samples on rays, its gradient, its ascent.

A sample X lies at depth z on the ray of a pixel of one map, the reference. The paper measures along rays; maps hold z, so a
difference of z is multiplied by the length of the ray at unit depth.
"""

from __future__ import annotations

import warp as wp

from recon_cli.kernels.launch import start_warp

start_warp()
wp.set_module_options({"enable_backward": False})


@wp.struct
class Maps:
    """Depth maps of a group, row by row, one after the other, and how the reference's pixels fall on the others."""

    depths: wp.array(dtype=wp.float32)  # z; 0 where nothing is known
    offsets: wp.array(dtype=wp.int64)  # [J]
    sizes: wp.array2d(dtype=wp.int32)  # [J, 2] width, height
    rotations: wp.array(dtype=wp.mat33f)  # [J] M: pixel p at depth z falls on z M p + q, whose last entry is the depth there
    translations: wp.array(dtype=wp.vec3f)  # [J] q
    rays: wp.array(dtype=wp.mat33f)  # [J] inverse of K
    reference_ray: wp.mat33f  # inverse of the reference's K
    reference_width: wp.int32


@wp.struct
class Kernel:
    """Eq. 3."""

    variance: wp.float32  # sigma_d, for an offset of 1
    occlusion: wp.float32  # Gamma
    edge: wp.float32  # relative spread of four neighbouring depths above which they are not mixed


@wp.struct
class Reading:
    """A depth read from a map between its pixels."""

    corner: wp.int64  # index of the upper left pixel of the four, -1 if nothing is known there, -2 outside the picture
    width: wp.int32
    weights: wp.vec4f  # upper left, upper right, lower left, lower right
    depth: wp.float32
    z: wp.float32  # of the sample, in this camera
    ray: wp.float32  # length of its ray at unit depth


@wp.func
def ray_length(inverse: wp.mat33f, x: wp.float32, y: wp.float32) -> wp.float32:
    return wp.length(inverse * wp.vec3f(x, y, 1.0))


@wp.func
def read_depth(maps: Maps, index: wp.int32, x: wp.float32, y: wp.float32, edge: wp.float32) -> Reading:
    """Bilinear where all four pixels are known and lie on one surface, else the nearest of them."""
    reading = Reading()
    width = maps.sizes[index, 0]
    height = maps.sizes[index, 1]
    reading.width = width
    reading.corner = wp.int64(-2)
    if x <= 0.0 or y <= 0.0 or x >= wp.float32(width) or y >= wp.float32(height) or width < 2 or height < 2:
        return reading
    u = wp.clamp(x - 0.5, 0.0, wp.float32(width) - 1.001)
    v = wp.clamp(y - 0.5, 0.0, wp.float32(height) - 1.001)
    column = wp.int32(u)
    row = wp.int32(v)
    right = u - wp.float32(column)
    below = v - wp.float32(row)
    at = maps.offsets[index] + wp.int64(row * width + column)
    under = at + wp.int64(width)
    d = wp.vec4f(maps.depths[at], maps.depths[at + wp.int64(1)], maps.depths[under], maps.depths[under + wp.int64(1)])
    low = wp.min(wp.min(d[0], d[1]), wp.min(d[2], d[3]))
    high = wp.max(wp.max(d[0], d[1]), wp.max(d[2], d[3]))
    if low > 0.0 and high - low < edge * low:
        reading.weights = wp.vec4f((1.0 - right) * (1.0 - below), right * (1.0 - below), (1.0 - right) * below, right * below)
    else:
        nearest = wp.int32(right >= 0.5) + 2 * wp.int32(below >= 0.5)
        reading.weights[nearest] = 1.0
    reading.depth = wp.dot(reading.weights, d)
    reading.corner = wp.int64(-1)
    if reading.depth > 0.0:
        reading.corner = at
    return reading


@wp.func
def read_sample(maps: Maps, index: wp.int32, x: wp.float32, y: wp.float32, z: wp.float32, edge: wp.float32) -> Reading:
    """What map ``index`` says where a sample of the reference falls on it."""
    h = z * (maps.rotations[index] * wp.vec3f(x, y, 1.0)) + maps.translations[index]
    reading = Reading()
    reading.corner = wp.int64(-2)
    if h[2] > 1.0e-9:
        reading = read_depth(maps, index, h[0] / h[2], h[1] / h[2], edge)
        reading.z = h[2]
        reading.ray = ray_length(maps.rays[index], h[0] / h[2], h[1] / h[2])
    return reading


@wp.func
def signed_ray_distance(reading: Reading) -> wp.float32:
    """Eq. 1: positive in front of the surface."""
    return (reading.depth - reading.z) * reading.ray


@wp.func
def factor(reading: Reading, kernel: Kernel, variance: wp.float32) -> wp.float32:
    """One factor of Eq. 3; 1 outside the picture, Gamma where the map knows of no surface."""
    if reading.corner == wp.int64(-2):
        return 1.0
    if reading.corner < wp.int64(0):
        return kernel.occlusion
    distance = signed_ray_distance(reading)
    return wp.exp(-distance * distance / variance) + kernel.occlusion


@wp.kernel
def measure_energy(
    first: wp.int32,
    maps: Maps,
    kernel: Kernel,
    pixels: wp.array(dtype=wp.int32),
    own: wp.array(dtype=wp.float32),
    offsets: wp.array(dtype=wp.float32),
    samples: wp.array2d(dtype=wp.float32),
    scores: wp.array2d(dtype=wp.float32),
    energy: wp.array(dtype=wp.float32),
    own_gradient: wp.array(dtype=wp.float32),
    gradients: wp.array3d(dtype=wp.float32),
    corners: wp.array3d(dtype=wp.int64),
):
    """Energy of a pixel's samples (Eq. 2), its derivative by the pixel's depth, and by the depth read in each other map.

    ``gradients`` and ``corners`` are [P, S, J * 4]; where they have no rows, only energy and its own derivative are computed.
    """
    index = first + wp.tid()
    pixel = pixels[index]
    x = wp.float32(pixel % maps.reference_width) + 0.5
    y = wp.float32(pixel // maps.reference_width) + 0.5
    ray = ray_length(maps.reference_ray, x, y)
    variance = kernel.variance * offsets[index] * offsets[index]
    count = maps.offsets.shape[0]
    total = wp.float32(0.0)
    slope = wp.float32(0.0)
    for sample in range(samples.shape[1]):
        z = samples[index, sample]
        distance = (own[index] - z) * ray
        bell = wp.exp(-distance * distance / variance)
        others = scores[index, sample]
        for j in range(count):
            others = others * factor(read_sample(maps, j, x, y, z, kernel.edge), kernel, variance)
        total += others * (bell + kernel.occlusion)
        slope += others * bell * (-2.0 * distance * ray / variance)
        if gradients.shape[0] > 0:
            for j in range(count):
                reading = read_sample(maps, j, x, y, z, kernel.edge)
                value = wp.float32(0.0)
                if reading.corner >= wp.int64(0):
                    there = signed_ray_distance(reading)
                    part = wp.exp(-there * there / variance)
                    # The product without this factor; Gamma keeps it away from 0.
                    rest = others * (bell + kernel.occlusion) / (part + kernel.occlusion)
                    value = rest * part * (-2.0 * there * reading.ray / variance)
                corner = wp.max(reading.corner, wp.int64(0))
                width = wp.int64(wp.max(reading.width, 0))
                base = 4 * j
                gradients[index, sample, base] = value * reading.weights[0]
                gradients[index, sample, base + 1] = value * reading.weights[1]
                gradients[index, sample, base + 2] = value * reading.weights[2]
                gradients[index, sample, base + 3] = value * reading.weights[3]
                is_known = wp.int64(wp.where(reading.corner >= wp.int64(0), 1, 0))
                corners[index, sample, base] = corner
                corners[index, sample, base + 1] = corner + is_known
                corners[index, sample, base + 2] = corner + is_known * width
                corners[index, sample, base + 3] = corner + is_known * (width + wp.int64(1))
    energy[index] = total
    own_gradient[index] = slope


@wp.kernel
def ascend(
    first: wp.int32,
    maps: Maps,
    kernel: Kernel,
    pixels: wp.array(dtype=wp.int32),
    own: wp.array(dtype=wp.float32),
    offsets: wp.array(dtype=wp.float32),
    samples: wp.array2d(dtype=wp.float32),
    scores: wp.array2d(dtype=wp.float32),
    steps: wp.int32,
    risen: wp.array(dtype=wp.float32),
    weights: wp.array2d(dtype=wp.float32),
):
    """The depth that maximises a pixel's energy while the other maps are held: a sum of bells about the samples, climbed by mean shift.

    ``weights`` [P, S] is room for the product of the photometric score and the other maps' factors at each sample.
    """
    index = first + wp.tid()
    pixel = pixels[index]
    x = wp.float32(pixel % maps.reference_width) + 0.5
    y = wp.float32(pixel // maps.reference_width) + 0.5
    ray = ray_length(maps.reference_ray, x, y)
    variance = kernel.variance * offsets[index] * offsets[index]
    count = maps.offsets.shape[0]
    for sample in range(samples.shape[1]):
        z = samples[index, sample]
        weight = scores[index, sample]
        for j in range(count):
            weight = weight * factor(read_sample(maps, j, x, y, z, kernel.edge), kernel, variance)
        weights[index, sample] = weight
    depth = own[index]
    for _step in range(steps):
        total = wp.float32(0.0)
        mean = wp.float32(0.0)
        for sample in range(samples.shape[1]):
            distance = (depth - samples[index, sample]) * ray
            weight = weights[index, sample] * wp.exp(-distance * distance / variance)
            total += weight
            mean += weight * (samples[index, sample] - own[index])
        if total > 0.0:
            depth = own[index] + mean / total
    risen[index] = depth

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
class Track:
    """How the ray of one of the reference's pixels runs through another camera."""

    start: wp.vec3f  # the point at depth z falls on start + z step, whose last entry is its depth there
    step: wp.vec3f
    reach: wp.vec3f  # its squared distance from that camera's centre: coefficients of 1, z and z²
    offset: wp.int32  # of that camera's map
    width: wp.int32
    height: wp.int32


@wp.struct
class Reading:
    """A depth read from a map between its pixels."""

    corner: wp.int32  # index of the upper left pixel of the four, -1 if nothing is known there, -2 outside the picture
    right: wp.float32  # weight of the right column
    below: wp.float32  # weight of the lower row
    difference: wp.float32  # of that depth and the sample's
    stretch: wp.float32  # squared length of the sample's ray at unit depth


@wp.func
def track_ray(maps: Maps, index: wp.int32, pixel: wp.vec3f) -> Track:
    """The ray of a pixel in map ``index``; all that its samples have in common there."""
    track = Track()
    track.start = maps.translations[index]
    track.step = maps.rotations[index] * pixel
    centre = maps.rays[index] * track.start
    direction = maps.rays[index] * track.step
    track.reach = wp.vec3f(wp.dot(centre, centre), 2.0 * wp.dot(centre, direction), wp.dot(direction, direction))
    track.offset = wp.int32(maps.offsets[index])
    track.width = maps.sizes[index, 0]
    track.height = maps.sizes[index, 1]
    return track


@wp.func
def read_sample(depths: wp.array(dtype=wp.float32), track: Track, z: wp.float32, edge: wp.float32) -> Reading:
    """What a map says where a sample falls on it: bilinear where all four pixels lie on one surface, else the nearest of them."""
    reading = Reading()
    reading.corner = -2
    there = track.start[2] + z * track.step[2]
    if there <= 1.0e-9 or track.width < 2 or track.height < 2:
        return reading
    inverse = 1.0 / there
    x = (track.start[0] + z * track.step[0]) * inverse
    y = (track.start[1] + z * track.step[1]) * inverse
    if x <= 0.0 or y <= 0.0 or x >= wp.float32(track.width) or y >= wp.float32(track.height):
        return reading
    u = wp.clamp(x - 0.5, 0.0, wp.float32(track.width) - 1.001)
    v = wp.clamp(y - 0.5, 0.0, wp.float32(track.height) - 1.001)
    column = wp.int32(u)
    row = wp.int32(v)
    right = u - wp.float32(column)
    below = v - wp.float32(row)
    corner = track.offset + row * track.width + column
    under = corner + track.width
    a = depths[corner]
    b = depths[corner + 1]
    c = depths[under]
    d = depths[under + 1]
    low = wp.min(wp.min(a, b), wp.min(c, d))
    high = wp.max(wp.max(a, b), wp.max(c, d))
    if low <= 0.0 or high - low >= edge * low:
        right = wp.where(right >= 0.5, 1.0, 0.0)
        below = wp.where(below >= 0.5, 1.0, 0.0)
    depth = (1.0 - below) * ((1.0 - right) * a + right * b) + below * ((1.0 - right) * c + right * d)
    reading.corner = wp.where(depth > 0.0, corner, -1)
    reading.right = right
    reading.below = below
    reading.difference = depth - there
    # A ray is never shorter than its depth.
    reading.stretch = wp.max((track.reach[0] + z * (track.reach[1] + z * track.reach[2])) * inverse * inverse, 1.0)
    return reading


@wp.func
def closeness(reading: Reading, sharpness: wp.float32) -> wp.float32:
    """The bell of Eq. 3 about the signed ray distance of Eq. 1; ``sharpness`` is the inverse of its variance."""
    exponent = reading.difference * reading.difference * reading.stretch * sharpness
    bell = wp.float32(0.0)
    # Beyond, it is lost in the sum with Gamma, and its slope in the digits of all slopes.
    if exponent < 32.0:
        bell = wp.exp(-exponent)
    return bell


@wp.func
def vote(
    maps: Maps,
    kernel: Kernel,
    pixel: wp.vec3f,
    sharpness: wp.float32,
    samples: wp.array(dtype=wp.float32),
    weights: wp.array(dtype=wp.float32),
):
    """Multiply the weights of a ray's samples by the factors of the other maps (Eq. 3).

    A factor is 1 outside the picture, and Gamma where the map knows of no surface.
    """
    for j in range(maps.offsets.shape[0]):
        track = track_ray(maps, j, pixel)
        for sample in range(samples.shape[0]):
            reading = read_sample(maps.depths, track, samples[sample], kernel.edge)
            if reading.corner >= 0:
                weights[sample] = weights[sample] * (closeness(reading, sharpness) + kernel.occlusion)
            elif reading.corner == -1:
                weights[sample] = weights[sample] * kernel.occlusion


@wp.func
def centre_of(maps: Maps, pixel: wp.int32) -> wp.vec3f:
    """Homogeneous centre of one of the reference's pixels."""
    return wp.vec3f(wp.float32(pixel % maps.reference_width) + 0.5, wp.float32(pixel // maps.reference_width) + 0.5, 1.0)


@wp.kernel
def measure_energy(
    first: wp.int32,
    maps: Maps,
    kernel: Kernel,
    pixels: wp.array(dtype=wp.int32),
    own: wp.array(dtype=wp.float32),
    offsets: wp.array(dtype=wp.float32),
    samples: wp.array2d(dtype=wp.float32),
    products: wp.array2d(dtype=wp.float32),
    energy: wp.array(dtype=wp.float32),
    slope: wp.array(dtype=wp.float32),
):
    """Energy of a pixel's samples (Eq. 2), and its derivative by the pixel's depth.

    ``products`` [P, S] are the scores before, and the score times all factors of Eq. 3 after.
    """
    index = first + wp.tid()
    pixel = centre_of(maps, pixels[index])
    ray = wp.length(maps.reference_ray * pixel)
    sharpness = 1.0 / (kernel.variance * offsets[index] * offsets[index])
    vote(maps, kernel, pixel, sharpness, samples[index], products[index])
    total = wp.float32(0.0)
    change = wp.float32(0.0)
    for sample in range(samples.shape[1]):
        distance = (own[index] - samples[index, sample]) * ray
        bell = wp.exp(-distance * distance * sharpness)
        others = products[index, sample]
        products[index, sample] = others * (bell + kernel.occlusion)
        total += others * (bell + kernel.occlusion)
        change -= 2.0 * others * bell * distance * ray * sharpness
    energy[index] = total
    slope[index] = change


@wp.func
def spread(value: wp.float64, reading: Reading, width: wp.int32, sums: wp.array(dtype=wp.int64)):
    """Add the derivative by a depth to the four pixels that it was read from, as whole numbers."""
    right = wp.float64(reading.right)
    below = wp.float64(reading.below)
    lower = value * below
    upper = value - lower
    under = reading.corner + width
    wp.atomic_add(sums, reading.corner, wp.int64(upper * (wp.float64(1.0) - right)))
    wp.atomic_add(sums, reading.corner + 1, wp.int64(upper * right))
    wp.atomic_add(sums, under, wp.int64(lower * (wp.float64(1.0) - right)))
    wp.atomic_add(sums, under + 1, wp.int64(lower * right))


@wp.kernel
def add_slopes(
    first: wp.int32,
    maps: Maps,
    kernel: Kernel,
    pixels: wp.array(dtype=wp.int32),
    offsets: wp.array(dtype=wp.float32),
    samples: wp.array2d(dtype=wp.float32),
    products: wp.array2d(dtype=wp.float32),
    upstream: wp.array(dtype=wp.float32),
    scale: wp.array(dtype=wp.float64),
    lanes: wp.int32,
    slopes: wp.array(dtype=wp.int64),
):
    """Add the derivatives of the energy by the depths of the other maps, times ``upstream`` [P] and ``scale`` [1].

    An index is one other map and every ``lanes``-th ray. With one lane a map is written by one index alone; with more, indices meet on a
    map and additions must be atomic. The order of additions is of no matter to whole numbers.
    """
    index = first + wp.tid()
    voter = index // lanes
    for ray in range(index % lanes, pixels.shape[0], lanes):
        track = track_ray(maps, voter, centre_of(maps, pixels[ray]))
        sharpness = 1.0 / (kernel.variance * offsets[ray] * offsets[ray])
        strength = -2.0 * sharpness * upstream[ray]
        for sample in range(samples.shape[1]):
            reading = read_sample(maps.depths, track, samples[ray, sample], kernel.edge)
            if reading.corner >= 0:
                bell = closeness(reading, sharpness)
                if bell > 0.0:
                    # The product without this factor; Gamma keeps it away from 0.
                    rest = products[ray, sample] / (bell + kernel.occlusion)
                    value = wp.float64(strength * rest * bell * reading.difference * reading.stretch) * scale[0]
                    spread(value, reading, track.width, slopes)


@wp.kernel
def ascend(
    first: wp.int32,
    maps: Maps,
    kernel: Kernel,
    pixels: wp.array(dtype=wp.int32),
    own: wp.array(dtype=wp.float32),
    offsets: wp.array(dtype=wp.float32),
    samples: wp.array2d(dtype=wp.float32),
    steps: wp.int32,
    risen: wp.array(dtype=wp.float32),
    weights: wp.array2d(dtype=wp.float32),
):
    """The depth that maximises a pixel's energy while the other maps are held: a sum of bells about the samples, climbed by mean shift.

    ``weights`` [P, S] are the scores before, and the score times the other maps' factors after.
    """
    index = first + wp.tid()
    pixel = centre_of(maps, pixels[index])
    ray = wp.length(maps.reference_ray * pixel)
    sharpness = 1.0 / (kernel.variance * offsets[index] * offsets[index])
    vote(maps, kernel, pixel, sharpness, samples[index], weights[index])
    depth = own[index]
    for _step in range(steps):
        total = wp.float32(0.0)
        mean = wp.float32(0.0)
        for sample in range(samples.shape[1]):
            distance = (depth - samples[index, sample]) * ray
            weight = weights[index, sample] * wp.exp(-distance * distance * sharpness)
            total += weight
            mean += weight * (samples[index, sample] - own[index])
        if total > 0.0:
            depth = own[index] + mean / total
    risen[index] = depth

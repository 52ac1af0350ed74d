# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""Photo-consistency of samples on rays: slanted patches, and distances to the median colour (Zins et al. 2022, Eq. 4)."""

from __future__ import annotations

from typing import Any

import torch
import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import as_vectors, launch_bands, start_warp
from recon_cli.kernels.patch_match import MOST_SOURCES, Pictures, Relations, plane_cost, read_patch
from recon_cli.kernels.patch_search import Problem

start_warp()
# Loops over taps are unrolled: else each reading of a window copies the whole of it.
wp.set_module_options({"enable_backward": False, "max_unroll": 25})

Observations = wp.types.vector(length=MOST_SOURCES + 1, dtype=wp.float32)


def patch_costs(
    problem: Problem,
    pixels: Tensor,  # [P] int32
    planes: Tensor,  # [P, 3] float32
    inverse_depths: Tensor,  # [P, S] float32
) -> Tensor:  # [P, S]
    """1 - NCC in [0, 2] of the window about each pixel at each inverse depth; ``planes`` give the slopes."""
    costs = torch.empty_like(inverse_depths)
    arguments = [*problem.arguments(), pixels, as_vectors(planes.contiguous()), inverse_depths, problem.match.contrast, costs]
    launch_bands(_measure_patches, len(pixels), arguments, device=pixels.device)
    return costs


@wp.kernel
def _measure_patches(
    first: wp.int32,
    pictures: Pictures,
    relations: Relations,
    taps: wp.array2d(dtype=wp.float32),
    pixels: wp.array(dtype=wp.int32),
    planes: wp.array(dtype=wp.vec3f),
    inverse_depths: wp.array2d(dtype=wp.float32),
    contrast: wp.float32,
    costs: wp.array2d(dtype=wp.float32),
):
    index = first + wp.tid()
    width = pictures.sizes[relations.reference, 0]
    column = pixels[index] % width
    row = pixels[index] // width
    patch = read_patch(pictures, relations, taps, column, row, contrast)
    for sample in range(inverse_depths.shape[1]):
        plane = wp.vec3f(inverse_depths[index, sample], planes[index][1], planes[index][2])
        x = wp.float32(column) + 0.5
        y = wp.float32(row) + 0.5
        costs[index, sample] = plane_cost(pictures, relations, taps, patch, x, y, plane)


def median_scores(
    colors: Tensor,  # [N, 3] uint8
    places: Tensor,  # [J, 3] int64: start in colors, width, height
    rotations: Tensor,  # [J, 3, 3]
    translations: Tensor,  # [J, 3]
    positions: Tensor,  # [P, 2] float32
    inverse_depths: Tensor,  # [P, S] float32
    *,
    variance: float,
    occlusion: float,
) -> Tensor:  # [P, S]
    """Eq. 4: the product over views of exp(-|colour - median|² / variance) + occlusion, over its largest value.

    A pixel p [px] at inverse depth w falls on M p + w q in view j; views in which it falls outside the picture do not count.

    Args:
        colors: sRGB of all views, one after the other; distances are taken of values in [0, 1].
        places: where each view's picture lies.
        rotations: M of each view.
        translations: q of each view.
        positions: pixel positions in the sampled view, centres at 0.5.
        inverse_depths: of the samples.
        variance: σ_c, for colours in [0, 1].
        occlusion: Γ_Φ.
    """
    device = colors.device
    scores = torch.empty_like(inverse_depths)
    arguments: list[Any] = [
        colors,
        places,
        wp.from_torch(rotations.to(device, torch.float32).contiguous(), dtype=wp.mat33f),
        as_vectors(translations.to(device, torch.float32).contiguous()),
        positions,
        inverse_depths,
        variance,
        occlusion,
        scores,
    ]
    launch_bands(_measure_medians, len(positions), arguments, device=device)
    return scores


@wp.func
def color_value(
    colors: wp.array2d(dtype=wp.uint8), start: wp.int64, width: wp.int32, height: wp.int32, x: wp.float32, y: wp.float32, channel: wp.int32
) -> wp.float32:
    u = wp.clamp(x - 0.5, 0.0, wp.float32(width) - 1.001)
    v = wp.clamp(y - 0.5, 0.0, wp.float32(height) - 1.001)
    column = wp.int32(u)
    row = wp.int32(v)
    right = u - wp.float32(column)
    below = v - wp.float32(row)
    at = start + wp.int64(row * width + column)
    under = at + wp.int64(width)
    upper = wp.float32(colors[at, channel]) * (1.0 - right) + wp.float32(colors[at + wp.int64(1), channel]) * right
    lower = wp.float32(colors[under, channel]) * (1.0 - right) + wp.float32(colors[under + wp.int64(1), channel]) * right
    return (upper * (1.0 - below) + lower * below) / 255.0


@wp.func
def median(values: Observations, count: wp.int32) -> wp.float32:
    """Middle value; the mean of the two middle ones of an even number. Sorts by insertion."""
    ordered = values
    for i in range(1, count):
        value = ordered[i]
        place = i
        while place > 0 and ordered[wp.max(place - 1, 0)] > value:
            ordered[place] = ordered[place - 1]
            place = place - 1
        ordered[place] = value
    return 0.5 * (ordered[(count - 1) // 2] + ordered[count // 2])


@wp.kernel
def _measure_medians(
    first: wp.int32,
    colors: wp.array2d(dtype=wp.uint8),
    places: wp.array2d(dtype=wp.int64),
    rotations: wp.array(dtype=wp.mat33f),
    translations: wp.array(dtype=wp.vec3f),
    positions: wp.array2d(dtype=wp.float32),
    inverse_depths: wp.array2d(dtype=wp.float32),
    variance: wp.float32,
    occlusion: wp.float32,
    scores: wp.array2d(dtype=wp.float32),
):
    index = first + wp.tid()
    pixel = wp.vec3f(positions[index, 0], positions[index, 1], 1.0)
    for sample in range(inverse_depths.shape[1]):
        distances = Observations()
        count = wp.int32(0)
        for channel in range(3):
            observed = Observations()
            count = wp.int32(0)
            for j in range(places.shape[0]):
                h = rotations[j] * pixel + inverse_depths[index, sample] * translations[j]
                width = wp.int32(places[j, 1])
                height = wp.int32(places[j, 2])
                if h[2] > 1.0e-9:
                    x = h[0] / h[2]
                    y = h[1] / h[2]
                    if x > 0.0 and y > 0.0 and x < wp.float32(width) and y < wp.float32(height):
                        observed[count] = color_value(colors, places[j, 0], width, height, x, y, channel)
                        count += 1
            middle = median(observed, count)
            for j in range(count):
                distances[j] = distances[j] + (observed[j] - middle) * (observed[j] - middle)
        score = wp.float32(0.0)
        # One view agrees with itself, which says nothing.
        if count > 1:
            score = wp.float32(1.0)
            for j in range(count):
                score = score * (wp.exp(-distances[j] / variance) + occlusion) / (1.0 + occlusion)
        scores[index, sample] = score

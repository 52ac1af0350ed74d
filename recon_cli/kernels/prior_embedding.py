# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""The two loops of the learned photo-consistency: compare a source view with the reference, and pool all source views.

A point on a pixel's ray carries a 3 x 3 grid of taps on the surface through it. ``embed_source`` reads both views' features there and turns
their similarity into a short vector; ``pool_sources`` reduces any number of these to a score. The network that they evaluate, and in which
its weights are trained, is ``recon_cli.systems.mvs.prior_network``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import warp as wp
from torch import Tensor

from recon_cli.kernels.launch import launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

CHANNELS = 8
"""Features of a pixel."""
HIDDEN = 16
"""Units of the hidden layers of both small networks."""
EMBEDDED = 8
"""Numbers that describe the agreement of one source view, its visibility apart."""
TAP_STEP = 2
"""Distance [px] between neighbouring taps in the reference."""
TAPS = 9
STATISTICS = 3 * CHANNELS + 1
"""Per channel the mean difference over the taps, the correlation and the energy, and last the correlation of all channels together."""
SOFTENING = 0.01
"""Energy that is added where a correlation is divided by it."""
QUANTUM = 127.0
"""A feature in [-1, 1] is stored as a whole number in [-127, 127]."""

_Channels = wp.types.vector(length=CHANNELS, dtype=wp.float32)
_Hidden = wp.types.vector(length=HIDDEN, dtype=wp.float32)
_Embedded = wp.types.vector(length=EMBEDDED, dtype=wp.float32)
_Outputs = wp.types.vector(length=EMBEDDED + 1, dtype=wp.float32)
_Taps = wp.types.matrix(shape=(TAPS, CHANNELS), dtype=wp.float32)


@dataclass(frozen=True)
class Layer:
    """Two dense layers with a rectifier between them.

    Attributes:
        first: weights and, as the last column, biases, shape [HIDDEN, inputs + 1], float32.
        second: the same of the second layer, shape [outputs, HIDDEN + 1], float32.
    """

    first: Tensor
    second: Tensor


def embed_source(
    reference: Tensor,  # [H, W, CHANNELS] int8
    source: Tensor,  # [h, w, CHANNELS] int8
    source_from_reference: Tensor,  # [3, 4] float32
    pixels: Tensor,  # [P, 2] int32
    depth: Tensor,  # [P, S] float32
    slopes: Tensor,  # [P, 2] float32
    layer: Layer,
    *,
    out: Tensor | None = None,  # [P, S, EMBEDDED + 1] float32
) -> Tensor:  # [P, S, EMBEDDED + 1] float32
    """How well a source view agrees with the reference about points on the reference's rays.

    Args:
        reference: features of the view whose rays are sampled.
        source: features of the other view.
        source_from_reference: homogeneous source pixel from (column, row, 1, 1 / z) of the reference.
        pixels: column and row in the reference.
        depth: z in the reference [scene units].
        slopes: change of 1 / z per pixel along x and y.
        layer: STATISTICS inputs, EMBEDDED + 1 outputs.
        out: contiguous memory for the result.

    Returns:
        The embedding, and behind it the logit of the visibility; that is minus infinity where the source does not see the point.
    """
    embedding = depth.new_empty(*depth.shape, EMBEDDED + 1) if out is None else out
    inputs = (reference, source, source_from_reference, pixels, depth, slopes)
    layers = (_columns(layer.first, _Hidden), _columns(layer.second, _Outputs))
    arguments = (*(tensor.contiguous() for tensor in inputs), *layers, embedding)
    launch_bands(embed_kernel, len(pixels), arguments, device=depth.device)
    return embedding


def pool_sources(
    embeddings: Tensor,  # [K, N, EMBEDDED + 1] float32
    layer: Layer,
) -> Tensor:  # [N] float32
    """Scores in [0, 1] of points from the embeddings of K source views, in whatever order; 0 where no source sees a point."""
    scores = embeddings.new_empty(embeddings.shape[1])
    inputs = (embeddings, layer.first, layer.second)
    arguments = (*(tensor.contiguous() for tensor in inputs), scores)
    launch_bands(pool_kernel, len(scores), arguments, device=scores.device)
    return scores


def _columns(weights: Tensor, vector: Any) -> Any:
    """A Warp array of the columns of a matrix."""
    return wp.from_torch(weights.T.contiguous(), dtype=vector, requires_grad=False)


@wp.func
def features_at(features: wp.array3d(dtype=wp.int8), x: float, y: float) -> _Channels:
    """Bilinear between pixel centres; beyond the outermost ones the border is repeated."""
    width = features.shape[1]
    height = features.shape[0]
    px = wp.clamp(x - 0.5, 0.0, float(width - 1))
    py = wp.clamp(y - 0.5, 0.0, float(height - 1))
    x0 = wp.min(int(px), wp.max(width - 2, 0))
    y0 = wp.min(int(py), wp.max(height - 2, 0))
    x1 = wp.min(x0 + 1, width - 1)
    y1 = wp.min(y0 + 1, height - 1)
    sx = px - float(x0)
    sy = py - float(y0)
    w00 = (1.0 - sx) * (1.0 - sy) / QUANTUM
    w01 = sx * (1.0 - sy) / QUANTUM
    w10 = (1.0 - sx) * sy / QUANTUM
    w11 = sx * sy / QUANTUM
    read = _Channels()
    for c in range(CHANNELS):
        read[c] = (
            w00 * float(features[y0, x0, c])
            + w01 * float(features[y0, x1, c])
            + w10 * float(features[y1, x0, c])
            + w11 * float(features[y1, x1, c])
        )
    return read


@wp.kernel
def embed_kernel(
    first: wp.int32,
    reference: wp.array3d(dtype=wp.int8),
    source: wp.array3d(dtype=wp.int8),
    source_from_reference: wp.array2d(dtype=wp.float32),
    pixels: wp.array2d(dtype=wp.int32),
    depth: wp.array2d(dtype=wp.float32),
    slopes: wp.array2d(dtype=wp.float32),
    first_layer: wp.array1d(dtype=_Hidden),
    second_layer: wp.array1d(dtype=_Outputs),
    embedding: wp.array3d(dtype=wp.float32),
):
    n = first + wp.tid()
    column = pixels[n, 0]
    row = pixels[n, 1]
    own = _Taps()
    for tap in range(TAPS):
        tap_column = wp.clamp(column + (tap % 3 - 1) * TAP_STEP, 0, reference.shape[1] - 1)
        tap_row = wp.clamp(row + (tap // 3 - 1) * TAP_STEP, 0, reference.shape[0] - 1)
        for c in range(CHANNELS):
            own[tap, c] = float(reference[tap_row, tap_column, c]) / QUANTUM
    m = source_from_reference
    u = float(column) + 0.5
    v = float(row) + 0.5
    for s in range(depth.shape[1]):
        inverse = 1.0 / depth[n, s]
        x = m[0, 0] * u + m[0, 1] * v + m[0, 2] + m[0, 3] * inverse
        y = m[1, 0] * u + m[1, 1] * v + m[1, 2] + m[1, 3] * inverse
        w = m[2, 0] * u + m[2, 1] * v + m[2, 2] + m[2, 3] * inverse
        is_seen = depth[n, s] > 0.0 and w > 0.0 and x >= 0.0 and y >= 0.0
        is_seen = is_seen and x < w * float(source.shape[1]) and y < w * float(source.shape[0])
        if not is_seen:
            for e in range(EMBEDDED):
                embedding[n, s, e] = 0.0
            embedding[n, s, EMBEDDED] = -wp.inf
        else:
            difference = _Channels()
            product = _Channels()
            energy = _Channels()
            for tap in range(TAPS):
                dx = float((tap % 3 - 1) * TAP_STEP)
                dy = float((tap // 3 - 1) * TAP_STEP)
                q = slopes[n, 0] * dx + slopes[n, 1] * dy
                tap_w = w + m[2, 0] * dx + m[2, 1] * dy + m[2, 3] * q
                tap_w = wp.max(tap_w, 0.01 * w)
                tap_x = (x + m[0, 0] * dx + m[0, 1] * dy + m[0, 3] * q) / tap_w
                tap_y = (y + m[1, 0] * dx + m[1, 1] * dy + m[1, 3] * q) / tap_w
                other = features_at(source, tap_x, tap_y)
                for c in range(CHANNELS):
                    difference[c] += wp.abs(own[tap, c] - other[c])
                    product[c] += own[tap, c] * other[c]
                    energy[c] += 0.5 * (own[tap, c] * own[tap, c] + other[c] * other[c])
            all_product = wp.float32(0.0)
            all_energy = wp.float32(0.0)
            for c in range(CHANNELS):
                all_product += product[c]
                all_energy += energy[c]
                product[c] /= energy[c] + SOFTENING * float(TAPS)
                difference[c] /= float(TAPS)
                energy[c] /= float(TAPS)
            together = all_product / (all_energy + SOFTENING * float(TAPS))
            # Column by column: the sums of all units advance together, in vector registers.
            hidden = first_layer[STATISTICS] + first_layer[3 * CHANNELS] * together
            for c in range(CHANNELS):
                hidden += first_layer[c] * difference[c]
                hidden += first_layer[CHANNELS + c] * product[c]
                hidden += first_layer[2 * CHANNELS + c] * energy[c]
            outputs = second_layer[HIDDEN]
            for h in range(HIDDEN):
                outputs += second_layer[h] * wp.max(hidden[h], 0.0)
            for e in range(EMBEDDED + 1):
                embedding[n, s, e] = outputs[e]


@wp.kernel
def pool_kernel(
    first: wp.int32,
    embeddings: wp.array3d(dtype=wp.float32),
    first_layer: wp.array2d(dtype=wp.float32),
    second_layer: wp.array2d(dtype=wp.float32),
    scores: wp.array1d(dtype=wp.float32),
):
    n = first + wp.tid()
    seen = wp.int32(0)
    weight_sum = wp.float32(0.0)
    mean = _Embedded()
    for k in range(embeddings.shape[0]):
        logit = embeddings[k, n, EMBEDDED]
        if logit > -wp.inf:
            seen += 1
            weight = 1.0 / (1.0 + wp.exp(-logit))
            weight_sum += weight
            for e in range(EMBEDDED):
                mean[e] += weight * embeddings[k, n, e]
    if seen == 0:
        scores[n] = 0.0
    else:
        mean = mean / (weight_sum + 1.0e-6)
        variance = _Embedded()
        best = _Embedded()
        half = (seen + 1) // 2
        for k in range(embeddings.shape[0]):
            logit = embeddings[k, n, EMBEDDED]
            if logit > -wp.inf:
                better = wp.int32(0)
                for other in range(embeddings.shape[0]):
                    rival = embeddings[other, n, EMBEDDED]
                    if rival > logit or (rival == logit and other < k):
                        better += 1
                weight = 1.0 / (1.0 + wp.exp(-logit))
                for e in range(EMBEDDED):
                    away = embeddings[k, n, e] - mean[e]
                    variance[e] += weight * away * away
                    if better < half:
                        best[e] += embeddings[k, n, e]
        variance = variance / (weight_sum + 1.0e-6)
        best = best / float(half)
        score = second_layer[0, HIDDEN]
        for h in range(HIDDEN):
            total = first_layer[h, 3 * EMBEDDED] * weight_sum / float(seen) + first_layer[h, 3 * EMBEDDED + 1]
            for e in range(EMBEDDED):
                total += first_layer[h, e] * mean[e]
                total += first_layer[h, EMBEDDED + e] * best[e]
                total += first_layer[h, 2 * EMBEDDED + e] * variance[e]
            score += second_layer[0, h] * wp.max(total, 0.0)
        scores[n] = 1.0 / (1.0 + wp.exp(-score))

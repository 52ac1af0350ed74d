# pyright: reportInvalidTypeForm=false, reportArgumentType=false, reportOperatorIssue=false
# pyright: reportIndexIssue=false, reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false
# Reason: Warp gives annotations and arithmetic inside kernels a meaning of their own.
"""A pattern that fills space: cells in several inks with joints, dots and a grain of many octaves.

Colour is a function of the point alone, so a surface cut out of it needs no texture coordinates, and its detail has no resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import warp as wp
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.kernels.launch import as_vectors, launch_bands, start_warp

start_warp()
wp.set_module_options({"enable_backward": False})

# As constants of the module: Warp takes a literal inside a kernel for a signed number.
_GOLDEN = wp.constant(wp.uint32(0x9E3779B1))
_FIRST_MIX = wp.constant(wp.uint32(0x85EBCA6B))
_SECOND_MIX = wp.constant(wp.uint32(0xC2B2AE35))


@dataclass(frozen=True)
class SolidTexture:
    """What the pattern looks like; frequencies are per scene unit.

    Attributes:
        palette: inks, linear light in [0, 1], shape [P, 3]; the first is the ground.
        seed: of all random numbers, in [0, 2^31 - 8192).
        cell_frequency: cells along a unit of length.
        cell_contrast: 0 shows the ground alone, 1 the inks.
        bend: how far the cells' walls are bent [cells].
        joint: width of the dark joints between cells [cells]; 0 for none.
        dot: radius of a dot of another ink in each cell [cells]; 0 for none.
        tone_frequency: of the grain's first octave.
        octaves: of the grain, each twice as fine as the one before, at least 1.
        gain: amplitude of an octave against the one before.
        tone_contrast: of the grain, relative; its standard deviation is about a third of it.
        region_frequency: of the regions that are flat.
        flat_level: where a smooth noise in [-1, 1] is below it, the pattern is flat; -2 for nowhere.
        flat_contrast: what is left of all contrasts there.
    """

    palette: Tensor  # [P, 3]
    seed: int
    cell_frequency: float
    cell_contrast: float
    bend: float
    joint: float
    dot: float
    tone_frequency: float
    octaves: int
    gain: float
    tone_contrast: float
    region_frequency: float = 1.0
    flat_level: float = -2.0
    flat_contrast: float = 0.0


def solid_texture(
    points: Tensor,  # [N, 3]
    texture: SolidTexture,
) -> Tensor:  # [N, 3]
    """Albedo (linear light, in [0, 1]) at points [scene units]; float32.

    The same numbers on every device but for the last bits of float32.

    Raises:
        InputError: the points or the palette have another shape.
    """
    if points.ndim != 2 or points.shape[1] != 3 or texture.palette.ndim != 2 or texture.palette.shape[1:] != (3,):
        raise InputError(f"points {list(points.shape)} and palette {list(texture.palette.shape)}, expected [N, 3] and [P, 3]")
    points = points.to(torch.float32).contiguous()
    palette = texture.palette.to(points).contiguous()
    albedo = torch.empty_like(points)
    arguments = (as_vectors(points), as_vectors(palette), _settings(texture), as_vectors(albedo))
    launch_bands(paint_points, len(points), arguments, device=points.device)
    return albedo


@wp.struct
class Settings:
    """The numbers of a ``SolidTexture``."""

    seed: wp.uint32
    cell_frequency: wp.float32
    cell_contrast: wp.float32
    bend: wp.float32
    joint: wp.float32
    dot: wp.float32
    tone_frequency: wp.float32
    octaves: wp.int32
    gain: wp.float32
    tone_contrast: wp.float32
    region_frequency: wp.float32
    flat_level: wp.float32
    flat_contrast: wp.float32


def _settings(texture: SolidTexture) -> Settings:
    settings = Settings()
    for name in Settings.vars:
        setattr(settings, name, getattr(texture, name))
    return settings


@wp.func
def scrambled(x: int, y: int, z: int, seed: wp.uint32) -> wp.uint32:
    """A random number of a lattice point: primes of Teschner et al. (2003), finaliser of MurmurHash3 (Appleby)."""
    h = (wp.uint32(x) * wp.uint32(73856093)) ^ (wp.uint32(y) * wp.uint32(19349663)) ^ (wp.uint32(z) * wp.uint32(83492791))
    h = h ^ (seed * _GOLDEN)
    h = h ^ (h >> wp.uint32(16))
    h = h * _FIRST_MIX
    h = h ^ (h >> wp.uint32(13))
    h = h * _SECOND_MIX
    return h ^ (h >> wp.uint32(16))


@wp.func
def lattice_value(x: int, y: int, z: int, seed: wp.uint32) -> wp.float32:
    """In [-1, 1)."""
    return wp.float32(scrambled(x, y, z, seed) >> wp.uint32(8)) / wp.float32(8388608.0) - wp.float32(1.0)


@wp.func
def faded(t: wp.float32) -> wp.float32:
    """6 t⁵ - 15 t⁴ + 10 t³, whose second derivative vanishes at both ends (Perlin 2002)."""
    return t * t * t * (t * (t * 6.0 - 15.0) + 10.0)


@wp.func
def noise(p: wp.vec3f, seed: wp.uint32) -> wp.float32:
    """Smoothly interpolated lattice values, in [-1, 1)."""
    x = int(wp.floor(p[0]))
    y = int(wp.floor(p[1]))
    z = int(wp.floor(p[2]))
    u = faded(p[0] - wp.float32(x))
    v = faded(p[1] - wp.float32(y))
    w = faded(p[2] - wp.float32(z))
    near = wp.lerp(
        wp.lerp(lattice_value(x, y, z, seed), lattice_value(x + 1, y, z, seed), u),
        wp.lerp(lattice_value(x, y + 1, z, seed), lattice_value(x + 1, y + 1, z, seed), u),
        v,
    )
    far = wp.lerp(
        wp.lerp(lattice_value(x, y, z + 1, seed), lattice_value(x + 1, y, z + 1, seed), u),
        wp.lerp(lattice_value(x, y + 1, z + 1, seed), lattice_value(x + 1, y + 1, z + 1, seed), u),
        v,
    )
    return wp.lerp(near, far, w)


@wp.func
def grain(p: wp.vec3f, octaves: int, gain: wp.float32, seed: wp.uint32) -> wp.float32:
    """Octaves of noise, each turned against the one before so that no lattice shows; of the same strength for any number of them."""
    total = wp.float32(0.0)
    amplitude = wp.float32(1.0)
    power = wp.float32(0.0)
    q = p
    for octave in range(octaves):
        total += amplitude * noise(q, seed + wp.uint32(octave))
        power += amplitude * amplitude
        amplitude = amplitude * gain
        # Twice a rotation: the columns of ((2, 2, -1), (-1, 2, 2), (2, -1, 2)) / 3 are orthonormal.
        q = wp.vec3f(2.0 * q[0] - q[1] + 2.0 * q[2], 2.0 * q[0] + 2.0 * q[1] - q[2], 2.0 * q[1] + 2.0 * q[2] - q[0]) * wp.float32(2.0 / 3.0)
    return total / wp.sqrt(power)


@wp.struct
class Cell:
    """The nearest and second nearest of random seeds, one in each lattice cell (Worley 1996)."""

    first: wp.float32  # distances [cells]
    second: wp.float32
    label: wp.uint32  # random number of the nearest


@wp.func
def nearest_cell(p: wp.vec3f, seed: wp.uint32) -> Cell:
    x = int(wp.floor(p[0]))
    y = int(wp.floor(p[1]))
    z = int(wp.floor(p[2]))
    cell = Cell()
    cell.first = wp.float32(64.0)
    cell.second = wp.float32(64.0)
    cell.label = wp.uint32(0)
    for index in range(27):
        i = x + index % 3 - 1
        j = y + (index / 3) % 3 - 1
        k = z + index / 9 - 1
        h = scrambled(i, j, k, seed)
        a = p[0] - wp.float32(i) - wp.float32(h & wp.uint32(1023)) / 1024.0
        b = p[1] - wp.float32(j) - wp.float32((h >> wp.uint32(10)) & wp.uint32(1023)) / 1024.0
        c = p[2] - wp.float32(k) - wp.float32((h >> wp.uint32(20)) & wp.uint32(1023)) / 1024.0
        squared = a * a + b * b + c * c
        if squared < cell.first:
            cell.second = cell.first
            cell.first = squared
            cell.label = h
        elif squared < cell.second:
            cell.second = squared
    cell.first = wp.sqrt(cell.first)
    cell.second = wp.sqrt(cell.second)
    return cell


@wp.func
def ramp(low: wp.float32, high: wp.float32, value: wp.float32) -> wp.float32:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = wp.clamp((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


@wp.func
def ink_at(p: wp.vec3f, palette: wp.array(dtype=wp.vec3f), settings: Settings) -> wp.vec3f:
    """The colour of the cells alone."""
    q = p * settings.cell_frequency
    coarse = q * wp.float32(0.7)
    shift = wp.vec3f(
        noise(coarse, settings.seed + wp.uint32(101)),
        noise(coarse, settings.seed + wp.uint32(102)),
        noise(coarse, settings.seed + wp.uint32(103)),
    )
    cell = nearest_cell(q + settings.bend * shift, settings.seed)
    count = wp.uint32(palette.shape[0])
    label = scrambled(int(cell.label & wp.uint32(65535)), int(cell.label >> wp.uint32(16)), 7, settings.seed)
    ink = palette[int(label % count)]
    if settings.dot > 0.0:
        other = palette[int((label / count) % count)]
        ink = wp.lerp(other, ink, ramp(0.85 * settings.dot, settings.dot, cell.first))
    if settings.joint > 0.0:
        ink = ink * (0.3 + 0.7 * ramp(0.5 * settings.joint, settings.joint, cell.second - cell.first))
    return ink


@wp.kernel
def paint_points(
    first: wp.int32,
    points: wp.array(dtype=wp.vec3f),
    palette: wp.array(dtype=wp.vec3f),
    settings: Settings,
    albedo: wp.array(dtype=wp.vec3f),
):
    n = first + wp.tid()
    p = points[n]
    share = wp.float32(1.0)
    if settings.flat_level > -1.0:
        place = noise(p * settings.region_frequency, settings.seed + wp.uint32(211))
        share = wp.lerp(settings.flat_contrast, 1.0, ramp(settings.flat_level - 0.1, settings.flat_level + 0.1, place))
    color = palette[0]
    if settings.cell_contrast > 0.0:
        color = wp.lerp(color, ink_at(p, palette, settings), share * settings.cell_contrast)
    tone = grain(p * settings.tone_frequency, settings.octaves, settings.gain, settings.seed + wp.uint32(307))
    color = color * wp.max(1.0 + share * settings.tone_contrast * tone, 0.1)
    albedo[n] = wp.vec3f(wp.clamp(color[0], 0.0, 1.0), wp.clamp(color[1], 0.0, 1.0), wp.clamp(color[2], 0.0, 1.0))

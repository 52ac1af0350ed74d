"""Rasterising triangles: z-buffer, face index and barycentric coordinates, or the K nearest faces of each pixel.

Not differentiable: which face a pixel sees is piecewise constant. ``recon_cli.render`` builds gradients on top.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.errors import InputError, UsageError
from recon_cli.kernels.launch import as_vectors, launch_bands

# A strip of rows a bin on a CPU: a face's setup is shared by many pixels, and 1080 rows still split among many cores.
_CPU_ROWS = 16
# Pixels a side of a bin on CUDA, where every pixel is a thread.
_CUDA_TILE = 16


@dataclass(frozen=True)
class RasterSettings:
    """What is drawn.

    Attributes:
        near: a face with a corner at this depth [scene units] or nearer is left out whole; faces are never cut.
        cull_backfaces: leave out faces whose corners run clockwise on screen.
        blur_radius: distance [px] up to which a pixel beside a face still counts as covered by it.
        has_barycentrics: compute barycentric coordinates; without them ``Fragments.barycentric`` is empty.
    """

    near: float = 1e-6
    cull_backfaces: bool = False
    blur_radius: float = 0.0
    has_barycentrics: bool = True


@dataclass(frozen=True)
class Fragments:
    """What each pixel sees, nearest first; entries of one pixel with equal depth are ordered by face index.

    Attributes:
        face: index of the face, -1 where there is none, int32, shape [H, W, K].
        barycentric: perspective-correct weights of its corners, 0 where there is none, float32, shape [H, W, K, 3];
            [H, W, K, 0] when not asked for.
        depth: z along the camera's axis [scene units], 0 where there is none, float32, shape [H, W, K].
    """

    face: Tensor  # [H, W, K]
    barycentric: Tensor  # [H, W, K, 3]
    depth: Tensor  # [H, W, K]

    @staticmethod
    def empty(
        width: int, height: int, *, faces_per_pixel: int = 1, has_barycentrics: bool = True, device: torch.device | str = "cpu"
    ) -> Fragments:
        """Memory for ``rasterize(..., out=...)``, to be used again and again."""
        shape = (height, width, faces_per_pixel)
        return Fragments(
            torch.empty(shape, dtype=torch.int32, device=device),
            torch.empty((*shape, 3 if has_barycentrics else 0), device=device),
            torch.empty(shape, device=device),
        )


def rasterize(
    pixels_and_depth: Tensor,  # [V, 3]
    faces: Tensor,  # [F, 3]
    width: int,
    height: int,
    *,
    faces_per_pixel: int = 1,
    settings: RasterSettings = RasterSettings(),
    out: Fragments | None = None,
) -> Fragments:
    """Find the faces that each pixel's centre sees.

    A centre on an edge shared by two faces belongs to exactly one of them. Faces are decided in float64, outputs are
    float32, and the result is the same on every run and for any number of cores. Perspective-correct weights follow
    from the screen ones by dividing by depth (Heckbert and Moreton 1991).

    Args:
        pixels_and_depth: u [px], v [px] and z-depth [scene units] of the vertices.
        faces: vertex indices, int64 or int32.
        width: columns [px].
        height: rows [px].
        faces_per_pixel: K, how many of the nearest faces to keep.
        settings: what is drawn.
        out: memory to write to, from ``Fragments.empty``; returned.

    Raises:
        InputError: a shape does not fit.
        UsageError: a size or ``faces_per_pixel`` is not positive, or ``out`` has another shape.
    """
    _check(pixels_and_depth, faces, width, height, faces_per_pixel)
    device = pixels_and_depth.device
    if out is None:
        out = Fragments.empty(width, height, faces_per_pixel=faces_per_pixel, has_barycentrics=settings.has_barycentrics, device=device)
    elif out.face.shape != (height, width, faces_per_pixel) or out.barycentric.shape[-1] != (3 if settings.has_barycentrics else 0):
        raise UsageError(f"out holds {tuple(out.face.shape)}, expected {(height, width, faces_per_pixel)}")
    _draw(
        pixels_and_depth.detach().to(torch.float64).contiguous(),
        faces.to(torch.int32).contiguous(),
        settings=settings,
        out=out,
    )
    return out


def _check(points: Tensor, faces: Tensor, width: int, height: int, faces_per_pixel: int) -> None:
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"vertices on screen have shape {list(points.shape)}, expected [V, 3]")
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(f"faces have shape {list(faces.shape)}, expected [F, 3]")
    if width < 1 or height < 1 or faces_per_pixel < 1:
        raise UsageError(f"cannot rasterise {width} x {height} px with {faces_per_pixel} faces per pixel: all must be at least 1")
    if width * height * faces_per_pixel >= 2**31:
        raise UsageError(f"{width} x {height} px with {faces_per_pixel} faces per pixel is more than 2^31 entries")


def _draw(points: Tensor, faces: Tensor, *, settings: RasterSettings, out: Fragments) -> None:
    from recon_cli.kernels import rasterize_faces as kernels

    height, width, count = out.face.shape
    device = points.device
    grid, blocks, bins = _grid(width, height, device)
    bounds = torch.empty((faces.shape[0], 4), dtype=torch.int32, device=device)
    limits = (settings.near, settings.blur_radius, settings.cull_backfaces)
    launch_bands(kernels.find_bounds, faces.shape[0], (points, faces, width, height, *limits, bounds), device=device)
    starts, bin_faces = _fill_bins(bounds, grid, bins)
    face_image, depth_image = out.face.view(-1, count), out.depth.view(-1, count)
    arguments = (points, faces, bounds, starts, bin_faces, grid, settings.blur_radius, face_image, depth_image)
    launch_bands(kernels.draw_blocks, blocks, arguments, device=device)
    if settings.has_barycentrics:
        arguments = (points, faces, width, face_image, as_vectors(out.barycentric.view(-1, count, 3)))
        launch_bands(kernels.find_barycentrics, height, arguments, device=device)


def _grid(width: int, height: int, device: torch.device):
    from recon_cli.kernels.rasterize_faces import Grid

    grid = Grid()
    grid.width, grid.height = width, height
    if device.type == "cuda":
        grid.block_width, grid.block_height, grid.bin_width, grid.bin_height = 1, 1, _CUDA_TILE, _CUDA_TILE
    else:
        grid.block_width, grid.block_height, grid.bin_width, grid.bin_height = width, _CPU_ROWS, width, _CPU_ROWS
    blocks = -(-width // grid.block_width) * -(-height // grid.block_height)
    bins = -(-width // grid.bin_width) * -(-height // grid.bin_height)
    return grid, blocks, bins


def _fill_bins(bounds: Tensor, grid, bins: int) -> tuple[Tensor, Tensor]:
    """Start of each bin's list [bins + 1] and the lists, faces in their order."""
    from recon_cli.kernels import rasterize_faces as kernels

    device = bounds.device
    counts = torch.empty(bins, dtype=torch.int32, device=device)
    launch_bands(kernels.count_bin_faces, bins, (bounds, grid, counts), device=device)
    starts = torch.zeros(bins + 1, dtype=torch.int64, device=device)
    torch.cumsum(counts, 0, out=starts[1:])
    bin_faces = torch.empty(int(starts[-1]), dtype=torch.int32, device=device)
    launch_bands(kernels.fill_bin_faces, bins, (bounds, grid, starts, bin_faces), device=device)
    return starts, bin_faces

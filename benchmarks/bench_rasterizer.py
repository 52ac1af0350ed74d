"""Times of the rasteriser at 1920 x 1080 beside Open3D's ray casting, a plain torch z-buffer and, if installed, PyTorch3D.

Run: python benchmarks/bench_rasterizer.py
All answer the same question, which face and depth each pixel sees; the agreement with the built-in one is printed.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.kernels.launch import worker_count
from recon_cli.kernels.rasterize import Fragments, RasterSettings, rasterize

WIDTH, HEIGHT = 1920, 1080
CAMERA = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=1056, fy=1056, cx=960, cy=540)


def sheet(cells: int, *, texture_size: int = 512) -> Mesh:
    """A waving textured sheet of 2 cells² faces that covers about 60 % of the view."""
    y, x = torch.meshgrid(*[torch.linspace(0, 1, cells + 1)] * 2, indexing="ij")
    vertices = torch.stack([2.8 * (x - 0.5), 1.5 * (y - 0.5), 2 + 0.2 * torch.sin(6 * x + 2 * y)], dim=-1).reshape(-1, 3)
    first = (torch.arange(cells)[:, None] * (cells + 1) + torch.arange(cells)).reshape(-1)
    below = first + cells + 1
    faces = torch.cat([torch.stack([first, below, first + 1], -1), torch.stack([first + 1, below, below + 1], -1)])
    texture = torch.rand(texture_size, texture_size, 3, generator=torch.Generator().manual_seed(0))
    return Mesh(vertices, faces, torch.stack([x, 1 - y], dim=-1).reshape(-1, 2), faces, texture)


def on_screen(mesh: Mesh, camera: Cameras) -> Tensor:  # [V, 3]
    pixels, depth = camera.to(dtype=mesh.vertices.dtype).project(mesh.vertices)
    return torch.cat([pixels[0], depth[0, :, None]], dim=-1)


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Median over repeats, after one call that compiles and warms up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def plain_torch(points: Tensor, faces: Tensor) -> Tensor:  # [H, W]
    """Depth by a loop over faces, each drawn in its bounding box."""
    nearest = torch.full((HEIGHT, WIDTH), torch.inf)
    for a, b, c in points[faces]:
        corners = torch.stack([a, b, c])[:, :2]
        low, high = (corners.amin(0) - 0.5).ceil().long().clamp(min=0), (corners.amax(0) - 0.5).floor().long()
        x = torch.arange(int(low[0]), min(int(high[0]) + 1, WIDTH)) + 0.5
        y = torch.arange(int(low[1]), min(int(high[1]) + 1, HEIGHT))[:, None] + 0.5
        e = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((b, c), (c, a), (a, b))]
        area = e[0] + e[1] + e[2]
        is_inside = (e[0] * area >= 0) & (e[1] * area >= 0) & (e[2] * area >= 0)
        depth = area / (e[0] / a[2] + e[1] / b[2] + e[2] / c[2])
        window = nearest[int(low[1]) : int(low[1]) + len(y), int(low[0]) : int(low[0]) + len(x)]
        torch.minimum(window, torch.where(is_inside, depth, torch.inf), out=window)
    return torch.where(nearest.isinf(), torch.zeros(()), nearest)


def open3d_caster(mesh: Mesh) -> Callable[[], Tensor]:
    """Ray casting with the rays and the hierarchy made beforehand; depth along z."""
    import numpy as np
    import open3d

    scene = open3d.t.geometry.RaycastingScene()
    scene.add_triangles(mesh.vertices.numpy().astype(np.float32), mesh.faces.numpy().astype(np.uint32))
    row, column = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    ends = torch.stack([(column + 0.5 - 960) / 1056, (row + 0.5 - 540) / 1056, torch.ones(HEIGHT, WIDTH)], dim=-1)
    rays = open3d.core.Tensor(torch.cat([torch.zeros_like(ends), ends], dim=-1).numpy())

    def cast() -> Tensor:
        depth = torch.from_numpy(scene.cast_rays(rays)["t_hit"].numpy())
        return torch.where(depth.isinf(), torch.zeros(()), depth)

    return cast


def pytorch3d_rasterizer(mesh: Mesh) -> Callable[[], Tensor]:
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings
    from pytorch3d.structures import Meshes
    from pytorch3d.utils import cameras_from_opencv_projection

    view = cameras_from_opencv_projection(torch.eye(3)[None], torch.zeros(1, 3), CAMERA.K.float(), torch.tensor([[HEIGHT, WIDTH]]))
    draw = MeshRasterizer(view, RasterizationSettings(image_size=(HEIGHT, WIDTH), bin_size=0))
    return lambda: draw(Meshes([mesh.vertices], [mesh.faces])).zbuf[0, ..., 0].clamp(min=0)


def compare(cells: int, *, has_slow: bool) -> None:
    mesh = sheet(cells)
    points = on_screen(mesh, CAMERA)
    bare, full = RasterSettings(has_barycentrics=False), RasterSettings()
    out, out_full = Fragments.empty(WIDTH, HEIGHT, has_barycentrics=False), Fragments.empty(WIDTH, HEIGHT)
    out_four = Fragments.empty(WIDTH, HEIGHT, faces_per_pixel=4, has_barycentrics=False)

    def draw() -> Tensor:
        return rasterize(points, mesh.faces, WIDTH, HEIGHT, settings=bare, out=out).depth[..., 0]

    contenders: dict[str, tuple[Callable[[], object], int]] = {
        "built-in, face and depth": (draw, 25),
        "built-in, with barycentrics": (lambda: rasterize(points, mesh.faces, WIDTH, HEIGHT, settings=full, out=out_full), 25),
        "built-in, 4 faces a pixel": (
            lambda: rasterize(points, mesh.faces, WIDTH, HEIGHT, faces_per_pixel=4, settings=bare, out=out_four),
            15,
        ),
        "Open3D RaycastingScene": (open3d_caster(mesh), 15),
    }
    if has_slow:
        contenders["plain torch, loop over faces"] = (lambda: plain_torch(points, mesh.faces), 3)
        if importlib.util.find_spec("pytorch3d") is not None:
            contenders["PyTorch3D MeshRasterizer"] = (pytorch3d_rasterizer(mesh), 1)
    reference = draw().clone()
    base = 0.0
    print(f"\n{len(mesh.faces)} faces, {WIDTH} x {HEIGHT}, {worker_count()} cores")
    for name, (work, repeats) in contenders.items():
        taken = milliseconds(work, repeats)
        base = base or taken
        result = work()
        same = f"{100 * float(((result - reference).abs() < 1e-3).float().mean()):7.2f} %" if isinstance(result, Tensor) else ""
        print(f"  {name:32s}{taken:10.1f} ms {taken / base:8.1f} x   same depth {same}")


def main() -> None:
    if importlib.util.find_spec("pytorch3d") is None:
        print("PyTorch3D is not installed; it is left out", file=sys.stderr)
    compare(19, has_slow=True)
    compare(224, has_slow=False)


if __name__ == "__main__":
    main()

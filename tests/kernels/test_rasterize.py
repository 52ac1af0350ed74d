"""The rasteriser against a slow twin that knows nothing of blocks, bins or canonical edges."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recon_cli.core.errors import InputError, UsageError
from recon_cli.kernels import launch
from recon_cli.kernels.rasterize import Fragments, RasterSettings, rasterize

WIDTH, HEIGHT = 61, 47


def soup(count: int, *, seed: int, size: float = 25.0) -> tuple[Tensor, Tensor]:
    """Random triangles, many of them across the border; coordinates are multiples of 1/8 so that float64 is exact."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 1, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])
    corners = centre + size * (torch.rand(count, 3, 2, generator=generator) - 0.5)
    depth = 1 + 4 * torch.rand(count, 3, 1, generator=generator)
    points = torch.cat([(corners * 8).round() / 8, depth], dim=-1).reshape(-1, 3)
    return points, torch.arange(3 * count).reshape(-1, 3)


def sheet(columns: int, rows: int, *, seed: int, snap: float | None = None) -> tuple[Tensor, Tensor]:
    """A rectangle [5, 55] x [4, 44] cut into triangles whose inner vertices are moved at random."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(0, 1, rows + 1), torch.linspace(0, 1, columns + 1), indexing="ij")
    points = torch.stack([5 + 50 * x, 4 + 40 * y, torch.full_like(x, 2.0)], dim=-1)
    inner = points[1:-1, 1:-1]
    inner[..., :2] += (torch.rand(inner[..., :2].shape, generator=generator) - 0.5) * torch.tensor([40 / columns, 32 / rows]) * 0.5
    if snap is not None:
        inner[..., :2] = (inner[..., :2] / snap).round() * snap
    first = (torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)).reshape(-1)
    below = first + columns + 1
    faces = torch.cat([torch.stack([first, below, first + 1], -1), torch.stack([first + 1, below, below + 1], -1)])
    flip = torch.rand(len(faces), generator=generator) < 0.5
    faces[flip] = faces[flip][:, [1, 0, 2]]
    return points.reshape(-1, 3), faces


def twin(points: Tensor, faces: Tensor, *, slots: int, settings: RasterSettings = RasterSettings()) -> Fragments:
    """All faces at all pixels in float64. A tie is broken by looking a hair to the lower left of the centre."""
    corners = points.double()[faces]  # [F, 3, 3]
    y, x = torch.meshgrid(torch.arange(HEIGHT, dtype=torch.float64), torch.arange(WIDTH, dtype=torch.float64), indexing="ij")
    centre = torch.stack([x + 0.5, y + 0.5], dim=-1)[..., None, :]  # [H, W, 1, 2]

    def weights(at: Tensor) -> Tensor:  # [H, W, F, 3] signed by the face's orientation
        parts = []
        for i in range(3):
            a, b = corners[:, (i + 1) % 3, :2], corners[:, (i + 2) % 3, :2]
            parts.append((b - a)[:, 0] * (at - a)[..., 1] - (b - a)[:, 1] * (at - a)[..., 0])
        return torch.stack(parts, dim=-1) * area.sign()[:, None]

    edge = corners[:, 1:, :2] - corners[:, :1, :2]
    area = edge[:, 0, 0] * edge[:, 1, 1] - edge[:, 0, 1] * edge[:, 1, 0]
    is_hit = (weights(centre + torch.tensor([-1e-9, 1e-6], dtype=torch.float64)) > 0).all(-1)
    is_hit &= (corners[..., 2] > settings.near).all(-1) & (area != 0)
    if settings.cull_backfaces:
        is_hit &= area < 0
    q = weights(centre).clamp(min=0) / corners[..., 2]
    barycentric = q / q.sum(-1, keepdim=True)
    depth = (barycentric * corners[..., 2]).sum(-1).float()
    order = torch.where(is_hit, depth, torch.inf).sort(dim=-1, stable=True)
    face = order.indices[..., :slots]
    is_empty = order.values[..., :slots].isinf()
    picked = barycentric.gather(2, face[..., None].expand(*face.shape, 3)).float()
    return Fragments(
        face.masked_fill(is_empty, -1).int(), picked.masked_fill(is_empty[..., None], 0), order.values[..., :slots].masked_fill(is_empty, 0)
    )


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("settings", [RasterSettings(), RasterSettings(cull_backfaces=True), RasterSettings(near=2.0)])
def test_matches_the_twin(slots: int, settings: RasterSettings) -> None:
    points, faces = soup(60, seed=slots)
    ours = rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=slots, settings=settings)
    theirs = twin(points, faces, slots=slots, settings=settings)
    assert torch.equal(ours.face, theirs.face)
    assert (ours.face >= 0).any()
    torch.testing.assert_close(ours.depth, theirs.depth, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(ours.barycentric, theirs.barycentric, atol=1e-6, rtol=1e-6)


def test_small_blocks_and_bins_give_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grid that CUDA uses: a pixel a block, square bins."""
    from recon_cli.kernels import rasterize as module

    points, faces = soup(60, seed=5)
    strips = rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=2)
    grid, _, _ = module._grid(WIDTH, HEIGHT, torch.device("cuda"))
    monkeypatch.setattr(module, "_grid", lambda *_: (grid, WIDTH * HEIGHT, -(-WIDTH // 16) * -(-HEIGHT // 16)))
    tiles = rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=2)
    for name in ("face", "depth", "barycentric"):
        assert torch.equal(getattr(strips, name), getattr(tiles, name))


@pytest.mark.parametrize("snap", [None, 0.5])
@pytest.mark.parametrize("cells", [3, 10, 40])
def test_a_triangulated_sheet_covers_every_pixel_once(cells: int, snap: float | None) -> None:
    """No cracks and no overlaps, also where vertices and edges run through pixel centres."""
    points, faces = sheet(cells, cells, seed=cells, snap=snap)
    fragments = rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=4)
    count = (fragments.face >= 0).sum(-1)
    assert int(count.max()) == 1
    expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.int64)
    expected[4:44, 5:55] = 1
    assert torch.equal(count, expected)


def test_a_fan_around_a_pixel_centre_owns_it_once() -> None:
    angles = torch.linspace(0, 2 * torch.pi, 8)[:-1]
    rim = torch.stack([30.5 + 9 * angles.cos(), 20.5 + 9 * angles.sin(), torch.ones(7)], dim=-1)
    points = torch.cat([torch.tensor([[30.5, 20.5, 1.0]]), rim])
    faces = torch.stack([torch.zeros(7, dtype=torch.int64), torch.arange(7) + 1, (torch.arange(7) + 1) % 7 + 1], dim=-1)
    assert int((rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=7).face[20, 30] >= 0).sum()) == 1


def test_reruns_and_numbers_of_cores_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    points, faces = soup(200, seed=8)
    first = rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=3)
    for workers in (1, 2, 5):
        monkeypatch.setattr(launch, "worker_count", lambda workers=workers: workers)
        again = rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=3)
        assert torch.equal(first.face, again.face)
        assert torch.equal(first.depth, again.depth)
        assert torch.equal(first.barycentric, again.barycentric)


def test_equal_depths_go_to_the_lower_index() -> None:
    points = torch.tensor([[5.0, 5, 2], [40, 5, 2], [5, 40, 2]]).repeat(3, 1)
    faces = torch.tensor([[6, 7, 8], [0, 1, 2], [3, 5, 4]])
    fragments = rasterize(points, faces, WIDTH, HEIGHT, faces_per_pixel=3)
    assert fragments.face[10, 10].tolist() == [0, 1, 2]


def test_a_face_that_reaches_the_near_plane_is_left_out_whole() -> None:
    points = torch.tensor([[5.0, 5, 2], [40, 5, 2], [5, 40, 0.05], [5, 40, -1], [float("nan"), 5, 2], [1e30, 5, 2]])
    faces = torch.tensor([[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 0, 1]])
    assert not (rasterize(points, faces, WIDTH, HEIGHT, settings=RasterSettings(near=0.1)).face >= 0).any()
    far = rasterize(points, torch.tensor([[0, 2, 5]]), WIDTH, HEIGHT)
    assert (far.face >= 0).any()


def test_blur_radius_widens_a_face_by_that_distance() -> None:
    points = torch.tensor([[20.0, 15, 2], [40, 15, 2], [20, 35, 2]])
    faces = torch.tensor([[0, 1, 2]])
    fragments = rasterize(points, faces, WIDTH, HEIGHT, settings=RasterSettings(blur_radius=3.0))
    row = fragments.face[20, :, 0]  # the face's left edge is x = 20
    assert row[17] == 0  # centre at 17.5, 2.5 px away
    assert row[16] == -1  # centre at 16.5, 3.5 px away
    assert fragments.face[11, 17, 0] == -1  # the corner (20, 15) is 4.3 px away
    torch.testing.assert_close(fragments.barycentric[20, 17, 0].sum(), torch.tensor(1.0))
    assert float(fragments.barycentric[20, 17, 0].min()) >= 0


def test_output_memory_is_reused() -> None:
    points, faces = soup(20, seed=1)
    out = Fragments.empty(WIDTH, HEIGHT, has_barycentrics=False)
    given = out.depth.data_ptr()
    result = rasterize(points, faces, WIDTH, HEIGHT, settings=RasterSettings(has_barycentrics=False), out=out)
    assert result.depth.data_ptr() == given
    assert torch.equal(result.depth, rasterize(points, faces, WIDTH, HEIGHT).depth)
    rasterize(points, faces[:0], WIDTH, HEIGHT, settings=RasterSettings(has_barycentrics=False), out=out)
    assert bool((out.face == -1).all())
    assert bool((out.depth == 0).all())


def test_misuse_is_refused() -> None:
    points, faces = soup(2, seed=0)
    with pytest.raises(InputError, match=r"expected \[V, 3\]"):
        rasterize(points[:, :2], faces, WIDTH, HEIGHT)
    with pytest.raises(InputError, match=r"expected \[F, 3\]"):
        rasterize(points, faces[:, :2], WIDTH, HEIGHT)
    with pytest.raises(UsageError, match="at least 1"):
        rasterize(points, faces, 0, HEIGHT)
    with pytest.raises(UsageError, match="out holds"):
        rasterize(points, faces, WIDTH, HEIGHT, out=Fragments.empty(WIDTH, HEIGHT, faces_per_pixel=2))


def test_nothing_is_printed_even_when_compiling(tmp_path: Path) -> None:
    program = (
        "import warp; warp.config.kernel_cache_dir = __import__('sys').argv[1]\n"
        "import torch; from recon_cli.kernels.runs import sum_runs, runs_by_face\n"
        "runs = runs_by_face(torch.zeros(2, 2, 1, dtype=torch.int32), face_count=1)\n"
        "assert sum_runs(torch.ones(1, 2), runs).tolist() == [[1.0, 1.0]]\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr == ""
    assert any(Path(tmp_path).rglob("*.o"))

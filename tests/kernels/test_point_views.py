"""What views say of points: a slow twin of the counts, and the colours of a gradient."""

from __future__ import annotations

import torch

from recon_cli.kernels.point_views import color_points, count_mask_misses, count_views
from tests.systems.mvs.sphere_rig import CENTRE, RADIUS, scene_of, sphere_maps


def points_around(count: int, seed: int, *, spread: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    normals = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)
    radius = RADIUS + spread * torch.randn(count, 1, generator=generator, dtype=torch.float64)
    return CENTRE + radius * normals, normals


def test_counts_match_a_twin() -> None:
    maps, relative = sphere_maps(), 0.01
    points, normals = points_around(400, 0, spread=0.05)
    expected = torch.zeros(len(points), dtype=torch.int64)
    for i in range(len(maps)):
        camera, depth = maps.cameras[i], maps.depth[i]
        pixels, z = camera.project(points)
        place = camera.world_from_camera[0, :3, 3]
        edge = 10 / float(camera.K[0, 0, 0])
        for n, ((x, y), seen_z) in enumerate(zip(pixels[0].tolist(), z[0].tolist(), strict=True)):
            if not (0 <= x < camera.width and 0 <= y < camera.height) or float(normals[n] @ (place - points[n])) < 0:
                continue
            row, column = int(y), int(x)
            rows = {row, min(max(row + (1 if y - row >= 0.5 else -1), 0), camera.height - 1)}
            columns = {column, min(max(column + (1 if x - column >= 0.5 else -1), 0), camera.width - 1)}
            own = float(depth[row, column])
            near = [float(depth[r, c]) for r in rows for c in columns]
            near = [d for d in near if d > 0 and abs(d - own) <= edge * own]
            expected[n] += own > 0 and min(near) - relative * own <= seen_z <= max(near) + relative * own
    ours = count_views(points.float(), normals.float(), maps, relative=relative).long()
    # float32 positions may fall to the other side of a border.
    assert float((ours == expected).float().mean()) > 0.98
    assert int((ours - expected).abs().max()) <= 1
    assert int(ours.max()) >= 4


def test_masks_are_missed_beside_the_object_and_not_near_its_outline() -> None:
    maps = sphere_maps()
    masks = [depth > 0 for depth in maps.depth]
    on, _ = points_around(300, 1)
    assert int(count_mask_misses(on, maps.cameras, masks).max()) == 0
    off = CENTRE + 1.3 * (on - CENTRE)
    misses = count_mask_misses(off, maps.cameras, masks)
    assert int(misses.min()) >= 1
    assert int(count_mask_misses(off, maps.cameras, masks, margin=60).max()) == 0


def test_colours_are_those_of_the_pictures_that_see_a_point() -> None:
    maps = sphere_maps()
    scene = scene_of(maps)
    points, normals = points_around(300, 2)
    colors, weight = color_points(points.float(), normals.float(), maps, scene.cameras, scene.images)
    assert float(weight.min()) > 0
    assert float((colors - (127.5 + 120 * normals) / 255).abs().max()) < 0.05
    inside, _ = color_points((0.5 * (points - CENTRE) + CENTRE).float(), normals.float(), maps, scene.cameras, scene.images)
    assert not inside.any()


def test_no_points_are_no_trouble() -> None:
    maps = sphere_maps()
    assert len(count_views(torch.zeros(0, 3), None, maps)) == 0
    assert len(count_mask_misses(torch.zeros(0, 3), maps.cameras, [d > 0 for d in maps.depth])) == 0

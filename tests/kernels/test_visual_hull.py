"""Visual hulls of a sphere, whose silhouettes are known exactly."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.points import PointSet
from recon_cli.core.scene import Scene
from recon_cli.core.topology import check_manifold
from recon_cli.kernels import hull_votes
from recon_cli.kernels.hull_box import find_box, scene_hull, visual_hull
from recon_cli.kernels.silhouettes import Silhouettes
from recon_cli.kernels.visual_hull import HullSettings, carve, classify

CENTRE, RADIUS, DISTANCE = torch.tensor([310.0, -45.0, 1020.0], dtype=torch.float64), 70.0, 400.0
BOX = torch.stack([CENTRE - 100, CENTRE + 90])
CPU = torch.device("cpu")


def directions(count: int) -> torch.Tensor:  # [count, 3]
    """Points spread over the whole sphere."""
    index = torch.arange(count, dtype=torch.float64) + 0.5
    z, angle = 1 - 2 * index / count, index * math.pi * (1 + math.sqrt(5))
    ring = (1 - z**2).sqrt()
    return torch.stack([ring * angle.cos(), ring * angle.sin(), z], dim=1)


def looking(places: torch.Tensor, targets: torch.Tensor, sizes: list[tuple[int, int]], focals: list[float]) -> Cameras:
    forward = torch.nn.functional.normalize(targets - places, dim=1)
    helper = torch.where(forward[:, 2:].abs() > 0.9, torch.tensor([[1.0, 0, 0]]), torch.tensor([[0.0, 0, 1]])).double()
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, helper), dim=1)
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    pose = torch.eye(4, dtype=torch.float64).repeat(len(places), 1, 1)
    pose[:, :3, :3], pose[:, :3, 3] = rotation, -(rotation @ places[..., None])[..., 0]
    K = torch.tensor([[[f, 0, w / 2 + 1.3], [0, f, h / 2 - 0.7], [0, 0, 1]] for f, (w, h) in zip(focals, sizes, strict=True)]).double()
    return Cameras(K, pose, torch.tensor(sizes))


def around(count: int = 20, *, width: int = 160, height: int = 140, offset: float = 0.0) -> Cameras:
    """Cameras of two sizes all around, looking at the centre or ``offset`` beside it."""
    places = CENTRE + DISTANCE * directions(count)
    targets = CENTRE + offset * directions(count).roll(1, dims=1)
    sizes = [(width, height) if i % 2 else (height, width + 7) for i in range(count)]
    return looking(places, targets, sizes, [300.0 if i % 2 else 340.0 for i in range(count)])


def pixel_rays(camera: Cameras) -> torch.Tensor:  # [H, W, 3]
    """World directions of unit z of the pixels' centres."""
    columns, rows = torch.meshgrid(torch.arange(camera.width) + 0.5, torch.arange(camera.height) + 0.5, indexing="xy")
    pixels = torch.stack([columns, rows], dim=-1).reshape(1, -1, 2).double()
    lifted = camera.unproject(pixels, torch.ones(1, pixels.shape[1], dtype=torch.float64))[0] - camera.world_from_camera[0, :3, 3]
    return lifted.view(camera.height, camera.width, 3)


def sphere_depth(camera: Cameras) -> torch.Tensor:  # [H, W]
    """z of the sphere's near side, NaN beside it."""
    rays, start = pixel_rays(camera), camera.world_from_camera[0, :3, 3] - CENTRE
    a, b, c = (rays**2).sum(-1), (rays * start).sum(-1), (start**2).sum() - RADIUS**2
    return (-b - (b * b - a * c).sqrt()) / a


def masks_of(cameras: Cameras) -> list[torch.Tensor]:
    return [sphere_depth(cameras[view]).isfinite() for view in range(len(cameras))]


def silhouettes_of(cameras: Cameras, masks: list[torch.Tensor] | None = None, *, max_size: int = 1000) -> Silhouettes:
    return Silhouettes.of(masks or masks_of(cameras), cameras, max_size=max_size, device=CPU)


def surface_points(count: int = 4000) -> torch.Tensor:
    return CENTRE + RADIUS * directions(count)


def volume(mesh) -> float:
    a, b, c = (mesh.vertices - CENTRE)[mesh.faces].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum() / 6)


def hull_volume(cameras: Cameras, count: int = 200_000) -> float:
    """The volume of the exact intersection of the views' tangent cones, by sampling: what silhouettes without pixels would leave."""
    generator = torch.Generator().manual_seed(0)
    low, high = CENTRE - 1.3 * RADIUS, CENTRE + 1.3 * RADIUS
    points = low + (high - low) * torch.rand(count, 3, generator=generator, dtype=torch.float64)
    is_inside = torch.ones(count, dtype=torch.bool)
    for place in cameras.world_from_camera[:, :3, 3]:
        axis, reach = CENTRE - place, points - place
        cosine = (reach @ axis) / (reach.norm(dim=1) * axis.norm())
        is_inside &= cosine > math.sqrt(1 - (RADIUS / float(axis.norm())) ** 2)
    return float(is_inside.double().mean()) * float((high - low).prod())


def test_the_hull_of_a_sphere():
    """Mixed sizes and focal lengths: the volume of the cones' intersection, a closed surface, no point of the sphere outside."""
    cameras = around(20)
    hull = visual_hull(silhouettes_of(cameras), BOX, HullSettings(resolution=64))
    mesh = hull.mesh()
    exact = hull_volume(cameras)
    assert 4 / 3 * math.pi * RADIUS**3 < exact
    assert volume(mesh) == pytest.approx(exact, rel=0.03)
    assert bool(hull.contains(surface_points()).all())
    edges = torch.cat([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]).sort(dim=1).values
    assert int((edges.unique(dim=0, return_counts=True)[1] % 2).sum()) == 0
    assert not bool(hull.contains(CENTRE + 1.25 * RADIUS * directions(500)).any())


def test_the_hull_of_ragged_masks_is_manifold():
    """Holes and crumbs of a few pixels leave thin walls and edges that meet."""
    cameras = around(6)
    generator = torch.Generator().manual_seed(0)
    masks = [mask & (torch.rand(mask.shape, generator=generator) > 0.02) for mask in masks_of(cameras)]
    check_manifold(visual_hull(silhouettes_of(cameras, masks), BOX, HullSettings(resolution=48)).mesh())


def test_intervals_hold_the_true_depth_of_every_foreground_pixel():
    cameras = around(12)
    hull = visual_hull(silhouettes_of(cameras), BOX, HullSettings(resolution=48, minimum_views=4))
    small = replace(cameras, K=cameras.K * torch.tensor([0.25, 0.25, 1])[:, None].double(), size=cameras.size // 4)
    intervals = hull.depth_intervals(small)
    for view in range(len(small)):
        near, far, depth = intervals.near[view], intervals.far[view], sphere_depth(small[view])
        is_seen = depth.isfinite()
        assert bool(((near <= depth) & (depth <= far))[is_seen].all())
        assert float((far - near)[is_seen].max()) < 3.7 * RADIUS
        assert float((depth - near)[is_seen].median()) < 0.25 * RADIUS
        assert bool((near[far == 0] == 0).all())
        assert bool((near[far > 0] > 0).all())
        assert float((far > 0).double().mean()) < 1.6 * float(is_seen.double().mean())


def test_intervals_agree_with_a_plain_walk():
    """The walk through bricks against sampling every ray in steps of a fiftieth of a voxel."""
    cameras = around(6)
    hull = carve(silhouettes_of(cameras), BOX, HullSettings(resolution=24))
    small = replace(cameras, K=cameras.K * torch.tensor([0.1, 0.1, 1])[:, None].double(), size=cameras.size // 10)
    camera = small[1]
    near, far = hull._meet(camera, camera.width, camera.height, offset=0.5)
    rays, start = pixel_rays(camera), camera.world_from_camera[0, :3, 3]
    z = torch.arange(DISTANCE - 200, DISTANCE + 200, hull.voxel / 50, dtype=torch.float64)
    for row, column in ((7, 8), (3, 8), (7, 3), (10, 11), (0, 0)):
        is_in = hull.contains(start + z[:, None] * rays[row, column])
        if not bool(is_in.any()):
            assert float(near[row, column]) > 1e29
            continue
        held = z[is_in] / hull.voxel
        assert float(near[row, column]) == pytest.approx(float(held[0]), abs=1 / 20)
        assert float(far[row, column]) == pytest.approx(float(held[-1]), abs=1 / 20)


def test_coarse_to_fine_finds_what_every_voxel_says():
    """The sparse hull against classifying each voxel of the whole grid."""
    cameras = around(9, offset=60.0)
    silhouettes = silhouettes_of(cameras)
    for settings in (HullSettings(resolution=24, minimum_views=4), HullSettings(resolution=21, tolerance=2, minimum_views=1)):
        hull = carve(silhouettes, BOX * torch.tensor([1.0, 1, 1]) + torch.tensor([[0.0, 5, 11], [0, 3, 2]]), settings)
        every = torch.stack(torch.meshgrid(*[torch.arange(n) for n in hull.shape], indexing="ij"), dim=-1).reshape(-1, 3)
        looks = (silhouettes.matrices(hull.origin, hull.voxel), silhouettes.starts, silhouettes.sizes, silhouettes.integrals)
        states = classify(looks, every, 1, hull.shape, settings, settings.minimum_views)
        wrong = hull.occupied(every) != (states != hull_votes.OUTSIDE)
        # A block that is outside as a whole may hold voxels whose own wider bounds are not.
        assert not bool((hull.occupied(every) & wrong).any())
        assert float(wrong.double().mean()) < 0.01
        ring = torch.tensor([[-1, 3, 3], [3, hull.shape[1], 3], [3, 3, 999]])
        assert not bool(hull.occupied(ring).any())


def test_a_block_is_decided_for_all_its_points():
    """Blocks of several sides against the plain votes of random points in them."""
    cameras = around(9, offset=60.0)
    masks, silhouettes = masks_of(cameras), silhouettes_of(around(9, offset=60.0))
    origin, voxel, generator = BOX[0], 5.0, torch.Generator().manual_seed(2)
    looks = (silhouettes.matrices(origin, voxel), silhouettes.starts, silhouettes.sizes, silhouettes.integrals)
    for side, tolerance, minimum_views in ((2, 0, 3), (4, 1, 2), (8, 0, 1)):
        counts = [torch.arange(40 // side)] * 3
        blocks = torch.stack(torch.meshgrid(*counts, indexing="ij"), dim=-1).reshape(-1, 3)
        settings = HullSettings(tolerance=tolerance)
        states = classify(looks, blocks, side, (40, 40, 40), settings, minimum_views)
        points = origin + voxel * side * (blocks[:, None] + torch.rand(len(blocks), 8, 3, generator=generator, dtype=torch.float64))
        against, seen = plain_votes(cameras, masks, points.reshape(-1, 3))
        is_kept = ((against <= tolerance) & (seen >= minimum_views)).view(-1, 8)
        assert not bool(is_kept[states == hull_votes.OUTSIDE].any())
        assert bool(is_kept[states == hull_votes.INSIDE].all())
        assert min(int((states == state).sum()) for state in (hull_votes.OUTSIDE, hull_votes.MIXED)) > 5
        assert side == 8 or int((states == hull_votes.INSIDE).sum()) > 3


def plain_votes(cameras: Cameras, masks: list[torch.Tensor], points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How many views object to points [N, 3], and how many see them."""
    against, seen = torch.zeros(len(points), dtype=torch.int64), torch.zeros(len(points), dtype=torch.int64)
    pixels, depth = cameras.project(points)
    for view, mask in enumerate(masks):
        column, row = pixels[view].floor().long().unbind(1)
        is_seen = (depth[view] > 0) & (column >= 0) & (row >= 0) & (column < mask.shape[1]) & (row < mask.shape[0])
        held = mask[row.clamp(0, mask.shape[0] - 1), column.clamp(0, mask.shape[1] - 1)]
        seen += is_seen
        against += is_seen & ~held
    return against, seen


def test_the_surface_follows_a_straight_outline_between_voxels():
    """Two views whose masks end at the same plane: the mesh lies on it, not on the voxels' walls."""
    places = CENTRE + torch.tensor([[0.0, 0, -4000], [0, -4000, 0]]).double()
    cameras = looking(places, CENTRE.expand_as(places), [(200, 200)] * 2, [3000.0] * 2)
    edges = cameras.project((CENTRE + torch.tensor([7.3, 0, 0]).double())[None])[0][:, 0]
    columns, rows = torch.meshgrid(torch.arange(200) + 0.5, torch.arange(200) + 0.5, indexing="xy")
    middles = cameras.project(CENTRE[None])[0][:, 0]
    inward = middles - edges
    masks = [((torch.stack([columns, rows], -1) - edges[view]) @ inward[view].to(torch.float32).double() > 0) for view in range(2)]
    hull = carve(silhouettes_of(cameras, masks), torch.stack([CENTRE - 40, CENTRE + 40]), HullSettings(resolution=20))
    vertices = hull.mesh().vertices - CENTRE
    is_middle = (vertices[:, 1:].abs() < 25).all(dim=1) & (vertices[:, 0] > 0)
    assert int(is_middle.sum()) > 50
    assert float((vertices[is_middle, 0] - 7.3).abs().max()) < 0.2 * hull.voxel


def test_an_object_cut_by_the_border_is_kept():
    """Each picture shows a part of the sphere only; what it does not show it does not remove."""
    cameras = around(24, offset=75.0, width=110, height=100)
    masks = masks_of(cameras)
    cut = [bool(mask[0].any() | mask[-1].any() | mask[:, 0].any() | mask[:, -1].any()) for mask in masks]
    assert sum(cut) > 18
    hull = visual_hull(silhouettes_of(cameras, masks), BOX, HullSettings(resolution=64, minimum_views=3))
    assert bool(hull.contains(surface_points()).all())
    assert volume(hull.mesh()) < 1.35 * 4 / 3 * math.pi * RADIUS**3


def test_one_wrong_mask_is_tolerated():
    cameras = around(20)
    masks = masks_of(cameras)
    masks[4][:, 80:] = False
    strict = visual_hull(silhouettes_of(cameras, masks), BOX, HullSettings(resolution=48))
    lenient = visual_hull(silhouettes_of(cameras, masks), BOX, HullSettings(resolution=48, tolerance=1))
    assert float(strict.contains(surface_points()).double().mean()) < 0.7
    assert bool(lenient.contains(surface_points()).all())
    assert volume(strict.mesh()) < 0.75 * volume(lenient.mesh()) < 1.3 * 4 / 3 * math.pi * RADIUS**3


def test_a_hull_that_vanishes_names_the_mask():
    cameras = around(10)
    masks = masks_of(cameras)
    wrong = torch.zeros_like(masks[7])
    wrong[:6, :6] = True
    masks[7] = wrong
    for bounds, minimum_views in ((BOX, 6), (BOX, 5), (None, 6), (None, 2)):
        with pytest.raises(InputError, match=r"mask of view '000007' alone removed the most"):
            visual_hull(silhouettes_of(cameras, masks), bounds, HullSettings(resolution=32, minimum_views=minimum_views))
    assert not visual_hull(silhouettes_of(cameras, masks), BOX, HullSettings(resolution=32, tolerance=1)).is_empty


def test_reduced_masks_remove_nothing_of_the_object():
    cameras = around(12)
    hull = visual_hull(silhouettes_of(cameras, max_size=40), BOX, HullSettings(resolution=48))
    assert silhouettes_of(cameras, max_size=40).sizes[0].tolist() == [140 / 4, 167 / 4]
    assert bool(hull.contains(surface_points()).all())
    assert volume(hull.mesh()) == pytest.approx(hull_volume(cameras), rel=0.06)


@pytest.mark.parametrize("rig", ["around", "ring", "frontal"])
def test_the_box_is_found(rig):
    if rig == "around":
        cameras = around(16)
    else:
        angle = torch.linspace(0, 2 * math.pi, 13, dtype=torch.float64)[:12] if rig == "ring" else torch.linspace(-0.5, 0.5, 9).double()
        lift = torch.linspace(-0.2, 0.3, len(angle)).double()
        places = CENTRE + DISTANCE * torch.stack([angle.sin(), lift, -angle.cos()], dim=1)
        cameras = looking(places, CENTRE.expand_as(places), [(200, 200)] * len(angle), [320.0] * len(angle))
    box = find_box(silhouettes_of(cameras))
    assert bool((box[0] < CENTRE - RADIUS).all())
    assert bool((box[1] > CENTRE + RADIUS).all())
    longest = 10 * RADIUS if rig == "frontal" else 3.5 * RADIUS
    assert float((box[1] - box[0]).max()) < longest


def test_views_that_never_look_at_one_place():
    places = torch.tensor([[0.0, 0, 0], [500, 0, 0], [0, 500, 0]], dtype=torch.float64)
    cameras = looking(places, places + torch.tensor([0.0, 0, 400]).double(), [(40, 40)] * 3, [80.0] * 3)
    cameras = replace(cameras, K=torch.tensor([[80.0, 0, 20], [0, 80, 20], [0, 0, 1]]).double().expand(3, 3, 3))
    full = [torch.ones(40, 40, dtype=torch.bool)] * 3
    with pytest.raises(InputError, match="no common place") as caught:
        find_box(Silhouettes.of(full, cameras, max_size=100, device=CPU))
    assert "bounds" in str(caught.value.hint)
    images = tuple(torch.zeros(40, 40, 3, dtype=torch.uint8) for _ in full)
    points = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)).double() * 100 + torch.tensor([100.0, 100, 1500])
    hull = scene_hull(Scene(cameras, images, tuple(full), PointSet(points)), resolution=32, minimum_views=1)
    assert bool(hull.contains(points).all())
    with pytest.raises(InputError, match="no common place"):
        scene_hull(Scene(cameras, images, tuple(full), PointSet(points[:9])), resolution=32, minimum_views=1)


def test_numbers_out_of_their_range():
    with pytest.raises(UsageError, match="8 to 1024"):
        HullSettings(resolution=4)
    with pytest.raises(UsageError, match="0 to 7"):
        HullSettings(tolerance=8)
    with pytest.raises(UsageError, match="is empty"):
        carve(silhouettes_of(around(2)), BOX.flip(0))


def test_the_same_hull_every_time():
    cameras = around(7)
    first, second = (visual_hull(silhouettes_of(cameras), None, HullSettings(resolution=32)).mesh() for _ in range(2))
    assert torch.equal(first.vertices, second.vertices)
    assert torch.equal(first.faces, second.faces)


def test_a_camera_with_absurd_numbers_is_no_crash():
    from recon_cli.core.errors import InputError
    from recon_cli.kernels.hull_box import scene_hull
    from tests.systems.mvs.sphere_rig import scene_of, sphere_maps

    scene = scene_of(sphere_maps())
    for place, value in (((1, 0, 0), 1e12), ((1, 0, 2), 1e14), ((1, 1, 1), 1e-14)):
        K = scene.cameras.K.clone()
        K[place] = value
        with contextlib.suppress(InputError):
            scene_hull(replace(scene, cameras=replace(scene.cameras, K=K)), resolution=32)

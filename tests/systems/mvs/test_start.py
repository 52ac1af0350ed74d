"""Where the search begins, on a sphere whose depths are known."""

from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.camera_sizes import shrunk
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthIntervals, DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.config import StartConfig
from recon_cli.systems.mvs.start import depth_intervals

RADIUS, DISTANCE, VIEWS, SIZES = 1.0, 5.0, 8, ((120, 100), (90, 110))
SMALL = 30
CONFIG = StartConfig(hull_resolution=32)


def cameras() -> Cameras:
    poses, K, sizes = [], [], []
    for view in range(VIEWS):
        angle, lift = 2 * math.pi * view / VIEWS, 0.5 * math.sin(3.0 * view)
        place = torch.tensor([math.sin(angle), lift, -math.cos(angle)], dtype=torch.float64)
        place = DISTANCE * place / place.norm()
        forward = -place / DISTANCE
        right = torch.nn.functional.normalize(torch.linalg.cross(torch.tensor([0.0, 1, 0]).double(), forward), dim=0)
        rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
        pose = torch.eye(4, dtype=torch.float64)
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ place
        poses.append(pose)
        width, height = SIZES[view % 2]
        K.append(torch.tensor([[200.0, 0, width / 2 + 1], [0, 200.0, height / 2], [0, 0, 1]]))
        sizes.append([width, height])
    return Cameras(torch.stack(K).double(), torch.stack(poses), torch.tensor(sizes))


def true_depth(camera: Cameras) -> torch.Tensor:  # [H, W]
    """z of the sphere, NaN beside it."""
    columns, rows = torch.meshgrid(torch.arange(camera.width) + 0.5, torch.arange(camera.height) + 0.5, indexing="xy")
    pixels = torch.stack([columns, rows], dim=-1).reshape(1, -1, 2).double()
    start = camera.world_from_camera[0, :3, 3]
    rays = camera.unproject(pixels, torch.ones(1, pixels.shape[1], dtype=torch.float64))[0] - start
    a, b, c = (rays**2).sum(-1), (rays * start).sum(-1), (start**2).sum() - RADIUS**2
    return ((-b - (b * b - a * c).sqrt()) / a).view(camera.height, camera.width)


def points(count: int = 400) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return RADIUS * torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)


def scene(*, masks: bool = True, sparse: bool = True, bounds: bool = True) -> Scene:
    rig = cameras()
    insides = tuple(true_depth(rig[view]).isfinite() for view in range(VIEWS))
    images = tuple(torch.zeros(*inside.shape, 3, dtype=torch.uint8) for inside in insides)
    box = torch.tensor([[-1.1, -1.2, -1.3], [1.3, 1.2, 1.1]])
    return Scene(rig, images, insides if masks else None, PointSet(points()) if sparse else None, box if bounds else None)


def given_maps(*, views: int = VIEWS) -> DepthMaps:
    rig = cameras()
    return DepthMaps(rig, tuple(true_depth(rig[view]).nan_to_num(0.0).float() for view in range(VIEWS))).chosen(range(views))


def check(intervals: DepthIntervals, *, width: float) -> None:
    """The true depth of every pixel on the sphere lies in its interval, and intervals are on average no wider than ``width``."""
    small = shrunk(cameras(), SMALL)
    assert torch.equal(intervals.cameras.K, small.K)
    widths = []
    for view, (near, far) in enumerate(zip(intervals.near, intervals.far, strict=True)):
        depth = true_depth(small[view])
        is_seen = depth.isfinite()
        assert int(is_seen.sum()) > 100
        assert bool(((near <= depth) & (depth <= far))[is_seen].all())
        assert near.dtype == far.dtype == torch.float32
        assert bool(((near > 0) == (far > 0)).all())
        widths.append(float((far - near)[is_seen].mean()))
    assert sum(widths) / VIEWS < width


def test_from_the_hull():
    check(depth_intervals(scene(bounds=False, sparse=False), CONFIG, max_size=SMALL), width=2.1)
    check(depth_intervals(scene(), CONFIG, max_size=SMALL), width=2.0)


def test_from_points_with_and_without_masks():
    for masks in (True, False):
        config = StartConfig(source="points")
        intervals = depth_intervals(scene(masks=masks, bounds=False), config, max_size=SMALL)
        check(intervals, width=3.3)
        assert bool((intervals.near[0] > 0).all()) != masks


def test_wrong_points_do_not_widen_the_range():
    wrong = torch.tensor([[0.0, 0.0, -4.9], [0.0, 0.3, 40.0], [2000.0, 0, 0]])
    base = scene(masks=False, bounds=False)
    spoiled = Scene(base.cameras, base.images, None, PointSet(torch.cat([points(), wrong])), None)
    plain, other = (depth_intervals(which, max_size=SMALL) for which in (base, spoiled))
    for view in range(VIEWS):
        assert float(other.far[view].max()) == pytest.approx(float(plain.far[view].max()), rel=0.05)
        assert float(other.near[view].min()) == pytest.approx(float(plain.near[view].min()), rel=0.05)


def test_a_picture_that_shows_too_few_points_takes_the_others_range():
    base = scene(bounds=False)
    masks = [mask.clone() for mask in base.masks]
    masks[3][:] = False
    masks[3][45:48, 40:43] = True
    intervals = depth_intervals(Scene(base.cameras, base.images, tuple(masks), base.points), StartConfig(source="points"), max_size=SMALL)
    assert float(intervals.far[3].max()) == pytest.approx(max(float(far.max()) for far in intervals.far))


def test_from_the_bounds():
    intervals = depth_intervals(scene(masks=False, sparse=False), max_size=SMALL)
    check(intervals, width=3.4)
    # The ray through the middle of the first picture enters the box at z = -1.3 and leaves it at 1.1; it starts at -5 and has a slope.
    camera = shrunk(cameras(), SMALL)[0]
    start = camera.world_from_camera[0, :3, 3]
    assert float(intervals.near[0].min()) == pytest.approx(float(-1.3 - start[2]), rel=0.05)


def test_from_a_mesh():
    angles = torch.linspace(0, math.pi, 33), torch.linspace(0, 2 * math.pi, 65)
    theta, phi = torch.meshgrid(*angles, indexing="ij")
    vertices = 1.003 * torch.stack([theta.sin() * phi.cos(), theta.cos(), theta.sin() * phi.sin()], dim=-1).reshape(-1, 3)
    corner = (torch.arange(32)[:, None] * 65 + torch.arange(64)).reshape(-1)
    faces = torch.cat([torch.stack([corner, corner + 65, corner + 1], 1), torch.stack([corner + 1, corner + 65, corner + 66], 1)])
    intervals = depth_intervals(scene(), CONFIG, max_size=SMALL, mesh=Mesh(vertices, faces))
    check(intervals, width=0.9)
    assert intervals.depth is not None
    empty = depth_intervals(scene(masks=False), StartConfig(source="mesh"), max_size=SMALL, mesh=Mesh(vertices + 100, faces))
    assert all(float(far.max()) == 0 for far in empty.far)


def test_from_the_depths_of_another_method():
    intervals = depth_intervals(scene(), CONFIG, max_size=SMALL, maps=given_maps())
    check(intervals, width=0.6)
    small = shrunk(cameras(), SMALL)
    depth = true_depth(small[0])
    is_known = depth.isfinite() & (intervals.depth[0] > 0)
    assert float(((intervals.depth[0] - depth)[is_known]).abs().median()) < 0.02


def test_holes_and_missing_maps_are_filled_from_a_wider_range():
    maps = given_maps(views=VIEWS - 1)
    holed = [depth.clone() for depth in maps.depth]
    holed[0][30:70, 40:80] = 0
    intervals = depth_intervals(scene(), CONFIG, max_size=SMALL, maps=DepthMaps(maps.cameras, tuple(holed)))
    check(intervals, width=0.9)
    assert float(intervals.depth[VIEWS - 1].max()) == 0
    assert float((intervals.far[0] - intervals.near[0])[12, 15]) > 0.8
    nothing = DepthMaps(maps.cameras, tuple(torch.zeros_like(depth) for depth in maps.depth))
    with pytest.raises(InputError, match="know no depth of any view"):
        depth_intervals(scene(), CONFIG, max_size=SMALL, maps=nothing)


def test_nothing_that_bounds_the_depths():
    bare = scene(masks=False, sparse=False, bounds=False)
    with pytest.raises(InputError, match="nothing bounds the depths") as caught:
        depth_intervals(bare, max_size=SMALL)
    assert "masks/NAME.png" in str(caught.value.hint)
    for source, said in (
        ("hull", "no masks"),
        ("points", "no sparse points"),
        ("bounds", "no bounds"),
        ("mesh", "no mesh"),
        ("depth", "no depth"),
    ):
        with pytest.raises(InputError, match=said):
            depth_intervals(bare, StartConfig(source=source), max_size=SMALL)


def test_points_that_no_picture_shows_and_bounds_that_are_no_box():
    base = scene(masks=False, bounds=False)
    away = Scene(base.cameras, base.images, None, PointSet(points() + 1000.0))
    with pytest.raises(InputError, match="none of the 8 pictures shows 8 of the 400 sparse points"):
        depth_intervals(away, max_size=SMALL)
    flat = Scene(base.cameras, base.images, None, None, torch.tensor([[0.0, 0, 0], [1, 0, 1]]))
    with pytest.raises(InputError, match="are no box"):
        depth_intervals(flat, max_size=SMALL)


def test_a_hull_that_vanishes_is_an_error():
    base = scene(bounds=False)
    masks = [mask.clone() for mask in base.masks]
    masks[5][:] = False
    masks[5][:3, :3] = True
    with pytest.raises(InputError, match="'000005'"):
        depth_intervals(Scene(base.cameras, base.images, tuple(masks)), CONFIG, max_size=SMALL)

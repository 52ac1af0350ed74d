"""Whole rigs: what one view sees, its neighbour sees where depth and cameras say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.prepare.synth.photograph import decode
from recon_cli.prepare.synth.rig import Rig, RigSpec, make_rig
from recon_cli.prepare.synth.rig_object import draw_object
from recon_cli.prepare.synth.rig_texture import draw_texture

SMALL = RigSpec(size=144, views=5, supersamples=3)


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return draw_object(np.random.default_rng([0, 0]), cells=40)


@pytest.fixture(scope="module")
def rig(mesh) -> Rig:
    return make_rig(mesh, SMALL, seed=4)


def warped(rig: Rig, view: int, other: int, *, shift: float = 0.0) -> tuple[Tensor, Tensor]:  # [N, 3], [N, 3]
    """Colours of a view, and those of another one at the same points of the surface where both see it well."""
    cameras, height, width = rig.scene.cameras, *rig.depths.depth[view].shape
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    pixels = torch.stack([columns, rows], dim=-1).reshape(1, -1, 2).double()
    points = cameras[view].unproject(pixels, rig.depths.depth[view].reshape(1, -1).double())[0]
    found, z = (values[0] for values in cameras[other].project(points))
    size = cameras.size[other].double()
    grid = (2 * (found + shift) / size - 1)[None, None].float()
    seen = torch.nn.functional.grid_sample(rig.depths.depth[other][None, None], grid, mode="nearest", align_corners=False)[0, 0, 0]
    picture = rig.scene.images[other].permute(2, 0, 1)[None].float()
    colors = torch.nn.functional.grid_sample(picture, grid, mode="bicubic", align_corners=False)[0, :, 0].T
    assert rig.depths.normals is not None
    normals = rig.depths.normals[view].reshape(-1, 3).double()
    is_seen = (rig.depths.depth[view].reshape(-1) > 0) & ((seen - z).abs() < 0.01 * z)
    for k in (view, other):
        towards = cameras.world_from_camera[k, :3, 3] - points
        is_seen &= (normals * towards).sum(-1) > 0.5 * towards.norm(dim=-1)
    return rig.scene.images[view].reshape(-1, 3)[is_seen].float(), colors[is_seen]


def ncc(a: Tensor, b: Tensor) -> float:
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    return float((a * b).sum() / (a.norm() * b.norm()))


def test_neighbours_agree_where_depth_and_cameras_say(rig):
    for view in range(4):
        here, there = warped(rig, view, view + 1)
        assert len(here) > 1500
        assert ncc(here, there) > 0.95
        assert ncc(here, there) > ncc(*warped(rig, view, view + 1, shift=0.5)) + 0.003


def test_masks_are_where_depth_is_positive(rig):
    for view, depth in enumerate(rig.depths.depth):
        assert torch.equal(rig.scene.mask(view), depth > 0)
        assert 0.2 < float((depth > 0).float().mean()) < 0.8
        assert depth.dtype == torch.float32


def test_depth_is_on_the_mesh(rig):
    view, camera = 2, rig.scene.cameras[2]
    inside = rig.depths.depth[view] > 0
    rows, columns = inside.nonzero().unbind(1)
    pixels = torch.stack([columns, rows], dim=1)[None].double() + 0.5
    points = camera.unproject(pixels, rig.depths.depth[view][inside][None].double())[0]
    low, high = rig.mesh.vertices.double().amin(dim=0), rig.mesh.vertices.double().amax(dim=0)
    assert bool(((points > low - 1e-6) & (points < high + 1e-6)).all())
    assert rig.scene.bounds is not None
    assert bool((rig.scene.bounds[0] < low).all())
    assert bool((rig.scene.bounds[1] > high).all())


def test_the_same_seed_gives_the_same_bytes(mesh, rig):
    again = make_rig(mesh, SMALL, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(again.scene.images, rig.scene.images, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(again.depths.depth, rig.depths.depth, strict=True))
    other = make_rig(mesh, replace(SMALL, views=2), seed=5)
    assert not torch.equal(other.scene.images[0], rig.scene.images[0])


def test_the_sensor_and_the_texture_leave_the_cameras_alone(mesh, rig):
    noisy = make_rig(mesh, replace(SMALL, noise=2.0, texture="weak", background="textured", specular=0.4), seed=4)
    assert torch.equal(noisy.scene.cameras.camera_from_world, rig.scene.cameras.camera_from_world)
    assert all(torch.equal(a, b) for a, b in zip(noisy.depths.depth, rig.depths.depth, strict=True))


def local_contrast(rig: Rig) -> float:
    """Median over the object of the standard deviation of 5 x 5 windows [levels]."""
    gray = rig.scene.images[2].float().mean(dim=-1)[None, None]
    mean, square = (torch.nn.functional.avg_pool2d(values, 5, 1) for values in (gray, gray**2))
    inside = -torch.nn.functional.max_pool2d(-rig.scene.mask(2).float()[None, None], 5, 1) > 0
    return float((square - mean**2).clamp(min=0).sqrt()[inside].median())


def test_weak_texture_is_much_weaker(mesh, rig):
    weak = make_rig(mesh, replace(SMALL, texture="weak"), seed=4)
    assert local_contrast(rig) > 12
    assert local_contrast(weak) < 0.35 * local_contrast(rig)


def test_weak_patterns_are_almost_even_in_more_than_a_third():
    from recon_cli.kernels.solid_texture import solid_texture

    points = torch.rand(20000, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    step = 0.01 * torch.nn.functional.normalize(torch.randn(20000, 3, generator=torch.Generator().manual_seed(1)), dim=1)
    for seed in range(4):
        weak, strong = (draw_texture(strength, 1.0, np.random.default_rng(seed)) for strength in ("weak", "strong"))
        change = (solid_texture(points + step, weak) / solid_texture(points, weak) - 1).abs().amax(dim=1)
        assert float((change < 0.01).float().mean()) > 0.33
        lively = (solid_texture(points + step, strong) / solid_texture(points, strong) - 1).abs().amax(dim=1)
        assert float((lively < 0.01).float().mean()) < 0.05


def test_only_highlights_move_with_the_eye(mesh, rig):
    glossy = make_rig(mesh, replace(SMALL, specular=0.8, shininess=20), seed=4)
    assert ncc(*warped(glossy, 1, 2)) < ncc(*warped(rig, 1, 2)) - 0.002
    brighter = torch.stack(glossy.scene.images).int() - torch.stack(rig.scene.images).int()
    assert int(brighter.min()) >= -1
    assert int(brighter.max()) > 40


def test_exposure_scales_the_light_of_whole_views(mesh, rig):
    changed = make_rig(mesh, replace(SMALL, exposure=1.0), seed=4)
    gains = []
    for before, after, mask in zip(rig.scene.images, changed.scene.images, rig.scene.masks or (), strict=True):
        a, b = (torch.from_numpy(decode(picture[mask].double().numpy() / 255)) for picture in (before, after))
        middle = (before[mask] > 60) & (before[mask] < 160) & (after[mask] < 250)
        ratio = (b / a)[middle]
        gains.append(float(ratio.median()))
        assert float((ratio / gains[-1] - 1).abs().quantile(0.9)) < 0.05
    assert max(gains) / min(gains) > 1.3
    assert min(gains) >= 0.5
    assert max(gains) <= 2.0


def test_clutter_hides_parts_of_the_object(mesh, rig):
    crowded = make_rig(mesh, replace(SMALL, clutter=3), seed=4)
    assert len(crowded.mesh.faces) > len(mesh.faces)
    nearer = torch.stack(crowded.depths.depth)
    plain = torch.stack(rig.depths.depth)
    both = (plain > 0) & (nearer > 0)
    assert bool((nearer <= plain)[both].all())
    assert float(((nearer < 0.99 * plain) & both).float().mean()) > 0.005
    assert ncc(*warped(crowded, 1, 2)) > 0.9


def test_a_textured_background_lies_outside_the_masks(mesh, rig):
    behind = make_rig(mesh, replace(SMALL, background="textured"), seed=4)
    for view in range(5):
        outside = ~rig.scene.mask(view)
        inner = -torch.nn.functional.max_pool2d(-rig.scene.mask(view)[None].float(), 3, 1, 1)[0] > 0
        assert float(behind.scene.images[view][outside].float().std()) > 10
        assert float(rig.scene.images[view][outside].float().median()) == 0
        assert torch.equal(behind.scene.images[view][inner], rig.scene.images[view][inner])


def test_the_hemisphere_has_four_sizes_and_four_focal_lengths(mesh):
    around = make_rig(mesh, RigSpec(layout="hemisphere", size=64, views=20), seed=1)
    assert len({tuple(image.shape) for image in around.scene.images}) == 4
    assert len(around.scene.cameras.K[:, 0, 0].unique()) == 4
    assert min(float(mask.float().mean()) for mask in around.scene.masks or ()) > 0.15


def test_progress_counts_the_pictures(mesh):
    told = []
    make_rig(mesh, RigSpec(size=16, views=3), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": "sphere"},
        {"texture": "none"},
        {"background": "white"},
        {"size": 8},
        {"views": 1},
        {"noise": -1.0},
        {"noise": float("nan")},
        {"exposure": 20.0},
        {"supersamples": 0},
        {"clutter": -1},
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(changes):
    with pytest.raises(UsageError, match=next(iter(changes))):
        RigSpec(**changes)


def test_an_empty_mesh_is_refused():
    with pytest.raises(InputError, match="no faces"):
        make_rig(Mesh(torch.zeros(3, 3), torch.zeros(0, 3, dtype=torch.int64)), SMALL)

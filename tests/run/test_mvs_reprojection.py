import math
from dataclasses import replace

import numpy as np
import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.run.mvs_reprojection import reproject, sampled, small_views
from recon_cli.run.pictures import BACKDROP


def test_neighbours_look_alike_through_the_exact_depth_and_not_through_another(stereo_scene):
    right = reproject(stereo_scene.scene, stereo_scene.depth, 2, [1, 3])
    wrong_depth = tuple(depth * 1.15 for depth in stereo_scene.depth.depth)
    wrong = reproject(stereo_scene.scene, replace(stereo_scene.depth, depth=wrong_depth), 2, [1, 3])
    assert right.neighbours == (1, 3)
    assert min(right.ncc) > 0.9
    assert max(wrong.ncc) < min(right.ncc) - 0.2
    own, *warped = right.pictures
    for picture in warped:
        seen = (picture != np.array(BACKDROP)).any(axis=-1)
        assert 0.6 < seen.sum() / (stereo_scene.depth.depth[2] > 0).sum() <= 1.0
        assert np.abs(picture[seen].astype(float) - own[seen]).mean() < 12
    assert np.array_equal(own, stereo_scene.scene.images[2].numpy())


def test_nothing_known_is_backdrop_without_a_score(stereo_scene):
    empty = replace(stereo_scene.depth, depth=tuple(torch.zeros_like(depth) for depth in stereo_scene.depth.depth))
    found = reproject(stereo_scene.scene, empty, 0, [1])
    assert math.isnan(found.ncc[0])
    assert (found.pictures[1] == np.array(BACKDROP)).all()


def test_small_views_keep_cameras_and_depths_together(stereo_scene):
    pictures, maps = small_views(stereo_scene.scene, stereo_scene.depth, side=32)
    assert pictures.cameras.size.tolist() == [[32, 24]] * 5
    assert set(maps.depth[1].unique().tolist()) <= set(stereo_scene.depth.depth[1].unique().tolist())
    assert min(reproject(pictures, maps, 2, [1, 3]).ncc) > 0.8


def test_a_map_is_sampled_never_mixed():
    values = torch.arange(12.0).reshape(3, 4)
    assert torch.equal(sampled(values, 4, 3), values)
    assert torch.equal(sampled(values, 2, 1), torch.tensor([[5.0, 7.0]]))
    assert sampled(values, 8, 6).shape == (6, 8)


def test_maps_of_another_size_are_brought_to_the_pictures(stereo_scene):
    cameras = replace(stereo_scene.depth.cameras, size=stereo_scene.depth.cameras.size // 2)
    half = DepthMaps(cameras, tuple(sampled(depth, 32, 24) for depth in stereo_scene.depth.depth))
    pictures, maps = small_views(stereo_scene.scene, half, side=64)
    assert maps.depth[0].shape == pictures.images[0].shape[:2] == (48, 64)

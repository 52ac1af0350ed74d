import json

import pytest
import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.exr import read_depth
from recon_cli.io.images import read_image
from recon_cli.io.meshes import read_mesh
from recon_cli.io.points import read_points
from recon_cli.run.mvs_outputs import (
    FinishedViews,
    depth_range,
    read_params,
    write_colored_depth,
    write_filtered,
    write_maps,
    write_origin,
    write_surface,
)
from tests.run.stereo import arc


def test_finished_views_survive_a_line_that_was_cut_short(tmp_path):
    finished = FinishedViews.of(tmp_path)
    assert finished.names() == set()
    finished.add(["a", "b"])
    with finished.path.open("a") as file:
        file.write('{"views": ["c')
    assert finished.names() == {"a", "b"}
    finished.add(["d"])
    assert finished.names() == {"a", "b", "d"}


def test_a_few_wrong_depths_do_not_take_all_the_colours():
    depth = torch.linspace(2, 3, 10_000).reshape(100, 100)
    depth[0, :3], depth[50] = 1e6, 0.0
    low, high = depth_range([depth])
    assert 2.0 <= low < 2.05
    assert 2.95 < high <= 3.0
    assert depth_range([torch.zeros(4, 4)]) == depth_range([]) == (0.0, 1.0)


def test_a_coloured_map_is_brighter_where_it_is_near(tmp_path):
    depth = torch.full((100, 90), 2.0)
    depth[:, 45:], depth[:, :5] = 3.0, 0.0
    write_colored_depth(tmp_path / "depth.png", depth)
    picture = read_image(tmp_path / "depth.png")
    assert picture.shape[0] == 100
    assert picture.shape[1] > 90
    assert float(picture[50, 20].mean()) > 2 * float(picture[50, 70].mean())
    assert float(picture[50, 2].max()) < 0.15
    write_colored_depth(tmp_path / "empty.png", torch.zeros(20, 30))
    assert float(read_image(tmp_path / "empty.png").max()) < 0.15


def test_maps_come_back(tmp_path):
    cameras = arc(2)
    depth = torch.rand(2, 48, 64) + 1
    maps = DepthMaps(cameras, tuple(depth), (torch.zeros(48, 64, 3),) * 2, (torch.ones(48, 64),) * 2)
    write_maps(tmp_path, maps)
    write_filtered(tmp_path, maps)
    for folder in ("depth", "filtered"):
        assert torch.equal(read_depth(tmp_path / folder / "b.exr"), depth[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["confidence", "depth", "filtered", "normal"]


def test_either_kind_of_surface_is_written(tmp_path):
    vertices = torch.rand(4, 3)
    write_surface(tmp_path / "mesh.ply", Mesh(vertices, torch.tensor([[0, 1, 2]])))
    write_surface(tmp_path / "points.ply", PointSet(vertices))
    assert len(read_mesh(tmp_path / "mesh.ply").faces) == 1
    assert torch.equal(read_points(tmp_path / "points.ply").points, vertices)


def test_colours_are_bytes_as_viewers_expect(tmp_path):
    colors = torch.rand(4, 3) * 1.2 - 0.1
    write_surface(tmp_path / "mesh.ply", Mesh(torch.rand(4, 3), torch.tensor([[0, 1, 2]]), colors=colors))
    write_surface(tmp_path / "points.ply", PointSet(torch.rand(4, 3), colors=colors))
    for name in ("mesh.ply", "points.ply"):
        assert b"property uchar red" in (tmp_path / name).read_bytes()
    back = read_points(tmp_path / "points.ply").colors
    assert back is not None
    assert float((back - colors.clamp(0, 1)).abs().max()) <= 0.5 / 255 + 1e-6


def test_the_origin_is_told(tmp_path):
    write_origin(tmp_path / "out", arc(2), {"scene": "/somewhere", "max_size": 64})
    assert read_params(tmp_path)["max_size"] == 64


@pytest.mark.parametrize("record", [None, [], {"scene": 3}, {"frames": 2}])
def test_another_kind_of_run_is_refused(tmp_path, record):
    (tmp_path / "out").mkdir()
    if record is not None:
        (tmp_path / "out" / "params.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="recon mvs depth"):
        read_params(tmp_path)

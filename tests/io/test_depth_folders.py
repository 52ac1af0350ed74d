from __future__ import annotations

import math

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.io.depth_folders import read_depth_maps, write_depth_maps, z_from_ray
from recon_cli.io.exr import read_channels, read_depth, write_channels, write_depth

SIZES = ((12, 9), (8, 10))


def cameras() -> Cameras:
    K = torch.tensor([[[15.0, 0, w / 2 + 1], [0, 14, h / 2], [0, 0, 1]] for w, h in SIZES], dtype=torch.float64)
    return Cameras(K, torch.eye(4, dtype=torch.float64).expand(2, 4, 4), torch.tensor(SIZES), ("a", "b.1"))


def maps() -> DepthMaps:
    generator = torch.Generator().manual_seed(1)
    depth = tuple(1 + torch.rand(h, w, generator=generator) for w, h in SIZES)
    normals = tuple(torch.nn.functional.normalize(torch.randn(h, w, 3, generator=generator), dim=-1) for w, h in SIZES)
    confidence = tuple(torch.rand(h, w, generator=generator) for w, h in SIZES)
    for view in range(2):
        for values in (depth[view], normals[view], confidence[view]):
            values[:2] = 0
    return DepthMaps(cameras(), depth, normals, confidence)


def test_depths_come_back_bit_for_bit_normals_and_confidence_nearly(tmp_path):
    write_depth_maps(tmp_path, maps())
    back = read_depth_maps(tmp_path, cameras())
    for view in range(2):
        assert torch.equal(back.depth[view], maps().depth[view])
        assert torch.equal(back.normals[view][:2], torch.zeros(2, SIZES[view][0], 3))
        cosine = (back.normals[view] * maps().normals[view]).sum(-1)[2:]
        assert float(cosine.min()) > math.cos(math.radians(0.06))
        assert torch.allclose(back.normals[view][2:].norm(dim=-1), torch.ones(()))
        assert back.confidence[view].dtype == torch.float16
        assert torch.allclose(back.confidence[view].float(), maps().confidence[view], atol=5e-4)
    write_depth_maps(tmp_path / "again", maps())
    for file in sorted(tmp_path.glob("[dnc]*/*.exr")):
        assert file.read_bytes() == (tmp_path / "again" / file.relative_to(tmp_path)).read_bytes()


def test_maps_of_another_size_take_their_cameras_along(tmp_path):
    write_depth_maps(tmp_path, maps())
    large = Cameras(cameras().K * torch.tensor([2.0, 2, 1])[:, None], cameras().camera_from_world, cameras().size * 2, ("a", "b.1"))
    back = read_depth_maps(tmp_path, large)
    assert torch.equal(back.cameras.size, cameras().size)
    assert torch.allclose(back.cameras.K, cameras().K)
    wide = Cameras(cameras().K, cameras().camera_from_world, torch.tensor([[24, 9], [8, 10]]), ("a", "b.1"))
    with pytest.raises(InputError, match=r"camera 'a' is 12x9, its camera 24x9, of another aspect"):
        read_depth_maps(tmp_path, wide)


def test_the_maps_folder_itself_and_missing_views(tmp_path):
    write_depth_maps(tmp_path, maps())
    (tmp_path / "depth" / "a.exr").unlink()
    with pytest.raises(InputError, match="has depth maps of 1 of 2 cameras; there is none for a"):
        read_depth_maps(tmp_path, cameras())
    told: list[str] = []
    back = read_depth_maps(tmp_path / "depth", cameras(), is_partial=True, note=told.append)
    assert back.cameras.names == ("b.1",)
    assert torch.equal(back.depth[0], maps().depth[1])
    assert len(told) == 1
    (tmp_path / "depth" / "b.1.exr").unlink()
    with pytest.raises(InputError, match="0 of 2"):
        read_depth_maps(tmp_path, cameras(), is_partial=True)


def test_float_maps_of_other_programs(tmp_path):
    """PFM rows run from bottom to top; an EXR of the same name goes first."""
    for view, name in enumerate(cameras().names):
        height, width = maps().depth[view].shape
        rows = maps().depth[view].flip(0).contiguous().numpy().astype("<f4").tobytes()
        (tmp_path / f"{name}.pfm").write_bytes(b"Pf\n%d %d\n-1.0\n" % (width, height) + rows)
    back = read_depth_maps(tmp_path, cameras())
    assert all(torch.equal(a, b) for a, b in zip(back.depth, maps().depth, strict=True))
    write_depth(tmp_path / "a.exr", maps().depth[0] * 2)
    assert torch.equal(read_depth_maps(tmp_path, cameras()).depth[0], maps().depth[0] * 2)
    (tmp_path / "b.1.pfm").write_bytes(b"Pf\n8 10\n-1.0\n")
    with pytest.raises(InputError, match=r"b\.1\.pfm"):
        read_depth_maps(tmp_path, cameras())


def test_rays_become_depths(tmp_path):
    """Distances to the plane z = 2 + 0.3 x along each pixel's ray, worked out by hand."""
    camera = cameras()[0]
    for row, column in ((0, 0), (3, 11), (8, 5)):
        x, y = (column + 0.5 - 7) / 15, (row + 0.5 - 4.5) / 14
        z = 2 / (1 - 0.3 * x)
        distance = torch.full((9, 12), z * math.sqrt(x * x + y * y + 1))
        assert float(z_from_ray(distance, camera)[row, column]) == pytest.approx(z, rel=1e-6)
    for view, name in enumerate(cameras().names):
        write_depth(tmp_path / f"{name}.exr", torch.full(SIZES[view][::-1], 2.0))
    back = read_depth_maps(tmp_path, cameras(), depth_kind="ray")
    assert float(back.depth[0].max()) <= 2
    assert torch.equal(back.depth[0], z_from_ray(torch.full((9, 12), 2.0), camera))


def test_values_that_are_no_depths(tmp_path):
    depth = [values.clone() for values in maps().depth]
    depth[0][4, :4] = torch.tensor([math.nan, math.inf, -math.inf, -2.0])
    write_depth_maps(tmp_path, DepthMaps(cameras(), tuple(depth)))
    told: list[str] = []
    back = read_depth_maps(tmp_path, cameras(), note=told.append)
    assert back.depth[0][4, :4].tolist() == [0, 0, 0, 0]
    assert torch.equal(back.depth[0][5:], depth[0][5:])
    assert len(told) == 1
    assert "4 of 108 depths" in told[0]
    write_depth(tmp_path / "depth" / "b.1.exr", torch.full((10, 8), math.nan))
    with pytest.raises(InputError, match=r"b\.1\.exr: has no valid depth: 80 of 80 values are NaN"):
        read_depth_maps(tmp_path, cameras())


def test_normals_of_another_size(tmp_path):
    write_depth_maps(tmp_path, maps())
    write_channels(tmp_path / "normal" / "a.exr", torch.zeros(3, 3, 3), ("N.X", "N.Y", "N.Z"))
    with pytest.raises(InputError, match="is 3x3, the depth map beside it 12x9"):
        read_depth_maps(tmp_path, cameras())


def test_channels_by_name(tmp_path):
    values = torch.rand(4, 5, 2)
    write_channels(tmp_path / "a.exr", values, ("one", "another"))
    assert torch.equal(read_channels(tmp_path / "a.exr", ("another", "one")), values.flip(-1))
    with pytest.raises(InputError, match=r"has the channels another \(float32\), one \(float32\); expected floats in one, third"):
        read_channels(tmp_path / "a.exr", ("one", "third"))
    with pytest.raises(InputError, match=r"expected floats \[H, W, 3\]"):
        write_channels(tmp_path / "b.exr", values, ("x", "y", "z"))
    assert not (tmp_path / "b.exr").exists()
    write_channels(tmp_path / "c.exr", values[..., :1], ("Y",), half=True)
    assert torch.equal(read_depth(tmp_path / "c.exr"), values[..., 0].half().float())

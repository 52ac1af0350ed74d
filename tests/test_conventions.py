"""Each row of CONVENTIONS.md, as a fact about the code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recon_cli.core import errors
from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_normals
from recon_cli.core.sampling import sample_surface
from recon_cli.io.cameras import read_cameras
from recon_cli.io.exporters.colmap import _quaternion
from recon_cli.io.exr import read_depth, write_depth
from recon_cli.io.images import read_image, read_mask, write_image
from recon_cli.io.meshes import read_mesh, write_mesh
from recon_cli.kernels.rasterize import rasterize
from recon_cli.kernels.sample_texture import sample_texture
from recon_cli.kernels.tsdf import Integration, integrate, touched_grid
from recon_cli.run.npm_codes import NAME, read_codes, write_codes
from recon_cli.run.npm_model_file import model_digest
from recon_cli.systems.npm.transfer import bodies
from recon_cli.systems.sft.cloth import make_cloth
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.simulator import ClothState, step
from tests.run.test_npm_codes import codes_of
from tests.systems.mvs.sphere_rig import CENTRE, RADIUS, sphere_maps
from tests.systems.npm.tube_model import soft_tubes

ROOT = Path(__file__).parents[1]
TABLE = dict(re.findall(r"^\| ([^|]+?) \| (.+) \|$", (ROOT / "CONVENTIONS.md").read_text(), re.M))
CAMERA = Cameras.pinhole(width=8, height=6, fx=4.0, fy=4.0, cx=4.0, cy=3.0)
TILTED = torch.linalg.qr(torch.rand(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
SHEET = Mesh(
    torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [2.0, 1.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64),
    torch.tensor([[0, 1, 2], [0, 2, 3]]),
)


def points(*rows):
    return torch.tensor([rows], dtype=torch.float64)


def test_every_row_is_tested_here():
    tests = {name.removeprefix("test_").replace("_", " ") for name in globals() if name.startswith("test_")}
    rows = set(TABLE) - {"what", "---"}
    assert tests - {"every row is tested here"} == rows


def test_world_and_camera_axes():
    pixels, depth = CAMERA.project(points((0.0, 0.0, 2.0), (1.0, 0.0, 2.0), (0.0, 1.0, 2.0), (0.0, 0.0, -2.0))[0])
    centre, right, down, _ = pixels[0]
    assert (right - centre).tolist() == [2.0, 0.0]
    assert (down - centre).tolist() == [0.0, 2.0]
    assert depth[0].tolist() == [2.0, 2.0, 2.0, -2.0]
    x, y, z = torch.eye(3)
    assert torch.equal(torch.linalg.cross(x, y), z)


def test_transforms():
    camera_from_world = torch.eye(4, dtype=torch.float64)[None].clone()
    camera_from_world[0, :3, :3], camera_from_world[0, :3, 3] = TILTED, torch.tensor([0.1, 0.2, 5.0])
    camera = Cameras(CAMERA.K, camera_from_world, CAMERA.size)
    world = torch.tensor([0.3, -0.2, 0.4, 1.0], dtype=torch.float64)
    local = camera_from_world[0] @ world
    _, depth = camera.project(world[None, :3])
    assert depth.item() == pytest.approx(local[2].item())
    assert torch.allclose(camera.world_from_camera[0] @ local, world)


def test_pixels(tmp_path):
    corner = CAMERA.unproject(points((0.5, 0.5)), torch.ones(1, 1, dtype=torch.float64))[0]
    around = corner + 1e-3 * torch.tensor([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    pixels, depth = CAMERA.project(around)
    seen = rasterize(torch.cat([pixels[0], depth[0, :, None]], dim=-1).float(), torch.tensor([[0, 1, 2]]), 8, 6).face[..., 0]
    assert (seen >= 0).nonzero().tolist() == [[0, 0]]
    plain = {"width": 8, "height": 6, "fx": 4.0, "fy": 4.0, "cx": 3.5, "cy": 2.5}
    (tmp_path / "camera.json").write_text(json.dumps(plain))
    assert torch.equal(read_cameras(tmp_path / "camera.json").K, CAMERA.K)


def test_depth(tmp_path):
    edge = CAMERA.unproject(points((0.0, 3.0), (4.0, 3.0)), torch.full((1, 2), 2.0, dtype=torch.float64))
    assert edge[0, :, 2].tolist() == [2.0, 2.0]
    assert edge[0, 0].norm() > 2.5
    nothing = rasterize(torch.tensor([[-9.0, 0.0, 1.0], [-8.0, 0.0, 1.0], [-8.0, 1.0, 1.0]]), torch.tensor([[0, 1, 2]]), 8, 6)
    assert nothing.depth.unique().tolist() == [0.0]
    write_depth(tmp_path / "d.exr", torch.tensor([[0.0, 1234.5]]))
    assert read_depth(tmp_path / "d.exr").tolist() == [[0.0, 1234.5]]


@pytest.mark.parametrize("suffix", [".ply", ".obj"])
def test_scale(tmp_path, suffix):
    large = SHEET.with_vertices(1000.0 * SHEET.vertices + 123.456)
    write_mesh(tmp_path / f"m{suffix}", large)
    assert torch.equal(read_mesh(tmp_path / f"m{suffix}").vertices.double(), large.vertices)


def test_signed_distance():
    maps = sphere_maps()
    grid = touched_grid(maps, 0.1, truncation=4.0)
    volume = integrate(maps, grid, Integration(truncation=4.0))
    steps = torch.arange(512)
    local = torch.stack([steps % 8, steps // 8 % 8, steps // 64], dim=-1)
    places = volume.grid.origin + 0.1 * (volume.grid.blocks[:, None] * 8 + local)
    radius = (places.double() - CENTRE).norm(dim=-1)
    is_known = volume.distance.isfinite() & ((radius - RADIUS).abs() > 0.1)
    assert bool(((volume.distance < 0) == (radius < RADIUS))[is_known].all())
    assert int(is_known.sum()) > 1000


def test_quaternions():
    angle = 0.7
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    assert np.allclose(_quaternion(turn), [np.cos(angle / 2), np.sin(angle / 2), 0, 0])


def test_images(tmp_path):
    picture = torch.zeros(2, 3, 3)
    picture[0, 2] = torch.tensor([1.0, 0.5, 0.0])
    write_image(tmp_path / "p.png", picture)
    read = read_image(tmp_path / "p.png")
    assert (read.dtype, tuple(read.shape)) == (torch.float32, (2, 3, 3))
    assert torch.allclose(read, picture, atol=0.5 / 255)
    assert read.max() == 1.0


def test_texture_coordinates():
    texture = torch.zeros(4, 4, 1, dtype=torch.float64)
    texture[3, 0], texture[0, 0] = 1.0, 2.0
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    assert sample_texture(texture, corners).flatten().tolist() == [1.0, 2.0, 0.0]


def test_meshes():
    outside = torch.tensor([0.5, 0.5, 1.0], dtype=torch.float64)
    normals = face_normals(SHEET.vertices, SHEET.faces)
    assert (normals @ outside > 0).all()
    with pytest.raises(errors.InputError):
        Mesh(SHEET.vertices, torch.tensor([[0, 1, 2, 3]]))


def test_units():
    material, cloth, seconds = published("eight_fabrics"), make_cloth(SHEET), 0.01
    mass = material.density * cloth.vertex_area  # [kg]
    assert mass.sum().item() == pytest.approx(0.230 * 2.0)
    force = torch.zeros(4, 3, dtype=torch.float64)
    force[1, 2] = 1.0  # [N]
    moved = step(cloth, material, ClothState.at_rest(SHEET.vertices), h=seconds, forces=force)
    momentum = (mass[:, None] * moved.velocities).sum(0)  # [kg m/s]
    assert momentum.tolist() == pytest.approx([0.0, 0.0, 1.0 * seconds], abs=1e-12)


def test_masks(tmp_path):
    write_image(tmp_path / "m.png", torch.tensor([[0, 255, 255]], dtype=torch.uint8))
    assert read_mask(tmp_path / "m.png").tolist() == [[0, 255, 255]]


def test_codes(tmp_path):
    model = soft_tubes(dtype=torch.float32)[0]
    codes = codes_of(model)
    write_codes(tmp_path / NAME, codes, model_digest(model))
    found = read_codes(tmp_path, model, model_digest(model))
    first, twice = (next(bodies(model, replace(found, unit=scale * found.unit))).vertices for scale in (1, 2))
    origin = found.world_from_camera[:3, 3]
    torch.testing.assert_close(twice - origin, 2 * (first - origin))
    with pytest.raises(errors.InputError, match="codes of another model"):
        read_codes(tmp_path, model, model_digest(replace(model, vertices=2 * model.vertices)))


def test_seeds():
    drawn = [sample_surface(SHEET.vertices, SHEET.faces, 100, generator=torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_exit_codes():
    stated = dict(re.findall(r"(\d+) ([^,|]+)", TABLE["exit codes"]))
    kinds = {
        "usage": errors.UsageError,
        "input": errors.InputError,
        "numerics": errors.NumericsError,
        "some scenes failed": errors.PartialError,
        "stopped and resumable": errors.StoppedError,
        "bug": errors.ReconError,
    }
    assert {word.strip(): int(code) for code, word in stated.items()} == {
        "done": 0,
        "Ctrl-C": 130,
        **{word: kind.exit_code for word, kind in kinds.items()},
    }


def test_streams(capsys):
    from recon_cli.cli.console import Console, emit

    with Console() as console:
        console.note("words")
        emit("data")
    assert capsys.readouterr() == ("data\n", "words\n")

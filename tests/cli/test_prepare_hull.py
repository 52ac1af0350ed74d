"""What `recon prepare hull` writes, prints and refuses."""

from __future__ import annotations

import io
import json

import pytest
import torch

from recon_cli.cli.app import run
from recon_cli.core.cameras import Cameras
from recon_cli.core.scene import Scene
from recon_cli.io.images import write_image
from recon_cli.io.meshes import read_mesh
from recon_cli.io.scenes import write_scene

SIDE, FOCAL, DISTANCE, HALF = 64, 90.0, 5.0, 0.8


@pytest.fixture
def folder(tmp_path):
    """A cube of side 1.6 seen from the six directions of the axes."""
    poses = []
    for axis in range(3):
        for sign in (1.0, -1.0):
            forward = torch.zeros(3)
            forward[axis] = -sign
            right = torch.zeros(3)
            right[(axis + 1) % 3] = 1.0
            rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
            pose = torch.eye(4)
            pose[:3, :3], pose[:3, 3] = rotation, torch.tensor([0.0, 0, DISTANCE])
            poses.append(pose)
    K = torch.tensor([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1]])
    names = ("xp", "xn", "yp", "yn", "zp", "zn")
    cameras = Cameras(K.expand(6, 3, 3).double(), torch.stack(poses).double(), torch.tensor([[SIDE, SIDE]] * 6), names)
    reach = FOCAL * HALF / (DISTANCE - HALF)
    edge = (torch.arange(SIDE) + 0.5 - SIDE / 2).abs() < reach
    mask = edge[:, None] & edge[None]
    image = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    write_scene(tmp_path / "scene", Scene(cameras, (image,) * 6, (mask,) * 6))
    return tmp_path / "scene"


def test_a_cube(folder, tmp_path, capsys):
    out = tmp_path / "hull.ply"
    assert run(["prepare", "hull", str(folder), "-o", str(out), "--resolution", "48", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    mesh = read_mesh(out)
    assert (record["path"], record["vertices"], record["views"], record["tolerance"]) == (str(out), len(mesh.vertices), 6, 0)
    # A view along an axis leaves |a| <= slope (DISTANCE -+ b): the hull is widest on the axes, wider than the cube.
    slope = 17 / FOCAL  # the mask's outline lies 17 px from the middle
    extent = mesh.vertices.amax(dim=0) - mesh.vertices.amin(dim=0)
    assert torch.allclose(extent, torch.full((3,), 2 * slope * DISTANCE), rtol=0.02)
    places = 2 * torch.rand(200_000, 3, generator=torch.Generator().manual_seed(0)).double() - 1
    is_in = torch.ones(len(places), dtype=torch.bool)
    for axis in range(3):
        for other in (1, 2):
            is_in &= places[:, (axis + other) % 3].abs() <= slope * (DISTANCE - places[:, axis].abs())
    a, b, c = mesh.vertices[mesh.faces].unbind(1)
    assert float((a * torch.linalg.cross(b, c)).sum() / 6) == pytest.approx(8 * float(is_in.double().mean()), rel=0.03)


def test_to_standard_output(folder, monkeypatch, capsys):
    class Out(io.StringIO):
        buffer = io.BytesIO()

    monkeypatch.setattr("sys.stdout", Out())
    assert run(["prepare", "hull", str(folder), "-o", "-", "--resolution", "24"]) == 0
    assert Out.buffer.getvalue().startswith(b"ply\n")


def test_what_is_there_stays_unless_told(folder, tmp_path, capsys):
    out = tmp_path / "hull.obj"
    out.write_text("mine")
    assert run(["prepare", "hull", str(folder), "-o", str(out)]) == 3
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run(["prepare", "hull", str(folder), "-o", str(out), "--resolution", "16", "--overwrite"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_text().startswith("v ")


def test_a_wrong_mask_is_named_and_can_be_left_out(folder, tmp_path, capsys):
    mask = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
    mask[:3, :3] = 255
    write_image(folder / "masks" / "yn.png", mask)
    out = str(tmp_path / "hull.ply")
    assert run(["prepare", "hull", str(folder), "-o", out, "--resolution", "32"]) == 3
    assert "the mask of view 'yn' alone removed the most" in capsys.readouterr().err
    assert run(["prepare", "hull", str(folder), "-o", out, "--resolution", "32", "--leave-out", "yn"]) == 0
    assert run(["prepare", "hull", str(folder), "-o", out, "--resolution", "32", "--tolerance", "1", "--overwrite"]) == 0
    write_image(folder / "masks" / "yn.png", torch.zeros(SIDE, SIDE, dtype=torch.uint8))
    assert run(["prepare", "hull", str(folder), "-o", out, "--overwrite"]) == 3
    assert "mask of camera 'yn' is empty" in capsys.readouterr().err


def test_no_masks(folder, tmp_path, capsys):
    for file in (folder / "masks").iterdir():
        file.unlink()
    text = (folder / "cameras.json").read_text()
    document = json.loads(text)
    for record in document["cameras"]:
        del record["mask"]
    (folder / "cameras.json").write_text(json.dumps(document))
    assert run(["prepare", "hull", str(folder), "-o", str(tmp_path / "hull.ply")]) == 3
    assert "needs masks" in capsys.readouterr().err
    assert run(["prepare", "hull", str(folder), "-o", str(tmp_path / "hull.ply"), "--tolerance", "9"]) == 2

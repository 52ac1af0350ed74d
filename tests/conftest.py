"""A tiny clip that tests of whole commands share."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

SIDE, FRAMES, WIDTH, HEIGHT, FOCAL = 9, 4, 200, 160, 230.0


@dataclass(frozen=True)
class ClothScene:
    """Files of a small waving cloth; ``positions`` are the true ones, shape [T, V, 3]."""

    folder: Path
    video: Path
    masks: Path
    template: Path
    camera: Path
    positions: object

    def fit_arguments(self, out: Path) -> list[str]:
        """The command line of a plain fit into ``out``."""
        inputs = ["--video", self.video, "--template", self.template, "--camera", self.camera, "--masks", self.masks, "--fps", 25]
        return ["sft", "fit", *map(str, inputs), "-o", str(out)]


@pytest.fixture(scope="session")
def cloth_scene(tmp_path_factory) -> ClothScene:
    """Four frames of a textured 9 x 9 cloth that bends away from the camera, as pictures, masks, OBJ and a plain camera file."""
    import torch

    from recon_cli.core.cameras import Cameras
    from recon_cli.core.mesh import Mesh
    from recon_cli.io.images import write_image
    from recon_cli.render.protocol import get_renderer

    folder = tmp_path_factory.mktemp("cloth")
    sheet, uvs, faces = _sheet()
    frames = [_bent(sheet, t) for t in range(FRAMES)]
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, 24, 24, generator=generator)
    texture = torch.nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0.15, 1)[0].permute(1, 2, 0)
    camera = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=FOCAL, fy=FOCAL, cx=WIDTH / 2, cy=HEIGHT / 2)
    for name in ("frames", "masks"):
        (folder / name).mkdir()
    for t, vertices in enumerate(frames):
        drawn = get_renderer("builtin").render(Mesh(vertices, faces, uvs=uvs, face_uvs=faces, texture=texture.double()), camera)
        write_image(folder / "frames" / f"{t:03d}.png", drawn.color[0].clamp(0, 1))
        write_image(folder / "masks" / f"{t:03d}.png", (drawn.silhouette[0] > 0.5).to(torch.uint8) * 255)
    write_image(folder / "texture.png", texture)
    (folder / "template.mtl").write_text("newmtl cloth\nmap_Kd texture.png\n")
    (folder / "template.obj").write_text(_obj(frames[0], uvs, faces))
    plain = {"width": WIDTH, "height": HEIGHT, "fx": FOCAL, "fy": FOCAL, "cx": WIDTH / 2 - 0.5, "cy": HEIGHT / 2 - 0.5}
    (folder / "camera.json").write_text(json.dumps(plain))
    parts = (folder / name for name in ("frames", "masks", "template.obj", "camera.json"))
    return ClothScene(folder, *parts, positions=torch.stack(frames))


def _sheet():
    """A flat sheet of 0.36 m one metre before the camera: vertices, texture coordinates, faces."""
    import torch

    steps = torch.linspace(0, 1, SIDE, dtype=torch.float64)
    v, u = torch.meshgrid(steps, steps, indexing="ij")
    vertices = torch.stack([(u - 0.5) * 0.36, (v - 0.5) * 0.36, torch.ones_like(u)], dim=-1).reshape(-1, 3)
    uvs = torch.stack([u, 1 - v], dim=-1).reshape(-1, 2)
    corners = [(row * SIDE + column, row * SIDE + column + 1) for row in range(SIDE - 1) for column in range(SIDE - 1)]
    faces = [face for a, b in corners for face in ((a, a + SIDE, b), (b, a + SIDE, b + SIDE))]
    return vertices, uvs, torch.tensor(faces)


def _bent(vertices, t):
    """The sheet rolled about a vertical axis by an angle that grows with time; rolling keeps all lengths."""
    import torch

    curvature = 0.15 + 0.45 * t  # 1/m
    x = vertices[:, 0]
    rolled = torch.stack([torch.sin(x * curvature) / curvature, vertices[:, 1], 1 + (1 - torch.cos(x * curvature)) / curvature], dim=1)
    return rolled + 0.002 * math.sin(t)


def _obj(vertices, uvs, faces) -> str:
    lines = ["mtllib template.mtl", "usemtl cloth"]
    lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in vertices.tolist()]
    lines += [f"vt {u!r} {v!r}" for u, v in uvs.tolist()]
    lines += ["f " + " ".join(f"{corner + 1}/{corner + 1}" for corner in face) for face in faces.tolist()]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def stereo_scene(tmp_path_factory):
    """Five pictures of 64 x 48 of a patterned ball, with masks; see ``tests.run.stereo``."""
    from tests.run.stereo import make_stereo_scene

    return make_stereo_scene(tmp_path_factory.mktemp("stereo") / "scene")

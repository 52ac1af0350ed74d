"""Clips of waving cloth with everything that is true about them: template, camera, masks and one mesh a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.io.cameras import write_cameras
from recon_cli.io.images import write_image
from recon_cli.io.meshes import write_mesh
from recon_cli.io.records import write_json
from recon_cli.io.video import VideoWriter
from recon_cli.prepare.synth.individuals import write_individuals
from recon_cli.prepare.synth.pattern import draw_pattern
from recon_cli.prepare.synth.photograph import Pinhole, Scene, photograph
from recon_cli.prepare.synth.sheet import Embedding, Grid, Sheet, embed, grid
from recon_cli.prepare.synth.waving import ClothSetup, draw_setup, hang

Array = np.ndarray

WIDTH, HEIGHT, FPS = 640, 480, 30.0
TEXTURE_SIZE = 384
COVERED_HEIGHT = 0.7
"""Share of the picture's height that the cloth's width spans."""

CONTENTS = ("manifest.jsonl", "[0-9]*", "clip.mp4", "masks", "template.*", "camera.json", "meshes", "truth.json")
"""Names that a folder of cloth samples may have."""


@dataclass(frozen=True)
class ClothScene:
    """One individual, hung up and lit, before it moves.

    Attributes:
        setup: cloth and air.
        sheet: the fine surface that moves and is photographed.
        scene: camera, print and light.
        template: the coarse mesh that rides on the fine one.
        embedding: where.
    """

    setup: ClothSetup
    sheet: Sheet
    scene: Scene
    template: Grid
    embedding: Embedding


def write_cloth_samples(
    out: Path,
    *,
    seed: int,
    count: int,
    frames: int,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Make ``count`` individuals of ``frames`` frames and list them in ``manifest.jsonl``.

    A single individual lies in the folder itself, several lie in numbered folders beside the manifest. Individual i of a seed is the same
    whatever the count.

    Args:
        out: the folder, which appears when it is whole.
        seed: of all draws.
        count: number of individuals.
        frames: frames a clip, at 30 per second.
        overwrite: whether earlier samples may be replaced.
        progress: told the number of frames made and their total.

    Raises:
        UsageError: ``count`` or ``frames`` is too small.
        InputError: the folder cannot be made.
    """
    if frames < 2:
        raise UsageError(f"--frames {frames}: a sample needs at least two frames")

    def write(index: int, folder: Path, place: str) -> dict[str, str]:
        generator = np.random.default_rng([seed, index])
        _write_individual(folder, frames, generator, lambda done: progress(index * frames + done, count * frames))
        return _record(f"cloth-{seed}-{index:06d}", place)

    write_individuals(out, write, count=count, contents=CONTENTS, overwrite=overwrite)


def _record(name: str, place: str) -> dict[str, str]:
    paths = {
        "video": "clip.mp4",
        "masks": "masks",
        "template": "template.obj",
        "camera": "camera.json",
        "meshes": "meshes",
        "truth": "truth.json",
    }
    return {"id": name, **{key: place + path for key, path in paths.items()}}


def _write_individual(folder: Path, frames: int, generator: np.random.Generator, tell: Callable[[int], None]) -> None:
    cloth, motion = _move(draw_setup(generator), frames, generator)
    scene = cloth.scene
    with VideoWriter(folder / "clip.mp4", fps=FPS, width=scene.camera.width, height=scene.camera.height) as video:
        for t, positions in enumerate(motion):
            picture, mask = photograph(scene, positions, generator)
            video.append(torch.from_numpy(picture))
            write_image(folder / "masks" / f"{t:06d}.png", mask)
            mesh = _template_mesh(cloth, positions)
            write_mesh(folder / "meshes" / f"{t:06d}.ply", Mesh(mesh.vertices, mesh.faces))
            if t == 0:
                write_mesh(folder / "template.obj", mesh)
            tell(t + 1)
    write_cameras(folder / "camera.json", _camera(scene.camera))
    write_json(folder / "truth.json", _truth(cloth))


def _move(setup: ClothSetup, frames: int, generator: np.random.Generator) -> tuple[ClothScene, Iterator[Array]]:
    """The individual of a setup and its positions [m] in every frame."""
    sheet, hanging = hang(setup, generator)
    columns = int(generator.integers(18, 23))
    template = grid(setup.size, columns, round(columns * setup.size[1] / setup.size[0]))
    scene = _draw_scene(setup, sheet, generator)
    return ClothScene(setup, sheet, scene, template, embed(sheet, template.points)), hanging.frames(frames, FPS)


def _draw_scene(setup: ClothSetup, sheet: Sheet, generator: np.random.Generator) -> Scene:
    focal = COVERED_HEIGHT * HEIGHT * setup.distance / setup.size[0]
    centre = (0.5 * WIDTH + generator.uniform(-8, 8), 0.5 * HEIGHT + generator.uniform(-8, 8))
    # From above and one side, never along the cloth's plane nor straight from the camera: folds show.
    side = generator.choice([-1.0, 1.0])
    light = np.array([side * generator.uniform(0.5, 1.0), -generator.uniform(0.3, 0.8), -generator.uniform(0.5, 0.9)])
    share = generator.uniform(0.65, 0.8)
    return Scene(
        camera=Pinhole(WIDTH, HEIGHT, float(focal), centre),
        faces=sheet.faces,
        uvs=sheet.points / np.array(setup.size) * np.array([1.0, -1.0]) + np.array([0.0, 1.0]),
        texture=draw_pattern(TEXTURE_SIZE, generator),
        light=light / np.linalg.norm(light),
        directional=1.15 * share,
        ambient=1.15 * (1 - share),
        background=generator.uniform(0.001, 0.004, 3),
        blur=generator.uniform(0.4, 0.6),
        read_noise=0.002,
        shot_noise=generator.uniform(0.008, 0.015),
    )


def _template_mesh(cloth: ClothScene, positions: Array) -> Mesh:
    """The template at the positions of a frame; in frame 0 it is the template itself."""
    faces = torch.from_numpy(cloth.template.faces)
    return Mesh(
        vertices=torch.from_numpy(cloth.embedding(positions).astype(np.float32)),
        faces=faces,
        uvs=torch.from_numpy(cloth.template.uvs.astype(np.float32)),
        face_uvs=faces,
        texture=torch.from_numpy(cloth.scene.texture.astype(np.float32) / 255),
    )


def _camera(camera: Pinhole) -> Cameras:
    x, y = camera.centre
    return Cameras.pinhole(width=camera.width, height=camera.height, fx=camera.focal, fy=camera.focal, cx=x, cy=y)


def _truth(cloth: ClothScene) -> dict[str, object]:
    """What a fit may be asked for beyond the meshes, with units in the names."""
    setup, fabric, wind = cloth.setup, cloth.setup.fabric, cloth.setup.wind
    return {
        "frames_per_second": FPS,
        "size_m": list(setup.size),
        "hanging": setup.hanging,
        "density_kg_per_m2": fabric.density,
        "stiffness_n_per_m": fabric.stiffness,
        "bending_n_m": fabric.bending,
        "steady_wind_m_per_s": wind.steady.tolist(),
        "light": cloth.scene.light.tolist(),
        "integrator": "leapfrog mass-spring with quadratic bending on an irregular hexagonal mesh",
    }

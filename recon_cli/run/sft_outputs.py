"""The surface of a shape-from-template run as files, and the same read back.

``out/template.obj`` carries the look (texture coordinates, texture), ``out/camera.json`` the view, ``out/meshes`` one mesh a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.atomic import write_bytes
from recon_cli.io.cameras import read_cameras, write_cameras
from recon_cli.io.meshes import read_mesh, write_mesh
from recon_cli.io.obj_writer import write_obj_mesh
from recon_cli.run.charts import charts_png
from recon_cli.run.sft_film import Film
from recon_cli.run.sft_page import curves_of
from recon_cli.run.streaming import map_in_order
from recon_cli.systems.sft.result import SftResult

TEMPLATE, CAMERA, MESHES = "template.obj", "camera.json", "meshes"


@dataclass(frozen=True)
class Surface:
    """A finished run's surface on the disk.

    Attributes:
        template: the surface in frame 0, with its look.
        meshes: one PLY file a frame.
        camera: the camera that the run was made with, or None.
    """

    template: Mesh
    meshes: Sequence[Path]
    camera: Cameras | None

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.meshes)

    def positions(self, t: int) -> Tensor:  # [V, 3]
        """Vertex positions [m] of a frame.

        Raises:
            InputError: the mesh has another number of vertices than the template.
        """
        vertices = read_mesh(self.meshes[t]).vertices
        if vertices.shape != self.template.vertices.shape:
            raise InputError(f"{len(vertices)} vertices, but the run's template has {len(self.template.vertices)}", path=self.meshes[t])
        return vertices


def write_surface(out: Path, result: SftResult, *, has_obj: bool, workers: int) -> None:
    """Write the camera, the template with its look, and a PLY (and, if asked for, an OBJ) of every frame."""
    write_cameras(out / CAMERA, result.camera)
    template = result.template.to("cpu")
    write_template(out, template)

    def write(t: int) -> None:
        mesh = template.with_vertices(result.positions[t].cpu())
        write_frame(out, mesh, t)
        if has_obj:
            library = f"../{Path(TEMPLATE).stem}.mtl" if template.texture is not None else None
            write_obj_mesh(out / MESHES / f"{t:06d}.obj", mesh, material_library=library)

    for _ in map_in_order(write, range(len(result.positions)), workers=workers):
        pass


def write_template(out: Path, template: Mesh) -> None:
    """The surface at the start, with texture coordinates and texture where it has them."""
    write_mesh(out / TEMPLATE, template)


def write_frame(out: Path, mesh: Mesh, t: int) -> None:
    """Shape alone: positions in float64, and faces."""
    write_mesh(out / MESHES / f"{t:06d}.ply", Mesh(mesh.vertices, mesh.faces))


def write_curves(out: Path, result: SftResult, film: Film) -> None:
    """All curves on one sheet, out/curves.png."""
    write_bytes(out / "curves.png", charts_png(curves_of(result, film)))


def read_surface(run: Path) -> Surface:
    """The surface of a finished run.

    Raises:
        InputError: the folder holds no run with meshes.
    """
    out = run / "out"
    meshes = sorted((out / MESHES).glob("*.ply")) if out.is_dir() else []
    if not meshes:
        raise InputError(
            "holds no meshes in out/meshes", path=run, hint="give the folder of a finished `recon sft fit` or `recon sft simulate`"
        )
    start = read_mesh(meshes[0])
    look = read_mesh(out / TEMPLATE) if (out / TEMPLATE).exists() else start
    camera = read_cameras(out / CAMERA) if (out / CAMERA).exists() else None
    return Surface(replace(look, vertices=start.vertices, normals=None), meshes, camera)

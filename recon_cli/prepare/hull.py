"""The visual hull of a scene folder as a mesh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.io.meshes import write_mesh
from recon_cli.io.scenes import read_scene
from recon_cli.io.streams import is_stream
from recon_cli.kernels.hull_box import MASK_PIXELS, scene_hull


@dataclass(frozen=True)
class HullOptions:
    """How the hull is made; None leaves a choice to ``scene_hull``.

    Attributes:
        resolution: voxels along the longest side of the hull's box.
        tolerance: masks that may be wrong about a place.
        minimum_views: views that must see a place.
        max_size: longest side of the masks [px]; None takes what the resolution can use.
        leave_out: names of views that are not asked.
    """

    resolution: int = 192
    tolerance: int | None = None
    minimum_views: int | None = None
    max_size: int | None = None
    leave_out: Sequence[str] = ()


def write_hull(
    scene: Path,
    out: Path,
    options: HullOptions = HullOptions(),
    *,
    overwrite: bool = False,
    note: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Carve the visual hull of a scene folder's masks and write it as a closed mesh (PLY or OBJ, PLY on standard output for ``-``).

    ``note`` is told what ``read_scene`` has to say.

    Returns:
        What was made: path, vertices, faces, voxel and bounds [scene units], and what each voxel was asked.

    Raises:
        InputError: the scene is not valid, has no masks, nothing is left of the hull, or ``out`` is already there.
        UsageError: an option is out of its range.
    """
    if not is_stream(out) and out.exists() and not overwrite:
        raise InputError("is already there", path=out, hint="--overwrite to replace it, or choose another -o")
    size = options.max_size or MASK_PIXELS * options.resolution
    loaded = read_scene(scene, max_size=size, leave_out=options.leave_out, note=note)
    hull = scene_hull(loaded, resolution=options.resolution, tolerance=options.tolerance, minimum_views=options.minimum_views)
    mesh = hull.mesh()
    write_mesh(out, mesh.to(dtype=_precision(mesh, hull.voxel)))
    return {
        "path": str(out),
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "voxel": hull.voxel,
        "bounds": hull.bounds.tolist(),
        "views": len(loaded),
        "tolerance": hull.settings.tolerance,
        "minimum_views": hull.settings.minimum_views,
    }


def _precision(mesh: Mesh, voxel: float) -> torch.dtype:
    # Far from the origin (surveyed scenes) float32 would round vertices to a good part of a voxel.
    return torch.float32 if float(mesh.vertices.abs().max()) < 1e4 * voxel else torch.float64

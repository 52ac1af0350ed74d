"""Rigs on disk: scene folders with exact depth and the mesh, listed in a manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.io.meshes import read_mesh, write_mesh
from recon_cli.io.scenes import write_scene
from recon_cli.prepare.synth.individuals import write_individuals
from recon_cli.prepare.synth.rig import Rig, RigSpec, make_rig
from recon_cli.prepare.synth.rig_object import draw_object

CONTENTS = ("manifest.jsonl", "[0-9]*", "images", "masks", "depth", "cameras.json", "mesh.ply")
"""Names that a folder of rigs may have."""


def write_rig_samples(
    out: Path,
    spec: RigSpec,
    *,
    seed: int,
    count: int,
    mesh_path: Path | None = None,
    suffix: Literal["png", "jpg"] = "png",
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Make ``count`` rigs and list them in ``manifest.jsonl``.

    A single rig lies in the folder itself, several lie in numbered folders beside the manifest. Rig i of a seed is the same whatever
    the count.

    Args:
        out: the folder, which appears when it is whole.
        spec: cameras, material and sensor.
        seed: of all draws.
        count: number of rigs.
        mesh_path: what to photograph, y up, in another pattern each time; None makes a new object for each rig.
        suffix: "png" keeps every level of the pictures; "jpg" is small.
        overwrite: whether earlier samples may be replaced.
        progress: told the number of pictures taken and their total.

    Raises:
        UsageError: ``count`` is too small.
        InputError: the mesh cannot be read or photographed, or the folder cannot be made.
    """
    mesh = None if mesh_path is None else read_mesh(mesh_path, geometry_only=True)

    def write(index: int, folder: Path, place: str) -> dict[str, str]:
        rig = make_rig(_object(seed, index) if mesh is None else mesh, spec, seed=[seed, index], progress=_part(progress, index, count))
        _write_rig(folder, rig, suffix)
        return _record(f"rig-{seed}-{index:06d}", place)

    write_individuals(out, write, count=count, contents=CONTENTS, overwrite=overwrite)


def _object(seed: int, index: int) -> Mesh:
    return draw_object(np.random.default_rng([seed, index]))


def _part(progress: Callable[[int, int], None], index: int, count: int) -> Callable[[int, int], None]:
    return lambda done, views: progress(index * views + done, count * views)


def _write_rig(folder: Path, rig: Rig, suffix: Literal["png", "jpg"]) -> None:
    # The mesh tells the normals: no file for each view.
    write_scene(folder, rig.scene, suffix=suffix, depths=DepthMaps(rig.depths.cameras, rig.depths.depth))
    write_mesh(folder / "mesh.ply", rig.mesh)


def _record(name: str, place: str) -> dict[str, str]:
    paths = {"images": "images", "masks": "masks", "cameras": "cameras.json", "mesh": "mesh.ply", "depth": "depth"}
    return {"id": name, **{key: place + path for key, path in paths.items()}}

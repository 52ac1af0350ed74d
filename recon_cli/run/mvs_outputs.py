"""The results of a multi-view stereo run as files, and what is already there when a run goes on.

``out/depth``, ``out/normal`` and ``out/confidence`` hold the optimised maps of every view, ``out/filtered`` the depths that the other views
confirm; ``out/mesh.ply`` or ``out/points.ply`` is the surface. ``out/params.json`` says which scene it is of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.io.cameras import write_cameras
from recon_cli.io.depth_folders import write_depth_maps
from recon_cli.io.exr import write_depth
from recon_cli.io.images import write_image
from recon_cli.io.meshes import write_mesh
from recon_cli.io.points import write_points
from recon_cli.io.records import append_line, read_json, write_json
from recon_cli.run.pictures import colored_depth, with_depth_scale

CAMERAS, PARAMS, FILTERED = "cameras.json", "params.json", "filtered"
MESH, POINTS = "mesh.ply", "points.ply"
GROUPS = "groups.jsonl"

# The coloured picture of a map leaves out this share of the depths at either end, so that a few wrong ones do not take all the colours.
_TAIL = 0.01


@dataclass(frozen=True)
class FinishedViews:
    """Which views of a run are on the disk: a line of ``checkpoints/groups.jsonl`` for each group, written after its maps."""

    path: Path

    @classmethod
    def of(cls, checkpoints: Path) -> FinishedViews:
        """The list of a run whose checkpoints lie in that folder."""
        return cls(checkpoints / GROUPS)

    def add(self, names: Sequence[str]) -> None:
        """Note that the maps of these views are written."""
        append_line(self.path, {"views": list(names)})

    def names(self) -> set[str]:
        """Names of all finished views; a line that a crash cut short does not count."""
        import json

        found: set[str] = set()
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            try:
                found.update(json.loads(line)["views"])
            except (ValueError, KeyError, TypeError):
                continue
        return found


def write_maps(out: Path, maps: DepthMaps) -> None:
    """Depth, normal and confidence of some views as EXR, and the depth coloured as PNG with a scale."""
    write_depth_maps(out, maps)
    for name, depth in zip(maps.cameras.names, maps.depth, strict=True):
        write_colored_depth(out / "depth" / f"{name}.png", depth)


def write_colored_depth(path: Path, depth: Tensor) -> None:  # [H, W]
    """A picture of a depth map with its own scale."""
    depth = depth.cpu()
    near, far = depth_range([depth])
    colored = colored_depth(depth.numpy(), near=near, far=far)
    write_image(path, with_depth_scale(colored, near=near, far=far, unit="scene units"))


def depth_range(maps: Sequence[Tensor]) -> tuple[float, float]:
    """Depths [scene units] between which a picture of these maps shows colours; (0, 1) where they are empty."""
    seen = [depth[depth > 0] for depth in maps]
    values = torch.cat([part[:: max(1, len(part) // 20_000)] for part in seen]) if seen else torch.zeros(0)
    if not len(values):
        return 0.0, 1.0
    low, high = torch.quantile(values.double(), torch.tensor([_TAIL, 1 - _TAIL], dtype=torch.float64)).tolist()
    return low, high


def write_filtered(out: Path, maps: DepthMaps) -> None:
    """The depths that the filter kept, out/filtered/NAME.exr."""
    for name, depth in zip(maps.cameras.names, maps.depth, strict=True):
        write_depth(out / FILTERED / f"{name}.exr", depth)


def write_surface(path: Path | str, surface: Mesh | PointSet) -> None:
    """A mesh or a cloud as PLY, or to standard output for ``-``; colours have 8 bits, as viewers expect."""
    if surface.colors is not None:
        surface = replace(surface, colors=(surface.colors.clamp(0, 1) * 255).round() / 255)
    if isinstance(surface, Mesh):
        write_mesh(path, surface)
    else:
        write_points(path, surface)


def write_origin(out: Path, cameras: Cameras, params: dict[str, Any]) -> None:
    """Which views of which scene the maps belong to."""
    write_cameras(out / CAMERAS, cameras)
    write_json(out / PARAMS, params)


def read_params(run: Path) -> dict[str, Any]:
    """What ``write_origin`` wrote.

    Raises:
        InputError: the folder holds no multi-view stereo run.
    """
    path = run / "out" / PARAMS
    record = read_json(path) if path.exists() else None
    if not isinstance(record, dict) or not isinstance(record.get("scene"), str):
        raise InputError(
            "is no run of `recon mvs depth` or `recon mvs run`", path=run, hint="give such a run, or a scene folder with depth/"
        )
    return record

"""Scan 24 of the DTU data set, without the SRDF term (the default) and with it by each photo-consistency prior, side by side.

Run: python -m benchmarks.mvs_scan24 SCENE [--max-size 800] [--only PATTERN] [--keep DIR]

SCENE is made from the data set's cameras: `recon prepare cameras ../shared/data/dtu_scan24 -o SCENE --format idr`. The sparse tracks
measure the mesh and decide nothing. Five views are left out of a second run, and pictures are warped into them through its mesh.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from statistics import fmean

from benchmarks.timed_run import timed_run
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import face_areas
from recon_cli.core.scene import Scene
from recon_cli.io.depth_folders import read_depth_maps
from recon_cli.io.meshes import read_mesh
from recon_cli.io.points import read_points
from recon_cli.io.scenes import read_scene
from recon_cli.metrics.photometric import held_out_agreement
from recon_cli.metrics.point_to_surface import distance_to_surface, point_distances
from recon_cli.render.depth import mesh_depths
from recon_cli.systems.mvs.cleaning import view_counts

TRACKS = Path(__file__).parents[2] / "shared" / "data" / "dtu_scan24" / "tracks.ply"
EPOCH = "srdf.epochs=[{level: 0, offset: 0.5, samples: 7, steps: 5}]"
VARIANTS: dict[str, tuple[str, ...]] = {
    "default": (),
    "SRDF, median prior": (EPOCH, "srdf.prior=median"),
    "SRDF, patch prior": (EPOCH, "srdf.prior=patch"),
    "SRDF, learned prior": (EPOCH, "srdf.prior=learned"),
}
"""Overrides of the default recipe."""

HELD_OUT = 5
"""Views left out of the second run."""

COLUMNS = ("median mm", "< 1 mm", "< 2 mm", "seen by < 2 maps", "of the raw maps", "kept", "NCC", "covered", "s", "CPU s", "MB")


def main() -> None:
    given = _arguments()
    scene = read_scene(given.scene, max_size=given.max_size)
    left_out = [scene.cameras.names[round((place + 0.5) * len(scene) / HELD_OUT)] for place in range(HELD_OUT)]
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        keep = given.keep or Path(temporary)
        for name, overrides in VARIANTS.items():
            if not fnmatch(name, given.only):
                continue
            flags = [flag for text in [*overrides, *given.set] for flag in ("--set", text)] + ["--max-size", str(given.max_size)]
            flags += ["--device", given.device]
            rows[name] = _whole_run(given, scene, keep / name.replace(" ", "_").replace(",", ""), flags)
            if not given.without_held_out and rows[name]:
                rows[name] |= _held_out_run(given, scene, keep / f"{name} held out".replace(" ", "_").replace(",", ""), flags, left_out)
            print(f"{name}: {json.dumps(rows[name])}", file=sys.stderr, flush=True)
    print(f"views left out for the NCC: {', '.join(left_out)}\n")
    print(table(rows))
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


def _whole_run(given: argparse.Namespace, scene: Scene, out: Path, flags: Sequence[str]) -> dict[str, float]:
    """A run on all views: what the tracks, the depth maps and the clock say. Nothing where it failed."""
    cost = timed_run(given.scene, out, [*flags, "--overwrite", "--fresh"])
    if cost.code != 0:
        return {}
    mesh = read_mesh(out / "out" / "mesh.ply", geometry_only=True)
    found = point_distances(distance_to_surface(read_points(given.tracks).points, mesh), thresholds=[1.0, 2.0])
    raw = read_depth_maps(out / "out", scene.cameras)
    filtered = read_depth_maps(out / "out" / "filtered", scene.cameras)
    return {
        "median mm": found.median,
        "< 1 mm": found.within[1.0],
        "< 2 mm": found.within[2.0],
        "seen by < 2 maps": _lonely_area(mesh, filtered),
        "of the raw maps": _lonely_area(mesh, raw),
        "kept": _kept(scene, filtered),
        "s": cost.seconds,
        "CPU s": cost.cpu_seconds,
        "MB": cost.memory,
    }


def _held_out_run(given: argparse.Namespace, scene: Scene, out: Path, flags: Sequence[str], left_out: Sequence[str]) -> dict[str, float]:
    """A run without some views: how well its mesh explains them."""
    cost = timed_run(given.scene, out, [*flags, "--leave-out", ",".join(left_out), "--overwrite", "--fresh"])
    if cost.code != 0:
        return {}
    mesh = read_mesh(out / "out" / "mesh.ply", geometry_only=True)
    found = held_out_agreement(scene, mesh_depths(mesh, scene.cameras), [scene.cameras.names.index(name) for name in left_out])
    return {"NCC": fmean(view.ncc for view in found), "covered": fmean(view.covered for view in found)}


def _lonely_area(mesh: Mesh, maps: DepthMaps) -> float:
    """Share of the area that fewer than two depth maps see."""
    areas = face_areas(mesh.vertices, mesh.faces)
    return float(areas[view_counts(mesh, maps) < 2].sum() / areas.sum())


def _kept(scene: Scene, maps: DepthMaps) -> float:
    """Share of the object's pixels that have a believed depth."""
    masks = [scene.mask(view) for view in range(len(scene))]
    kept = sum(int(((depth > 0) & mask).sum()) for depth, mask in zip(maps.depth, masks, strict=True))
    return kept / sum(int(mask.sum()) for mask in masks)


def table(rows: Mapping[str, Mapping[str, float]]) -> str:
    """One line a variant, in markdown."""
    lines = ["| variant | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    for name, row in rows.items():
        cells = [(f"{row[key]:.0f}" if key in ("s", "CPU s", "MB") else f"{row[key]:.3f}") if key in row else "-" for key in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, help="scene folder")
    parser.add_argument("--tracks", type=Path, default=TRACKS, help="points that measure the mesh")
    parser.add_argument("--max-size", type=int, default=800, help="longest side of the pictures [px]")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="variants of these names")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the recipe in all variants")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--without-held-out", action="store_true", help="one run a variant, no NCC")
    parser.add_argument("--keep", type=Path, help="keep the run folders here")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
